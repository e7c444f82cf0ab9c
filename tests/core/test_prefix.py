"""Prefixes as integers: strict parsing, canonical text, and relations that agree with the standard library's."""

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from p2pfw.core.prefix import (
    Family,
    Prefix,
    PrefixKey,
    covers,
    is_v6,
    key_address,
    key_length,
    key_span,
    key_text,
    key_width,
    overlaps,
    parse_address,
    truncate,
    v4_key,
    v6_key,
)
from p2pfw.errors import InputError

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@st.composite
def networks(draw: st.DrawFn) -> IPNetwork:
    """Any canonical network of either family; near relatives of one another often, so that nesting occurs."""
    version = draw(st.sampled_from([4, 6]))
    bits = 32 if version == 4 else 128
    length = draw(st.integers(0, bits))
    address = draw(st.one_of(st.integers(0, (1 << bits) - 1), st.integers(0, 7).map(lambda top: top << bits - 3)))
    kind = ipaddress.IPv4Network if version == 4 else ipaddress.IPv6Network
    return kind((address >> bits - length << bits - length, length))


def key_of(network: IPNetwork) -> PrefixKey:
    """The key of a standard library network."""
    make = v4_key if network.version == 4 else v6_key
    return make(int(network.network_address), network.prefixlen)


@given(networks())
def test_a_key_holds_the_whole_network(network: IPNetwork):
    """Family, address, length and span come out of the key as they went in."""
    key = key_of(network)

    assert is_v6(key) == (network.version == 6)
    assert key_address(key) == int(network.network_address)
    assert key_length(key) == network.prefixlen
    assert key_span(key) == (int(network[0]), int(network[-1]))


@given(networks())
def test_text_is_the_canonical_one_and_parses_back(network: IPNetwork):
    """Printed text has the length always, equals the network, and gives the same prefix again."""
    key = key_of(network)
    prefix = Prefix.parse(key_text(key))

    assert ipaddress.ip_network(key_text(key)) == network
    assert prefix.key == key
    assert str(prefix) == key_text(key)


@given(networks(), networks())
def test_covers_and_overlaps_agree_with_the_standard_library(one: IPNetwork, other: IPNetwork):
    """Subnet and overlap relations are those of ipaddress; across families there are none."""
    same = one.version == other.version

    assert covers(key_of(one), key_of(other)) == (same and other.subnet_of(one))
    assert overlaps(key_of(one), key_of(other)) == (same and one.overlaps(other))
    assert Prefix(key_of(one)).covers(Prefix(key_of(other))) == (same and other.subnet_of(one))
    assert Prefix(key_of(one)).overlaps(Prefix(key_of(other))) == (same and one.overlaps(other))


@given(st.lists(networks(), max_size=20))
def test_keys_sort_by_family_address_length(some: list[IPNetwork]):
    """The order of records in an announcement is the order of integers."""
    by_parts = sorted(some, key=lambda one: (one.version, int(one.network_address), one.prefixlen))

    assert sorted(key_of(one) for one in some) == [key_of(one) for one in by_parts]
    assert [one.key for one in sorted(Prefix(key_of(one)) for one in some)] == [key_of(one) for one in by_parts]


@given(networks(), st.data())
def test_truncate_gives_the_covering_prefix(network: IPNetwork, data: st.DataObject):
    """A shorter length gives the supernet; the own length gives the same prefix."""
    length = data.draw(st.integers(0, network.prefixlen))

    assert truncate(key_of(network), length) == key_of(network.supernet(new_prefix=length))


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("203.0.113.9", 0),
        ("203.0.113.0/24", 8),
        ("0.0.0.0/0", 32),
        ("2001:db8::1", 0),
        ("2001:db8::/64", 0),
        ("2001:db8::/48", 16),
        ("::/0", 64),
    ],
)
def test_width_counts_an_ipv6_64_as_one_host(text: str, width: int):
    """Bits wider than a host; in IPv6 a /64 is one host (policy: w = max(0, 64 - len))."""
    assert key_width(Prefix.parse(text).key) == width


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("203.0.113.9", "203.0.113.9/32"),
        (" 203.0.113.0/24\n", "203.0.113.0/24"),
        ("2001:DB8:0:0::1", "2001:db8::1/128"),
        ("2001:db8::/048", "2001:db8::/48"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1/128"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
    ],
)
def test_usual_spellings_become_canonical(text: str, canonical: str):
    """An address is a host prefix; case, zeros and surrounding blanks do not matter."""
    assert str(Prefix.parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("203.0.113.9/24", "did you mean 203.0.113.0/24 or the host 203.0.113.9?"),
        ("2001:db8::1/64", "did you mean 2001:db8::/64 or the host 2001:db8::1?"),
        ("203.0.113.9/33", "length 33 is more than 32"),
        ("::/129", "length 129 is more than 128"),
        ("203.0.113.9/", "no valid prefix length"),
        ("203.0.113.9/-1", "no valid prefix length"),
        ("203.0.113.9/255.255.255.0", "no valid prefix length"),
        ("203.0.113.9/24/8", "no valid prefix length"),
        ("203.0.113.0/٢٤", "no valid prefix length"),
        ("203.0.113.09", "neither an IPv4 nor an IPv6 address"),
        ("0x7f.0.0.1", "neither an IPv4 nor an IPv6 address"),
        ("127.1", "neither an IPv4 nor an IPv6 address"),
        ("2130706433", "neither an IPv4 nor an IPv6 address"),
        ("٢٠٣.0.113.9", "neither an IPv4 nor an IPv6 address"),
        ("example.net", "neither an IPv4 nor an IPv6 address"),
        ("", "neither an IPv4 nor an IPv6 address"),
        ("fe80::1%eth0", "has a zone; leave out %eth0"),
    ],
)
def test_anything_else_is_an_error_that_helps(text: str, says: str):
    """No octal, no short forms, no names, no zones, no host bits; the error says what would be right."""
    with pytest.raises(InputError) as caught:
        Prefix.parse(text)

    assert says in str(caught.value)
    assert caught.value.field == "prefix"


