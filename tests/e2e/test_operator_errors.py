"""The operator's mistakes and the machine's lacks: each is answered with what is wrong and what would be right."""

import shutil

import pytest

from tests.e2e.fleet import PORT, Owner, Server, until
from tests.netns import lab_or_skip

OK, NO, USAGE, UNREACHABLE, REFUSED = 0, 1, 2, 3, 4


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A node that enforces and has a whitelist, for commands that are refused."""
    folder = tmp_path_factory.mktemp("running")
    with lab_or_skip() as lab:
        server = Server(lab.host("running"), folder, Owner(folder))
        server.allow = ["198.51.100.0/24"]
        try:
            server.start()
            yield server
        finally:
            server.close()


def asked(server, *arguments):
    """(exit code, what was said) of a command."""
    done = server.cli(*arguments, check=False)
    return done.returncode, done.stdout + done.stderr


MISTAKES = {
    "host bits": (("block", "203.0.113.9/24"), USAGE, ("host bits", "203.0.113.0/24")),
    "everything": (("block", "0.0.0.0/0"), REFUSED, ("0.0.0.0/0", "overlaps")),
    "everything of IPv6": (("block", "::/0"), REFUSED, ("::/0", "overlaps")),
    "whitelisted": (("block", "198.51.100.7"), REFUSED, ("198.51.100.0/24", "whitelist")),
    "around the whitelist": (("block", "198.51.0.0/16"), REFUSED, ("198.51.100.0/24", "whitelist")),
    "own address": (("block", "192.0.2.1"), REFUSED, ("own address",)),
    "loopback": (("block", "127.0.0.1"), REFUSED, ("loopback",)),
    "private": (("block", "10.1.2.3"), REFUSED, ("10.0.0.0/8", "allow_private")),
    "no address": (("block", "example"), USAGE, ("neither an IPv4 nor an IPv6 address",)),
    "bad duration": (("block", "203.0.113.9", "--ttl", "4hours"), USAGE, ("4hours", "4h")),
    "whitelist with host bits": (("allow", "add", "203.0.113.9/24"), USAGE, ("203.0.113.0/24",)),
    "no such preset": (("invite", "--guest", "--trust", "huge"), USAGE, ("huge", "solo, pair, trio")),
    "what is not blocked": (("unblock", "203.0.113.50"), NO, ("not blocked",)),
}


@pytest.mark.parametrize("arguments, code, words", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_answered_with_what_is_right(running, arguments, code, words):
    """The exit code is the documented one, the text names the thing, and nothing changed."""
    before = running.api.get("/v1/list?view=all")["total"]
    status, said = asked(running, *arguments)

    assert status == code, said
    assert all(word in said for word in words), said
    assert running.api.get("/v1/list?view=all")["total"] == before


def test_a_list_is_refused_whole(running):
    """One bad element of three: nothing of it is done, and the element is named."""
    answer = running.api.request("POST", "/v1/blocks", {"prefixes": ["57.1.1.1", "57.1.1.2/8", "57.1.1.3"]})

    assert answer.status == 400
    assert "prefixes[1]" in answer.text
    assert not running.api.why("57.1.1.1")["blocked"]


def test_a_mistyped_id_is_found_by_its_check_characters(running):
    """One character changed: refused, with the group to look at; one missing: refused by its length."""
    good = running.owner.id
    changed = good[:20] + ("q" if good[20] != "q" else "p") + good[21:]
    status, said = asked(running, "peer", "add", changed)
    short_status, short_said = asked(running, "peer", "add", good[:-1])

    assert status == short_status == USAGE
    assert "check characters" in said
    assert "group 3" in said
    assert "64 characters" in short_said


def test_a_second_instance_on_one_state_directory_is_refused(running):
    """It says which process has it, and the first one does not notice."""
    status, said = asked(running, "run")

    assert status == NO
    assert str(running.state) in said
    assert "in use" in said
    assert running.api.status()["enforcing"]


@pytest.mark.parametrize("command", ["run", "config"])
def test_an_unknown_key_is_named_with_its_line_and_the_right_one(lone, command):
    """`run` and `config check` say the same, before anything is touched."""
    lone.write_config()
    lone.config.write_text(lone.config.read_text().replace("state_dir", "state_dri"))
    status, said = asked(lone, *([command] if command == "run" else ["config", "check"]))

    assert status == USAGE
    assert f"{lone.config}:4" in said
    assert "did you mean state_dir?" in said


def damaged(file):
    """Cut in the middle."""
    file.write_text(file.read_text()[:100])


KEY_FILES = {
    "readable by others": (lambda file: file.chmod(0o644), "chmod 600"),
    "unreadable": (lambda file: file.chmod(0), "chmod 600"),
    "cut short": (damaged, "restore it from a backup"),
    "gone": (lambda file: file.unlink(), "No such file"),
}


@pytest.mark.parametrize("spoil, words", KEY_FILES.values(), ids=KEY_FILES)
def test_a_key_file_that_cannot_be_used_is_said(lone, spoil, words):
    """Named, with what to do; the node does not start, and makes no new key by itself."""
    lone.write_config()
    spoil(lone.state / "node.key")
    status, said = asked(lone, "run")

    assert status == USAGE
    assert str(lone.state / "node.key") in said
    assert words in said


def test_a_port_in_use_is_said(lone):
    """Which address, and what to do."""
    listen = f"import socket, sys; s = socket.create_server(('{lone.host.address}', {PORT})); sys.stdin.read()"
    other = lone.host.popen(["python3", "-c", f"{listen}"], stdin=-1)
    with other:
        until(lambda: str(PORT) in lone.host.run(["ss", "-ltn"]).stdout)
        lone.write_config()
        status, said = asked(lone, "run")
        other.stdin.close()

    assert status == NO
    assert f"{lone.host.address}:{PORT}" in said
    assert "another program" in said


def test_without_rights_it_watches_and_says_so(lone):
    """No capability: the node lives and decides, status says NOT enforcing and what is missing; nothing crashes."""
    lone.mode = "enforce"
    lone.start(prefix=["setpriv", "--bounding-set=-all", "--inh-caps=-all"])
    lone.api.block("57.2.2.2")
    status = until(lambda: (found := lone.api.status())["last_error"] and found)

    assert not status["enforcing"]
    assert "CAP_NET_ADMIN" in status["last_error"]
    assert lone.api.why("57.2.2.2")["blocked"]
    assert not lone.api.why("57.2.2.2")["dropped"]
    assert lone.api.request("GET", "/readyz").status == 503
    code, said = asked(lone, "status")
    assert code == OK
    assert "NOT enforcing" in said
    code, said = asked(lone, "enforce", "on")
    assert code == NO
    assert "CAP_NET_ADMIN" in said
    lone.stop()


@pytest.mark.parametrize("program, package", [("ipset", "ipset"), ("iptables", "iptables")])
def test_a_missing_program_is_said_with_its_package(lone, program, package):
    """And as soon as it is there, it is used, without a restart."""
    lone.mode = "enforce"
    path = shutil.which(program)
    lone.host.run(["mount", "--bind", "/dev/null", path])  # in the host's own mount namespace
    lone.start()
    lone.api.block("57.3.3.3")
    error = until(lambda: lone.api.status()["last_error"])
    lone.host.run(["umount", path])

    assert f"Debian package: {package}" in error
    lone.has("57.3.3.3")
    until(lambda: lone.api.status()["enforcing"])
    lone.stop()
