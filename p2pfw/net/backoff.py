"""How long to wait before calling again: decorrelated jitter (protocol 7), so that many callers spread out."""

from typing import Protocol


class Chance(Protocol):
    """Where randomness comes from: random.Random, seeded or the system's."""

    def uniform(self, a: float, b: float, /) -> float:
        """Between `a` and `b`."""
        ...


class Backoff:
    """Each delay lies between the first one and three times the one before, and never above the most (seconds)."""

    __slots__ = ("_chance", "_first", "_last", "_most")

    def __init__(self, chance: Chance, *, first: float, most: float) -> None:
        self._chance, self._first, self._most = chance, first, most
        self._last = first

    def next(self) -> float:
        """The delay before the next attempt."""
        self._last = min(self._most, self._chance.uniform(self._first, self._last * 3))
        return self._last

    def reset(self) -> None:
        """A call succeeded and lasted: start again from the first delay."""
        self._last = self._first
