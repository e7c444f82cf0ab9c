"""Log records as the journal keeps them: a datagram of fields each, by its native protocol.

What a line says can then be asked for by field (`journalctl P2PFW_PREFIX=203.0.113.9/32`). Where the journal does not
take a datagram, the line goes to standard error with its level in front, which the journal reads as well: no line is
ever lost because of its form.
"""

import logging
import os
import re
import socket
import stat
from collections.abc import Iterator, Mapping
from typing import Final

from p2pfw.cli.printer import clean

SOCKET: Final = "/run/systemd/journal/socket"
LEVELS: Final = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
MOST_FIELD: Final = 64
"""Characters of a field's name; journald takes no longer ones."""
_OWN: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_NOT_IN_NAMES: Final = re.compile(r"[^A-Z0-9_]")


def is_there(environ: Mapping[str, str], descriptor: int) -> bool:
    """True when this descriptor leads to the journal: what JOURNAL_STREAM says of it is so (systemd.exec(5))."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}" and stat.S_ISSOCK(found.st_mode)


class JournalHandler(logging.Handler):
    """Sends each record; `fallback` gets what could not be sent."""

    def __init__(self, fallback: logging.Handler, path: str = SOCKET) -> None:
        super().__init__()
        self._fallback, self._path = fallback, path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.settimeout(0)

    def emit(self, record: logging.LogRecord) -> None:
        """One datagram. A journal that is full or away must not stop the node."""
        try:
            self._socket.sendto(datagram(record), self._path)
        except OSError:
            self._fallback.handle(record)

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()
        super().close()


def extras(record: logging.LogRecord) -> dict[str, object]:
    """The fields that a line was given."""
    return {name: value for name, value in record.__dict__.items() if name not in _OWN}


def traceback_of(record: logging.LogRecord) -> str:
    """Of the exception that a record carries; "" without one."""
    return logging.Formatter().formatException(record.exc_info) if record.exc_info else ""


def datagram(record: logging.LogRecord) -> bytes:
    """All fields of a record: the journal's own, and those of `extra`, each as P2PFW_NAME."""
    return b"".join(_field(name, value) for name, value in _fields(record))


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, str]]:
    text, trace = record.getMessage(), traceback_of(record)
    extra = {name: str(value) for name, value in extras(record).items()}
    told = "".join(f" {name}={value}" for name, value in extra.items())
    yield "MESSAGE", clean(f"{text}{told}") + (f"\n{trace}" if trace else "")
    yield "PRIORITY", str(LEVELS.get(record.levelno, 6))
    yield "SYSLOG_IDENTIFIER", "p2pfw"
    yield "LOGGER", record.name
    yield "CODE_FILE", record.pathname
    yield "CODE_LINE", str(record.lineno)
    yield "P2PFW_EVENT", text
    for name, value in extra.items():
        yield "P2PFW_" + _NOT_IN_NAMES.sub("_", name.upper())[: MOST_FIELD - 6], value


def _field(name: str, value: str) -> bytes:
    """NAME=value; with its length where the value has more lines than one, so that none of them becomes a field."""
    data = value.encode(errors="replace")
    if b"\n" not in data:
        return b"%b=%b\n" % (name.encode(), data)
    return b"%b\n%b%b\n" % (name.encode(), len(data).to_bytes(8, "little"), data)
