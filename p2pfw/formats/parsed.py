"""What reading a list gives: the prefixes, and an account of everything that was left out."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
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
    date: int = 0
    """Unix second that the list says it is of; 0 when it says none."""

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

    def leave_out(self, reason: str) -> None:
        """Something that is well-formed and not meant: counted, and no problem."""
        self._skipped[reason] = self._skipped.get(reason, 0) + 1

    def done(self, date: int = 0) -> ParsedList:
        """The account, complete."""
        return ParsedList(
            keys=tuple(sorted(self.keys)), skipped=dict(self._skipped), problems=tuple(self._problems), date=date
        )


def one_object(text: str, shape: str) -> dict[str, object]:
    """A list that is one JSON object; FormatError says `shape` when it is not."""
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"not JSON: {error}"[:200], field="list", hint=shape) from None
    if not isinstance(found, dict):
        raise FormatError("not a JSON object", field="list", hint=shape)
    return found


def own_date(value: object) -> int:
    """Unix seconds from what lists write as their date, a number or ISO 8601; 0 when it is none."""
    try:
        if isinstance(value, str):
            when = datetime.fromisoformat(value)
            return max(0, int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()))
        return max(0, int(value)) if isinstance(value, int | float) else 0
    except (ValueError, OverflowError):
        return 0
