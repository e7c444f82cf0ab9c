"""Real packets against the real rule: what is dropped, what is not, and until when."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from p2pfw.core.prefix import v4_key
from p2pfw.demo.lab import Lab
from p2pfw.firewall.kernel import Kernel
from tests.kernel.firewalls import VARIANTS, Box, key, soon, until
from tests.netns import ARRIVAL_SECONDS, Probe

ATTACKER, ATTACKER6 = "203.0.113.9", "2001:db8:bad::9"


@pytest.fixture(params=VARIANTS)
def box(lab: Lab, tmp_path: Path, request: pytest.FixtureRequest) -> Box:
    """The protected host, with either variant of iptables."""
    made = Box(lab.host("victim"), tmp_path)
    made.choose(request.param)
    return made


@pytest.fixture
def kernel(box: Box) -> Kernel:
    """Enforcing nothing yet."""
    made = box.kernel()
    made.start()
    made.allow(frozenset())
    made.replace({})
    made.enforce()
    return made


@pytest.fixture
def probe(lab: Lab, box: Box) -> Iterator[Probe]:
    """From the attacker, with a witness that is never blocked."""
    lab.host("attacker", f"{ATTACKER}/32", "203.0.113.77/32", f"{ATTACKER6}/128")
    with Probe(box.host, lab.host("witness")) as made:
        yield made


def test_blocked_is_dropped_and_unblocked_arrives(lab: Lab, box: Box, kernel: Kernel, probe: Probe):
    """Before, during, after; IPv4 and IPv6; and the entry counts what it dropped."""
    attacker = lab.hosts["attacker"]
    four, six = key(ATTACKER), key(f"{ATTACKER6}/128")
    before = probe.arrives(attacker), probe.arrives(attacker, ATTACKER6)
    kernel.apply({four: soon(), six: soon()}, [])
    during = probe.arrives(attacker), probe.arrives(attacker, ATTACKER6)
    counted = kernel.counters(four), kernel.counters(six)
    report = kernel.check(1, 1)
    kernel.apply({}, [four, six])

    assert before == (True, True)
    assert during == (False, False)
    assert all(packets == 1 and size > 20 for packets, size in counted)
    assert (report.enforcing, report.dropped4, report.dropped6) == (True, 1, 1)
    assert (probe.arrives(attacker), probe.arrives(attacker, ATTACKER6)) == (True, True)


def test_whitelisted_within_a_blocked_prefix_arrives(lab: Lab, box: Box, kernel: Kernel, probe: Probe):
    """Promise 1: the kernel itself asks the whitelist first, so even a wrong entry cannot drop who is allowed."""
    attacker = lab.hosts["attacker"]
    kernel.apply({key("203.0.113.0/24"): soon(), key("2001:db8:bad::/48"): soon(), key(ATTACKER): soon()}, [])
    kernel.allow(frozenset({key(ATTACKER), key(f"{ATTACKER6}/128")}))

    assert probe.arrives(attacker)
    assert probe.arrives(attacker, ATTACKER6)
    assert not probe.arrives(attacker, "203.0.113.77")
    kernel.allow(frozenset())
    assert not probe.arrives(attacker)


def test_allowing_everybody_lets_everybody_in(lab: Lab, box: Box, kernel: Kernel, probe: Probe):
    """The two halves of a /0 in the real set."""
    kernel.apply({key(ATTACKER): soon()}, [])
    kernel.allow(frozenset({v4_key(0, 0)}))

    assert probe.arrives(lab.hosts["attacker"])


def test_replacing_lets_nothing_through(lab: Lab, box: Box, kernel: Kernel, probe: Probe):
    """Fresh set and swap while packets come: none of a prefix that is in the old set and in the new one."""
    attacker = lab.hosts["attacker"]
    kernel.replace({key(ATTACKER): soon()})
    for batch in range(1, 6):
        fill = {v4_key((batch << 24) + at, 32): soon() for at in range(3_000)}
        kernel.replace(fill | {key(ATTACKER): soon()})
        assert not probe.arrives(attacker)

    packets, octets = kernel.counters(key(ATTACKER))
    assert packets == 5  # counted over all the sets that it was in
    assert kernel.tallies() == {key(ATTACKER): (packets, octets)}
    report = kernel.check(3_001, 0)
    assert (report.dropped4, report.bytes4) == (packets, octets)


def test_a_published_port_behind_the_host_is_covered(lab: Lab, box: Box, kernel: Kernel):
    """Docker-style DNAT: a DROP in INPUT would not see it; raw PREROUTING does."""
    inner, attacker = lab.host("inner"), lab.host("attacker", f"{ATTACKER}/32")
    witness = lab.host("witness")
    box.sh("echo 1 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter")
    box.sh(f"iptables -w 5 -t nat -A PREROUTING -p udp --dport 8080 -j DNAT --to-destination {inner.address}:80")
    server = (box.host.address, 8080)
    with (
        inner.socket(socket.AF_INET, socket.SOCK_DGRAM) as service,
        attacker.socket(socket.AF_INET, socket.SOCK_DGRAM) as bad,
        witness.socket(socket.AF_INET, socket.SOCK_DGRAM) as good,
    ):
        service.bind(("0.0.0.0", 80))
        service.settimeout(ARRIVAL_SECONDS)
        bad.sendto(b"before", server)
        assert service.recv(100) == b"before"
        kernel.apply({key(ATTACKER): soon()}, [])
        bad.sendto(b"after", server)
        good.sendto(b"control", server)

        assert service.recv(100) == b"control"


def test_an_established_connection_is_cut(lab: Lab, box: Box, kernel: Kernel):
    """The rule stands before connection tracking: nothing of an open connection arrives any more."""
    attacker = lab.host("attacker", f"{ATTACKER}/32")
    with (
        box.host.socket(socket.AF_INET, socket.SOCK_STREAM) as listener,
        attacker.socket(socket.AF_INET, socket.SOCK_STREAM) as client,
    ):
        listener.bind((box.host.address, 22))
        listener.listen()
        client.settimeout(ARRIVAL_SECONDS)
        client.connect((box.host.address, 22))
        served, _ = listener.accept()
        with served:
            client.sendall(b"login")
            assert served.recv(100) == b"login"
            kernel.apply({key(ATTACKER): soon()}, [])
            client.sendall(b"after")
            until(lambda: kernel.counters(key(ATTACKER))[0] >= 2)

            served.setblocking(False)
            with pytest.raises(BlockingIOError):
                served.recv(100)


def test_entries_end_on_time(lab: Lab, box: Box, kernel: Kernel):
    """1,000 entries with one end: all there just before it, none two seconds after it, without any of us."""
    end = soon(4)
    kernel.apply({v4_key(0xCB007100 + at, 32): end for at in range(1_000)}, [])
    samples = []
    while not samples or samples[-1][0] < end + 2:
        asked = time.time()
        held = len(kernel.membership())
        samples.append((asked, time.time(), held))

    assert all(held == 1_000 for _, answered, held in samples if answered < end)
    assert all(held == 0 for asked, _, held in samples if asked >= end + 2)


def test_a_longest_lease_is_cut_and_a_permanent_one_stays(box: Box, kernel: Kernel):
    """The kernel's maximum is 2,147,483 s; 0 is no end."""
    kernel.apply({key("9.9.9.9"): soon(3_000_000_000), key("8.8.8.8"): 0, key("7.7.7.7"): soon(500)}, [])
    kernel.apply({key("7.7.7.7"): soon(100)}, [])
    held = kernel.membership()

    assert held[key("8.8.8.8")] == 0
    assert 2_147_000 < held[key("9.9.9.9")] - time.time() <= 2_147_484
    assert held[key("7.7.7.7")] - time.time() <= 101


