"""What a list must pass before it replaces the last good one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.guards import SPECIAL, WIDE, Bounds, Everything, TooChanged, TooFew, TooOld, everything, refusal, sieve
from p2pfw.core.prefix import Prefix, covers, key_text, key_width, v4_key, v6_key
from p2pfw.core.special import Space, special_overlap

NOW = 1_800_000_000
DAY = 86_400
BOUNDS = Bounds(minimum=10, max_change=0.3, max_age=7 * DAY)


def key(text):
    """The key of a prefix."""
    return Prefix.parse(text).key


def hosts(first, count):
    """So many addresses in a row."""
    return {v4_key((198 << 24) + (51 << 16) + first + number, 32) for number in range(count)}


def test_what_public_lists_contain_and_nobody_may_block_is_left_out():
    """FireHOL's level 1 names loopback, link-local, multicast and the whole of class E: each is counted, none kept."""
    listed = ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "240.0.0.0/4", "203.0.113.0/24")
    found = sieve([key(text) for text in listed])

    assert [key_text(one) for one in found.keys] == ["203.0.113.0/24"]
    assert found.dropped == {SPECIAL: 4, WIDE: 1}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("198.0.0.0/10", True),
        ("198.0.0.0/9", False),
        ("2a00:1400::/24", True),
        ("2a00:1400::/23", False),
        ("0.0.0.0/0", False),
        ("::/0", False),
    ],
)
def test_no_feed_may_go_wider_than_ten_and_twenty_four(text, kept):
    """integrations 4: IPv4 /10, IPv6 /24."""
    assert bool(sieve([key(text)]).keys) is kept


@pytest.mark.parametrize("text", ["::ffff:127.0.0.1/128", "2002:7f00:1::/48", "64:ff9b::a9fe:1/128", "::1/128"])
def test_special_space_does_not_hide_in_ipv6(text):
    """An IPv4 address inside an IPv6 one is tested too."""
    assert sieve([key(text)]).dropped == {SPECIAL: 1}


def test_prefix_around_special_space_stays():
    """169.254.0.0/16 is cut out of 169.192.0.0/10 by carving; the rest of it may be blocked."""
    assert sieve([key("169.192.0.0/10")]).keys == (key("169.192.0.0/10"),)


def test_private_space_stays_for_who_allows_it():
    """Whether private space may be blocked is configuration, and may change while the list is kept."""
    assert sieve([key("192.168.7.0/24")]).keys == (key("192.168.7.0/24"),)


any_key = st.one_of(
    st.builds(lambda a, n: v4_key(a >> 32 - n << 32 - n, n), st.integers(0, 2**32 - 1), st.integers(0, 32)),
    st.builds(lambda a, n: v6_key(a >> 128 - n << 128 - n, n), st.integers(0, 2**128 - 1), st.integers(0, 128)),
    st.sampled_from([key(text) for text in ("127.0.0.1/32", "10.0.0.0/8", "169.254.0.0/15", "fe80::/10", "ff00::/24")]),
)


@given(st.lists(any_key))
def test_sieve_agrees_with_a_slow_twin(keys):
    """Each prefix by itself, by the table of special space and without shortcuts; nothing is counted twice."""

    def passes(one):
        found = special_overlap(one, Space.HARD)
        wide = key_width(one) > (22 if one < 1 << 136 else 40)
        return not wide and (found is None or (covers(one, found.key) and one != found.key))

    found = sieve(keys)
    assert list(found.keys) == sorted({one for one in keys if passes(one)})
    assert sum(found.dropped.values()) == len({one for one in keys if not passes(one)})


def test_an_error_page_is_too_few_entries():
    """A list that has ten at least does not become empty: "200 OK" is no proof."""
    assert refusal([], hosts(0, 100), NOW, BOUNDS, NOW) == TooFew(entries=0, minimum=10)
    assert refusal(hosts(0, 9), (), NOW, BOUNDS, NOW) == TooFew(entries=9, minimum=10)
    assert refusal(hosts(0, 10), (), NOW, BOUNDS, NOW) is None


@pytest.mark.parametrize(
    ("new", "refused"),
    [
        (hosts(0, 100), None),
        (hosts(15, 100), None),
        (hosts(0, 130), None),
        (hosts(0, 70), None),
        (hosts(0, 131), TooChanged(added=31, removed=0, share=0.31, limit=0.3)),
        (hosts(0, 69), TooChanged(added=0, removed=31, share=0.31, limit=0.3)),
        (hosts(16, 100), TooChanged(added=16, removed=16, share=0.32, limit=0.3)),
        (hosts(1000, 100), TooChanged(added=100, removed=100, share=2.0, limit=0.3)),
    ],
)
def test_three_entries_of_ten_may_change(new, refused):
    """What came and what went, of what there was; exactly the limit still passes."""
    assert refusal(new, hosts(0, 100), NOW, BOUNDS, NOW) == refused


def test_the_first_list_has_nothing_to_differ_from():
    """Without a last good list any content passes."""
    assert refusal(hosts(0, 50), (), NOW, BOUNDS, NOW) is None


def test_the_operator_confirms_with_a_limit_of_one():
    """max_change = 1.0 takes even a list that has nothing in common with the last, a change of 200 %."""
    confirmed = Bounds(minimum=10, max_change=1.0, max_age=DAY)

    assert refusal(hosts(1000, 100), hosts(0, 100), NOW, confirmed, NOW) is None


def test_an_old_list_does_not_replace_a_good_one():
    """Its own date decides, to the second, whenever it was fetched."""
    old = NOW - 7 * DAY

    assert refusal(hosts(0, 100), hosts(0, 100), old, BOUNDS, NOW) == TooOld(age=7 * DAY, limit=7 * DAY)
    assert refusal(hosts(0, 100), hosts(0, 100), old + 1, BOUNDS, NOW) is None


@given(st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60), min_size=1), st.floats(0.01, 0.99))
def test_change_is_counted_one_by_one(new, last, limit):
    """Slow twin: walk over both lists, count what is in one of them only."""
    keys_new, keys_last = ({v4_key(number, 32) for number in numbers} for numbers in (new, last))
    differing = sum((number in new) != (number in last) for number in range(61))
    found = refusal(keys_new, keys_last, NOW, Bounds(minimum=0, max_change=limit, max_age=DAY), NOW)

    assert (found is not None) is (differing > limit * len(last))


@pytest.mark.parametrize("route", ["0.0.0.0/0", "::/0"])
def test_every_address_is_no_list(route):
    """The default route refuses the list, wherever in it it stands; anything narrower does not."""
    key = Prefix.parse(route).key

    assert everything([*hosts(0, 3), key]) == Everything(key=key)
    assert everything([*hosts(0, 3), Prefix.parse("0.0.0.0/1").key]) is None
