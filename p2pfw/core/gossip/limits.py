"""How much a peer may send unasked (protocol 6): token buckets, one set a peer and one for all peers together.

What was asked for is limited by its window instead (wants). Un-blocking must not drown in a flood of blocks: there is
a small reserve for it. A sender keeps itself below the same limits, at `COURTESY` of them, so that honest nodes never
meet a refusal. Says yes or no; what follows from a no is broadcast's and swarm's. Times are monotonic seconds.
"""

from dataclasses import dataclass
from typing import Final

COURTESY: Final = 0.9
"""The part of a limit that a sender uses itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one peer may send unasked, a second and in a burst. Stated in REFUSE; both sides keep them."""

    bytes_rate: float = 200_000
    bytes_burst: float = 1_000_000
    announcements_rate: float = 50
    announcements_burst: float = 500
    ids_rate: float = 200
    ids_burst: float = 5_000
    frames_rate: float = 200
    """Frames that are neither PUSH nor IHAVE."""
    frames_burst: float = 2_000
    reserve_rate: float = 20
    """Announcements that retract, revoke, pardon or checkpoint, once the rest is used up."""
    reserve_burst: float = 100

    def times(self, factor: float) -> "Limits":
        """The same limits, so many times larger."""
        return Limits(**{name: getattr(self, name) * factor for name in self.__slots__})


@dataclass(slots=True)
class Bucket:
    """Fills at `rate` a second up to `burst`; starts full."""

    rate: float
    burst: float
    level: float
    at: float

    @classmethod
    def full(cls, rate: float, burst: float, now: float) -> "Bucket":
        """A bucket that nothing was taken from yet."""
        return cls(rate, burst, burst, now)

    def has(self, amount: float, now: float) -> bool:
        """True when so much can be taken now."""
        self.level = min(self.burst, self.level + max(0.0, now - self.at) * self.rate)
        self.at = now
        return self.level >= amount

    def take(self, amount: float, now: float) -> bool:
        """Take so much, or nothing and False."""
        if not self.has(amount, now):
            return False
        self.level -= amount
        return True


class Allowance:
    """The buckets of one peer, or of all together."""

    __slots__ = ("_announcements", "_bytes", "_frames", "_ids", "_reserve")

    def __init__(self, limits: Limits, now: float) -> None:
        self._bytes = Bucket.full(limits.bytes_rate, limits.bytes_burst, now)
        self._announcements = Bucket.full(limits.announcements_rate, limits.announcements_burst, now)
        self._ids = Bucket.full(limits.ids_rate, limits.ids_burst, now)
        self._frames = Bucket.full(limits.frames_rate, limits.frames_burst, now)
        self._reserve = Bucket.full(limits.reserve_rate, limits.reserve_burst, now)

    def push(self, size: int, now: float) -> bool:
        """True when an announcement of `size` bytes may come (or go) unasked: takes it."""
        if not (self._bytes.has(size, now) and self._announcements.take(1, now)):
            return False
        return self._bytes.take(size, now)

    def reserve(self, now: float) -> bool:
        """True when an announcement that takes something back may come although `push` said no."""
        return self._reserve.take(1, now)

    def ids(self, count: int, now: float) -> bool:
        """True when so many ids may be announced."""
        return self._ids.take(count, now)

    def frame(self, now: float) -> bool:
        """True when a frame of another kind may come."""
        return self._frames.take(1, now)
