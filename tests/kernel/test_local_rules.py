"""Local rules in the real kernel: refused, let through, kept to an interface; healed, and taken away."""

import errno
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from p2pfw.core.localrule import Chain, LocalRule, Target
from p2pfw.core.prefix import Prefix
from p2pfw.demo.lab import Host, Lab
from p2pfw.errors import FirewallError
from p2pfw.firewall.kernel import Kernel
from p2pfw.firewall.uninstall import uninstall
from tests.kernel.firewalls import VARIANTS, Box, soon, until
from tests.netns import Probe

FRIEND, FRIEND6 = "203.0.113.9", "2001:db8:bad::9"
PORT = 7001


def rule(chain: Chain = Chain.INPUT, target: Target = Target.DROP, **ends: str) -> LocalRule:
    """Ends as texts."""
    keys = {name: Prefix.parse(ends.pop(name)).key for name in ("source", "destination") if name in ends}
    return LocalRule(chain=chain, target=target, **keys, **ends)


@pytest.fixture(params=VARIANTS)
def box(lab: Lab, tmp_path: Path, request: pytest.FixtureRequest) -> Box:
    """The protected host, with either variant of iptables."""
    made = Box(lab.host("victim"), tmp_path)
    made.choose(request.param)
    return made


@pytest.fixture
def kernel(box: Box) -> Kernel:
    """Enforcing, with nothing blocked."""
    made = box.kernel()
    made.start()
    made.allow(frozenset())
    made.replace({})
    made.local([])
    made.enforce()
    return made


@pytest.fixture
def friend(lab: Lab) -> Host:
    """Another host, with an address of each family that is talked about."""
    return lab.host("friend", f"{FRIEND}/32", f"{FRIEND6}/128")


def refused(host: Host, to: str) -> bool:
    """True when the other side says at once that the port is closed to us."""
    family = socket.AF_INET6 if ":" in to else socket.AF_INET
    with host.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(20)
        return client.connect_ex((to, PORT)) == errno.ECONNREFUSED


def listening(host: Host) -> socket.socket:
    """A service on both families."""
    made = host.socket(socket.AF_INET6, socket.SOCK_STREAM)
    made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    made.bind(("::", PORT))
    made.listen()
    return made


def test_reject_is_told_to_the_client(lab: Lab, box: Box, kernel: Kernel, friend: Host):
    """Both families; whoever is accepted before is not asked further, and the newest rule stands first."""
    with listening(box.host):
        mine = (friend.address, friend.address6)
        before = [refused(friend, box.host.address), refused(friend, box.host.address6)]
        rejecting = [rule(target=Target.REJECT, source=one) for one in mine]
        kernel.local(rejecting)
        during = [refused(friend, box.host.address), refused(friend, box.host.address6)]
        kernel.local([rule(target=Target.ACCEPT, source=mine[0]), *rejecting])
        accepted = [refused(friend, box.host.address), refused(friend, box.host.address6)]
        kernel.local([])

        assert before == [False, False]
        assert during == [True, True]
        assert accepted == [False, True]
        assert not refused(friend, box.host.address)


def test_the_interface_is_honoured(lab: Lab, box: Box, kernel: Kernel, friend: Host):
    """A rule for another interface lets the packet through; `+` is any that begins so."""
    with Probe(box.host, lab.host("witness")) as probe:
        name = box.sh("ls /sys/class/net | grep -v lo | head -1").strip()
        kernel.local([rule(source=FRIEND, in_interface="other0")])
        other = probe.arrives(friend, FRIEND)
        kernel.local([rule(source=FRIEND, in_interface=name)])
        this = probe.arrives(friend, FRIEND)
        kernel.local([rule(source=FRIEND, in_interface=f"{name[:2]}+")])

        assert (other, this) == (True, False)
        assert not probe.arrives(friend, FRIEND)
        assert kernel.local_counters()[rule(source=FRIEND, in_interface=f"{name[:2]}+")][0] == 1


def test_what_goes_out_may_be_dropped(lab: Lab, box: Box, kernel: Kernel, friend: Host):
    """OUTPUT, by destination."""
    with Probe(friend, lab.host("witness")) as probe:
        before = probe.arrives(box.host)
        kernel.local([rule(Chain.OUTPUT, destination=friend.address)])

        assert before
        with pytest.raises(PermissionError):  # what the sender is told
            probe.arrives(box.host)


def test_counters_are_kept_when_rules_change(box: Box, lab: Lab, kernel: Kernel, friend: Host):
    """A new rule beside an old one does not make it forget."""
    old = rule(source=FRIEND)
    with Probe(box.host, lab.host("witness")) as probe:
        kernel.local([old])
        for _ in range(3):
            assert not probe.arrives(friend, FRIEND)
        kernel.local([rule(source="192.0.2.1"), old])
        assert kernel.local_counters()[old][0] == 3
        assert not probe.arrives(friend, FRIEND)

        assert kernel.local_counters()[old][0] == 4


def test_the_kernel_ends_it_by_itself(box: Box, lab: Lab, kernel: Kernel, friend: Host):
    """Node and enforcer may be dead: nobody takes the rule out, and it stops."""
    with Probe(box.host, lab.host("witness")) as probe:
        kernel.local([replace(rule(source=FRIEND), ends=soon(3)), replace(rule(source=FRIEND6), ends=soon(3))])
        during = probe.arrives(friend, FRIEND), probe.arrives(friend, FRIEND6)
        until(lambda: probe.arrives(friend, FRIEND) and probe.arrives(friend, FRIEND6))

        assert during == (False, False)
        assert "p2pfw-input" in box.rules()


