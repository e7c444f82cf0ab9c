"""Formats for reading, by name: one table, so that CLI, API and feeds offer the same. For writing see writing."""

from collections.abc import Callable, Mapping
from typing import Final

from p2pfw.formats import ipset, json, plain
from p2pfw.formats.parsed import FormatError, ParsedList

FORMATS: Final[Mapping[str, Callable[[str], ParsedList]]] = {
    "plain": plain.parse,
    "json": json.parse,
    "ndjson": json.parse_lines,
    "ipset": ipset.parse,
}
"""What can be read."""


def parse_list(data: bytes, format: str) -> ParsedList:  # noqa: A002  (the API calls it so)
    """Prefixes and account of a whole list. FormatError: an unknown format, not UTF-8, or another shape altogether."""
    reader = FORMATS.get(format)
    if reader is None:
        raise FormatError(f"{format[:40]!r} is no format of lists", field="format", hint=f"one of {', '.join(FORMATS)}")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FormatError(f"line {line} is not UTF-8 text", field="list", hint="is the file compressed?") from None
    return reader(text)
