"""One prefix a line: what most publishers mean by a blocklist (FireHOL, blocklist.de, Tor, CINS, fail2ban logs).

Everything from # or ; on is a comment; of the rest the first word counts. `first - last` with spaces is one range.
"""

import re
from typing import Final

from p2pfw.core.prefix import is_v6, key_length, key_text
from p2pfw.formats.parsed import Gathering, ParsedList
from p2pfw.formats.tokens import TokenError, read_host, read_token

_SPACED_RANGE: Final = re.compile(r"\s+-\s+")
_BOM: Final = "\ufeff"


def parse(text: str) -> ParsedList:
    """Every line; a line that is no prefix is left out and accounted for."""
    gathering = Gathering()
    add = gathering.keys.add
    for number, line in enumerate(text.removeprefix(_BOM).splitlines(), 1):
        host = read_host(line)
        if host is not None:
            add(host)
        elif words := _words(line):
            try:
                gathering.take(read_token(words[0]))
            except TokenError as error:
                gathering.skip(number, words[0], str(error))
    return gathering.done()


def short_text(key: int) -> str:
    """As people and other programs write it: a host without its length."""
    text = key_text(key)
    return text.partition("/")[0] if key_length(key) == (128 if is_v6(key) else 32) else text


def _words(line: str) -> list[str]:
    line = line.partition("#")[0].partition(";")[0]
    if " - " in line:
        line = _SPACED_RANGE.sub("-", line, count=1)
    return line.split(None, 1)
