"""`p2pfw block -`: the real command with a pipe as its input, and a node that comes and goes."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from p2pfw import schema
from p2pfw.cli.backlog import MOST_WAITING
from p2pfw.cli.streaming import GROUP
from tests.cli.fake_node import Asked, FakeNode
from tests.cli.samples import at

PATIENCE = 60.0
"""Seconds for what must happen; only a failing test waits that long."""


class Piped:
    """`p2pfw block -` as a process, its input a pipe."""

    def __init__(self, socket: Path, *argv: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "p2pfw", "--socket", str(socket), "block", "-", *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def write(self, *lines: str) -> None:
        """Lines, and the pipe stays open."""
        assert self.process.stdin is not None
        self.process.stdin.write("".join(f"{line}\n" for line in lines).encode())
        self.process.stdin.flush()

    def end(self) -> tuple[int, str, str]:
        """(code, out, err) after the end of the input."""
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out.decode(), err.decode()

    def says(self) -> str:
        """The next line on stderr."""
        assert self.process.stderr is not None
        return self.process.stderr.readline().decode()


@pytest.fixture
def piped(node: FakeNode) -> Iterator[Callable[..., Piped]]:
    """Starts one against the fake node, which takes every block and release; ends it."""
    node.answer_by("POST", "/v1/blocks", _taken)
    started = []

    def start(*argv: str) -> Piped:
        started.append(Piped(node.path, *argv))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()


def _taken(asked: Asked) -> tuple[int, object]:
    first = asked.json["prefixes"][0]
    return 201, schema.BlockAnswer(prefix=first, announcement="ab" * 32, state="recorded", expires=at(hours=4))


def _refusing(*bad: str) -> Callable[[Asked], tuple[int, object]]:
    """Whole or not at all, as the node does it."""

    def answer(asked: Asked) -> tuple[int, object]:
        found = next((one for one in asked.json["prefixes"] if one in bad), None)
        if found is None:
            return _taken(asked)
        detail = f"{found} overlaps 198.51.100.0/24"
        return 409, schema.Problem(type="about:blank", title="Conflict", status=409, detail=detail, hint="allow it")

    return answer


def _sent(node: FakeNode) -> list[list[str]]:
    return [asked.json["prefixes"] for asked in node.asked if asked.method == "POST"]


def _addresses(node: FakeNode) -> list[str]:
    return [address for group in _sent(node) for address in group]


def _wait(fact: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not fact():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def test_lines_become_one_request_and_the_end_is_clean(node, piped):
    """What was said of the terms goes with it; the rest of a line does not."""
    stream = piped("--ttl", "1h", "--category", "ssh", "--detected")
    stream.write("203.0.113.9 Failed password", "# nothing", "", "2001:db8::9", "203.0.113.9")

    assert stream.end() == (0, "", "2 blocked, 0 released, 0 refused\n")
    assert set(_addresses(node)) == {"203.0.113.9/32", "2001:db8::9/128"}
    assert node.last.json | {"prefixes": []} == {
        "prefixes": [],
        "ttl": "1h",
        "category": "ssh",
        "reason": "",
        "confidence": 1.0,
        "local_only": False,
        "wait": False,
        "force": False,
        "detected": True,
    }


def test_a_wrong_line_is_named_and_the_rest_goes_on(node, piped):
    """Exit 1 at the end says that there was one; the same mistake is not said again and again."""
    stream = piped("-q")
    stream.write("203.0.113.9", "300.1.1.1", "x" * 5_000, "203.0.113.10", "300.1.1.1")
    code, out, err = stream.end()

    assert (code, out) == (1, "")
    assert sorted(_addresses(node)) == ["203.0.113.10/32", "203.0.113.9/32"]
    hint = "(write it like 203.0.113.9 or 2001:db8::1)"
    assert err.splitlines() == [
        f"p2pfw: line 2: '300.1.1.1' is neither an IPv4 nor an IPv6 address {hint}",
        "p2pfw: line 3: it is longer than 4096 bytes",
    ]


def test_what_is_refused_is_left_out_alone(node, piped):
    """The node refuses a list whole; the stream finds out which of it, and the others are blocked."""
    node.answer_by("POST", "/v1/blocks", _refusing("198.51.100.7/32", "198.51.100.8/32"))
    stream = piped()
    lines = [f"203.0.113.{number}" for number in range(100)]
    stream.write(*lines[:50], "198.51.100.7", *lines[50:], "198.51.100.8")
    code, _, err = stream.end()

    assert code == 1
    assert err.splitlines() == [
        "p2pfw: line 51: 198.51.100.7/32 overlaps 198.51.100.0/24 (allow it)",
        "p2pfw: line 102: 198.51.100.8/32 overlaps 198.51.100.0/24 (allow it)",
        "100 blocked, 0 released, 2 refused",
    ]


def test_the_first_address_goes_while_the_pipe_is_open_and_a_storm_in_groups(node, piped):
    """Nobody waits for an end that may be hours away; no request holds more than an announcement can."""
    stream = piped()
    stream.write("203.0.113.9")
    _wait(lambda: _sent(node) == [["203.0.113.9/32"]])

    storm = [f"198.18.{number >> 8}.{number & 255}" for number in range(3 * GROUP)]
    stream.write(*storm)
    assert stream.end()[0] == 0

    groups = _sent(node)[1:]
    assert [one.partition("/")[0] for group in groups for one in group] == storm
    assert max(map(len, groups)) <= GROUP
    assert len(groups) <= 8


def test_an_address_that_comes_again_and_again_is_one_block_until_it_has_aged(node, piped):
    """A tenth of the ttl; else each line of a log would be an announcement."""
    stream = piped("--ttl", "4h")
    for number in range(3):
        stream.write("203.0.113.9", f"198.51.100.{number}")
        _wait(lambda count=number: any(f"198.51.100.{count}/32" in group for group in _sent(node)))
    stream.end()
    assert _addresses(node).count("203.0.113.9/32") == 1

    node.asked.clear()
    short = piped("--ttl", "1s")

    def again() -> bool:
        short.write("203.0.113.9")
        return _addresses(node).count("203.0.113.9/32") > 1

    _wait(again)


def test_a_node_that_is_away_is_asked_again_and_nothing_is_lost(socket_dir):
    """It says so once, and when the node is there again."""
    path = socket_dir / "late.sock"
    stream = Piped(path)
    stream.write("203.0.113.9")
    said = stream.says()
    assert "no node answers" in said
    assert "tried again" in said
    stream.write("203.0.113.10")

    with FakeNode(path) as node:
        node.answer_by("POST", "/v1/blocks", _taken)
        assert stream.says() == "p2pfw: the node answers again\n"
        assert stream.end()[0] == 0
        assert sorted(_addresses(node)) == ["203.0.113.10/32", "203.0.113.9/32"]


@pytest.mark.parametrize("status", [429, 503, 507])
def test_a_node_that_cannot_now_is_asked_again(node, piped, status):
    """A full disk, a limit: later."""
    node.refuse("POST", "/v1/blocks", status, "not now")
    stream = piped()
    stream.write("203.0.113.9")
    assert stream.says() == "p2pfw: not now; what comes waits, and is tried again\n"

    node.answer_by("POST", "/v1/blocks", _taken)

    assert stream.says() == "p2pfw: the node answers again\n"
    assert stream.end()[0] == 0


def test_what_waits_is_bounded_and_the_writer_waits(socket_dir):
    """Beyond that nothing is read; all of it arrives when the node does."""
    path = socket_dir / "late.sock"
    count = MOST_WAITING + 10_000
    text = "".join(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}\n" for number in range(count))
    feed = path.with_name("addresses")
    feed.write_text(text)
    with feed.open("rb") as source:
        stream = subprocess.Popen(
            [sys.executable, "-m", "p2pfw", "--socket", str(path), "block", "-"], stdin=source, stderr=subprocess.PIPE
        )
        assert stream.stderr is not None
        told = [stream.stderr.readline().decode() for _ in range(2)]
        assert f"p2pfw: {MOST_WAITING} prefixes wait: nothing more is read until fewer do\n" in told
        with FakeNode(path) as node:
            node.answer_by("POST", "/v1/blocks", _taken)
            stream.communicate(timeout=PATIENCE)
            assert stream.returncode == 0
            assert sum(map(len, _sent(node))) == count


def test_an_input_that_ends_without_a_node_ends_with_how_many_were_not_sent(socket_dir):
    """After --timeout, not never."""
    stream = Piped(socket_dir / "none.sock", "--timeout", "0.1")
    stream.write("203.0.113.9", "203.0.113.10")
    code, _, err = stream.end()

    assert code == 3
    assert "2 prefixes were not sent" in err.splitlines()[-2]
    assert err.splitlines()[-1].startswith("hint: start it with")


def test_whoever_may_not_is_told_at_once(node, piped):
    """There is nothing to wait for."""
    node.refuse("POST", "/v1/blocks", 403, "this token may only read")
    stream = piped()
    stream.write("203.0.113.9")

    code, _, err = stream.end()
    assert code == 5
    assert "this token may only read; 1 prefixes were not sent" in err


def test_sigterm_is_an_end_of_the_input(node, piped):
    """systemd and sshguard stop it so; the pipe is still open."""
    stream = piped()
    stream.write("203.0.113.9")
    _wait(lambda: bool(_sent(node)))

    stream.process.send_signal(signal.SIGTERM)

    assert stream.process.wait(PATIENCE) == 0


def test_json_and_plain_print_each_answer(node, piped):
    """For scripts that want to know what became of it; a detector reads nothing."""
    stream = piped("--json")
    stream.write("203.0.113.9")
    assert json.loads(stream.end()[1])["announcement"] == "ab" * 32

    stream = piped("--plain")
    stream.write("203.0.113.9")
    assert stream.end()[1].startswith("203.0.113.9/32\trecorded\t")


def test_sshguard_blocks_releases_and_flushes(node, piped):
    """In the order of its lines: a release that overtook its block would leave it standing."""
    released = schema.UnblockAnswer(prefix="x", retracted=True, pardoned=False)
    for prefix in ("203.0.113.9/32", "203.0.113.10/32", "2001:db8::/64"):
        node.answer("DELETE", f"/v1/blocks/{prefix}", released)
    stream = piped("--format", "sshguard", "--detected")
    stream.write("block 203.0.113.9 4 32", "block 2001:db8::9 6 64")
    _wait(lambda: sum(map(len, _sent(node))) == 2)
    stream.write("release 203.0.113.9 4 32", "release 192.0.2.1 4 32", "block 203.0.113.10 4 32", "flush")
    code, _, err = stream.end()

    done = [(asked.method, asked.path) for asked in node.asked if asked.method == "DELETE"]
    assert (code, err) == (0, "2 blocked, 4 released, 0 refused\n")
    # 192.0.2.1 had ended by its own time: that is no error. The last block was flushed before it was ever sent.
    assert set(done) == {
        ("DELETE", f"/v1/blocks/{prefix}")
        for prefix in ("203.0.113.9/32", "192.0.2.1/32", "203.0.113.10/32", "2001:db8::/64")
    }
    assert all(asked.query == {"scope": "own"} for asked in node.asked if asked.method == "DELETE")


def test_what_sshguard_does_not_release_is_said_again_before_it_ends(node, piped):
    """sshguard says it once and believes it blocked. Nothing new was seen, so it confirms nobody."""
    stream = piped("--format", "sshguard", "--detected", "--ttl", "1s")
    stream.write("block 203.0.113.9 4 32")
    _wait(lambda: len(_sent(node)) > 2)

    told = [asked.json["detected"] for asked in node.asked]
    assert told[0] is True
    assert set(told[1:]) == {False}


def test_mistakes_of_the_command_line_are_said_before_anything_is_read(offline):
    """Exit 2."""
    assert offline("block", "-", "--ttl", "4 weeks").code == 2
    assert offline("block", "-", "--wait").code == 2
    assert offline("block", "203.0.113.9", "--format", "sshguard").code == 2
