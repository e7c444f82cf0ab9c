"""What other programs do to us on a real kernel: found at the next check, put right, theirs left as it was."""

from pathlib import Path

import pytest

from p2pfw.core.prefix import Family
from p2pfw.demo.lab import Lab
from p2pfw.errors import FirewallError
from p2pfw.firewall.kernel import Kernel
from p2pfw.firewall.names import SetNames
from p2pfw.firewall.rules import rule_text
from p2pfw.firewall.uninstall import uninstall
from p2pfw.ports import KernelReport
from tests.kernel.firewalls import VARIANTS, Box, key, soon
from tests.netns import Probe

ATTACKER = "203.0.113.9"
FRIEND = "203.0.113.77"
OURS = rule_text(SetNames("p2pfw"), Family.V4)
FOREIGN = """
iptables -w 5 -t raw -A PREROUTING -s 198.51.100.0/24 -m comment --comment "it's \\"mine\\"" -j ACCEPT
iptables -w 5 -A INPUT -p tcp --dport 22 -j ACCEPT
iptables -w 5 -N MINE; iptables -w 5 -A INPUT -j MINE
ip6tables -w 5 -A FORWARD -p ipv6-icmp -j ACCEPT
ipset create mine hash:ip; ipset add mine 192.0.2.99
"""


@pytest.fixture(params=VARIANTS)
def box(lab: Lab, tmp_path: Path, request: pytest.FixtureRequest) -> Box:
    """The protected host with rules and a set of somebody else, with either variant of iptables."""
    made = Box(lab.host("victim"), tmp_path)
    made.choose(request.param)
    made.sh(FOREIGN)
    return made


@pytest.fixture
def entries() -> dict[int, int]:
    """A blocked network, the same for all looks at it."""
    return {key("203.0.113.0/24"): soon(), key("2001:db8:bad::/48"): soon()}


@pytest.fixture
def kernel(box: Box, entries: dict[int, int]) -> Kernel:
    """Enforcing the entries, with one friend inside the blocked network."""
    made = box.kernel()
    made.start()
    made.allow(frozenset({key(FRIEND)}))
    made.replace(entries)
    made.enforce()
    return made


def heal(kernel: Kernel, entries: dict[int, int]) -> KernelReport:
    """One check, and what a caller does about its report; a second check finds nothing."""
    report = kernel.check(1, 1)
    if report.membership_suspect:
        kernel.replace(entries)
    after = kernel.check(1, 1)
    assert after.enforcing
    assert after.repaired == ()
    assert (after.entries4, after.entries6) == (1, 1)
    return report


@pytest.mark.parametrize(
    ("trouble", "found"),
    [
        ("iptables -w 5 -t raw -F PREROUTING", "rule missing in raw/PREROUTING (IPv4)"),
        ("ip6tables -w 5 -t raw -F", "rule missing in raw/PREROUTING (IPv6)"),
        ("iptables -w 5 -t raw -I PREROUTING 1 -s 9.9.9.9 -j DROP", "rule not first in raw/PREROUTING (IPv4)"),
        (f"iptables -w 5 -t raw -A PREROUTING {OURS}", "rule doubled in raw/PREROUTING (IPv4)"),
        (
            f"iptables -w 5 -t raw -D PREROUTING {OURS}; iptables -w 5 -t raw -A PREROUTING {OURS}",
            "rule not first in raw/PREROUTING (IPv4)",
        ),
        (
            f"iptables -w 5 -t raw -R PREROUTING 1 {OURS.replace('-j DROP', '-j ACCEPT')}",
            "rule altered in raw/PREROUTING (IPv4)",
        ),
        (f"iptables -w 5 -t raw -A OUTPUT {OURS.replace('! -i lo', '')}", "rule of ours in raw/OUTPUT (IPv4)"),
        ("ipset flush", "entries of set p2pfw-block4 gone"),
        ("ipset flush p2pfw-allow4", "set p2pfw-allow4 changed by somebody else"),
        ("ipset add p2pfw-allow4 198.51.100.1", "set p2pfw-allow4 changed by somebody else"),
        ("ipset create p2pfw-block6-new hash:net", "temporary set p2pfw-block6-new left over"),
        ("ip6tables -w 5 -t raw -F; ipset destroy p2pfw-block6", "entries of set p2pfw-block6 gone"),
        ("ip6tables -w 5 -t raw -F; ipset destroy p2pfw-allow6", "set p2pfw-allow6 missing"),
        (
            "iptables -w 5 -t raw -F; ipset destroy p2pfw-block4; ipset create p2pfw-block4 hash:ip",
            "set p2pfw-block4 another type of set",
        ),
        (
            "ipset create away hash:net; ipset swap away p2pfw-block4; ipset destroy away",
            "set p2pfw-block4 made by somebody else",
        ),
        ("iptables -w 5 -F; ip6tables -w 5 -F", None),
    ],
)
def test_trouble_is_found_and_put_right(
    box: Box, kernel: Kernel, entries: dict[int, int], trouble: str, found: str | None
):
    """One check heals it; the caller reloads where it is told to; the whitelist is back by itself."""
    box.sh(trouble)
    report = heal(kernel, entries)

    assert (found in report.repaired) if found else (report.repaired == ())
    assert kernel.membership().keys() == entries.keys()
    assert f"add p2pfw-allow4 {FRIEND}\n" in box.sh("ipset save p2pfw-allow4")
    assert "add p2pfw-allow4 198.51.100.1" not in box.sh("ipset save p2pfw-allow4")


