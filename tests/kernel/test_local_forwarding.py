"""Local rules on a router: what passes through it, by interface and address, with real packets of both families.

Outside is the lab's bridge; inside is a host of its own behind the router's second interface, `inside0`.
"""

import errno
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from p2pfw.core.localrule import Chain, LocalRule, Target
from p2pfw.core.prefix import Prefix
from p2pfw.demo.lab import Host, Lab
from p2pfw.firewall.kernel import Kernel
from tests.kernel.firewalls import VARIANTS, Box
from tests.netns import Probe

BAD, BAD6 = "203.0.113.9", "2001:db8:bad::9"
INNER, INNER6 = "10.77.0.2", "2001:db8:77::2"
PORT = 7002


@pytest.fixture(params=VARIANTS)
def router(lab: Lab, tmp_path: Path, request: pytest.FixtureRequest) -> Box:
    """The protected host, with either variant of iptables, which forwards."""
    made = Box(lab.host("router"), tmp_path)
    made.choose(request.param)
    made.sh("echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding")
    return made


@pytest.fixture
def inner(router: Box) -> Iterator[Host]:
    """The host behind it."""
    space = router.host.namespace.child()
    made = Host("inner", space, router.host.namespace, 0)
    try:
        router.sh(f"ip link add inside0 type veth peer name eth0 netns {space.holder.pid}")
        router.sh("ip address add 10.77.0.1/24 dev inside0; ip address add 2001:db8:77::1/64 dev inside0 nodad")
        router.sh("ip link set inside0 up")
        made.run(["ip", "link", "set", "eth0", "up"])
        made.add_addresses([f"{INNER}/24", f"{INNER6}/64"])
        made.run(["ip", "route", "add", "default", "via", "10.77.0.1"])
        made.run(["ip", "-6", "route", "add", "default", "via", "2001:db8:77::1"])
        yield made
    finally:
        space.close()


@pytest.fixture
def outside(lab: Lab, router: Box) -> Host:
    """A host that reaches the inside by the router, with an address of each family that is talked about."""
    return routed(lab.host("outside", f"{BAD}/32", f"{BAD6}/128"), router)


@pytest.fixture
def probe(lab: Lab, router: Box, inner: Host) -> Iterator[Probe]:
    """Datagrams through the router."""
    with Probe(inner, routed(lab.host("witness"), router)) as made:
        yield made


@pytest.fixture
def kernel(router: Box) -> Kernel:
    """Enforcing, with nothing blocked."""
    made = router.kernel()
    made.start()
    made.allow(frozenset())
    made.replace({})
    made.local([])
    made.enforce()
    return made


def routed(host: Host, router: Box) -> Host:
    """It knows the way to the inside."""
    host.run(["ip", "route", "add", "10.77.0.0/24", "via", router.host.address, "dev", "eth0", "onlink"])
    host.run(["ip", "-6", "route", "add", "2001:db8:77::/64", "via", router.host.address6, "dev", "eth0", "onlink"])
    return host


def rule(target: Target = Target.DROP, **ends: str) -> LocalRule:
    """Of what is forwarded; ends as texts."""
    keys = {name: Prefix.parse(ends.pop(name)).key for name in ("source", "destination") if name in ends}
    return LocalRule(chain=Chain.FORWARD, target=target, **keys, **ends)


def passes(probe: Probe, outside: Host) -> tuple[bool, bool]:
    """What arrives inside: (IPv4, IPv6)."""
    return probe.arrives(outside, BAD), probe.arrives(outside, BAD6)


def test_what_passes_through_is_dropped_by_where_it_comes_from_and_goes(
    probe: Probe, outside: Host, kernel: Kernel, router: Box
):
    """Each family by itself; another destination is another matter; what comes to the router itself is none of it."""
    assert passes(probe, outside) == (True, True)
    kernel.local([rule(source=BAD)])
    assert passes(probe, outside) == (False, True)
    kernel.local([rule(source=BAD6), rule(source=BAD, destination="10.77.0.3")])
    assert passes(probe, outside) == (True, False)
    kernel.local([rule(destination="10.77.0.0/24", source=BAD), rule(destination=INNER6)])
    assert not probe.arrives(outside, BAD)
    with Probe(router.host, outside) as here:
        assert here.arrives(outside, BAD)
    kernel.local([])

    assert passes(probe, outside) == (True, True)


INTERFACES: tuple[tuple[dict[str, str], bool], ...] = (
    ({"in_interface": "eth0"}, False),
    ({"in_interface": "inside0"}, True),
    ({"out_interface": "inside0"}, False),
    ({"out_interface": "eth0"}, True),
    ({"in_interface": "eth0", "out_interface": "inside0"}, False),
    ({"in_interface": "eth0", "out_interface": "eth0"}, True),
    ({"in_interface": "eth+", "out_interface": "insi+"}, False),
    ({"in_interface": "ppp+", "out_interface": "insi+"}, True),
)


def test_both_interfaces_are_honoured(probe: Probe, outside: Host, kernel: Kernel):
    """In and out, alone and together, whole names and the beginnings of names."""
    found = []
    for interfaces, _ in INTERFACES:
        kernel.local([rule(source=BAD, **interfaces), rule(source=BAD6, **interfaces)])
        found.append((interfaces, passes(probe, outside)))

    assert found == [(interfaces, (arrives, arrives)) for interfaces, arrives in INTERFACES]


def test_whoever_is_accepted_first_passes(probe: Probe, outside: Host, kernel: Kernel):
    """The newest rule stands first: one host out of a network that is kept out."""
    kernel.local([rule(Target.ACCEPT, source=BAD), rule(source="203.0.113.0/24")])
    with_exception = probe.arrives(outside, BAD)
    kernel.local([rule(source="203.0.113.0/24"), rule(Target.ACCEPT, source=BAD)])

    assert with_exception
    assert not probe.arrives(outside, BAD)


@pytest.mark.parametrize(("source", "to"), [(BAD, INNER), (BAD6, INNER6)])
def test_reject_is_told_to_whoever_is_outside(inner: Host, outside: Host, kernel: Kernel, source: str, to: str):
    """By an answer, not by silence; without the rule the service answers."""
    family = socket.AF_INET6 if ":" in to else socket.AF_INET
    with inner.socket(family, socket.SOCK_STREAM) as service:
        service.bind((to, PORT))
        service.listen()
        before = connected(outside, source, to)
        kernel.local([rule(Target.REJECT, source=source)])

        assert before == 0
        assert connected(outside, source, to) == errno.ECONNREFUSED


def connected(host: Host, source: str, to: str) -> int:
    """What a connection from that address comes to."""
    with host.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(20)
        client.bind((source, 0))
        return client.connect_ex((to, PORT))
