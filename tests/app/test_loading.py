"""What a node does first: what it kept counts again, and a clock or a certificate that is wrong stops nothing."""

from p2pfw.core.identity import DAY
from tests.app.world import World


async def test_a_clock_that_is_behind_the_certificate_does_not_keep_a_node_from_starting():
    """A board without a battery clock begins in the past; it must enforce what it kept all the same."""
    world = World()
    a = await world.node("a", owner=1, skew=-10 * DAY)

    assert a.up
    assert a.node.domain.directory.certificate_of(a.id) is not None


async def test_a_certificate_that_ended_long_ago_is_told_and_stops_nothing():
    """What is wrong with this node's own identity is state, shown by health, not a crash."""
    world = World()
    a = await world.node("a", owner=1, skew=200 * DAY, holds_owner_key=False)

    lines = {line.code: line for line in a.app.status().health}
    assert a.up
    assert "does not count" in lines["certificate"].text
    assert lines["certificate"].level == "error"
