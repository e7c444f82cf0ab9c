"""The enforcer as a process: who holds which right, and what happens when one of the two dies."""

import random
import signal
import threading
import time
from os import kill
from pathlib import Path

import pytest

from p2pfw.host.capabilities import FIREWALL, mask
from tests.e2e.fleet import Owner, Server, enforcer_of, until
from tests.e2e.invariants import Watch
from tests.e2e.shapes import firehol
from tests.netns import lab_or_skip
from tests.scale import trials

KILLS = trials(20, 300)
ENTRIES = 25_000
"""More than what is changed in place: a loss of all is healed by a fresh set and a swap."""
BAD = "61.1.1.1"
WHITELISTED = "198.18.0.0/16"
WITHOUT_RIGHTS = ["setpriv", "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs"]


@pytest.fixture
def server(tmp_path):
    """A node that enforces; not started."""
    tmp_path.chmod(0o700)
    with lab_or_skip() as lab:
        one = Server(lab.host("A"), tmp_path, Owner(tmp_path))
        try:
            yield one
        finally:
            one.close()


def start(server, **options):
    """Start it, and wait until it enforces."""
    server.start(**options)
    until(lambda: server.api.status()["enforcing"])


def facts(pid):
    """What the kernel says of a process: (effective, permitted, inheritable, bounding, no_new_privs)."""
    found = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    return tuple(int(found[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "NoNewPrivs"))


def gone(pid):
    """True when the process is no more."""
    return not Path(f"/proc/{pid}").exists()


def healed(server, members):
    """One rule a family, every entry, and nothing left over."""
    until(lambda: server.api.status()["enforcing"])
    until(lambda: members <= server.installed().keys())
    assert len(server.rules()) == 2
    until(lambda: not [name for name in server.sets() if name.endswith("-new")])


def test_the_node_holds_no_right_and_the_enforcer_two(server):
    """Nor can either get one back: the bounding set is as small, and no program that they start gains any."""
    start(server)
    waits, works = enforcer_of(server)
    two = mask(FIREWALL)

    assert facts(server.process.pid) == (0, 0, 0, 0, 1)
    assert facts(works) == facts(waits) == (two, two, two, two, 1)
    server.api.block(BAD, wait=True)
    assert BAD in server.installed()


def test_a_killed_enforcer_is_back_and_the_kernel_right(server):
    """kill -9 at any instant, while everything is written anew: the old set or the new one, one rule, no remains."""
    start(server)
    text, members = firehol(ENTRIES)
    server.api.request("POST", "/v1/import?format=plain&ttl=1d", text.encode())
    server.has(*members)
    server.api.allow(WHITELISTED)
    chance = random.Random(7)
    with Watch(server, never=[WHITELISTED], longest=86_400):
        for trial in range(KILLS):
            prefix = f"62.{trial // 250}.{trial % 250}.1"
            server.host.run(["ipset", "flush", "p2pfw-block4"])
            time.sleep(chance.uniform(0, 1.5))
            waits, works = enforcer_of(server)
            blocking = threading.Thread(target=server.api.block, args=(prefix,))
            blocking.start()
            kill(works, signal.SIGKILL)
            blocking.join()
            members.add(prefix)
            healed(server, members)
            assert not gone(waits)


def test_the_node_says_when_its_enforcer_cannot_come_back(server):
    """Both its processes killed, and the node has no right to start another: state, not only a log line."""
    start(server)
    server.api.block(BAD, wait=True)
    for pid in enforcer_of(server):
        kill(pid, signal.SIGKILL)
    until(lambda: not server.api.status()["enforcing"])

    until(lambda: "no right to start another: restart it" in server.api.status()["health"][0]["text"])
    assert server.api.request("GET", "/readyz").status == 503
    assert BAD in server.installed()
    assert len(server.rules()) == 2
    server.stop()
    start(server)
    server.has(BAD)


def test_the_enforcer_ends_with_its_node_and_the_drop_stays(server):
    """kill -9 of the node: no process of it is left, and the kernel goes on dropping."""
    start(server)
    server.api.block(BAD, wait=True)
    both = enforcer_of(server)
    server.kill()

    until(lambda: all(map(gone, both)))
    assert BAD in server.installed()
    assert len(server.rules()) == 2


def test_a_trial_ends_when_node_and_enforcer_die(server):
    """Commit-confirm needs nobody alive: the entries themselves end."""
    server.mode = "observe"
    server.start()
    server.api.block(BAD, ttl="1h")
    server.api.mode("enforce", confirm=4)
    server.has(BAD)
    for pid in (*enforcer_of(server), server.process.pid):
        kill(pid, signal.SIGKILL)
    server.process.wait()

    server.lacks(BAD)
    server.start()
    until(lambda: server.api.status()["mode"] == "observe")  # whole seconds: the kernel may let go a moment early
    until(lambda: server.rules() == [])


# --- by itself -------------------------------------------------------------------------------------------------------


@pytest.fixture
def pair(server):
    """A node, and an enforcer that somebody else started."""
    server.path = server.folder / "enforcer.sock"
    server.write_config()
    server.config.write_text(server.config.read_text().replace("[enforcer]", f'[enforcer]\nsocket = "{server.path}"'))
    server.enforcer = serve(server)
    yield server
    server.enforcer.kill()
    server.enforcer.wait()


def serve(server):
    """Start the enforcer, and wait until it listens."""
    with server.log.open("ab") as log:
        process = server.host.popen(server.argv("enforcer"), stdout=log, stderr=log)
    until(server.path.exists)
    return process


def test_an_enforcer_by_itself_serves_a_node_without_rights(pair):
    """Over a unix socket; the node was started with no right at all. Its death and return are one error, and healed."""
    start(pair, prefix=WITHOUT_RIGHTS)
    pair.api.block(BAD, wait=True)
    assert BAD in pair.installed()
    assert facts(pair.process.pid)[:2] == (0, 0)

    pair.enforcer.kill()
    pair.enforcer.wait()
    until(lambda: not pair.api.status()["enforcing"])
    until(lambda: "no enforcer answers" in pair.api.status()["health"][0]["text"])
    pair.api.block("61.1.1.2")
    pair.enforcer = serve(pair)
    healed(pair, {BAD, "61.1.1.2"})


def test_two_nodes_do_not_share_an_enforcer(pair):
    """They would undo one another's work for ever: the second one says so, and the first goes on."""
    start(pair)
    place = pair.folder / "second"
    place.mkdir(mode=0o700)
    other = Server(pair.host, place, pair.owner)
    text = pair.config.read_text().replace(str(pair.folder), str(other.folder)).replace(":7787", ":7799")
    other.config.write_text(text.replace(str(other.folder / "enforcer.sock"), str(pair.path)))
    try:
        other.start()
        until(lambda: "another node" in str(other.api.status()["health"]))
        pair.api.block(BAD, wait=True)
        assert BAD in pair.installed()
    finally:
        other.close()


@pytest.mark.parametrize("command", ["panic", "uninstall-rules"])
def test_the_rules_go_without_node_and_without_rights(pair, command):
    """By the enforcer: for members of the group, at three in the morning."""
    start(pair)
    pair.api.block(BAD, wait=True)
    pair.kill()
    done = pair.host.run([*WITHOUT_RIGHTS, *pair.argv(command)])

    assert "rule in raw (IPv4)" in done.stdout
    assert (pair.rules(), pair.sets()) == ([], [])


def test_a_configuration_without_a_place_to_listen_is_an_error(server):
    """With what to do."""
    server.write_config()
    done = server.host.run(server.argv("enforcer"), check=False)

    assert done.returncode == 2
    assert "--listen" in done.stderr
