"""From prefixes to values, with longest match: one dictionary, and the lengths that occur in it.

A look-up tries the covering prefix of each length that is present, longest first; real lists hold a handful of
lengths, so that is a few dictionary probes. Needs no memory beyond the dictionary (a tree would take an object a
prefix). Knows nothing of what the values mean.
"""

from bisect import insort
from collections.abc import Iterator
from typing import Final, Generic, TypeVar

from p2pfw.core.prefix import PrefixKey, covers

T = TypeVar("T")

_V6_FROM: Final = 1 << 136


class PrefixMap(Generic[T]):
    """Mutable map from prefix keys to values. Keys must be canonical (core.prefix makes no others)."""

    __slots__ = ("_counts", "_drops", "_values")

    def __init__(self) -> None:
        self._values: dict[PrefixKey, T] = {}
        # By family: how many keys have a length; and, longest first, (bits to drop from a key, length).
        self._counts: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._drops: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: int) -> bool:
        return key in self._values

    def __getitem__(self, key: PrefixKey) -> T:
        return self._values[key]

    def __iter__(self) -> Iterator[PrefixKey]:
        """Keys, oldest first. As with a dictionary, the map must not change meanwhile."""
        return iter(self._values)

    def items(self) -> Iterator[tuple[PrefixKey, T]]:
        """(key, value), oldest first."""
        return iter(self._values.items())

    def get(self, key: int) -> T | None:
        """The value of exactly this prefix, or None."""
        return self._values.get(key)  # type: ignore[call-overload, no-any-return]  # an int that is no key is not there

    def set(self, key: PrefixKey, value: T) -> None:
        """Insert or replace."""
        if key not in self._values:
            self._count(key)
        self._values[key] = value

    def delete(self, key: int) -> T | None:
        """Remove exactly this prefix; its value, or None when it was not there."""
        if key not in self._values:
            return None
        self._uncount(key)
        return self._values.pop(PrefixKey(key))

    def longest(self, key: int) -> tuple[PrefixKey, T] | None:
        """The longest prefix that covers `key` (itself included), with its value."""
        values = self._values
        length = key & 0xFF
        for drop, candidate in self._drops[key >= _V6_FROM]:
            if candidate <= length:
                found = key >> drop << drop | candidate
                if found in values:
                    return PrefixKey(found), values[PrefixKey(found)]
        return None

    def covering(self, key: int) -> Iterator[tuple[PrefixKey, T]]:
        """Every prefix that covers `key` (itself included), longest first."""
        length = key & 0xFF
        for drop, candidate in self._drops[key >= _V6_FROM]:
            found = PrefixKey(key >> drop << drop | candidate)
            if candidate <= length and found in self._values:
                yield found, self._values[found]

    def inside(self, key: int) -> Iterator[tuple[PrefixKey, T]]:
        """Every prefix that lies within `key`, itself excluded. Reads the whole map."""
        return ((other, value) for other, value in self._values.items() if other != key and covers(key, other))

    def overlapping(self, key: int) -> Iterator[tuple[PrefixKey, T]]:
        """Every prefix that shares an address with `key`. Reads the whole map."""
        yield from self.covering(key)
        yield from self.inside(key)

    def _count(self, key: int) -> None:
        is_v6, length = key >= _V6_FROM, key & 0xFF
        counts = self._counts[is_v6]
        if length not in counts:
            bits = 128 if is_v6 else 32
            insort(self._drops[is_v6], (bits - length + 8, length))
        counts[length] = counts.get(length, 0) + 1

    def _uncount(self, key: int) -> None:
        is_v6, length = key >= _V6_FROM, key & 0xFF
        counts = self._counts[is_v6]
        counts[length] -= 1
        if not counts[length]:
            del counts[length]
            self._drops[is_v6][:] = [pair for pair in self._drops[is_v6] if pair[1] != length]
