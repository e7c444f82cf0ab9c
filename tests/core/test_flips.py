"""Whoever makes a prefix flap waits; nobody else does."""

from p2pfw.core import flips
from p2pfw.core.flips import FLIPS, HOUR, FlipLimiter
from tests.core.judging import HOST, NOW, key, node

A, B = node("a"), node("b")


def flap(limiter, times, *, begins=NOW, beside=frozenset()):
    """A drop and a return by A, so many times, ten seconds apart."""
    for number in range(times):
        limiter.dropped(HOST, beside, begins + 20 * number)
        limiter.returned(HOST, beside | {A}, begins + 20 * number + 10)


def test_six_changes_an_hour_and_no_more():
    """Adopted, dropped; returned, dropped; returned, dropped: the next BLOCK waits."""
    limiter = FlipLimiter()
    flap(limiter, 2)
    assert limiter.waiting(HOST, NOW + 40) == {}
    limiter.dropped(HOST, frozenset(), NOW + 40)

    assert FLIPS == 6
    assert limiter.waiting(HOST, NOW + 40) == {A: NOW + HOUR}


def test_waiting_ends_when_an_hour_has_passed_since_the_first_of_the_six():
    """A sliding hour."""
    limiter = FlipLimiter()
    flap(limiter, 2)
    limiter.dropped(HOST, frozenset(), NOW + 40)

    assert limiter.waiting(HOST, NOW + HOUR - 1) == {A: NOW + HOUR}
    assert limiter.waiting(HOST, NOW + HOUR) == {}


def test_a_steady_witness_is_not_blamed_for_the_flips_of_another():
    """B supports all the time; only A comes and goes."""
    limiter = FlipLimiter()
    flap(limiter, 5, beside=frozenset({B}))
    limiter.dropped(HOST, frozenset({B}), NOW + 100)

    assert limiter.waiting(HOST, NOW + 100).keys() == {A}


def test_prefixes_have_nothing_to_do_with_one_another():
    """For one (origin, prefix)."""
    limiter = FlipLimiter()
    flap(limiter, 5)

    assert limiter.waiting(key("203.0.113.8"), NOW + 100) == {}


def test_what_rests_for_an_hour_is_forgotten():
    """The memory is an hour long."""
    limiter = FlipLimiter()
    limiter.dropped(HOST, frozenset(), NOW)
    limiter.dropped(key("203.0.113.8"), frozenset(), NOW + HOUR)

    assert HOST not in limiter
    assert len(limiter) == 1


def test_the_memory_is_bounded(monkeypatch):
    """A mass expiry is a drop of everything; the oldest are forgotten first."""
    monkeypatch.setattr(flips, "MOST_TRACKS", 3)
    limiter = FlipLimiter()
    for number in range(5):
        limiter.dropped(HOST + (number << 8), frozenset(), NOW)

    assert len(limiter) == 3
    assert HOST + (4 << 8) in limiter
    assert HOST not in limiter
