"""The operator's hold on the kernel: on, off, on trial, in panic, and gone without a trace."""

import time

import pytest

from tests.e2e.fleet import until

FOREIGN = ["-A", "INPUT", "-s", "203.0.113.77/32", "-j", "DROP"]


@pytest.fixture
def watched(lone):
    """A started node that only watches, beside a rule and a set of somebody else's, with blocks."""
    lone.host.run(["iptables", "-w", "5", *FOREIGN])
    lone.host.run(["ipset", "create", "foreign", "hash:ip"])
    lone.start()
    lone.api.block("58.1.1.1", "58.1.1.2", ttl="1h")
    return lone


def kernel(server):
    """All rules of both families and the names of all sets, without packet counters and comments."""
    saved = [server.host.run([f"{program}-save"]).stdout for program in ("iptables", "ip6tables")]
    lines = [line for text in saved for line in text.splitlines() if line.startswith("-A")]
    return lines, server.host.run(["ipset", "list", "-n"]).stdout.split()


def test_watching_touches_nothing(watched):
    """In observe mode all is decided and nothing is dropped: no rule, no set."""
    assert watched.api.why("58.1.1.1")["blocked"]
    assert not watched.api.why("58.1.1.1")["dropped"]
    assert kernel(watched) == ([" ".join(FOREIGN)], ["foreign"])


def test_panic_leaves_the_kernel_as_it_was(watched):
    """Enforce, panic: rules and sets are gone, others' are there, the node is up and watches, also after a restart."""
    before = kernel(watched)
    watched.cli("enforce", "on")
    watched.has("58.1.1.1", "58.1.1.2")
    assert len(watched.rules()) == 2

    watched.cli("panic")
    assert kernel(watched) == before
    assert watched.api.status()["mode"] == "observe"
    watched.kill()
    watched.start()
    assert watched.api.status()["mode"] == "observe"
    assert kernel(watched) == before


@pytest.mark.parametrize("alive", [True, False], ids=["with the node", "without it"])
def test_uninstall_rules_leaves_nothing(watched, alive):
    """With a node, which then only watches, and without one."""
    before = kernel(watched)
    watched.api.mode("enforce")
    watched.has("58.1.1.1")
    if not alive:
        watched.kill()

    watched.cli("uninstall-rules")
    assert kernel(watched) == before
    if alive:
        assert watched.api.status()["mode"] == "observe"


def test_a_stop_leaves_the_drop_in_force(watched):
    """A restart opens no gap: what is installed stays while the node is down, with the time it has left."""
    watched.api.mode("enforce")
    watched.has("58.1.1.1")
    watched.stop()

    assert watched.installed()["58.1.1.1"] > 3_000
    assert len(watched.rules()) == 2


def test_the_operators_last_word_survives_a_restart(watched):
    """`enforce on` wins over the file, visibly; `enforce off` afterwards too."""
    watched.cli("enforce", "on")
    watched.stop()
    watched.start()
    status = until(lambda: (found := watched.api.status())["enforcing"] and found)
    assert (status["mode"], status["mode_origin"]) == ("enforce", "command")
    watched.has("58.1.1.1")

    watched.cli("enforce", "off")
    watched.kill()
    watched.start()
    assert watched.api.status()["mode"] == "observe"
    assert watched.rules() == []


def test_an_unconfirmed_trial_goes_back_by_itself(watched):
    """`enforce on --confirm`: in force at once, and gone when nobody confirmed."""
    watched.cli("enforce", "on", "--confirm", "3")
    assert watched.api.status()["confirming"]["reverts_to"] == "observe"
    watched.has("58.1.1.1")
    assert watched.installed()["58.1.1.1"] <= 3

    until(lambda: watched.api.status()["mode"] == "observe")
    until(lambda: watched.rules() == [])
    until(lambda: watched.sets() == [])


def test_a_confirmed_trial_stays(watched):
    """`p2pfw confirm` in time: the entries get the time that they were given."""
    watched.cli("enforce", "on", "--confirm", "60")
    watched.has("58.1.1.1")
    assert watched.installed()["58.1.1.1"] <= 60

    watched.cli("confirm")
    until(lambda: watched.installed()["58.1.1.1"] > 3_000)
    assert watched.api.status()["confirming"] is None
    assert watched.cli("confirm", check=False).returncode == 1


def test_a_trial_ends_also_when_its_node_dies(watched):
    """kill -9 during the trial: the kernel lets go by itself, and the node comes back watching."""
    watched.cli("enforce", "on", "--confirm", "5")
    watched.has("58.1.1.1", "58.1.1.2")
    until_end = time.monotonic() + 5
    watched.kill()
    watched.lacks("58.1.1.1", "58.1.1.2")
    assert time.monotonic() < until_end + 10
    watched.start()

    until(lambda: watched.api.status()["mode"] == "observe")  # whole seconds: the kernel may let go a moment early
    until(lambda: watched.rules() == [])
