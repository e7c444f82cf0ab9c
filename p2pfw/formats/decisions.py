"""The decisions of a CrowdSec local API, as GET /v1/decisions/stream?startup=true gives them: all that hold now.

Bans of addresses and ranges only: a captcha is no block, and countries or user names are no addresses. How long each
lasts is not kept: what is lifted there is missing from the next answer.
"""

from typing import Final

from p2pfw.formats.parsed import FormatError, Gathering, ParsedList, one_object
from p2pfw.formats.tokens import TokenError, read_token

NOT_A_BAN: Final = "no ban"
OTHER_SCOPE: Final = "neither an address nor a range"
_SCOPES: Final = ("ip", "range")
_SHAPE: Final = '{"new": [{"scope": "Ip", "type": "ban", "value": "203.0.113.9"}], "deleted": null}'


def parse(text: str) -> ParsedList:
    """What is banned. FormatError: not what a local API answers."""
    document = one_object(text, _SHAPE)
    if "new" not in document:
        raise FormatError('there is no "new" in it', field="list", hint=_SHAPE)
    new = document["new"] or []
    if not isinstance(new, list):
        raise FormatError('"new" is no array', field="list", hint=_SHAPE)
    gathering = Gathering()
    for number, one in enumerate(new, 1):
        _take(gathering, number, one if isinstance(one, dict) else {})
    return gathering.done()


def _take(gathering: Gathering, number: int, one: dict[str, object]) -> None:
    kind, scope, word = (str(one.get(name, "")) for name in ("type", "scope", "value"))
    if kind.lower() != "ban":
        gathering.leave_out(NOT_A_BAN)
    elif scope.lower() not in _SCOPES:
        gathering.leave_out(OTHER_SCOPE)
    else:
        try:
            gathering.take(read_token(word))
        except TokenError as error:
            gathering.skip(number, word, str(error))
