"""What bouncers follow: the adopted prefixes, and which of them changed since a number.

Reads only, from memory. How it is told is web's and formats' business.
"""

from collections.abc import Iterator

from p2pfw.app.domain import Domain
from p2pfw.core.prefix import PrefixKey
from p2pfw.operations import Followed


class Bouncing:
    """Implements operations.BouncerOperations."""

    def __init__(self, domain: Domain) -> None:
        self._domain, self._journal = domain, domain.adoption.journal

    def now(self) -> float:
        """See operations."""
        return self._domain.now()

    @property
    def position(self) -> int:
        """See operations."""
        return self._journal.last

    def knows(self, position: int) -> bool:
        """See operations."""
        return self._journal.knows(position)

    def changes(self, position: int, most: int) -> list[tuple[PrefixKey, bool]]:
        """See operations."""
        return list(self._journal.after(position, most))

    def row(self, key: PrefixKey) -> Followed | None:
        """See operations."""
        until = self._domain.adoption.until(key)
        return None if until is None else (key, until, self._domain.category_of(key))

    def rows(self) -> Iterator[Followed]:
        """See operations."""
        for key, until in self._domain.adoption.adopted():
            yield key, until, self._domain.category_of(key)

    def covering(self, key: PrefixKey) -> list[Followed]:
        """See operations."""
        found = self._domain.adoption.covering(key)
        return [(one, word.until or 0, self._domain.category_of(one)) for one, word in found]
