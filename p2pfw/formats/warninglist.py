"""MISP warning lists: {"name", "type": "cidr", "list": [...]}: addresses that are nobody's enemy. For the whitelist.

Only lists of addresses are read; those of host names and patterns are refused, because none of them can be kept out of
a set of addresses.
"""

from typing import Final

from p2pfw.formats.parsed import FormatError, Gathering, ParsedList, one_object
from p2pfw.formats.tokens import TokenError, read_token

MOST: Final = 20_000
"""Entries: a whitelist is asked before every verdict, and in the kernel before every block."""
_TYPES: Final = ("cidr", "string")
_SHAPE: Final = '{"type": "cidr", "list": ["203.0.113.0/24"]}'


def parse(text: str) -> ParsedList:
    """The list. FormatError: another shape, another type of list, or too many entries."""
    document = one_object(text, _SHAPE)
    kind, found = document.get("type"), document.get("list")
    if kind not in _TYPES:
        raise FormatError(f"a warning list of type {str(kind)[:20]!r} holds no addresses", field="list", hint=_SHAPE)
    if not isinstance(found, list):
        raise FormatError('there is no array "list" in it', field="list", hint=_SHAPE)
    if len(found) > MOST:
        raise FormatError(f"it has {len(found)} entries; a whitelist may have {MOST}", field="list")
    gathering = Gathering()
    for number, word in enumerate(found, 1):
        try:
            gathering.take(read_token(str(word).strip()))
        except TokenError as error:
            gathering.skip(number, str(word), str(error))
    return gathering.done()
