"""What changed among the adopted prefixes, in order: for those who follow the list and ask what is new.

A change takes its number in the same step in which it happens, so that nobody who asks by number can miss one; by
time, two changes of one instant can fall on both sides of a question. Keeps which prefix changed and whether it was
adopted before, not what it became: that is asked of the adoption, which knows best. Bounded; a number that is older
than what is kept is answered by the whole list.
"""

from collections.abc import Iterator
from typing import Final

from p2pfw.core.prefix import PrefixKey

LIMIT: Final = 1 << 20
"""Changes that are kept: as many as a set of the kernel has room for, so that even an exchange of all of it fits."""


class Journal:
    """Numbered changes. Holds the table's own key objects: nine bytes a change while the prefix is there."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._keys: list[PrefixKey] = []
        self._was = bytearray()
        self.first = 0
        """The number from which on all is known: of the last change that was forgotten."""

    @property
    def last(self) -> int:
        """The number of the newest change; 0 before the first."""
        return self.first + len(self._keys)

    def note(self, key: PrefixKey, *, was: bool) -> None:
        """This prefix changed. `was`: it had been adopted before."""
        if len(self._keys) >= self._limit:
            self._forget(max(1, self._limit >> 3))
        self._keys.append(key)
        self._was.append(was)

    def knows(self, number: int) -> bool:
        """True when everything after this number is still there."""
        return self.first <= number <= self.last

    def after(self, number: int, most: int) -> Iterator[tuple[PrefixKey, bool]]:
        """Up to `most` changes that follow this number, oldest first: (prefix, whether it was adopted before)."""
        begin = number - self.first
        part = slice(begin, begin + most)
        return ((key, bool(was)) for key, was in zip(self._keys[part], self._was[part], strict=True))

    def _forget(self, count: int) -> None:
        """The oldest; an eighth at a time, because it moves all that stay."""
        del self._keys[:count]
        del self._was[:count]
        self.first += count
