"""DShield's block list: columns with tabs between: first address, last address, prefix length, and more.

The three say the same thing in two ways. Where they disagree the line is left out: nobody knows which one is wrong.
"""

from typing import Final

from p2pfw.core.prefix import Prefix, parse_address
from p2pfw.core.ranges import span
from p2pfw.errors import InputError
from p2pfw.formats.parsed import Gathering, ParsedList
from p2pfw.formats.tokens import TokenError, read_token

NO_COLUMNS: Final = "not first address, last address and prefix length with tabs between"
DISAGREE: Final = "first address, last address and prefix length disagree"
_HEADING: Final = "start"


def parse(text: str) -> ParsedList:
    """Every line that is no comment and no heading."""
    gathering = Gathering()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#") or line.lower().startswith(_HEADING):
            continue
        columns = [column.strip() for column in line.split("\t")]
        if len(columns) < 3:
            gathering.skip(number, line, NO_COLUMNS)
            continue
        _take(gathering, number, *columns[:3])
    return gathering.done()


def _take(gathering: Gathering, number: int, first: str, last: str, length: str) -> None:
    word = f"{first}/{length}"
    try:
        (key,) = read_token(word)
        end = Prefix.of(*parse_address(last), parse_address(last)[0].bits).key
    except (TokenError, InputError, ValueError) as error:
        gathering.skip(number, word, str(error) if isinstance(error, TokenError) else NO_COLUMNS)
        return
    if span(key)[1] != span(end)[1]:
        gathering.skip(number, f"{first} {last} {length}", DISAGREE)
    else:
        gathering.take((key,))
