"""JSON: an array of strings, or of objects with "prefix" (what our own API gives), or one such object a line."""

import json
from collections.abc import Iterable
from typing import Final

from p2pfw.formats.parsed import FormatError, Gathering, ParsedList
from p2pfw.formats.tokens import TokenError, read_token

NO_PREFIX: Final = "no prefix in it"
_NAMES: Final = ("prefix", "ip", "cidr", "value")
"""Where an object may carry it: ours first, then what blocklist publishers and CrowdSec call it."""


def parse(text: str) -> ParsedList:
    """An array; FormatError when it is none."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"not JSON: {error}", field="list") from None
    if isinstance(document, dict):
        # Our own listing, and the usual wrapper of others: {"entries": [...]}.
        document = next((value for value in document.values() if isinstance(value, list)), None)
    if not isinstance(document, list):
        raise FormatError("not a JSON array of prefixes", field="list", hint='like ["203.0.113.9", "198.51.100.0/24"]')
    return _gather(enumerate(document, 1))


def parse_lines(text: str) -> ParsedList:
    """One string or object a line. A line that is no JSON spoils the list: half of one is worse than none."""
    return _gather((number, _line(number, line)) for number, line in enumerate(text.splitlines(), 1) if line.strip())


def _line(number: int, line: str) -> object:
    try:
        found: object = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"line {number} is not JSON: {error}", field="list") from None
    return found


def _gather(elements: Iterable[tuple[int, object]]) -> ParsedList:
    gathering = Gathering()
    for number, element in elements:
        word = _word(element)
        if word is None:
            gathering.skip(number, str(element), NO_PREFIX)
            continue
        try:
            gathering.take(read_token(word.strip()))
        except TokenError as error:
            gathering.skip(number, word, str(error))
    return gathering.done()


def _word(element: object) -> str | None:
    if isinstance(element, dict):
        element = next((element[name] for name in _NAMES if name in element), None)
    return element if isinstance(element, str) else None
