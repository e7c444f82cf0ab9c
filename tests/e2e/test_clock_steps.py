"""A wall clock that is set while the node runs: nothing ends early, nothing late, and the right time is followed."""

import time

import pytest

from p2pfw.host.clock import JUMP
from tests.e2e.fleet import Owner, until
from tests.e2e.test_clocks import Timed
from tests.netns import lab_or_skip
from tests.scale import trials

HOUR, DAY = 3_600, 86_400
TURNS = trials(1, 13)
"""Of all eight steps."""
YEAR_2038 = 2**31 - 5


def steps():
    """Seconds by which the wall clock is set, from what it should be."""
    return [-1, 1, -HOUR, HOUR, -DAY, DAY, -int(time.time()), YEAR_2038 - int(time.time())]


class Stepped(Timed):
    """A server whose wall clock jumps."""

    def argv(self, *arguments):
        return [word.replace("shifted", "stepped") for word in super().argv(*arguments)]


@pytest.fixture
def pair(tmp_path):
    """A node whose clock is set, and one of the same fleet whose clock is right; not started."""
    tmp_path.chmod(0o700)
    with lab_or_skip() as lab:
        owner = Owner(tmp_path)
        made = [Stepped(lab.host(name), tmp_path, owner) for name in ("A", "B")]
        for one, other in (made, made[::-1]):
            one.shift(0)
            one.knows(other, "watch", dial=True)
        try:
            yield made
        finally:
            for one in made:
                one.close()


def codes(server):
    """Of the health lines."""
    return {line["code"] for line in server.api.status()["health"]}


def test_a_wrong_clock_ends_nothing_and_keeps_nothing(pair):
    """A second, an hour, a day, 1970, 2038: leases end by true time (I4), and both nodes still hear one another."""
    a, b = pair
    for server in pair:
        server.start()
    a.meets()
    until(lambda: a.api.status()["enforcing"])
    lasting = "63.1.1.1"
    a.api.block(lasting, ttl="1h", wait=True)
    begun = time.monotonic()
    for number, shift in enumerate(steps() * TURNS):
        passing, ours, theirs = (f"63.{third}.{number}.1" for third in (2, 3, 4))
        a.api.block(passing, ttl="4s", wait=True)
        ends = time.monotonic() + 4
        a.shift(shift)
        held = abs(shift) > JUMP
        until(lambda held=held: ("clock-jumped" in codes(a)) == held)
        a.api.block(ours, ttl="1h")
        b.api.block(theirs, ttl="1h")
        b.has(ours)
        a.has(theirs)
        if time.monotonic() < ends - 1:
            assert passing in a.installed()
        a.lacks(passing)
        assert time.monotonic() <= ends + 30  # the kernel's own timeout; a busy machine may look late
        left = a.installed()[lasting]
        assert abs(left - (HOUR - (time.monotonic() - begun))) < 5
        assert a.api.why(lasting)["dropped"]
        a.shift(0)
        until(lambda: "clock-jumped" not in codes(a))
        until(lambda one=passing: not a.api.why(one)["blocked"])


def test_a_clock_that_is_put_right_is_followed(pair):
    """It was an hour ahead when the node started; its peer says that it is right now, and every end is written anew."""
    a, b = pair
    a.shift(HOUR)
    a.start()
    a.api.block("63.9.1.1", ttl="2h", wait=True)
    assert a.installed()["63.9.1.1"] > 2 * HOUR - 60
    b.start()
    a.meets()
    until(lambda: "clock" in codes(a))
    a.shift(0)

    until(lambda: "following the wall clock" in a.log.read_text())
    until(lambda: "clock" not in codes(a))
    until(lambda: a.installed()["63.9.1.1"] > 3 * HOUR - 120)
