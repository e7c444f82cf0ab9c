"""block, unblock, retract, import: what is sent, what is said, and how refusals end."""

import json
import os
import pty
import subprocess
import sys
from contextlib import suppress

import pytest

from p2pfw import schema
from p2pfw.cli.imports import sniff
from tests.cli.samples import at


def _answer(**changed: object) -> schema.BlockAnswer:
    known = {"prefix": "203.0.113.9/32", "announcement": "ab" * 32, "state": "installed", "expires": at(hours=4)}
    return schema.BlockAnswer(**{**known, **changed})


def test_block_sends_everything_that_was_said(node, p2pfw):
    """And a default for what was not."""
    node.answer("POST", "/v1/blocks", _answer(), 201)

    done = p2pfw(
        "block",
        "203.0.113.9",
        "--ttl",
        "4h",
        "--category",
        "ssh",
        "--reason",
        "guessing",
        "--wait",
        "--force",
        "--detected",
    )

    assert done == (0, "203.0.113.9  blocked, expires in 4h\n", "")
    assert node.last.json == {
        "prefix": "203.0.113.9",
        "ttl": "4h",
        "category": "ssh",
        "reason": "guessing",
        "confidence": 1.0,
        "local_only": False,
        "wait": True,
        "force": True,
        "detected": True,
    }


def test_several_prefixes_are_one_request(node, p2pfw):
    """One announcement, whole or not at all."""
    results = [
        schema.BlockResult(prefix="203.0.113.9/32", state="recorded", expires=None),
        schema.BlockResult(prefix="2001:db8::/48", state="observed", expires=None, extended=True),
    ]
    node.answer("POST", "/v1/blocks", _answer(results=results), 201)

    done = p2pfw("block", "203.0.113.9", "2001:db8::/48")

    assert node.last.json["prefixes"] == ["203.0.113.9", "2001:db8::/48"]
    assert done.out == (
        "203.0.113.9  blocked, on its way to the kernel, expires never\n"
        "2001:db8::/48  recorded; this node only observes, so nothing is dropped here (p2pfw enforce on), "
        "expires never, as it was already; the later end holds\n"
    )


def test_quiet_prints_nothing(node, p2pfw):
    """Detectors want no mail about success."""
    node.answer("POST", "/v1/blocks", _answer(), 201)
    node.answer("DELETE", "/v1/blocks/203.0.113.9", schema.UnblockAnswer(prefix="x", retracted=True, pardoned=False))

    assert p2pfw("-q", "block", "203.0.113.9") == (0, "", "")
    assert p2pfw("unblock", "-q", "--own", "203.0.113.9") == (0, "", "")


def test_block_for_scripts(node, p2pfw):
    """Tabs and epoch seconds; or the node's own object."""
    node.answer("POST", "/v1/blocks", _answer(expires="2026-01-31T12:00:00Z"), 201)

    assert p2pfw("--plain", "block", "203.0.113.9").out == f"203.0.113.9/32\tinstalled\t1769860800\t{'ab' * 32}\n"
    assert json.loads(p2pfw("--json", "block", "203.0.113.9").out)["schema"] == "p2pfw.block/1"


def test_block_and_wait_fails_when_the_kernel_does_not_have_it(node, p2pfw):
    """Recorded is not installed, and the exit code says so."""
    node.answer("POST", "/v1/blocks", _answer(state="recorded", not_installed="ipset is missing"), 201)

    done = p2pfw("-q", "block", "--wait", "203.0.113.9")

    assert done.code == 1
    assert "not in the kernel: ipset is missing" in done.err
    assert p2pfw("block", "203.0.113.9").code == 0


@pytest.mark.parametrize(
    "status, code",
    [(400, 2), (401, 5), (403, 5), (404, 1), (409, 4), (413, 2), (422, 4), (429, 1), (500, 1), (503, 1), (507, 1)],
)
def test_every_refusal_has_its_exit_code(node, p2pfw, status, code):
    """2 usage, 4 refused, 5 permission, 1 everything else that did not work."""
    node.refuse("POST", "/v1/blocks", status, "it will not do", hint="do it otherwise")

    assert p2pfw("block", "203.0.113.9") == (code, "", "p2pfw: it will not do\nhint: do it otherwise\n")


