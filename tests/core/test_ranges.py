"""One bisection says whether a prefix touches any of many, in either direction."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.prefix import Prefix, overlaps, v4_key, v6_key
from p2pfw.core.ranges import OverlapMap, is_canonical, span
from p2pfw.errors import InputError
from tests.core.judging import key
from tests.core.test_prefixmap import few


@given(st.lists(st.tuples(few, st.booleans())), few)
def test_overlaps_are_those_of_a_list_scan_after_any_history(history, asked):
    """Entries come and go; what touches is found either way, and named."""
    made, kept = OverlapMap(), {}
    for number, (prefix, comes) in enumerate(history):
        if comes:
            made.set(prefix, number)
            kept[prefix] = number
        else:
            assert made.delete(prefix) == kept.pop(prefix, None)

    touching = {prefix: value for prefix, value in kept.items() if overlaps(prefix, asked)}
    assert made.touches(*span(asked)) == bool(touching)
    assert dict(made.overlapping(asked)) == touching
    assert list(made.items()) == sorted(kept.items())
    assert len(made) == len(kept)
    assert made.get(asked) == kept.get(asked)


def test_what_covers_is_named_before_what_lies_within_and_longest_first():
    """The order in which an operator wants to read it."""
    made = OverlapMap()
    for text in ("203.0.113.9/32", "203.0.0.0/16", "203.0.113.0/24", "203.0.113.8/32"):
        made.set(key(text), text)

    named = [value for _, value in made.overlapping(key("203.0.113.8/29"))]

    assert named == ["203.0.113.0/24", "203.0.0.0/16", "203.0.113.8/32", "203.0.113.9/32"]
    assert made[key("203.0.0.0/16")] == "203.0.0.0/16"


def test_taking_an_outer_range_away_uncovers_those_within():
    """Whitelists nest: an entry inside another holds when the other goes."""
    made = OverlapMap()
    for text in ("203.0.113.9/32", "203.0.0.0/16", "203.0.113.0/24"):
        made.set(key(text), text)
    made.delete(key("203.0.0.0/16"))

    assert made.touches(*span(key("203.0.113.200")))
    assert not made.touches(*span(key("203.0.112.0")))


def test_the_families_lie_apart_on_the_line():
    """The last IPv4 address is not the neighbour of ::."""
    assert span(key("255.255.255.255"))[1] < span(key("::/0"))[0]


@given(st.integers(-1, 1 << 138))
def test_a_key_is_canonical_when_a_prefix_can_be_built_of_it(number):
    """Both say the same of any integer."""
    try:
        Prefix(number)
    except InputError:
        assert not is_canonical(number)
    else:
        assert is_canonical(number)


@pytest.mark.parametrize(
    ("number", "right"),
    [
        (key("203.0.113.0/24"), True),
        (key("2001:db8::/32"), True),
        (key("::/0"), True),
        (v4_key(0xCB007107, 24), False),
        (v4_key(1, 33), False),
        (v6_key(1, 127), False),
        (v6_key(0, 129), False),
    ],
)
def test_host_bits_and_impossible_lengths_are_not_canonical(number, right):
    """Host bits must be zero."""
    assert is_canonical(number) is right
