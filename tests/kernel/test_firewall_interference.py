"""What other programs do to our rules and sets, again and again: healed by the next look, theirs byte for byte.

A look comes every second (test_enforcing.py), so what one look heals is healed within two. Both variants of iptables,
and two hooks: nobody's `iptables -F` reaches the raw table, but one for filter/INPUT must survive it.
"""

from pathlib import Path

import pytest

from p2pfw.core.prefix import Family
from p2pfw.demo.lab import Lab
from p2pfw.firewall.kernel import Kernel
from p2pfw.firewall.names import SetNames
from p2pfw.firewall.rules import rule_text
from tests.kernel.firewalls import VARIANTS, Box, key, soon
from tests.scale import trials

OURS = rule_text(SetNames("p2pfw"), Family.V4)
FRIEND = "203.0.113.77"
FOREIGN = """
iptables -w 5 -t raw -A PREROUTING -s 198.51.100.0/24 -m comment --comment "it's \\"mine\\"" -j ACCEPT
iptables -w 5 -A INPUT -p tcp --dport 22 -j ACCEPT
iptables -w 5 -t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.9:80
ip6tables -w 5 -A FORWARD -p ipv6-icmp -j ACCEPT
ipset create mine hash:ip; ipset add mine 192.0.2.99
"""
TROUBLES = {
    "flush filter": "iptables -w 5 -F; ip6tables -w 5 -F",
    "flush raw": "iptables -w 5 -t raw -F; ip6tables -w 5 -t raw -F",
    "restore a state without us": "iptables-restore -w 5 <$SAVED4; ip6tables-restore -w 5 <$SAVED6",
    "flush the sets": "ipset flush",
    "destroy the sets": "iptables -w 5 -t raw -F; iptables -w 5 -F; ip6tables -w 5 -t raw -F; ip6tables -w 5 -F;"
    " ipset flush; ipset destroy; ipset create mine hash:ip; ipset add mine 192.0.2.99",
    "another type": "iptables -w 5 -t raw -F; iptables -w 5 -F; ipset destroy p2pfw-block4;"
    " ipset create p2pfw-block4 bitmap:port range 0-9",
    "a member more": "ipset add p2pfw-allow4 198.51.100.1",
    "a member less": f"ipset del p2pfw-allow4 {FRIEND}",
    "a block less": "ipset del p2pfw-block4 203.0.113.0/24",
    "a rule above": "iptables -w 5 -t raw -I PREROUTING 1 -s 9.9.9.9 -j ACCEPT;"
    " iptables -w 5 -I INPUT 1 -s 9.9.9.9 -j ACCEPT",
    "moved down": f"for c in 'raw -A PREROUTING' 'filter -A INPUT'; do iptables -w 5 -t $c -s 9.9.9.8 -j ACCEPT; done;"
    f" iptables -w 5 -t raw -D PREROUTING {OURS}; iptables -w 5 -t raw -A PREROUTING {OURS};"
    f" iptables -w 5 -D INPUT {OURS}; iptables -w 5 -A INPUT {OURS}",
    "doubled": f"iptables -w 5 -t raw -A PREROUTING {OURS}; iptables -w 5 -A INPUT {OURS}",
    "altered": f"iptables -w 5 -t raw -D PREROUTING {OURS}; iptables -w 5 -D INPUT {OURS};"
    f" iptables -w 5 -t raw -I PREROUTING {OURS.replace('-j DROP', '-j ACCEPT')}",
}
NFT_ONLY = {"flush the ruleset": "nft flush ruleset"}
CASES = [(variant, name) for variant in VARIANTS for name in TROUBLES] + [("nft", name) for name in NFT_ONLY]


@pytest.mark.parametrize(("variant", "name"), CASES)
def test_it_is_healed_by_the_next_look_every_time(lab: Lab, tmp_path: Path, variant: str, name: str):
    """One rule a hook, first in its chain; our members; and not a byte of somebody else's changed by the healing."""
    box = Box(lab.host("victim"), tmp_path)
    box.choose(variant)
    box.sh(FOREIGN)
    saved = [tmp_path / "saved4", tmp_path / "saved6"]
    box.sh(f"iptables-save >{saved[0]}; ip6tables-save >{saved[1]}")
    entries = {key("203.0.113.0/24"): soon(), key("2001:db8:bad::/48"): soon()}
    kernel = _enforcing(box, entries)
    for _ in range(trials(10, 50)):
        box.sh(f"SAVED4={saved[0]}; SAVED6={saved[1]}; {(TROUBLES | NFT_ONLY)[name]}")
        theirs, sets = _theirs(box), box.sh("ipset save mine")
        _heal(kernel, entries)
        rules = box.rules()
        assert rules.count("p2pfw:p2pfw") == 4
        assert (_theirs(box), box.sh("ipset save mine")) == (theirs, sets)
        assert kernel.membership().keys() == entries.keys()
        assert box.sh("ipset save p2pfw-allow4").count(f"add p2pfw-allow4 {FRIEND}\n") == 1
        assert "198.51.100.1" not in box.sh("ipset save p2pfw-allow4")


def _enforcing(box: Box, entries: dict[int, int]) -> Kernel:
    kernel = box.kernel(hooks=["raw/PREROUTING", "filter/INPUT"])
    kernel.start()
    kernel.allow(frozenset({key(FRIEND)}))
    kernel.replace(entries)
    kernel.enforce()
    return kernel


def _heal(kernel: Kernel, entries: dict[int, int]) -> None:
    """One look, and what the worker does about its report; for one entry of many that is missing, a second one."""
    report = kernel.check(1, 1)
    if not report.membership_suspect and (report.entries4, report.entries6) != (1, 1):
        report = kernel.check(1, 1)
    if report.membership_suspect:
        kernel.replace(entries)
    after = kernel.check(1, 1)
    assert after.enforcing
    assert after.repaired == ()


def _theirs(box: Box) -> list[str]:
    """Everybody's rules but ours, and without the frame of a table that the nft variant makes and drops."""
    return [line for line in box.rules().splitlines() if "p2pfw" not in line and line.startswith("-A")]
