"""`p2pfw test ADDRESS`: the short way answers as the long one, and imports next to nothing."""

import subprocess
import sys

import pytest

from p2pfw import schema
from p2pfw.cli import quick
from p2pfw.cli.exits import Exit
from p2pfw.cli.quick import Question, parse

ENTRY = schema.BlocklistEntry(prefix="203.0.113.9/32", reason="operator", expires=None)


@pytest.mark.parametrize(
    "line, question",
    [
        ("test 203.0.113.9", Question("203.0.113.9")),
        ("-q test 203.0.113.9", Question("203.0.113.9")),
        ("-c /x --socket=/y --timeout 3 test ::1", Question("::1", config="/x", socket="/y", timeout="3")),
    ],
)
def test_the_plain_spelling_takes_the_short_way(line, question):
    """With the flags that scripts give."""
    assert parse(line.split()) == question


@pytest.mark.parametrize(
    "line", ["", "status", "test", "test a b", "test --help", "--json test a", "test a --json", "-c", "--bogus test a"]
)
def test_everything_else_is_left_to_the_whole_command_line(line):
    """Help, mistakes, other commands."""
    assert parse(line.split()) is None


def test_blocked_is_0_and_not_blocked_is_1(node):
    """And nothing is printed."""
    node.answer("GET", "/v1/blocklist/203.0.113.9", ENTRY)

    assert quick.main(Question("203.0.113.9", socket=str(node.path))) == Exit.OK
    assert quick.main(Question("203.0.113.8", socket=str(node.path))) == Exit.NO


def test_the_long_way_gives_the_same_codes(node, p2pfw):
    """`test` with --json goes through click."""
    node.answer("GET", "/v1/blocklist/203.0.113.9", ENTRY)
    node.refuse(
        "GET", "/v1/blocklist/10.0.0.1/8", 400, "'10.0.0.1/8' has host bits set", hint="did you mean 10.0.0.0/8"
    )

    assert p2pfw("test", "203.0.113.9") == (0, "", "")
    assert '"schema": "p2pfw.blocklist-entry/1"' in p2pfw("--json", "test", "203.0.113.9").out
    assert p2pfw("test", "203.0.113.8").code == 1
    assert p2pfw("test", "10.0.0.1/8").code == 2


def test_a_refused_address_says_why(node, capsys):
    """Usage, with the node's own words."""
    node.refuse("GET", "/v1/blocklist/x", 400, "'x' is no address", hint="write it like 203.0.113.9")

    assert quick.main(Question("x", socket=str(node.path))) == Exit.USAGE
    assert capsys.readouterr().err == "p2pfw: 'x' is no address\nhint: write it like 203.0.113.9\n"


def test_no_node_is_3(socket_dir, capsys):
    """A mail server must be able to tell "not blocked" from "nobody to ask"."""
    assert quick.main(Question("203.0.113.9", socket=str(socket_dir / "none"))) == Exit.UNREACHABLE
    assert "no node answers" in capsys.readouterr().err


@pytest.mark.parametrize("timeout", ["x", "0", "-1", "nan"])
def test_a_time_out_that_is_none_is_usage(timeout, capsys):
    """Not a crash."""
    assert quick.main(Question("203.0.113.9", socket="/none", timeout=timeout)) == Exit.USAGE
    assert "no time-out" in capsys.readouterr().err


def test_a_configuration_that_is_not_there_is_usage(tmp_path, capsys):
    """-c names a file that must exist."""
    assert quick.main(Question("203.0.113.9", config=str(tmp_path / "none"))) == Exit.USAGE
    assert "no such file" in capsys.readouterr().err


def test_the_socket_is_found_through_the_configuration(node, tmp_path):
    """As the whole configuration would say."""
    node.answer("GET", "/v1/blocklist/203.0.113.9", ENTRY)
    file = tmp_path / "p2pfw.toml"
    file.write_text(f'[api]\nsocket = "{node.path}"\n')

    assert quick.main(Question("203.0.113.9", config=str(file))) == Exit.OK


def test_the_short_way_imports_nothing_that_is_slow(node):
    """In a process of its own: no click, no aiohttp, no asyncio, no msgspec, no http.client."""
    node.answer("GET", "/v1/blocklist/203.0.113.9", ENTRY)
    script = (
        "import sys\n"
        f"sys.argv = ['p2pfw', '--socket', {str(node.path)!r}, 'test', '203.0.113.9']\n"
        "from p2pfw.cli.main import main\n"
        "try:\n main()\n"
        "except SystemExit as end:\n"
        " slow = {'click', 'aiohttp', 'asyncio', 'msgspec', 'http.client', 'rich', 'nacl', 'p2pfw.node'}\n"
        " print(end.code, sorted(slow & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "0 []\n"
