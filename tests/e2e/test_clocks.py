"""Wall clocks: one that is wrong by an hour, and what thirty hours do to a block that is meant for ever."""

import os
import re

import pytest

from tests.e2e.fleet import Fleet, Server, until
from tests.netns import lab_or_skip

HOUR = 3_600
HOURS = 30
STEP = 6
"""Hours that pass at once: less than the time between two renewals, so that none is missed."""


class Timed(Server):
    """A server whose wall clock a test sets."""

    @property
    def clock(self):
        return self.folder / "shift"

    def shift(self, seconds):
        """So far ahead of the machine's from now on; written whole, as the process may look at any time."""
        fresh = self.clock.with_suffix(".new")
        fresh.write_text(str(seconds))
        os.replace(fresh, self.clock)

    def argv(self, *arguments):
        first, _, _, *rest = super().argv(*arguments)
        return [first, "-m", "tests.e2e.shifted", str(self.clock), *rest]


class TimedFleet(Fleet):
    """Its servers' clocks move together."""

    server = Timed

    def __post_init__(self):
        super().__post_init__()
        self.shift(0)

    def shift(self, seconds):
        for server in self.servers:
            server.shift(seconds)


@pytest.fixture
def timed(tmp_path):
    """A, B and C with clocks of their own, not started."""
    tmp_path.chmod(0o700)
    with lab_or_skip() as lab:
        made = TimedFleet(lab, tmp_path)
        try:
            yield made
        finally:
            made.close()


def test_forever_is_still_in_force_after_thirty_hours(timed):
    """One voice's lease is a day; its origin means it still, and renews. What is not meant any longer ends."""
    lasting, passing = "60.1.1.1", "60.1.1.2"
    timed.start()
    timed.a.api.block(lasting, ttl="forever")
    timed.a.api.block(passing, ttl="25h", local_only=False)
    timed.c.has(lasting, passing)
    for hours in range(STEP, HOURS + STEP, STEP):
        timed.shift(hours * HOUR)
        until(lambda h=hours: ahead(timed.a, h) and ahead(timed.c, h))
        until(lambda: timed.c.api.why(lasting)["blocked"])
    timed.c.lacks(passing)

    for server in timed.servers:
        assert server.api.why(lasting)["dropped"]
        assert lasting in server.installed()
        assert not server.api.why(passing)["blocked"]


def ahead(server, hours):
    """True once the node has lived with the later time for a while: its housekeeping looks every second."""
    return server.api.status()["uptime"] >= hours * HOUR + 3


def test_a_clock_that_is_an_hour_ahead_is_noticed_on_both_sides(timed):
    """With three witnesses against it the node falls silent and says so; what it blocks holds there only."""
    wrong = Timed(timed.lab.host("D"), timed.folder, timed.owner)
    wrong.shift(HOUR)
    for server in timed.servers:
        wrong.knows(server, "watch", dial=True)
    timed.c.knows(timed.b, "solo", dial=True)
    timed.start()
    wrong.start()
    try:
        wrong.meets(3)
        until(lambda: "silent" in codes(wrong))
        before = timed.a.api.status()["refusals"]  # of calls that crossed while everybody was starting
        wrong.api.block("60.2.2.2")
        wrong.has("60.2.2.2")
        until(lambda: "clock" in codes(timed.a))

        assert any(re.search(r"by \+(3600|3599) s", line["text"]) for line in timed.a.api.status()["health"])
        assert not timed.a.api.why("60.2.2.2")["blocked"]
        assert {what for what, count in timed.a.api.status()["refusals"].items() if count > before.get(what, 0)} <= {
            "future"
        }

        wrong.shift(0)
        until(lambda: "silent" not in codes(wrong))
        assert "unheard" in codes(wrong)
        for server in (wrong, *timed.servers):  # everybody's hour passes
            server.shift(HOUR)
        until(lambda: "unheard" not in codes(wrong))
        timed.a.has("60.2.2.2")
    finally:
        wrong.close()


def codes(server):
    """Of the health lines."""
    return {line["code"] for line in server.api.status()["health"]}