def test_nft_flush_ruleset_is_healed(lab: Lab, tmp_path: Path, entries: dict[int, int]):
    """Rules gone, sets left: additions would "succeed" without effect for ever after."""
    box = Box(lab.host("victim"), tmp_path)
    box.choose("nft")
    kernel = box.kernel()
    kernel.allow(frozenset())
    kernel.replace(entries)
    kernel.enforce()
    box.sh("nft flush ruleset")

    assert heal(kernel, entries).repaired == (
        "rule missing in raw/PREROUTING (IPv4)",
        "rule missing in raw/PREROUTING (IPv6)",
    )


def test_a_tear_down_of_everything_is_healed(box: Box, kernel: Kernel, entries: dict[int, int]):
    """All chains flushed, every set of the host destroyed."""
    box.sh("for t in iptables ip6tables; do $t -w 5 -F; $t -w 5 -t raw -F; done; ipset flush; ipset destroy")
    heal(kernel, entries)

    assert kernel.membership().keys() == entries.keys()
    assert f"add p2pfw-allow4 {FRIEND}\n" in box.sh("ipset save p2pfw-allow4")


def test_what_others_have_is_left_byte_for_byte(box: Box, kernel: Kernel, entries: dict[int, int]):
    """Moved, doubled, flushed and healed: the rules and sets of others read as before."""
    before = [line for line in box.rules().splitlines() if "p2pfw" not in line]
    mine = box.sh("ipset save mine")
    box.sh(f"iptables -w 5 -t raw -A PREROUTING {OURS}; ip6tables -w 5 -t raw -F; ipset flush p2pfw-block4")
    heal(kernel, entries)

    assert [line for line in box.rules().splitlines() if "p2pfw" not in line] == before
    assert box.sh("ipset save mine") == mine


def test_packets_see_no_gap_while_the_rule_is_moved_back(lab: Lab, box: Box, kernel: Kernel):
    """Somebody inserts above us again and again: a blocked packet after each check is dropped."""
    attacker = lab.host("attacker", f"{ATTACKER}/32")
    with Probe(box.host, lab.host("witness")) as probe:
        for _ in range(5):
            box.sh("iptables -w 5 -t raw -I PREROUTING 1 -s 9.9.9.9 -j ACCEPT")
            kernel.check(1, 1)
            assert not probe.arrives(attacker)

    assert box.sh("iptables -w 5 -t raw -S PREROUTING").count("9.9.9.9") == 5


def test_a_foreign_rule_on_our_set_is_told_and_the_set_emptied(box: Box, kernel: Kernel):
    """`panic` cannot remove a set that somebody else's rule names: it unblocks, says so, and removes all the rest."""
    box.sh("iptables -w 5 -A INPUT -m set --match-set p2pfw-block4 src -j ACCEPT")
    with pytest.raises(FirewallError, match="p2pfw-block4"):
        kernel.release()

    assert box.sets() == ["mine", "p2pfw-block4"]
    assert "add" not in box.sh("ipset save p2pfw-block4")


def test_uninstalling_leaves_the_firewall_as_it_was(box: Box, entries: dict[int, int]):
    """`iptables-save` byte for byte, foreign rules in the same tables included, and the sets of others."""
    box.sh("ip6tables -w 5 -t raw -S")  # the legacy variant lists a table from its first use on, whoever used it
    before, sets = box.rules(), box.sets()
    _enforce(box, entries)
    during = box.rules()
    removed = uninstall("p2pfw", box.runner())

    assert "p2pfw" in during
    assert len(removed) == 6
    assert box.rules() == before
    assert box.sets() == sets
    assert uninstall("p2pfw", box.runner()) == ()


def test_uninstalling_on_a_fresh_host_leaves_nothing(lab: Lab, tmp_path: Path, entries: dict[int, int]):
    """No raw table before, none after (nft variant), so that a comparison by eye shows nothing."""
    box = Box(lab.host("victim"), tmp_path)
    box.choose("nft")
    assert box.rules() == ""
    _enforce(box, entries)
    uninstall("p2pfw", box.runner())

    assert box.rules() == ""
    assert box.sh("nft list ruleset") == ""


def test_two_instances_live_side_by_side(lab: Lab, box: Box, kernel: Kernel, entries: dict[int, int]):
    """Other prefix, other sets, other rule; checks are quiet on both sides; one goes, the other stays."""
    other = box.kernel("second")
    other.allow(frozenset())
    other.replace({key("198.51.100.7"): soon()})
    other.enforce()
    quiet = [one.check(*counts).repaired for _ in range(3) for one, counts in ((kernel, (1, 1)), (other, (1, 0)))]
    uninstall("second", box.runner())

    assert not any(quiet)
    assert kernel.check(1, 1).enforcing
    assert "second" not in box.rules()
    assert box.sets() == ["mine", "p2pfw-allow4", "p2pfw-allow6", "p2pfw-block4", "p2pfw-block6"]


def test_a_restart_finds_everything_in_place(lab: Lab, box: Box, kernel: Kernel, entries: dict[int, int]):
    """Enforcement 7: no gap, no change; only temporary sets go."""
    before = box.rules()
    box.sh("ipset create p2pfw-block4-new hash:net timeout 0 counters; ipset add p2pfw-block4-new 1.2.3.4")
    again = box.kernel()
    again.start()

    assert box.rules() == before
    assert again.membership().keys() == entries.keys()
    assert again.check(1, 1).enforcing
    assert "p2pfw-block4-new" not in box.sets()


def _enforce(box: Box, entries: dict[int, int]) -> None:
    kernel = box.kernel()
    kernel.allow(frozenset())
    kernel.replace(entries)
    kernel.enforce()
