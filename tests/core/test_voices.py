"""Independent witnesses: grouping, score and lease do not depend on order, nor grow by repetition."""

from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.statement import Source
from p2pfw.core.verdict import Uncounted
from p2pfw.core.voices import (
    KEEP_THRESHOLDS,
    THRESHOLDS,
    VOICES_NEEDED,
    Weighed,
    combine,
    group,
    lease_end,
    missing_support,
    tally,
    voice_of,
    voices_for_lease,
)
from tests.core.judging import DAY, NOW, local, owner, said

supports = st.lists(st.sampled_from([0.1, 0.25, 0.3, 0.4, 0.9]), max_size=6)


def itself(owner_id):
    """Nobody is vouched for."""
    return owner_id


def weighed(support, said_):
    """A statement with its support, by its own voice."""
    return Weighed(support, said_, voice_of(said_, itself))


@pytest.mark.parametrize(
    ("width", "threshold", "needed"),
    [(0, 0.6, 1), (1, 0.64, 2), (4, 0.76, 2), (7, 0.88, 2), (8, 0.92, 2), (9, 0.95, 3), (16, 0.95, 3)],
)
def test_threshold_and_voices_grow_with_the_width(width, threshold, needed):
    """min(0.95, 0.60 + 0.04 w), 1 + ceil(w / 8), kept down to 0.15 below."""
    assert (THRESHOLDS[width], VOICES_NEEDED[width]) == (threshold, needed)
    assert KEEP_THRESHOLDS[width] == pytest.approx(threshold - 0.15, abs=1e-9)


@given(supports)
def test_the_score_is_the_noisy_or(values):
    """1 - the product of doubts, rounded to 4 digits, by exact arithmetic."""
    doubt = Fraction(1)
    for value in values:
        doubt *= 1 - Fraction(str(value))

    assert abs(combine(values) - (1 - doubt)) <= Fraction(1, 20_000) + Fraction(1, 10**12)


def test_two_pairs_make_what_the_table_says():
    """Two at 0.40 make 0.64; four sponsors at 0.40 vouching only for Sybils at 0.2 stay below 0.60."""
    assert combine([0.4, 0.4]) == 0.64
    assert combine([0.25] * 3) == 0.5781
    assert combine([0.2] * 4) == 0.5904


@given(st.permutations([0.9, 0.4, 0.3, 0.25, 0.1]))
def test_the_score_does_not_depend_on_order(values):
    """In sorted order: the same digits on every node."""
    assert combine(values) == combine(sorted(values))


def test_one_feed_told_by_many_counts_once_by_its_strongest_teller():
    """`feed-duplicate`."""
    weak, strong = weighed(0.3, said("a", basis=7)), weighed(0.4, said("b", basis=7))

    assert group([weak, strong]) == ([strong], [(weak.statement, Uncounted.FEED_DUPLICATE)])


def test_one_owner_is_one_voice_by_its_strongest_statement():
    """`same-owner`."""
    weak, strong = weighed(0.3, said("a", of="x")), weighed(0.4, said("b", of="x"))

    assert group([weak, strong]) == ([strong], [(weak.statement, Uncounted.SAME_OWNER)])


def test_who_only_repeats_a_feed_may_still_be_a_witness_of_its_own():
    """Feeds are grouped before owners: what falls out there takes nothing with it."""
    repeats, saw = weighed(0.3, said("a", basis=7)), weighed(0.3, said("a2", of="a"))
    strongest = weighed(0.4, said("b", basis=7))

    counted, left_out = group([repeats, saw, strongest])

    assert counted == [strongest, saw]
    assert left_out == [(repeats.statement, Uncounted.FEED_DUPLICATE)]


def test_the_strongest_teller_of_a_feed_is_it_even_when_its_owner_speaks_for_itself_too():
    """Then nobody else repeats that feed either."""
    told, saw, other = (
        weighed(0.4, said("a", basis=7)),
        weighed(0.9, said("a2", of="a")),
        weighed(0.3, said("b", basis=7)),
    )

    counted, left_out = group([told, saw, other])

    assert counted == [saw]
    assert dict(left_out) == {told.statement: Uncounted.SAME_OWNER, other.statement: Uncounted.FEED_DUPLICATE}


def test_equal_supports_are_told_apart_alike_in_every_order():
    """By voice, then by the newest: no node counts another one than its neighbour does."""
    told = [
        weighed(0.4, said("a", basis=7)),
        weighed(0.4, said("b", basis=7)),
        weighed(0.4, said("b2", of="b")),
        weighed(0.4, said("b3", of="b", created=NOW - 5)),
    ]

    outcomes = {tuple(counted) for counted, _ in map(group, permutations(told))}

    assert outcomes == {(told[0], told[2])}


def test_voices_have_names_that_cannot_meet():
    """Owners by their key, this machine, and each feed."""
    feeds = [voice_of(local(Source.FEED_VOICE, name=name), itself) for name in ("x", "y")]

    assert feeds == [b"feed:x", b"feed:y"]
    assert voice_of(local(Source.SIGHTING), itself) == b"self"
    assert voice_of(said("a", of="x"), itself) == owner("x")
    assert voice_of(said("a", owner=None), itself) == b""


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=5))
def test_the_lease_comes_from_the_newest_word_and_the_latest_end(told):
    """Over everything that was weighed: whoever repeats a voice renews it."""
    told_ = [weighed(0.4, said(name, created=NOW - ago, ttl=days * DAY)) for name, ago, days in told]
    counted, _ = group(told_)

    counted_up = tally(counted, told_)

    days = {1: 1, 2: 7, 3: 30}[len({name for name, _, _ in told})]
    newest = NOW - min(ago for _, ago, _ in told)
    latest = max(NOW - ago + days_ * DAY for _, ago, days_ in told)
    assert lease_end(counted_up) == min(latest, newest + days * DAY)
    assert counted_up.earliest == min(NOW - ago + days_ * DAY for _, ago, days_ in told)


def test_a_local_voice_without_end_leaves_the_lease_to_the_clock():
    """Expires 0: no end."""
    told = [weighed(1.0, local(Source.SIGHTING, until=0)), weighed(0.4, said("a", ttl=60))]

    counted_up = tally(told, told)

    assert (counted_up.latest, counted_up.earliest, lease_end(counted_up)) == (0, NOW + 60, NOW + 7 * DAY)


def test_nobody_has_no_lease():
    """And no score."""
    assert tally([], []) == (0.0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("age", "voices"), [(0, 1), (DAY - 1, 1), (DAY, 2), (7 * DAY - 1, 2), (7 * DAY, 3), (40 * DAY, 3)]
)
def test_an_old_word_takes_more_voices(age, voices):
    """1 d, 7 d, 30 d."""
    assert voices_for_lease(NOW - age, NOW) == voices


@pytest.mark.parametrize(
    ("score", "threshold", "missing"),
    [(0.0, 0.6, 0.6), (0.4, 0.6, 0.3333), (0.55, 0.6, 0.1111), (0.6, 0.6, 0.0), (0.9, 0.6, 0.0), (1.0, 0.95, 0.0)],
)
def test_missing_support_is_what_one_more_voice_would_need(score, threshold, missing):
    """1 - (1 - threshold) / (1 - score)."""
    assert missing_support(score, threshold) == missing