@pytest.mark.parametrize(("family", "length"), [(Family.V4, 33), (Family.V4, -1), (Family.V6, 129)])
def test_a_length_out_of_range_is_refused(family: Family, length: int):
    """`of` takes integers from decoders: they are checked like text."""
    with pytest.raises(InputError, match="is not within"):
        Prefix.of(family, 0, length)


def test_of_builds_from_integers():
    """Family, address and length, as a record holds them."""
    assert str(Prefix.of(Family.V4, 0xCB007100, 24)) == "203.0.113.0/24"
    assert str(Prefix.of(Family.V6, 0x20010DB8 << 96, 32)) == "2001:db8::/32"


@pytest.mark.parametrize(
    "key",
    [
        -1,
        1 << 137,  # no such family
        v4_key(0xCB007109, 24),  # host bits
        v4_key(0, 33),
        v6_key(1, 127),
        v6_key(0, 129),
        v4_key(1 << 32, 32),  # an address that is too large
    ],
)
def test_an_invalid_prefix_cannot_be_built(key: int):
    """The value refuses to exist, whoever made the key."""
    with pytest.raises(InputError, match="is not a prefix key"):
        Prefix(PrefixKey(key))


def test_a_prefix_knows_its_parts():
    """Family, length, and whether it is one address."""
    host, network = Prefix.parse("2001:db8::1"), Prefix.parse("203.0.113.0/24")

    assert (host.family, host.length, host.is_host) == (Family.V6, 128, True)
    assert (network.family, network.length, network.is_host) == (Family.V4, 24, False)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("::ffff:203.0.113.9", "203.0.113.9/32"),
        ("::FFFF:CB00:7109", "203.0.113.9/32"),
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        ("::ffff:0:0/96", "::ffff:0.0.0.0/96"),
        ("::fffe:203.0.113.9", "::fffe:cb00:7109/128"),
        ("1::ffff:203.0.113.9", "1::ffff:cb00:7109/128"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("203.0.113.9", "203.0.113.9/32"),
    ],
)
def test_a_client_of_a_socket_for_both_families_is_an_ipv4_address(text: str, canonical: str):
    """Daemons log ::ffff:203.0.113.9; no packet carries it, and a block of it would block nothing."""
    assert str(Prefix.of_client(text)) == canonical


def test_an_address_is_a_family_and_a_number():
    """For code that compares addresses without making prefixes of them."""
    assert parse_address("203.0.113.9") == (Family.V4, 0xCB007109)
    assert parse_address("::1") == (Family.V6, 1)


@given(st.text(alphabet="0123456789abcdefABCDEF.:x%٣ \0-", max_size=42))
@example("1.2.3.04")
@example("::ffff:1.2.3.4")
@example("1:2:3:4:5:6:7::")
@example("::1%eth0")
@example("0x7f.1")
def test_what_an_address_is_agrees_with_the_standard_library(text: str):
    """The same texts are addresses, and the same ones; a zone is none of ours."""
    try:
        expected = ipaddress.ip_address(text)
    except ValueError:
        expected = None
    if expected is None or (isinstance(expected, ipaddress.IPv6Address) and expected.scope_id is not None):
        with pytest.raises(InputError):
            parse_address(text)
    else:
        assert parse_address(text) == (Family(expected.version), int(expected))
