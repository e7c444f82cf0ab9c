"""AbuseIPDB's blacklist: {"meta": {"generatedAt": ...}, "data": [{"ipAddress", "abuseConfidenceScore"}, ...]}.

An address of whose abuse its publisher is less than 75 % sure is left out, as it recommends for blocking; whoever wants
to be stricter asks for that in the URL (confidenceMinimum).
"""

from typing import Final

from p2pfw.formats.parsed import FormatError, Gathering, ParsedList, one_object, own_date
from p2pfw.formats.tokens import TokenError, read_token

MIN_SCORE: Final = 75
LESS_SURE: Final = f"confidence below {MIN_SCORE} %"
NO_ADDRESS: Final = "no ipAddress in it"
_SHAPE: Final = '{"meta": {...}, "data": [{"ipAddress": "203.0.113.9", "abuseConfidenceScore": 100}]}'


def parse(text: str) -> ParsedList:
    """The addresses. FormatError: another shape, or the publisher's own words about what is wrong."""
    document = one_object(text, _SHAPE)
    if "errors" in document:
        raise FormatError(f"its publisher says: {_detail(document['errors'])}", field="list", hint="look at key_file")
    data = document.get("data")
    if not isinstance(data, list):
        raise FormatError('there is no array "data" in it', field="list", hint=_SHAPE)
    gathering = Gathering()
    for number, one in enumerate(data, 1):
        _take(gathering, number, one if isinstance(one, dict) else {})
    meta = document.get("meta")
    return gathering.done(own_date(meta.get("generatedAt")) if isinstance(meta, dict) else 0)


def _take(gathering: Gathering, number: int, one: dict[str, object]) -> None:
    word, score = one.get("ipAddress"), one.get("abuseConfidenceScore", 100)
    if not isinstance(word, str) or not isinstance(score, int | float):
        gathering.skip(number, str(one), NO_ADDRESS)
        return
    if score < MIN_SCORE:
        gathering.leave_out(LESS_SURE)
        return
    try:
        gathering.take(read_token(word))
    except TokenError as error:
        gathering.skip(number, word, str(error))


def _detail(errors: object) -> str:
    first = errors[0] if isinstance(errors, list) and errors else errors
    return str(first.get("detail", first) if isinstance(first, dict) else first)[:120]
