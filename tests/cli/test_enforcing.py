"""enforce, confirm, panic, uninstall-rules; on a terminal, and where there is no node."""

import os
import pty
import subprocess
import sys

import pytest

from p2pfw import schema
from p2pfw.demo.lab import Lab
from tests.cli.samples import NOW, at


def _mode(**changed: object) -> schema.ModeAnswer:
    return schema.ModeAnswer(**{"mode": "enforce", "enforcing": True, "installed": 7, **changed})


def test_enforce_in_a_script_sets_no_timer(node, p2pfw):
    """Nobody could confirm."""
    node.answer("PUT", "/v1/mode", _mode())

    assert p2pfw("enforce", "on").out == "mode enforce: 7 prefixes are in the kernel\n"
    assert node.last.json == {"mode": "enforce", "confirm": 0}
    p2pfw("enforce", "off", "--confirm", "30")
    assert node.last.json == {"mode": "observe", "confirm": 0}


def test_enforce_with_a_timer_says_how_to_keep_it(node, p2pfw):
    """On stderr; and in --plain when it ends."""
    node.answer("PUT", "/v1/mode", _mode(confirming=schema.Confirming(reverts_at=at(seconds=60), reverts_to="observe")))

    done = p2pfw("enforce", "on", "--confirm", "60")

    assert node.last.json == {"mode": "enforce", "confirm": 60}
    assert done.err == "back to observe in 1m, unless you type: p2pfw confirm\n"
    assert p2pfw("--plain", "enforce", "on").out == f"enforce\t1\t7\t{NOW + 60}\n"


def test_enforce_at_a_terminal_asks_to_be_confirmed(node):
    """Whoever cuts his own connection is let in again after a minute: the default where a person sits."""
    node.answer("PUT", "/v1/mode", _mode())
    master, slave = pty.openpty()
    argv = [sys.executable, "-m", "p2pfw", "--socket", str(node.path), "enforce", "on"]
    subprocess.run(argv, stdin=slave, capture_output=True, check=True)
    os.close(master)
    os.close(slave)

    assert node.last.json == {"mode": "enforce", "confirm": 60}


def test_confirm_keeps_it_and_is_no_when_nothing_waits(node, p2pfw):
    """Exit 1."""
    node.answer("POST", "/v1/confirm", _mode(text="kept"))
    assert p2pfw("confirm").out == "mode enforce: 7 prefixes are in the kernel\nkept\n"

    node.refuse("POST", "/v1/confirm", 404, "nothing waits for a confirmation")
    assert p2pfw("confirm").code == 1


def test_panic_is_the_nodes_business_where_there_is_one(node, p2pfw):
    """It stops enforcing, and stays up."""
    node.answer("POST", "/v1/panic", _mode(mode="observe", enforcing=False, installed=0))

    assert p2pfw("panic").out == "mode observe: nothing is dropped\n"


def test_panic_without_the_right_to_ask_does_nothing_else(node, p2pfw):
    """Somebody who may not administer the node does not get around it."""
    node.refuse("POST", "/v1/panic", 403, "not for you")

    assert p2pfw("panic").code == 5


@pytest.mark.kernel
def test_rules_are_removed_without_a_node(lab: Lab, tmp_path):
    """panic and uninstall-rules in a namespace with our sets and rules in it, no node, and a broken configuration."""
    host = lab.host("victim")
    config = tmp_path / "p2pfw.toml"
    config.write_text("nonsense = 1\n")
    p2pfw = [sys.executable, "-m", "p2pfw", "-c", str(config)]
    for command in ("panic", "uninstall-rules"):
        host.run(["ipset", "create", "p2pfw-block4", "hash:net", "timeout", "0"])
        host.run(["ipset", "add", "p2pfw-block4", "203.0.113.9"])

        done = host.run([*p2pfw, command], check=False)

        assert done.returncode == 0, done.stderr
        assert "p2pfw" not in host.run(["ipset", "list", "-n"]).stdout
        assert "p2pfw-block4" in done.stdout
    again = host.run([*p2pfw, "--json", "uninstall-rules"], check=False)
    assert (again.returncode, again.stdout) == (0, '{"schema": "p2pfw.uninstall-rules/1", "removed": []}\n')
