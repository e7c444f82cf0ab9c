"""Spamhaus DROP and its kin: one JSON object a line, and a last line that says how many there are.

That count is the only way to tell half a list from a whole one, so a list without it, or with another number, is none.
What the lines hold beside the prefix (who listed it and where) is not kept.
"""

import json
from typing import Final

from p2pfw.formats.parsed import FormatError, Gathering, ParsedList, own_date
from p2pfw.formats.tokens import TokenError, read_token

NO_CIDR: Final = "no cidr in it"
_SHAPE: Final = 'lines like {"cidr":"203.0.113.0/24","sblid":"SBL1","rir":"ripencc"}, and a last one of type metadata'


def parse(text: str) -> ParsedList:
    """Every line. FormatError: a line that is no object, no metadata, or not as many records as it says."""
    gathering, records, metadata = Gathering(), 0, None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        found = _object(number, line)
        if found.get("type") == "metadata":
            metadata = found
            continue
        records += 1
        _take(gathering, number, found.get("cidr"))
    _check(metadata, records)
    return gathering.done(own_date(metadata.get("timestamp")) if metadata else 0)


def _object(number: int, line: str) -> dict[str, object]:
    try:
        found: object = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise FormatError(f"line {number} is no JSON object: {line[:40]!r}", field="list", hint=_SHAPE)
    return found


def _take(gathering: Gathering, number: int, word: object) -> None:
    if not isinstance(word, str):
        gathering.skip(number, str(word), NO_CIDR)
        return
    try:
        gathering.take(read_token(word))
    except TokenError as error:
        gathering.skip(number, word, str(error))


def _check(metadata: dict[str, object] | None, records: int) -> None:
    if metadata is None:
        problem = f"its last line, which says how many entries there are, is missing after {records}: it was cut off"
        raise FormatError(problem, field="list", hint=_SHAPE)
    said = metadata.get("records")
    if said != records:
        problem = f"it has {records} entries, and its last line says {str(said)[:20]}: it was cut off"
        raise FormatError(problem, field="list", hint="fetch it again")