@pytest.mark.parametrize("hook", ["filter/INPUT", "filter/FORWARD"])
def test_the_other_hooks_drop_too(lab: Lab, box: Box, probe: Probe, hook: str):
    """For those who want the filter table: INPUT sees what is for the host, FORWARD does not."""
    kernel = box.kernel(hooks=[hook])
    kernel.allow(frozenset())
    kernel.replace({key(ATTACKER): soon()})
    kernel.enforce()

    assert kernel.check(1, 0).enforcing
    assert probe.arrives(lab.hosts["attacker"]) is (hook == "filter/FORWARD")


def test_the_rule_waits_for_dockers_chain(box: Box):
    """DOCKER-USER: nothing wrong before Docker comes, in place at the first check after."""
    kernel = box.kernel(hooks=["filter/INPUT", "filter/DOCKER-USER"])
    kernel.allow(frozenset())
    kernel.replace({})
    kernel.enforce()
    before = kernel.check(0, 0)
    box.sh("iptables -w 5 -N DOCKER-USER; iptables -w 5 -A DOCKER-USER -j RETURN")
    kernel.check(0, 0)
    after = kernel.check(0, 0)

    assert before.waiting == ("filter/DOCKER-USER (IPv4)", "filter/DOCKER-USER (IPv6)")
    assert (after.enforcing, after.repaired, after.waiting) == (True, (), ("filter/DOCKER-USER (IPv6)",))
    chain = box.sh("iptables -w 5 -S DOCKER-USER").splitlines()
    assert "p2pfw:p2pfw" in chain[1]
    assert chain[2] == "-A DOCKER-USER -j RETURN"
