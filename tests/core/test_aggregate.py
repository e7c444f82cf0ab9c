"""Aggregation against the standard library, which is slow and right."""

import ipaddress

from hypothesis import example, given
from hypothesis import strategies as st

from p2pfw.core.aggregate import aggregate
from p2pfw.core.prefix import Prefix, PrefixKey, key_text, v4_key, v6_key


def _network(family: int, address: int, length: int) -> PrefixKey:
    bits = 32 if family == 4 else 128
    host = bits - length
    return (v4_key if family == 4 else v6_key)(address >> host << host, length)


# Crowded, so that halves meet: few addresses, all lengths.
crowded_v4 = st.builds(_network, st.just(4), st.integers(0, 255), st.integers(22, 32))
crowded_v6 = st.builds(_network, st.just(6), st.integers(0, 255), st.integers(118, 128))
any_v4 = st.builds(_network, st.just(4), st.integers(0, 2**32 - 1), st.integers(0, 32))
any_v6 = st.builds(_network, st.just(6), st.integers(0, 2**128 - 1), st.integers(0, 128))


def _networks(keys):
    """As the standard library's values: its spelling of some IPv6 addresses is another."""
    return [ipaddress.ip_network(key_text(key)) for key in keys]


def _twin(keys):
    networks = _networks(keys)
    both = [[n for n in networks if n.version == version] for version in (4, 6)]
    return [one for family in both for one in ipaddress.collapse_addresses(family)]


@given(st.lists(st.one_of(crowded_v4, crowded_v6, any_v4, any_v6), max_size=60))
@example([_network(4, 0, 0), _network(6, 0, 0)])
@example([_network(4, 0, 1), _network(4, 2**31, 1)])
@example([_network(4, 2**32 - 1, 32), _network(6, 0, 128)])
def test_aggregation_agrees_with_the_standard_library(keys):
    """Same prefixes, same order: by family, then by address."""
    assert _networks(aggregate(keys)) == _twin(keys)


def test_neighbours_that_are_not_halves_stay_apart():
    """198.51.100.1 and .2 are neighbours, and no prefix holds just the two."""
    keys = [Prefix.parse("198.51.100.1").key, Prefix.parse("198.51.100.2").key]

    assert aggregate(keys) == keys


def test_merging_goes_on_as_far_as_it_can():
    """256 hosts are one /24."""
    hosts = [v4_key(0xC6336400 + host, 32) for host in range(256)]

    assert aggregate(reversed(hosts)) == [Prefix.parse("198.51.100.0/24").key]
