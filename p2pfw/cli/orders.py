"""What a line of a detector's stream asks for: plain addresses, or the language of sshguard's backends.

Pure: bytes in, orders out. A line that asks for nothing that can be done is an InputError for whoever reads on; what
becomes of an order is streaming's business.
"""

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Final, NamedTuple

from p2pfw.core.prefix import Prefix, key_text, truncate
from p2pfw.errors import InputError

MAX_LINE: Final = 4_096
"""Bytes of a line; a log line that is longer is no address either."""
_COMMENTS: Final = ("#", ";")


class Verb(Enum):
    """What is to be done."""

    BLOCK = "block"
    RENEW = "renew"
    """Say again what was blocked and not released; nothing new was seen."""
    RELEASE = "release"
    FLUSH = "flush"
    """Release all that this stream blocked."""


class Order(NamedTuple):
    """One line. `prefix` is canonical, "" for FLUSH."""

    verb: Verb
    prefix: str
    line: int


Language = Callable[[str, int], Order | None]


class Lines:
    """Whole lines out of pieces, with their numbers. A line that is too long comes as None."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False
        self._number = 0

    def feed(self, piece: bytes) -> Iterator[tuple[int, str | None]]:
        """The lines that this piece completes; an empty piece is the end, which completes the last one."""
        *whole, self._rest = (self._rest + piece).split(b"\n") if piece else (self._rest, b"")
        for line in whole:
            if piece or line or self._skipping:
                yield self._line(line)
        if len(self._rest) > MAX_LINE:
            self._rest, self._skipping = b"", True

    def _line(self, line: bytes) -> tuple[int, str | None]:
        self._number += 1
        too_long, self._skipping = self._skipping or len(line) > MAX_LINE, False
        return self._number, None if too_long else line.decode(errors="replace")


def plain(text: str, line: int) -> Order | None:
    """An address or prefix, and whatever stands behind it; None for empty lines and comments."""
    words = text.split(None, 1)
    if not words or words[0].startswith(_COMMENTS):
        return None
    return Order(Verb.BLOCK, str(Prefix.parse(words[0])), line)


def sshguard(text: str, line: int) -> Order | None:
    """`block ADDRESS FAMILY LENGTH`, `release ADDRESS FAMILY LENGTH`, `flush`, as sshg-blocker writes them.

    `flushonexit` asks for nothing: what was announced ends by its own time, whoever stops (contrib/sshguard).
    """
    match text.split():
        case [] | ["flushonexit"]:
            return None
        case ["flush"]:
            return Order(Verb.FLUSH, "", line)
        case ["block" | "release" as word, address, *more] if len(more) in (0, 2):
            return Order(Verb(word), _network(address, *more), line)
    hint = "block ADDRESS FAMILY LENGTH, release ADDRESS FAMILY LENGTH, or flush"
    raise InputError(f"{text[:80]!r} is nothing that sshguard says", field="line", hint=hint)


LANGUAGES: Final[dict[str, Language]] = {"plain": plain, "sshguard": sshguard}


def _network(address: str, family: str = "", length: str = "") -> str:
    """The network around an attacker's address: sshguard leaves the host bits in."""
    host = Prefix.parse(address)
    if not length:
        return str(host)
    if family != str(host.family.value) or not length.isdecimal() or int(length[:4]) > host.length:
        hint = "the family is 4 or 6, the length a prefix length of it"
        raise InputError(f"{address} {family[:20]} {length[:20]} is no network", field="line", hint=hint)
    return key_text(truncate(host.key, int(length)))
