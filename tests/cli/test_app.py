"""The command line as a whole."""

import signal
import socket
import subprocess
import sys

import click
import pytest

from p2pfw import __version__
from p2pfw.cli.app import COMMANDS, cli
from p2pfw.cli.exits import Exit, as_command_error
from p2pfw.cli.printer import Printer, Styled, clean
from p2pfw.errors import (
    ConfigError,
    ConflictError,
    FirewallError,
    InputError,
    KeyFileError,
    NotAcceptableError,
    NotFoundError,
    PrivilegeError,
)

# What the contract lists, and everything below groups.
CONTRACT = {
    "charter",
    "simulate",
    "verify",
    "init",
    "run",
    "status",
    "why",
    "test",
    "block",
    "unblock",
    "list",
    "import",
    "export",
    "allow",
    "peers",
    "peer",
    "invite",
    "join",
    "id",
    "owner",
    "events",
    "enforce",
    "confirm",
    "panic",
    "retract",
    "doctor",
    "cert",
    "config",
    "backup",
    "restore",
    "uninstall-rules",
    "demo",
    "enforcer",
    "service",
    "feed",
    "token",
}


def _leaves(command: click.Command, *path: str):
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from _leaves(command.get_command(context, name), *path, name)
    else:
        yield path, command


def test_every_command_of_the_contract_is_there():
    """And no other, unless the contract says so."""
    assert set(COMMANDS) == CONTRACT


@pytest.mark.parametrize("path", [path for path, _ in _leaves(cli)], ids=" ".join)
def test_every_command_has_help(offline, path):
    """With a first line that says what it does."""
    done = offline(*path, "--help")

    assert done.code == 0
    assert done.out.startswith(f"Usage: p2pfw {' '.join(path)}")
    assert len(done.out.splitlines()[2].strip()) > 10


def test_the_list_of_commands_and_the_version(offline):
    """--help, -h, --version."""
    assert all(name in offline("-h").out for name in COMMANDS)
    assert offline("--version").out == f"p2pfw {__version__}\n"


@pytest.mark.parametrize(
    "argv", [["bogus"], ["block"], ["--bogus"], ["enforce", "maybe"], ["--timeout", "0", "status"]]
)
def test_wrong_usage_is_2(offline, argv):
    """On stderr, with the way to the help."""
    done = offline(*argv)

    assert (done.code, done.out) == (Exit.USAGE, "")
    assert "Error" in done.err


@pytest.mark.parametrize(
    "error, code",
    [
        (InputError("x"), Exit.USAGE),
        (ConflictError("x", overlap="y"), Exit.REFUSED),
        (NotAcceptableError("x"), Exit.REFUSED),
        (NotFoundError("x"), Exit.NO),
        (ConfigError("x"), Exit.USAGE),
        (KeyFileError("x"), Exit.USAGE),
        (PrivilegeError("x"), Exit.PERMISSION),
        (FirewallError("x"), Exit.NO),
    ],
)
def test_errors_of_this_process_have_the_same_codes_as_those_of_the_node(error, code):
    """Whether a node did the work or not."""
    assert as_command_error(error).code is code


def test_a_reader_that_leaves_is_no_error(node):
    """`p2pfw events | head -1`: no traceback."""
    node.answer("GET", "/v1/events", b'{"id":1}\n' * 100_000)
    argv = [sys.executable, "-m", "p2pfw", "--socket", str(node.path), "events"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b'{"id":1}\n'
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1


def test_control_c_ends_a_command_without_a_traceback(socket_dir):
    """130, the shell's convention; `events --follow` is ended so every day."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(socket_dir / "s"))
    listener.listen()
    argv = [sys.executable, "-m", "p2pfw", "--socket", str(socket_dir / "s"), "events", "--follow"]
    with listener, subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            connection.sendall(head + b'9\r\n{"id":1}\n\r\n')
            assert process.stdout.readline() == b'{"id":1}\n'
            process.send_signal(signal.SIGINT)
            assert process.wait() == Exit.INTERRUPTED
            assert process.stderr.read().strip() == b""


def test_colours_are_for_terminals_only(node):
    """Never in a pipe; NO_COLOR and --no-color are honoured on a terminal too."""
    import os
    import pty

    from p2pfw import schema

    node.answer(
        "GET", "/v1/doctor", schema.Doctor(level="ok", checks=[schema.Check(code="a", level="warning", text="b")])
    )

    def seen(*flags: str, **env: str) -> bytes:
        master, slave = pty.openpty()
        argv = [sys.executable, "-m", "p2pfw", "--socket", str(node.path), *flags, "doctor"]
        clean_env = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        subprocess.run(argv, stdout=slave, check=True, env={**clean_env, "TERM": "xterm", **env})
        os.close(slave)
        try:
            return os.read(master, 65_536)
        finally:
            os.close(master)

    assert b"\x1b[33" in seen()
    assert b"\x1b" not in seen("--no-color")
    assert b"\x1b" not in seen(NO_COLOR="1")
    assert b"\x1b" not in seen(TERM="dumb")


def test_a_table_is_as_wide_as_its_widest_cells(capsys):
    """The last column runs free."""
    Printer().table(["a", "b"], [["long cell", "x"], [Styled("s", "red"), "the rest of the line"]])

    assert capsys.readouterr().out == "A          B\nlong cell  x\ns          the rest of the line\n"


def test_cleaning_leaves_words_alone():
    """Letters of every script stay; what acts on a terminal does not."""
    assert clean("Zürich 東京 ≥ —") == "Zürich 東京 ≥ —"
    assert clean("a\x1b[1mb\tc\nd\u200e\u2028\x9b") == "a?[1mb?c?d???"


def test_client_commands_import_nothing_that_is_slow(node):
    """Start-up is paid for by every call: no aiohttp, no asyncio, no keys, no configuration model for `block`."""
    script = (
        "import sys\n"
        "from p2pfw.cli.app import run\n"
        f"code = run(['--socket', {str(node.path)!r}, '-q', 'block', '203.0.113.9'])\n"
        "slow = {'aiohttp', 'asyncio', 'nacl', 'rich', 'msgspec', 'p2pfw.node', 'p2pfw.config.model', 'http.client'}\n"
        "print(code, sorted(slow & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "1 []\n"


def test_what_is_no_number_is_told_before_anything_is_sent(p2pfw, node):
    """`--level nan` passes click's range; JSON has no such number."""
    done = p2pfw("peer", "vouch", "bob", "--level", "nan")

    assert done.code == Exit.USAGE
    assert "nan" in done.err
    assert node.asked == []
