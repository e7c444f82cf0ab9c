"""A wall clock that jumped: shown, and followed when somebody knows that it is right, or nobody says otherwise."""

from p2pfw.core.clockstep import PATIENCE
from tests.app.world import World

BAD = "203.0.113.9"
HOUR = 3_600


def line(one):
    """The line of health about it."""
    return next((found for found in one.node.health.lines() if found.code == "clock-jumped"), None)


async def test_alone_it_is_believed_after_ten_minutes():
    """Until then leases go by the old time; then every end in the kernel is compared with the new one."""
    world = World()
    a = await world.node("a", owner=1)
    await a.enforce()
    await a.block(BAD, ttl="2h")
    world.clock.ahead = -HOUR
    await world.advance(seconds=10, step=1)
    shown = line(a)
    before = list(a.firewall.held().values())
    await world.advance(seconds=PATIENCE, step=1)
    await world.settle()

    assert "jumped by -1h" in shown.text
    assert "ten minutes" in shown.remedy
    assert before[0] <= 2 * HOUR
    assert line(a) is None
    assert next(iter(a.firewall.held().values())) > 2 * HOUR + HOUR / 2
    assert [event.kind for event in a.node.events.after(0) if event.kind.startswith("clock")] == [
        "clock-jumped",
        "clock-followed",
    ]


async def test_peers_that_say_otherwise_are_believed():
    """However long it stays, and when it is put right again nothing is left of it."""
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b", owner=1)
    await world.meet(a, b)
    await world.advance(seconds=60, step=1)
    world.clock.ahead = HOUR
    await world.advance(seconds=PATIENCE + 60, step=1)
    shown = line(a)
    world.clock.ahead = 0.0
    await world.advance(seconds=2, step=1)

    assert "its peers say that it was right before" in shown.text
    assert line(a) is None
    assert "clock-followed" not in [event.kind for event in a.node.events.after(0)]
