"""Adopted prefixes in memory with a real journal: implements operations.BouncerOperations."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from p2pfw.core.journal import Journal
from p2pfw.core.prefix import Prefix, PrefixKey, covers
from p2pfw.core.records import Category
from p2pfw.operations import Followed


@dataclass(slots=True)
class FakeBouncing:
    """What is blocked changes by `block` and `end`."""

    wall: float = 1_800_000_000.0
    journal: Journal = field(default_factory=Journal)
    blocked: dict[PrefixKey, tuple[int, int]] = field(default_factory=dict)
    walks: int = 0

    def block(self, text: str, seconds: int = 3_600, category: Category = Category.SSH) -> None:
        """For so many seconds from now; 0: for ever."""
        key = Prefix.parse(text).key
        self.journal.note(key, was=key in self.blocked)
        self.blocked[key] = int(self.wall) + seconds if seconds else 0, int(category)

    def end(self, text: str) -> None:
        key = Prefix.parse(text).key
        self.journal.note(key, was=True)
        del self.blocked[key]

    def now(self) -> float:
        return self.wall

    @property
    def position(self) -> int:
        return self.journal.last

    def knows(self, position: int) -> bool:
        return self.journal.knows(position)

    def changes(self, position: int, most: int) -> list[tuple[PrefixKey, bool]]:
        return list(self.journal.after(position, most))

    def row(self, key: PrefixKey) -> Followed | None:
        found = self.blocked.get(key)
        return None if found is None else (key, *found)

    def rows(self) -> Iterator[Followed]:
        self.walks += 1
        for key in list(self.blocked):
            row = self.row(key)
            if row is not None:
                yield row

    def covering(self, key: PrefixKey) -> list[Followed]:
        found = [(one, *said) for one, said in self.blocked.items() if covers(one, key)]
        return sorted(found, key=lambda row: row[0] & 0xFF, reverse=True)
