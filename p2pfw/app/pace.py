"""Long work in short steps: whoever walks through much data lets the loop turn whenever 5 ms have passed.

By the clock, not by a count: what takes 5 ms on a quiet machine takes 50 on a busy one, and the loop's other work (a
block from a peer, a client's question) must not wait for that.
"""

import asyncio
from typing import Final

from p2pfw.ports import Clock

STEP: Final = 0.005
"""Seconds of work between two turns of the loop; a tenth of the stall that is acceptable."""
STRIDE: Final = 64
"""Items between two looks at the clock, for work that takes microseconds an item."""


class Pace:
    """Call `step` after each item, or `turn` after each stride of items."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = clock.monotonic()
        self._items = 0

    @property
    def is_due(self) -> bool:
        """True when the loop should turn."""
        return self._clock.monotonic() - self._since >= STEP

    async def turn(self) -> None:
        """Let the loop turn if it is time."""
        if self.is_due:
            await asyncio.sleep(0)
            self._since = self._clock.monotonic()

    async def step(self) -> None:
        """One item is done."""
        self._items += 1
        if not self._items % STRIDE:
            await self.turn()
