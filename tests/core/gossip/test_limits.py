"""Token buckets: what a peer may send unasked (protocol 6)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.gossip.limits import Allowance, Bucket, Limits

SMALL = Limits(
    bytes_rate=100,
    bytes_burst=1_000,
    announcements_rate=1,
    announcements_burst=4,
    ids_rate=1,
    ids_burst=3,
    frames_rate=1,
    frames_burst=2,
    reserve_rate=1,
    reserve_burst=1,
)


@given(
    st.floats(0.1, 100),
    st.floats(1, 100),
    st.lists(st.tuples(st.floats(0, 10), st.floats(0, 50)), max_size=40),
)
def test_never_more_than_burst_and_rate(rate, burst, asked):
    """Over any time from the start, at most burst + rate x time is let through (protocol 6)."""
    bucket = Bucket.full(rate, burst, 0.0)
    now = let = 0.0
    for wait, amount in asked:
        now += wait
        let += amount if bucket.take(amount, now) else 0.0

        assert let <= burst + rate * now + 1e-6


def test_a_clock_that_goes_back_gives_nothing():
    """A monotonic clock never does; a wrong one must not fill buckets (protocol 6)."""
    bucket = Bucket.full(1.0, 1.0, 100.0)
    assert bucket.take(1.0, 100.0)

    assert not bucket.take(0.5, 50.0)


def test_announcements_are_limited_by_number_and_by_bytes():
    """Whichever runs out first; what was refused takes nothing (protocol 6)."""
    few = Allowance(SMALL, 0.0)
    assert [few.push(1, 0.0) for _ in range(5)] == [True] * 4 + [False]

    large = Allowance(SMALL, 0.0)
    assert large.push(900, 0.0)
    assert not large.push(200, 0.0)
    assert large.push(100, 0.0)


def test_ids_frames_and_the_reserve_have_their_own_limits():
    """None of them eats into another (protocol 6)."""
    allowance = Allowance(SMALL, 0.0)

    assert allowance.ids(3, 0.0)
    assert not allowance.ids(1, 0.0)
    assert allowance.frame(0.0)
    assert allowance.frame(0.0)
    assert not allowance.frame(0.0)
    assert allowance.reserve(0.0)
    assert not allowance.reserve(0.5)
    assert allowance.reserve(1.5)
    assert allowance.push(1, 0.0)


def test_limits_scale_together():
    """What all peers together may send is a multiple of what one may (protocol 6)."""
    tenfold = SMALL.times(10)

    assert (tenfold.ids_burst, tenfold.bytes_rate) == (30, 1_000)


@pytest.mark.parametrize("size, count", [(24_700, 40), (200, 500)])
def test_the_default_burst_holds_what_is_normal(size, count):
    """A storm of 500 lone blocks, or 1 MB of batches, passes at once (protocol 6)."""
    allowance = Allowance(Limits(), 0.0)

    assert all(allowance.push(size, 0.0) for _ in range(count))
