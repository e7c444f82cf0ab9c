"""In which line of a TOML text each value stands.

The standard library parses TOML and forgets where it read what. This scanner walks a text that tomllib has accepted, so
it need not judge: it follows tables, dotted keys, inline tables and arrays, and writes down lines. Values are skipped,
not read. For a text that tomllib refuses its answer means nothing.
"""

import re
import tomllib
from typing import Final

Path = tuple[str | int, ...]
"""Keys and array places from the top: ("peer", 0, "trust_for", "mail")."""

# Longest first; a multi-line string may end in up to two quotes of its own.
_STRING: Final = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})|\'\'\'.*?\'\'\'(?:\'{0,2})|"(?:[^"\\]|\\.)*"|\'[^\']*\'',
    re.DOTALL,
)
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_PLAIN_VALUE: Final = re.compile(r"[^,\]}#\n]+")
_SPACE: Final = re.compile(r"[ \t]*")
_FILLING: Final = re.compile(r"(?:[ \t\n]|#[^\n]*)*")


def line_numbers(text: str) -> dict[Path, int]:
    """The line, from 1, where each key, table and array element begins; a table named twice: where it is first."""
    return _Scanner(text.replace("\r\n", "\n")).scan()


class _Scanner:
    """One walk over one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._counted = 0
        self._found: dict[Path, int] = {}
        self._lengths: dict[Path, int] = {}
        """How many tables each array of tables has so far."""

    def scan(self) -> dict[Path, int]:
        table: Path = ()
        while self._skip(_FILLING):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._found

    def _header(self) -> Path:
        line = self._here()
        array = self._text.startswith("[[", self._at)
        self._at += 2 if array else 1
        keys = self._keys()
        self._at += 2 if array else 1
        table = self._down((), keys[:-1], line)
        path = (*table, keys[-1])
        if array:
            self._note(path, line)
            self._lengths[path] = self._lengths.get(path, 0) + 1
        path = self._last(path)
        self._note(path, line)
        return path

    def _pair(self, table: Path) -> None:
        line = self._here()
        keys = self._keys()
        self._at += 1  # the equals sign
        path = (*self._down(table, keys[:-1], line), keys[-1])
        self._note(path, line)
        self._value(path)

    def _down(self, table: Path, keys: list[str], line: int) -> Path:
        """The table that keys lead to; those on the way exist from now on."""
        for key in keys:
            table = (*table, key)
            self._note(table, line)
            table = self._last(table)
        return table

    def _last(self, path: Path) -> Path:
        length = self._lengths.get(path)
        return path if length is None else (*path, length - 1)

    def _note(self, path: Path, line: int) -> None:
        self._found.setdefault(path, line)

    def _keys(self) -> list[str]:
        keys = [self._key()]
        while self._skip(_SPACE) and self._text[self._at] == ".":
            self._at += 1
            keys.append(self._key())
        return keys

    def _key(self) -> str:
        self._skip(_SPACE)
        bare = _BARE_KEY.match(self._text, self._at)
        if bare is not None:
            self._at = bare.end()
            return bare[0]
        quoted = self._string()
        return str(tomllib.loads(f"key = {quoted}")["key"])

    def _value(self, path: Path) -> None:
        self._skip(_SPACE)
        match self._text[self._at]:
            case '"' | "'":
                self._string()
            case "[":
                self._array(path)
            case "{":
                self._inline_table(path)
            case _:
                plain = _PLAIN_VALUE.match(self._text, self._at)
                self._at = plain.end() if plain else self._at + 1

    def _array(self, path: Path) -> None:
        self._at += 1
        place = 0
        while self._skip(_FILLING) and self._text[self._at] != "]":
            if self._text[self._at] == ",":
                self._at += 1
                continue
            self._note((*path, place), self._here())
            self._value((*path, place))
            place += 1
        self._at += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        while self._skip(_FILLING) and self._text[self._at] != "}":
            if self._text[self._at] == ",":
                self._at += 1
                continue
            self._pair(path)
        self._at += 1

    def _string(self) -> str:
        found = _STRING.match(self._text, self._at)
        if found is None:
            raise ValueError("not a TOML text")
        self._at = found.end()
        return found[0]

    def _skip(self, what: re.Pattern[str]) -> bool:
        """Past what may stand here; False at the end of the text."""
        found = what.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._at < len(self._text)

    def _here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line
