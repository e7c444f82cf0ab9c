"""Holes in prefixes, against the standard library taking one network out of another again and again."""

import ipaddress

from hypothesis import example, given
from hypothesis import strategies as st

from p2pfw.core.carving import CarvedList, Holes
from p2pfw.core.prefix import Prefix, PrefixKey, key_text, v4_key, v6_key


def key(text):
    """The key of a prefix."""
    return Prefix.parse(text).key


def _network(family: int, address: int, length: int) -> PrefixKey:
    bits = 32 if family == 4 else 128
    host = bits - length
    return (v4_key if family == 4 else v6_key)(address >> host << host, length)


# Crowded, so that holes, prefixes and prefixes within prefixes meet.
crowded = st.one_of(
    st.builds(_network, st.just(4), st.integers(0, 255), st.integers(22, 32)),
    st.builds(_network, st.just(6), st.integers(0, 255), st.integers(118, 128)),
)
wide = st.one_of(
    st.builds(_network, st.just(4), st.integers(0, 2**32 - 1), st.integers(0, 12)),
    st.builds(_network, st.just(6), st.integers(0, 2**128 - 1), st.integers(0, 24)),
)
keys_of = st.lists(st.one_of(crowded, wide), max_size=12)
holes_of = st.lists(crowded, max_size=12)


def _twin(one, holes):
    """Take every hole out of one network, slowly; the fewest networks that are left."""
    left = [ipaddress.ip_network(key_text(one))]
    for hole in (ipaddress.ip_network(key_text(found)) for found in holes):
        left = [part for network in left for part in _without(network, hole)]
    return list(ipaddress.collapse_addresses(left))


def _without(network, hole):
    if network.version != hole.version or not network.overlaps(hole):
        return [network]
    return [] if hole.supernet_of(network) else list(network.address_exclude(hole))


def made(holes):
    """These holes."""
    found = Holes()
    found.replace(holes)
    return found


@given(st.one_of(crowded, wide), holes_of)
@example(_network(4, 0, 0), [_network(4, 0, 32), _network(4, 2**32 - 1, 32)])
@example(_network(6, 0, 0), [_network(6, 2**128 - 1, 128)])
@example(_network(4, 7, 32), [_network(4, 0, 24)])
def test_parts_around_holes_agree_with_the_standard_library(one, holes):
    """Exactly the addresses that are in no hole, in the fewest prefixes, in order."""
    parts = made(holes).around(one)

    assert [ipaddress.ip_network(key_text(part)) for part in parts] == _twin(one, holes)


def test_one_whitelisted_host_costs_one_prefix_a_bit():
    """A /20 around one host is twelve prefixes, the narrowest of them its neighbour."""
    parts = made([key("198.51.100.7/32")]).around(key("198.51.96.0/20"))

    assert len(parts) == 12
    assert key("198.51.100.6/32") in parts
    assert key("198.51.104.0/21") in parts


def test_prefix_without_holes_is_itself():
    """Nothing is split for nothing: neither by another family nor by a neighbour."""
    holes = made([key("198.51.101.0/24"), key("2001:db8::/32")])

    assert holes.around(key("198.51.100.0/24")) == (key("198.51.100.0/24"),)


def test_what_came_and_went_is_told():
    """Replacing holes answers the difference, and only that."""
    holes = made([key("192.0.2.1/32"), key("192.0.2.2/32")])

    assert holes.replace([key("192.0.2.2/32"), key("192.0.2.3/32")]) == {key("192.0.2.1/32"), key("192.0.2.3/32")}
    assert set(holes) == {key("192.0.2.2/32"), key("192.0.2.3/32")}


@given(keys_of, holes_of, holes_of)
def test_following_holes_is_the_same_as_carving_anew(keys, before, after):
    """However holes come and go, the list is what it would be if it had come now; and says whether it changed."""
    holes = made(before)
    carved = CarvedList(sorted(set(keys)), holes)
    first = carved.said()
    different = carved.follow(holes.replace(after))

    anew = CarvedList(sorted(set(keys)), made(after))
    assert carved.said() == anew.said()
    assert carved.carved == anew.carved
    assert different or first == carved.said()


@given(keys_of, holes_of)
def test_every_prefix_is_carved_by_itself(keys, holes):
    """Slow twin: each prefix of the list around all holes, put together."""
    found = made(holes)

    assert CarvedList(sorted(set(keys)), found).said() == {part for one in set(keys) for part in found.around(one)}


@given(keys_of, holes_of)
def test_closing_every_hole_gives_the_list_as_it_came(keys, holes):
    """Nothing is lost by carving."""
    found = made(holes)
    carved = CarvedList(sorted(set(keys)), found)
    carved.follow(found.replace([]))

    assert carved.said() == set(keys)
    assert carved.carved == 0
    assert len(carved) == len(set(keys))


def test_a_hole_elsewhere_changes_nothing():
    """Only what touches a hole is looked at, and the answer says that nothing changed."""
    holes = made([])
    carved = CarvedList([key("198.51.100.0/24")], holes)

    assert carved.follow(holes.replace([key("203.0.113.9/32")])) is False


def test_a_hole_within_a_hole_changes_nothing():
    """A host of a range that is cut out already: carved again, to the same."""
    holes = made([key("198.51.100.0/28")])
    carved = CarvedList([key("198.51.100.0/24")], holes)

    assert carved.follow(holes.replace([key("198.51.100.0/28"), key("198.51.100.3/32")])) is False
