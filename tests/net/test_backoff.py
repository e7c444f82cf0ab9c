"""Decorrelated jitter: between the first and the most, and spread."""

import random

from p2pfw.net.backoff import Backoff


def test_delays_stay_within_their_bounds_and_grow():
    """1 s to 5 min, each at most three times the one before."""
    backoff = Backoff(random.Random(1), first=1.0, most=300.0)
    last, seen = 1.0, []
    for _ in range(200):
        delay = backoff.next()
        assert 1.0 <= delay <= min(300.0, 3 * last)
        seen.append(delay)
        last = delay

    assert max(seen) > 100.0


def test_two_callers_do_not_stay_in_step():
    """A restarted hub is not called by all at the same instants."""
    one, other = (Backoff(random.Random(seed), first=1.0, most=300.0) for seed in (1, 2))

    assert all(one.next() != other.next() for _ in range(20))


def test_success_starts_again_from_the_first_delay():
    """After a session that lasted."""
    backoff = Backoff(random.Random(3), first=1.0, most=300.0)
    for _ in range(20):
        backoff.next()
    backoff.reset()

    assert backoff.next() <= 3.0
