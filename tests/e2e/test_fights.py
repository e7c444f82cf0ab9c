"""Another program that flushes the rule for ever: told, answered with pauses, and healed once it stops."""

import pytest

from tests.e2e.fleet import Owner, Server, until
from tests.netns import lab_or_skip

FLUSHING = "while :; do iptables -w 5 -t raw -F; sleep 0.2; done"
AFTER = 90.0
"""Seconds: the longest pause, and time for the look."""


@pytest.fixture
def enforcing(tmp_path):
    """One node by itself."""
    tmp_path.chmod(0o700)
    with lab_or_skip() as lab:
        server = Server(lab.host("A"), tmp_path, Owner(tmp_path))
        try:
            server.start()
            until(lambda: server.api.status()["enforcing"])
            yield server
        finally:
            server.close()


def test_a_fight_is_told_and_healed_when_it_is_over(enforcing):
    """An error line while it lasts; both rules back, and a block works, after it."""
    fighter = enforcing.host.popen(["sh", "-c", FLUSHING])
    until(lambda: "drift" in lines(enforcing))
    assert "rule missing in raw/PREROUTING (IPv4)" in lines(enforcing)["drift"]
    fighter.terminate()
    fighter.wait()

    until(lambda: len(enforcing.rules()) == 2 and enforcing.api.status()["enforcing"], AFTER)
    enforcing.api.block("57.1.1.1", wait=True)
    enforcing.has("57.1.1.1")


def lines(server):
    """Code and text of the health lines."""
    return {line["code"]: line["text"] for line in server.api.status()["health"]}
