"""What a node tells metrics: numbers of a real network of use cases."""

from p2pfw.app import measuring
from tests.app.world import World

BAD = "203.0.113.9"


async def test_a_network_counts_what_it_said_heard_and_decided():
    """Own, recorded and repeated announcements; verdicts by reason; entries by family."""
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b", owner=2)
    await world.meet(a, b, trust=0.95)
    await b.block(BAD)
    await b.block("2001:db8::/48", local_only=True)
    await world.settle()
    mine, theirs = a.app.measures(), b.app.measures()

    assert theirs.announcements["own"] >= 1
    assert mine.announcements["recorded"] >= 1
    assert mine.verdicts["adopted", "ok"] == 1
    assert (mine.entries["ipv4", "adopted"], mine.entries["ipv6", "adopted"]) == (1, 0)
    assert (theirs.entries["ipv4", "adopted"], theirs.entries["ipv6", "adopted"]) == (1, 1)
    assert mine.propagation.counts[-1] >= 1
    assert set(mine.peers.values()) == {True}
    assert mine.received > 0

    await b.unblock(BAD)
    await world.settle()

    assert a.app.measures().verdicts["released", "nobody says so"] == 1


async def test_peers_are_capped(monkeypatch):
    """An open hub must not make a label of everybody who comes by."""
    monkeypatch.setattr(measuring, "MOST_PEERS", 2)
    world = World()
    a = await world.node("a", owner=1)
    for number in range(4):
        await world.meet(a, await world.node(f"b{number}", owner=10 + number))
    await world.settle()

    assert len(a.app.measures().peers) == 2


async def test_what_the_kernel_has_and_dropped_is_by_family():
    """As the last check read it."""
    world = World()
    a = await world.node("a", owner=1)
    await a.enforce()
    await a.block(BAD)
    await a.block("2001:db8::/48")
    await world.settle()
    await world.advance(seconds=5, step=1)
    found = a.app.measures()

    assert (found.entries["ipv4", "installed"], found.entries["ipv6", "installed"]) == (1, 1)
    assert found.sync.counts[-1] >= 1
    assert set(found.dropped_packets) == set(found.dropped_bytes) == {"ipv4", "ipv6"}
