"""The journal's native protocol, against a socket that reads it as journald does."""

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from p2pfw.cli.journal import JournalHandler, datagram, is_there


def fields_of(data: bytes) -> dict[str, bytes]:
    """As systemd's own description of the protocol reads it (systemd.io/JOURNAL_NATIVE_PROTOCOL)."""
    found = {}
    while data:
        line, _, data = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(data[:8], "little")
            value, data = data[8 : 8 + size], data[9 + size :]
        assert name.decode() not in found
        found[name.decode()] = value
    return found


def record(text: str = "adopted", level: int = logging.INFO, **extra: object) -> logging.LogRecord:
    """A line."""
    return logging.makeLogRecord({"name": "p2pfw.x", "levelno": level, "msg": text, "lineno": 7, **extra})


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket such as journald's."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "journal"))
        listening.settimeout(30)
        yield listening, str(tmp_path / "journal")


def test_each_field_can_be_asked_for(journal):
    """The line for people, its level, and what it says of what."""
    listening, path = journal
    handler = JournalHandler(logging.NullHandler(), path)
    handler.handle(record(prefix="203.0.113.9/32", verdict="ok"))
    handler.close()
    found = fields_of(listening.recv(65_536))

    assert found["MESSAGE"] == b"adopted prefix=203.0.113.9/32 verdict=ok"
    assert (found["PRIORITY"], found["SYSLOG_IDENTIFIER"], found["P2PFW_EVENT"]) == (b"6", b"p2pfw", b"adopted")
    assert (found["P2PFW_PREFIX"], found["P2PFW_VERDICT"]) == (b"203.0.113.9/32", b"ok")


@pytest.mark.parametrize("level, priority", [(10, b"7"), (20, b"6"), (30, b"4"), (40, b"3"), (50, b"2")])
def test_levels_are_the_journals(level, priority):
    """As syslog counts them."""
    assert fields_of(datagram(record(level=level)))["PRIORITY"] == priority


def test_words_of_others_cannot_forge_a_field_or_a_line():
    """A value with line ends is sent with its length; the line for people has none of them."""
    found = fields_of(datagram(record(peer="x\nPRIORITY=0\nMESSAGE=all is well")))

    assert found["PRIORITY"] == b"6"
    assert b"\n" not in found["MESSAGE"]
    assert found["P2PFW_PEER"] == b"x\nPRIORITY=0\nMESSAGE=all is well"


def test_a_traceback_is_part_of_the_message():
    """One entry, not one a line."""
    try:
        raise ValueError("oops")
    except ValueError:
        told = record("request failed", exc_info=sys.exc_info())

    assert b"ValueError: oops" in fields_of(datagram(told))["MESSAGE"]


def test_what_the_journal_does_not_take_goes_to_standard_error(tmp_path):
    """A journal that is away, or a line that is too long for a datagram."""
    kept: list[logging.LogRecord] = []
    fallback = logging.Handler()
    fallback.emit = kept.append
    handler = JournalHandler(fallback, str(tmp_path / "none"))
    handler.handle(record("here"))
    handler.close()

    assert [one.getMessage() for one in kept] == ["here"]


def test_the_journal_is_there_only_where_the_descriptor_leads_to_it():
    """JOURNAL_STREAM is inherited by programs whose standard error was sent elsewhere."""
    ours, theirs = socket.socketpair()
    with ours, theirs, open(os.devnull) as elsewhere:
        found = os.fstat(ours.fileno())
        environ = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        assert is_there(environ, ours.fileno())
        assert not is_there(environ, elsewhere.fileno())
        assert not is_there({}, ours.fileno())
    assert not is_there(environ, 10_000)


def test_without_the_journals_socket_lines_go_to_its_stream_with_their_level():
    """A process whose standard error is the journal's stream, in a place where the native socket is not."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        found = os.fstat(theirs.fileno())
        code = (
            "import logging; from p2pfw.cli import journal, logs; journal.JournalHandler.__init__.__defaults__ = "
            "('/nowhere/socket',); logs.set_up(verbose=False); logging.getLogger('p2pfw.x').error('broken')"
        )
        environ = {**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}", "P2PFW_LOG": "auto"}
        subprocess.run([sys.executable, "-c", code], stderr=theirs, env=environ, check=True)
        assert ours.recv(1_000) == b"<3>broken\n"