def test_a_refusal_names_the_range_in_the_way(node, p2pfw):
    """Once: in the sentence, or in the hint."""
    node.refuse("POST", "/v1/blocks", 409, "whitelisted", overlap="203.0.113.0/24", hint="allow remove")
    assert p2pfw("block", "203.0.113.9").err == "p2pfw: whitelisted\nhint: it overlaps 203.0.113.0/24; allow remove\n"

    node.refuse("POST", "/v1/blocks", 409, "overlaps 203.0.113.0/24", overlap="203.0.113.0/24")
    assert p2pfw("block", "203.0.113.9").err == "p2pfw: overlaps 203.0.113.0/24\n"


@pytest.mark.parametrize("body", [b"", b"<html>oops</html>", b"[1]"])
def test_an_error_that_is_no_problem_document_is_shown_as_it_is(node, p2pfw, body):
    """A proxy in between, or a bug."""
    node.answer("POST", "/v1/blocks", body, 500)

    done = p2pfw("block", "203.0.113.9")
    assert done.code == 1
    assert done.err.startswith("p2pfw: ")


@pytest.mark.parametrize("own, scope", [(["--own"], "own"), ([], "owner")])
def test_unblock_says_what_was_done_and_who_still_blocks(node, p2pfw, own, scope):
    """--own only retracts."""
    answer = schema.UnblockAnswer(
        prefix="203.0.113.0/24", retracted=True, pardoned=True, still_blocked_by=["helios"], hint="p2pfw allow add it"
    )
    node.answer("DELETE", "/v1/blocks/203.0.113.0/24", answer)

    done = p2pfw("unblock", *own, "203.0.113.0/24")

    assert node.last.query == {"scope": scope}
    assert (
        done.out == "203.0.113.0/24  retracted and pardoned\n  still blocked because of helios\n  p2pfw allow add it\n"
    )
    assert p2pfw("--plain", "unblock", "203.0.113.0/24").out == "203.0.113.0/24\t1\t1\thelios\n"


def test_unblock_fails_while_the_kernel_still_drops_it(node, p2pfw):
    """Taken back is not open again, and the exit code says so."""
    answer = schema.UnblockAnswer(prefix="203.0.113.9/32", retracted=True, pardoned=False, not_removed="no ipset")
    node.answer("DELETE", "/v1/blocks/203.0.113.9", answer)

    done = p2pfw("-q", "unblock", "203.0.113.9")

    assert done.code == 1
    assert "the kernel may still drop it: no ipset" in done.err


def test_unblock_of_what_nobody_blocked_is_no(node, p2pfw):
    """Exit 1."""
    node.refuse("DELETE", "/v1/blocks/203.0.113.9", 404, "203.0.113.9 was not blocked")

    assert p2pfw("unblock", "203.0.113.9") == (1, "", "p2pfw: 203.0.113.9 was not blocked\n")


def test_retract_needs_to_be_told_all(node, p2pfw):
    """And asks no question where nobody can answer."""
    node.answer("POST", "/v1/retract", schema.RetractAnswer(announcements=3, prefixes=7))

    assert p2pfw("retract").code == 2
    assert p2pfw("retract", "--all").out == "3 announcements with 7 prefixes taken back\n"
    assert json.loads(p2pfw("--json", "retract", "--all").out)["schema"] == "p2pfw.retract/1"


DONE = (
    b'{"stage":"parsed","entries":2,"announcements":0,"skipped":{"whitelist":1},"problem":null}\n'
    b'{"stage":"installed","entries":2,"announcements":1,"skipped":{"whitelist":1},"problem":null}\n'
)


def test_import_streams_a_file_and_says_what_became_of_it(node, p2pfw, tmp_path):
    """Whole, with the account of what was left out."""
    listed = b"203.0.113.9\n" * 20_000
    file = tmp_path / "list"
    file.write_bytes(listed)
    node.answer("POST", "/v1/import", DONE)

    done = p2pfw("import", str(file), "--ttl", "7d", "--category", "scan", "--reason", "a b", "--local-only")

    assert done == (0, "2 entries in 1 announcements installed\n", "1 left out: whitelist\n")
    assert node.last.body == listed
    assert node.last.query == {"format": "plain", "ttl": "7d", "category": "scan", "reason": "a b", "local_only": "1"}


