"""What reading a list gives: the prefixes, and an account of everything that was left out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from p2pfw.core.prefix import PrefixKey
from p2pfw.errors import InputError

MOST_PROBLEMS: Final = 5
"""Named problems; the rest is only counted. A wrong file has one a line."""
MOST_SHOWN: Final = 60
"""Characters shown of what could not be read."""


class FormatError(InputError):
    """The list as a whole is not in the format that it was said to be in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that was left out. `line` counts lines, or elements of an array, from 1."""

    line: int
    text: str
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text!r}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedList:
    """Prefix keys, sorted and unique; what was left out by reason; the first few of that."""

    keys: tuple[PrefixKey, ...]
    skipped: Mapping[str, int]
    problems: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.keys)


class Gathering:
    """Takes what was read and what was not; `done` makes the value."""

    def __init__(self) -> None:
        self.keys: set[PrefixKey] = set()
        self._skipped: dict[str, int] = {}
        self._problems: list[Problem] = []

    def take(self, keys: Iterable[PrefixKey]) -> None:
        """Several prefixes, the parts of a range for instance."""
        self.keys.update(keys)

    def skip(self, line: int, text: str, reason: str) -> None:
        """Something that is no prefix."""
        self._skipped[reason] = self._skipped.get(reason, 0) + 1
        if len(self._problems) < MOST_PROBLEMS:
            self._problems.append(Problem(line=line, text=text[:MOST_SHOWN], reason=reason))

    def done(self) -> ParsedList:
        """The account, complete."""
        return ParsedList(keys=tuple(sorted(self.keys)), skipped=dict(self._skipped), problems=tuple(self._problems))