@pytest.mark.parametrize(
    "harm",
    [
        "iptables -F p2pfw-input",
        "iptables -F INPUT",
        "iptables -I INPUT 1 -s 192.0.2.7 -j ACCEPT",
        "iptables -A p2pfw-input -s 192.0.2.7 -j ACCEPT",
        "iptables -D p2pfw-input 1",
        "iptables -I INPUT 1 -j p2pfw-input",
        "iptables -F; iptables -X",
    ],
)
def test_what_others_undo_is_put_right(box: Box, kernel: Kernel, harm: str):
    """By the next look, told, and nothing of others' touched."""
    kernel.local([rule(source=FRIEND), rule(source="192.0.2.8", target=Target.REJECT)])
    whole = box.rules()
    box.sh(harm)
    report = kernel.check(0, 0)
    again = kernel.check(0, 0)

    assert any("local rules" in one for one in report.repaired)
    assert again.repaired == ()
    left = [line for line in box.rules().splitlines() if "192.0.2.7" not in line]
    assert left == whole.splitlines()


def test_taking_it_away_leaves_what_was_there(box: Box, kernel: Kernel):
    """Release by the node, and uninstall by whoever comes later; other rules stay."""
    kernel.release()
    box.sh("iptables -A INPUT -s 192.0.2.9 -j DROP; iptables -N mine; iptables -A FORWARD -j mine")
    before = box.rules()
    rules = [rule(source=FRIEND), rule(Chain.FORWARD, source=FRIEND, destination="192.0.2.1"), rule(source=FRIEND6)]
    kernel.allow(frozenset())
    kernel.local(rules)
    assert "p2pfw-forward" in box.rules()
    removed = uninstall("p2pfw", box.runner())

    assert {"local rules (IPv4)", "local rules (IPv6)"} <= set(removed)
    assert box.rules() == before
    kernel.local(rules)
    kernel.release()
    assert box.rules() == before


def test_a_thousand_go_in_and_out_at_once(box: Box, kernel: Kernel):
    """One commit each time."""
    many = [rule(source=f"198.18.{at // 256}.{at % 256}") for at in range(1_000)]
    kernel.local(many)
    assert len(kernel.local_counters()) == 1_000
    kernel.local(many[:1])

    assert list(kernel.local_counters()) == many[:1]


def test_two_instances_have_chains_of_their_own(box: Box, kernel: Kernel):
    """Neither sees, moves or removes the other's."""
    other = box.kernel("other")
    other.start()
    other.allow(frozenset())
    other.replace({})
    other.enforce()
    kernel.local([rule(source=FRIEND)])
    other.local([rule(source="192.0.2.1")])
    looks = [one.check(0, 0).repaired for one in (kernel, other, kernel, other)]

    assert looks == [(), (), (), ()]
    other.release()
    assert kernel.check(0, 0).repaired == ()


def test_a_rule_that_does_not_go_in_is_an_error_and_the_sets_work_on(box: Box, kernel: Kernel):
    """iptables-restore fails: told, nothing half done; the check says so and is otherwise well."""
    standing = rule(source=FRIEND)
    kernel.local([standing])
    before = box.rules()
    box.replace_program("iptables-restore", "echo broken >&2; exit 2")
    with pytest.raises(FirewallError, match="broken"):
        kernel.local([rule(source="192.0.2.1"), standing])
    report = kernel.check(0, 0)

    assert box.rules() == before
    assert (report.enforcing, report.local_error != "") == (True, True)


def test_a_table_that_iptables_cannot_read_is_no_trouble_without_local_rules(lab: Lab, tmp_path: Path):
    """Made by nft: enforcing and taking away work as ever; a local rule is an error that says so."""
    box = Box(lab.host("victim"), tmp_path)
    box.choose("nft")
    box.sh("nft add table ip filter; nft add chain ip filter INPUT '{ type filter hook input priority 0; }'")
    box.sh("nft add rule ip filter INPUT ct count over 30 drop")
    before = box.sh("nft list table ip filter")
    kernel = box.kernel()
    kernel.start()
    kernel.allow(frozenset())
    kernel.replace({})
    kernel.local([])
    kernel.enforce()

    assert kernel.check(0, 0).local_error == ""
    with pytest.raises(FirewallError, match="made by nft"):
        kernel.local([rule(source=FRIEND)])
    kernel.local([rule(source=FRIEND6)])
    kernel.release()
    assert box.sh("nft list table ip filter") == before


def test_a_chain_that_others_lead_to_is_left_empty(box: Box, kernel: Kernel):
    """Their rule is not ours to remove, and the kernel keeps what it leads to; nothing is said of it for ever."""
    kernel.local([rule(source=FRIEND)])
    box.sh("iptables -N mine; iptables -A mine -j p2pfw-input")
    kernel.local([])

    assert kernel.check(0, 0).repaired == ()
    assert [line for line in box.rules().splitlines() if "p2pfw-input" in line and "-A" in line] == [
        "-A mine -j p2pfw-input"
    ]
    kernel.release()
    box.sh("iptables -F mine")
    assert uninstall("p2pfw", box.runner()) == ("local rules (IPv4)",)
    assert "p2pfw-input" not in box.rules()