def test_import_at_a_terminal_shows_how_far_it_is(node, tmp_path):
    """A bar on stderr, and the stages; stdout has the result alone."""
    file = tmp_path / "list"
    file.write_bytes(b"203.0.113.9\n" * 20_000)
    node.answer("POST", "/v1/import", DONE)
    master, slave = pty.openpty()
    argv = [sys.executable, "-m", "p2pfw", "--socket", str(node.path), "import", str(file)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=slave, check=True, env={**os.environ, "TERM": "xterm"})
    os.close(slave)
    seen = _all_of(master)
    os.close(master)

    assert done.stdout == b"2 entries in 1 announcements installed\n"
    assert "sending" in seen
    assert "parsed: 2 entries" in seen


def _all_of(terminal: int) -> str:
    """What was written to it; it may come in pieces, and ends with an error of its own."""
    seen = b""
    with suppress(OSError):
        while piece := os.read(terminal, 65_536):
            seen += piece
    return seen.decode()


def test_import_reads_standard_input(node, p2pfw):
    """`-`, and the format is seen from the beginning."""
    node.answer("POST", "/v1/import", DONE)

    done = p2pfw("--json", "import", "-", stdin=b'["203.0.113.9"]')

    assert json.loads(done.out)["stage"] == "installed"
    assert node.last.query["format"] == "json"
    assert node.last.body == b'["203.0.113.9"]'


@pytest.mark.parametrize(
    "begin, name",
    [
        (b"203.0.113.9\n", "plain"),
        (b"# comment\n", "plain"),
        (b"", "plain"),
        (b"\xef\xbb\xbf[\n", "json"),
        (b'{"entries": [\n', "json"),
        (b'{"prefix": "a"}\n{"prefix": "b"}\n', "ndjson"),
        (b"create x hash:net\n", "ipset"),
        (b"add x 203.0.113.9\n", "ipset"),
    ],
)
def test_the_format_shows_in_the_first_bytes(begin, name):
    """So that nobody must say it."""
    assert sniff(begin) == name


def test_import_that_fails_half_way_is_a_failure(node, p2pfw):
    """The stream began with 200; its last line decides."""
    problem = b'{"stage":"failed","entries":0,"problem":{"status":507,"detail":"the disk is full"}}\n'
    node.answer("POST", "/v1/import", DONE.splitlines(keepends=True)[0] + problem)

    done = p2pfw("import", "-", stdin=b"203.0.113.9")

    assert done.code == 1
    assert done.err == "p2pfw: the disk is full\n"


def test_import_that_ends_without_a_word_is_no_success(node, p2pfw):
    """The node died meanwhile."""
    node.answer("POST", "/v1/import", b"")

    assert p2pfw("import", "-", stdin=b"203.0.113.9").code == 3


def test_import_that_is_refused_at_once(node, p2pfw):
    """With the node's words."""
    node.refuse("POST", "/v1/import", 400, "nothing was imported: line 3")

    assert p2pfw("import", "-", stdin=b"x") == (2, "", "p2pfw: nothing was imported: line 3\n")


def test_import_of_a_file_that_is_not_there(p2pfw, tmp_path):
    """Usage; the node is not asked."""
    done = p2pfw("import", str(tmp_path / "none"))

    assert done.code == 2
    assert "cannot be read" in done.err


def test_the_client_of_the_ssh_session_is_told(node, p2pfw, monkeypatch):
    """So that the node does not block the operator; only what can be an address is sent."""
    node.answer("POST", "/v1/blocks", _answer(), 201)
    monkeypatch.setenv("SSH_CONNECTION", "198.51.100.7 50000 192.0.2.1 22")
    p2pfw("block", "203.0.113.9")
    assert node.last.headers["x-p2pfw-ssh-client"] == "198.51.100.7"

    monkeypatch.setenv("SSH_CONNECTION", "x\r\nEvil:1 50000")
    p2pfw("block", "203.0.113.9")
    assert "x-p2pfw-ssh-client" not in node.last.headers
    assert "evil" not in node.last.headers
