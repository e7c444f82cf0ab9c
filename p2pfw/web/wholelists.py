"""The whole list as bouncers take it at their start: rendered once, and shared by all who take it at the same time.

A hundred bouncers that start at once cost one list in memory. What is shared is everything but the durations: those
are filled in a piece at a time, when the piece is sent. At most LIVE lists exist; when more would be needed, because
an older one is still on its way to somebody slow, the newest is sent again: what changed since it was made is in the
client's next answer, because its cursor stands where the list began.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final
from weakref import WeakSet

from p2pfw.formats.crowdsec import EVERYTHING, Piece, Wish
from p2pfw.operations import BouncerOperations, Followed

ROWS: Final = 250
"""Decisions in a piece: about 2 ms to render, 50 KB to send."""
LIVE: Final = 2
"""Lists in memory; one of 300,000 decisions has about 60 MB."""
KEPT_SECONDS: Final = 30.0
"""A list that nobody asked for again is forgotten."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class WholeList:
    """All decisions as they were while it was made, between two numbers of changes."""

    pieces: tuple[Piece, ...]
    begun: int
    done: int


class WholeLists:
    """Makes one at a time, and keeps the newest for a while."""

    def __init__(self, bouncing: BouncerOperations) -> None:
        self._bouncing = bouncing
        self._making = asyncio.Lock()
        self._kept: WholeList | None = None
        self._live: WeakSet[WholeList] = WeakSet()
        self._forgetting: asyncio.TimerHandle | None = None

    async def get(self) -> WholeList:
        """All that is adopted now, or a moment ago."""
        wanted = self._bouncing.position
        async with self._making:
            kept = self._kept
            if kept is None or (kept.begun < wanted and len(self._live) < LIVE):
                kept = self._kept = await self._make()
                self._live.add(kept)
            self._forget_later()
            return kept

    async def _make(self) -> WholeList:
        begun = self._bouncing.position
        rows, pieces = matching(self._bouncing.rows(), EVERYTHING), []
        ends: dict[int, int] = {}
        while part := list(islice(rows, ROWS)):
            # ends repeat: one object for all of an imported list
            pieces.append(Piece.of([(key, ends.setdefault(end, end), category) for key, end, category in part]))
            await asyncio.sleep(0)
        return WholeList(tuple(pieces), begun, self._bouncing.position)

    def _forget_later(self) -> None:
        if self._forgetting is not None:
            self._forgetting.cancel()
        self._forgetting = asyncio.get_running_loop().call_later(KEPT_SECONDS, self._forget)

    def _forget(self) -> None:
        self._kept = self._forgetting = None


def matching(rows: Iterator[Followed], wish: Wish) -> Iterator[Followed]:
    """Of these, what a bouncer wants."""
    return (row for row in rows if wish.takes(row[0]) and wish.takes_scenario(row[2]))
