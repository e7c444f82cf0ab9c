"""The kernel's ipset by netlink, beside what the ipset program says of the same sets."""

import sys

import pytest

from p2pfw.core.prefix import Family, v4_key, v6_key
from p2pfw.demo.lab import Lab
from p2pfw.errors import FirewallError
from p2pfw.firewall.messages import BATCH
from p2pfw.firewall.netlink import IpsetLink
from p2pfw.firewall.parse import parse_headers, parse_members
from tests.kernel.firewalls import Box
from tests.netns import lab_or_skip

ADDRESS = v4_key(0x09090909, 32)


@pytest.fixture(scope="module")
def lab():
    """One network for all."""
    with lab_or_skip() as made:
        yield made


@pytest.fixture
def box(lab: Lab, tmp_path, request) -> Box:
    """A host of its own for each test."""
    return Box(lab.host(request.node.name[:40]), tmp_path)


@pytest.fixture
def link(box: Box) -> IpsetLink:
    """To a host with sets of several kinds."""
    box.sh("ipset create four hash:net family inet maxelem 2000 timeout 0 counters")
    box.sh("ipset create six hash:net family inet6 timeout 0 counters")
    box.sh(
        "ipset create ports bitmap:port range 1-10; ipset create plain hash:net maxelem 64; ipset create all list:set"
    )
    box.sh("iptables -w 5 -t raw -A PREROUTING -m set --match-set four src -j DROP")
    return box.link()


def members(box: Box, name: str) -> dict[int, int]:
    """What the program says that a set holds."""
    return dict(parse_members(box.sh(f"ipset save {name}"), name))


def test_headers_are_those_that_the_program_prints(box: Box, link: IpsetLink):
    """Every kind of set, references and counts included."""
    link.add("four", [(ADDRESS, 100), (v4_key(0x0A000000, 8), 0)])
    names = {"four", "six", "ports", "plain", "all"}
    found = {header.name: header for header in link.headers()}

    assert found == parse_headers(box.sh("ipset list -terse"), names)
    assert (found["four"].references, found["four"].entries) == (1, 2)


def test_members_come_and_go(box: Box, link: IpsetLink):
    """Added, made longer and shorter, deleted twice: the last word holds, and nothing is an error."""
    net6 = v6_key(0x20010DB8 << 96, 48)
    link.add("four", [(ADDRESS, 500), (v4_key(0x0A000000, 8), 0)])
    link.add("six", [(net6, 2_147_483), (v6_key(1, 128), 7)])
    link.add("four", [(ADDRESS, 1_000)])
    assert 990 < members(box, "four")[ADDRESS] <= 1_000
    link.add("four", [(ADDRESS, 50)])
    assert members(box, "four").keys() == {ADDRESS, v4_key(0x0A000000, 8)}
    assert 40 < members(box, "four")[ADDRESS] <= 50
    assert members(box, "six").keys() == {net6, v6_key(1, 128)}
    for _ in range(2):
        link.delete("four", [ADDRESS])
        link.delete("six", [net6, v6_key(1, 128)])

    assert members(box, "four") == {v4_key(0x0A000000, 8): 0}
    assert members(box, "six") == {}


def test_more_than_one_message_takes_is_several(box: Box, link: IpsetLink):
    """All of it, in order, and all of it away again."""
    keys = [v4_key((20 << 24) + n, 32) for n in range(3 * BATCH + 1)]
    link.add("four", [(key, 60) for key in keys])
    assert members(box, "four").keys() == set(keys)
    link.delete("four", keys[1:])

    assert members(box, "four").keys() == {keys[0]}


@pytest.mark.parametrize(
    ("name", "key", "words"),
    [
        ("none", ADDRESS, "put into none: there is no such set"),
        ("six", ADDRESS, "put into six: "),
        ("plain", ADDRESS, "the set has no timeouts"),
        ("four", v4_key(0, 0), "the prefix has a length that the set does not take"),
        ("ports", ADDRESS, "the kernel does not understand"),
    ],
)
def test_the_kernels_own_errors_are_told(link: IpsetLink, name, key, words):
    """In words that name what was tried, and the set; the next request works."""
    with pytest.raises(FirewallError, match=words):
        link.add(name, [(key, 60)])

    link.add("four", [(ADDRESS, 60)])


def test_a_full_set_is_told_and_keeps_what_it_has(box: Box, link: IpsetLink):
    """What came before the one too many is in."""
    with pytest.raises(FirewallError, match="the set is full"):
        link.add("four", [(v4_key((20 << 24) + n, 32), 60) for n in range(3_000)])

    assert len(members(box, "four")) == 2_000


def test_a_busy_dump_or_a_late_answer_is_not_taken_for_another(link: IpsetLink):
    """What is left over of a request that failed is passed over by the next."""
    for _ in range(3):
        with pytest.raises(FirewallError):
            link.delete("none", [ADDRESS])
        assert {header.family for header in link.headers() if header.name == "six"} == {Family.V6}


def test_without_rights_it_says_which(box: Box):
    """A socket of somebody who may not."""
    script = (
        "from p2pfw.firewall.netlink import IpsetLink\n"
        "from p2pfw.errors import PrivilegeError\n"
        "try: IpsetLink.open().headers()\n"
        "except PrivilegeError as error: print(error)\n"
    )
    dropped = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--", sys.executable, "-c", script]
    said = box.host.run(dropped).stdout

    assert "no right to change the firewall" in said
    assert "CAP_NET_ADMIN" in said
