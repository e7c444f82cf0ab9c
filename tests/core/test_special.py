"""The own table of special ranges, and the IPv4 addresses inside IPv6 ones."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.prefix import Family, Prefix, key_text, overlaps, truncate, v4_key, v6_key
from p2pfw.core.ranges import OverlapMap, span
from p2pfw.core.special import SPECIAL_RANGES, SUSPECTS, Space, embedded, special_overlap
from tests.core.judging import key
from tests.core.policy_twin import HARD, PRIVATE, inner_networks, network


@pytest.mark.parametrize("text", HARD)
def test_hard_ranges_are_hard_from_end_to_end(text):
    """Loopback, unspecified and 0/8, link-local, multicast, class E, broadcast."""
    prefix = Prefix.parse(text)
    first, last = span(prefix.key)
    hosts = [Prefix.of(prefix.family, end & (1 << 128) - 1, prefix.family.bits).key for end in (first, last)]

    assert all(special_overlap(host, Space.HARD) for host in [prefix.key, *hosts])


@pytest.mark.parametrize("text", PRIVATE)
def test_private_ranges_are_private_and_not_hard(text):
    """RFC 1918, ULA, carrier NAT, benchmarking."""
    assert special_overlap(key(text), Space.PRIVATE)
    assert special_overlap(key(text), Space.HARD) is None


def test_every_other_row_of_the_registries_is_ordinary():
    """Documentation among them; 2001::/23 contains the benchmarking range, embeddings contain everything."""
    wide = ["::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/23", "2001::/32", "2002::/16"]
    ordinary = [row.key for row in SPECIAL_RANGES if row.space is Space.ORDINARY and row.key not in map(key, wide)]

    touched = [one for one in ordinary for space in (Space.HARD, Space.PRIVATE) if special_overlap(one, space)]

    assert touched == []
    assert set(map(key, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"))) <= set(ordinary)


REGISTRIES = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.31.196.0/24
192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4
255.255.255.255/32 ::1/128 ::/128 ::ffff:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32
2001:2::/48 2001:3::/32 2001:4:112::/48 2001:10::/28 2001:20::/28 2001:30::/28 2001:db8::/32 2002::/16 2620:4f:8000::/48
3fff::/20 5f00::/16 fc00::/7 fe80::/10
"""


def test_all_special_blocks_of_the_registries_are_in_the_table():
    """By the registries' own list, single addresses inside a listed range left out."""
    assert set(map(key, REGISTRIES.split())) <= {row.key for row in SPECIAL_RANGES}
    assert all(row.name and row.rfc.startswith("RFC") for row in SPECIAL_RANGES)


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ("::ffff:203.0.113.7/128", ["203.0.113.7/32"]),
        ("::ffff:203.0.113.0/120", ["203.0.113.0/24"]),
        ("::ffff:0:0/96", ["0.0.0.0/0"]),
        ("64:ff9b::203.0.113.7/128", ["203.0.113.7/32"]),
        ("64:ff9b:1::203.0.113.7/128", ["203.0.113.7/32"]),
        ("64:ff9b:1:2::/64", ["0.0.0.0/0"]),
        ("2002:cb00:7107::/48", ["203.0.113.7/32"]),
        ("2002:cb00:7107:1::5/128", ["203.0.113.7/32"]),
        ("2002:cb00::/32", ["203.0.0.0/16"]),
        ("2000::/8", ["0.0.0.0/0", "0.0.0.0/0", "0.0.0.0/0"]),
        ("2001:0:cb00:7107::/64", ["203.0.113.7/32", "0.0.0.0/0"]),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2/128", ["65.54.227.120/32", "192.0.2.45/32"]),
        ("2001:db8::1/128", []),
        ("203.0.113.7/32", []),
    ],
)
def test_embedded_addresses_are_found(outer, inner):
    """IPv4-mapped, NAT64, 6to4, Teredo (RFC 4380's example); wider than the embedding: anything."""
    assert [key_text(found) for found in embedded(key(outer))] == inner


@given(
    st.sampled_from(["::ffff:0:0", "64:ff9b::", "64:ff9b:1::", "2002::", "2001::", "2001:db8::"]),
    st.integers(0, 2**128 - 1),
    st.integers(0, 128),
)
def test_embedded_prefixes_are_those_of_the_definitions(begin, noise, length):
    """Against the definitions written out as strings of bits."""
    address = int(ipaddress.IPv6Address(begin)) | noise >> 48 if begin != "2002::" else 0x2002 << 112 | noise >> 16
    prefix = truncate(v6_key(address, 128), length)

    found = [network(one) for one in embedded(prefix)]

    assert sorted(found) == sorted(inner_networks(network(prefix)))


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**128 - 1), st.integers(0, 128))
def test_what_is_no_suspect_needs_no_closer_look(four, six, length):
    """The fast test never misses: no hard or private space, no embedded address outside of SUSPECTS."""
    suspects = OverlapMap()
    for one in SUSPECTS:
        suspects.set(one, "suspect")
    for prefix in (truncate(v4_key(four, 32), min(length, 32)), truncate(v6_key(six, 128), length)):
        if not suspects.touches(*span(prefix)):
            assert special_overlap(prefix, Space.HARD) is None
            assert special_overlap(prefix, Space.PRIVATE) is None
            assert embedded(prefix) == []


def test_the_table_is_not_that_of_the_standard_library():
    """It answers alike on every Python version: 100.64.0.0/10 is private here, documentation is not."""
    assert special_overlap(key("100.64.0.1"), Space.PRIVATE)
    assert special_overlap(key("192.0.2.1"), Space.PRIVATE) is None
    assert ipaddress.ip_address("192.0.2.1").is_private
    assert Prefix.parse("100.64.0.1").family is Family.V4
    assert not overlaps(key("100.64.0.0/10"), key("100.128.0.0/9"))
