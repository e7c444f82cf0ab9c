"""What `ipset restore` reads and `ipset save` writes, for hash:net sets without options of ours.

Written for people who feed other machines; our own enforcer makes its lines itself (p2pfw/firewall). A set is made,
then filled; an existing set of that name is kept, so restoring twice is no error.
"""

from typing import Final

from p2pfw.formats.parsed import Gathering, ParsedList
from p2pfw.formats.tokens import TokenError, read_token

SET_NAMES: Final = ("p2pfw-export4", "p2pfw-export6")
"""Never the names of the enforcer's own sets: restoring an export must not change what the node enforces."""
NOT_A_LINE: Final = "not a line of ipset"
_IGNORED: Final = frozenset({"create", "-N", "flush", "-F", "COMMIT", "swap", "destroy"})
_ADDS: Final = frozenset({"add", "-A"})


def parse(text: str) -> ParsedList:
    """The members of all sets in the file; `nomatch` members are exceptions and left out."""
    gathering = Gathering()
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words or words[0] in _IGNORED:
            continue
        if words[0] not in _ADDS or len(words) < 3:
            gathering.skip(number, line, NOT_A_LINE)
        elif "nomatch" in words[3:]:
            gathering.skip(number, line, "an exception (nomatch)")
        else:
            _take(gathering, number, words[2])
    return gathering.done()


def _take(gathering: Gathering, number: int, word: str) -> None:
    try:
        gathering.take(read_token(word))
    except TokenError as error:
        gathering.skip(number, word, str(error))
