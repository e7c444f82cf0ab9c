"""Counts of what was refused, and why, and how long things took: the numbers that `status` and metrics show.

Bounded by the words that errors carry, and cheap: one count or one search in a short tuple where something happens.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from p2pfw.operations import Distribution

MAX_REASONS: Final = 200
"""Reasons are words of ours, so this is never reached by a peer; it keeps a mistake from growing without end."""
MAX_STRANGERS: Final = 200
"""Origins that are shown although nobody here carries them (protocol, Whom a node carries)."""


class Refusals:
    """How often each reason was met since the start."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._strangers: dict[bytes, None] = {}

    def add(self, reason: str, count: int = 1) -> None:
        """Count one more; a new reason beyond the bound counts as "other"."""
        known = reason in self._counts or len(self._counts) < MAX_REASONS
        self._counts[reason if known else "other"] += count

    def add_stranger(self, origin: bytes) -> None:
        """An origin that is not carried; beyond the bound the one that was quiet longest gives way."""
        self._strangers.pop(origin, None)
        self._strangers[origin] = None
        if len(self._strangers) > MAX_STRANGERS:
            del self._strangers[next(iter(self._strangers))]

    def strangers(self) -> list[bytes]:
        """Origins that are not carried, the last one heard first. What they sent was not verified: anybody's words."""
        return list(reversed(self._strangers))

    def __getitem__(self, reason: str) -> int:
        return self._counts[reason]

    def snapshot(self) -> dict[str, int]:
        """Reason → count, most frequent first."""
        return dict(self._counts.most_common())


class Histogram:
    """How many of what was measured were at most so large, for each bound."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        """One more measurement; clocks of others may be ahead, so nothing is less than 0."""
        value = max(0.0, value)
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def snapshot(self) -> Distribution:
        """As it stands."""
        return Distribution(bounds=self._bounds, counts=tuple(accumulate(self._counts)), total=self._sum)


PROPAGATION: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0)
"""Seconds from the origin's stamp to this ledger. Above a minute it is what was caught up with, not gossip."""
SYNC: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
"""Seconds from a verdict to the kernel."""


class SyncTimes:
    """From the first change that waits for the kernel until the kernel has it; through failures and repairs."""

    def __init__(self) -> None:
        self.taken = Histogram(SYNC)
        self.failures = 0
        self._since: float | None = None

    def waits(self, now: float) -> None:
        """A change waits, from a monotonic time on, unless one does already."""
        if self._since is None:
            self._since = now

    def done(self, now: float) -> None:
        """The kernel has all that waited."""
        if self._since is not None:
            self.taken.add(now - self._since)
            self._since = None

    def dropped(self) -> None:
        """Nothing waits any more: the kernel is wanted for nothing."""
        self._since = None
