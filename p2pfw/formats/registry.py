"""Formats by name: one table for reading, one for writing, so that CLI, API and feeds offer the same."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from p2pfw.formats import ipset, json, plain
from p2pfw.formats.parsed import FormatError, ParsedList


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One way of writing a list: lines from sorted keys, and what they are called on the web."""

    render: Callable[[Iterable[int]], Iterator[str]]
    content_type: str


FORMATS: Final[Mapping[str, Callable[[str], ParsedList]]] = {
    "plain": plain.parse,
    "json": json.parse,
    "ndjson": json.parse_lines,
    "ipset": ipset.parse,
}
"""What can be read."""
EXPORTS: Final[Mapping[str, Export]] = {
    "plain": Export(render=plain.render, content_type="text/plain; charset=utf-8"),
    "json": Export(render=json.render, content_type="application/json"),
    "ndjson": Export(render=json.render_lines, content_type="application/x-ndjson"),
    "ipset": Export(render=ipset.render, content_type="text/plain; charset=utf-8"),
}
"""What can be written."""


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


def render(keys: Iterable[int], format: str) -> Iterator[str]:  # noqa: A002
    """Lines of a list of sorted keys. FormatError for an unknown format, at once."""
    export = EXPORTS.get(format)
    if export is None:
        raise FormatError(f"{format[:40]!r} is no format", field="format", hint=f"one of {', '.join(EXPORTS)}")
    return export.render(keys)
