"""Does a prefix touch any of many others, in either direction? One bisection answers.

Prefixes nest or are disjoint, so the outermost ones are disjoint intervals on one number line (IPv4 addresses first,
IPv6 from 2**128 on: a key without its length). They are kept sorted as entries come and go; a prefix touches the set
exactly when it touches the last interval that begins at or before its own end. Naming the entry is a second step,
taken only on a hit.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from typing import Final, Generic, TypeVar

from p2pfw.core.prefix import PrefixKey
from p2pfw.core.prefixmap import PrefixMap

T = TypeVar("T")

_V6_FROM: Final = 1 << 136
_HOSTS: Final = (
    tuple((1 << 32 - length) - 1 for length in range(33)),
    tuple((1 << 128 - length) - 1 for length in range(129)),
)


def span(key: int) -> tuple[int, int]:
    """First and last address of a prefix on the common line, inclusive."""
    first = key >> 8
    return first, first | _HOSTS[key >= _V6_FROM][key & 0xFF]


def is_canonical(key: int) -> bool:
    """True for a key that core.prefix could have made: a length its family has, and no host bit set."""
    if key >= _V6_FROM:
        return key < _V6_FROM << 1 and key & 0xFF <= 128 and not key >> 8 & _HOSTS[1][key & 0xFF]
    return 0 <= key < 1 << 40 and key & 0xFF <= 32 and not key >> 8 & _HOSTS[0][key & 0xFF]


class OverlapMap(Generic[T]):
    """Map from prefixes to values that finds overlaps both ways: what covers a prefix, and what lies within it."""

    __slots__ = ("_ends", "_keys", "_map", "_starts")

    def __init__(self) -> None:
        self._map: PrefixMap[T] = PrefixMap()
        self._keys: list[PrefixKey] = []
        # The outermost prefixes as disjoint intervals; the first pair is a sentinel that nothing touches.
        self._starts: list[int] = [-1]
        self._ends: list[int] = [-1]

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, key: int) -> T | None:
        """The value of exactly this prefix, or None."""
        return self._map.get(key)

    def __getitem__(self, key: PrefixKey) -> T:
        return self._map[key]

    def items(self) -> Iterator[tuple[PrefixKey, T]]:
        """(key, value) in the order of keys."""
        return ((key, self._map[key]) for key in self._keys)

    def set(self, key: PrefixKey, value: T) -> None:
        """Insert or replace."""
        if key not in self._map:
            insort(self._keys, key)
            self._cover(key)
        self._map.set(key, value)

    def delete(self, key: PrefixKey) -> T | None:
        """Remove exactly this prefix; its value, or None when it was not there."""
        if key not in self._map:
            return None
        del self._keys[bisect_left(self._keys, key)]
        self._uncover(key)
        return self._map.delete(key)

    def touches(self, first: int, last: int) -> bool:
        """True when an entry shares an address with the span (see `span`)."""
        return self._ends[bisect_right(self._starts, last) - 1] >= first

    def overlapping(self, key: int) -> Iterator[tuple[PrefixKey, T]]:
        """Every entry that shares an address with `key`: those that cover it, longest first, then those within it."""
        if not self.touches(*span(key)):
            return
        yield from self._map.covering(key)
        for inner in self._inside(key):
            yield inner, self._map[inner]

    def _inside(self, key: int) -> list[PrefixKey]:
        """Entries strictly within `key`: neighbours in the sorted list, for what begins inside ends inside."""
        last = span(key)[1]
        begin = bisect_right(self._keys, key)
        end = bisect_right(self._keys, last << 8 | 0xFF)
        return self._keys[begin:end]

    def _cover(self, key: PrefixKey) -> None:
        first, last = span(key)
        at = bisect_right(self._starts, first) - 1
        if self._ends[at] >= last:
            return
        begin, end = bisect_left(self._starts, first), bisect_right(self._starts, last)
        self._starts[begin:end] = [first]
        self._ends[begin:end] = [last]

    def _uncover(self, key: PrefixKey) -> None:
        first, last = span(key)
        at = bisect_left(self._starts, first)
        if at == len(self._starts) or (self._starts[at], self._ends[at]) != (first, last):
            return
        del self._starts[at], self._ends[at]
        for inner in self._inside(key):
            self._cover(inner)
