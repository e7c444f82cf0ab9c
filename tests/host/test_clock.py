"""What "now" is when somebody sets the clock."""

import time

import pytest

from p2pfw.host.clock import JUMP, SteadyClock, SystemClock


class Hands:
    """A wall clock and a steady one, moved by hand."""

    def __init__(self):
        self.wall, self.steady = 1_700_000_000.0, 50.0

    def clock(self, kind=SystemClock):
        return kind(lambda: self.wall, lambda: self.steady)

    def pass_time(self, seconds):
        self.wall += seconds
        self.steady += seconds


def test_small_corrections_are_followed():
    """A second, again and again, as a time server makes them."""
    hands = Hands()
    clock = hands.clock()
    for _ in range(10):
        hands.pass_time(60)
        hands.wall += JUMP
        assert clock.now() == pytest.approx(hands.wall)
        assert clock.jump() == 0


@pytest.mark.parametrize("jump", [-3_600, 3_600, -86_400, 86_400, -1_700_000_000, 447_483_648, JUMP + 0.5])
def test_a_jump_is_seen_and_not_followed(jump):
    """Time goes on as before, until the wall clock is believed or comes back."""
    hands = Hands()
    clock = hands.clock()
    before = clock.now()
    hands.wall += jump
    hands.pass_time(5)
    assert clock.now() == pytest.approx(before + 5)
    assert clock.jump() == pytest.approx(jump)
    clock.follow()
    assert (clock.now(), clock.jump()) == (pytest.approx(hands.wall), 0)
    hands.wall -= jump
    hands.wall += jump
    assert clock.jump() == 0


def test_one_that_only_counts_follows_nothing():
    """For a process to which only seconds matter."""
    hands = Hands()
    clock = hands.clock(SteadyClock)
    hands.wall += 1
    hands.pass_time(5)

    assert clock.now() == 1_700_000_005.0


def test_the_systems_clock_is_the_systems():
    """Both kinds, unless told otherwise."""
    assert SystemClock().now() == pytest.approx(time.time(), abs=1)
    assert SteadyClock().monotonic() == pytest.approx(time.monotonic(), abs=1)
