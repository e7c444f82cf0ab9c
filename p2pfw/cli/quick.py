"""`p2pfw test ADDRESS` without click: fail2ban and mail servers call it per address, in storms (budget: 80 ms).

Reads exactly the plain spelling with the usual flags; whatever else is on the line (help, --json, a mistake) is left to
the whole command line, which then says what is wrong.
"""

import os
import sys
from pathlib import Path
from typing import NamedTuple

from p2pfw.cli.exits import CommandError, Exit, as_command_error, of_answer
from p2pfw.client.errors import ClientError
from p2pfw.client.exchange import Exchange, quoted
from p2pfw.client.place import Place

_VALUES = {"-c": "config", "--config": "config", "--socket": "socket", "--timeout": "timeout"}
_FLAGS = frozenset({"-q", "--quiet", "-v", "--verbose", "--no-color", "--plain"})
DEFAULT_TIMEOUT = 30.0


class Question(NamedTuple):
    """A parsed `test`."""

    address: str
    config: str = ""
    socket: str = ""
    timeout: str = ""


def parse(argv: list[str]) -> Question | None:
    """The question, or None when the line says anything beyond it."""
    given: dict[str, str] = {}
    words = iter(argv)
    for word in words:
        name, equals, value = word.partition("=")
        if name in _VALUES and (equals or (value := next(words, ""))):
            given[_VALUES[name]] = value
        elif word not in _FLAGS:
            break
    else:
        return None
    rest = list(words)
    if word != "test" or len(rest) != 1 or rest[0].startswith("-"):
        return None
    return Question(rest[0], **given)


def main(question: Question) -> int:
    """Ask, and be silent unless it cannot be answered."""
    try:
        return ask(question)
    except (CommandError, ClientError) as known:
        error = known if isinstance(known, CommandError) else as_command_error(known)
        sys.stderr.write(f"p2pfw: {error.problem}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        return error.code
    except KeyboardInterrupt:
        return Exit.INTERRUPTED


def ask(question: Question) -> int:
    """0 blocked, 1 not."""
    with Exchange(Place(path=_socket(question)), _timeout(question.timeout)) as exchange:
        exchange.send("GET", f"/v1/blocklist/{quoted(question.address)}", {}, b"")
        if exchange.status == 200:
            return Exit.OK
        if exchange.status == 404:
            return Exit.NO
        raise of_answer(exchange.status, exchange.read())


def _timeout(text: str) -> float:
    try:
        seconds = float(text or DEFAULT_TIMEOUT)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86_400:
        raise CommandError(f"{text!r} is no time-out", code=Exit.USAGE, hint="seconds, like --timeout 5")
    return seconds


def _socket(question: Question) -> str:
    if question.socket:
        return question.socket
    from p2pfw.config import socket_path

    if question.config and not os.path.exists(question.config):
        raise CommandError(f"{question.config}: there is no such file", code=Exit.USAGE)
    return str(socket_path(Path(question.config) if question.config else None))
