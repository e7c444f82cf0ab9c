"""Formats for reading, by name: one table, so that CLI, API and feeds offer the same. For writing see writing."""

from collections.abc import Callable, Mapping
from typing import Final

from p2pfw.formats import abuseipdb, decisions, dshield, ipset, json, plain, spamhaus, warninglist
from p2pfw.formats.parsed import FormatError, ParsedList

FORMATS: Final[Mapping[str, Callable[[str], ParsedList]]] = {
    "plain": plain.parse,
    "json": json.parse,
    "ndjson": json.parse_lines,
    "ipset": ipset.parse,
    "spamhaus": spamhaus.parse,
    "dshield": dshield.parse,
    "abuseipdb": abuseipdb.parse,
    "crowdsec": decisions.parse,
    "warninglist": warninglist.parse,
}
"""What can be read."""
BLOCKLISTS: Final = tuple(name for name in FORMATS if name != "warninglist")
"""What can be read to be blocked."""
_BEGINNING: Final = 1_024
_PAGES: Final = ("<!doctype html", "<html", "<head")


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
    begin = text[:_BEGINNING].lstrip("\ufeff \t\r\n").lower()
    if begin.startswith(_PAGES):
        # An error or login page is also "200 OK", and may well have addresses on lines of their own.
        problem = f"it is a web page, not a list: it begins with {text.strip()[:40]!r}"
        raise FormatError(problem, field="list", hint="look at it in a browser: a login, an error, or another address")
    return reader(text)
