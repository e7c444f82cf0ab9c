"""This node as others may find it."""

from dataclasses import replace

import pytest

from p2pfw.app.household import MOST_ADDRESSES
from p2pfw.ports import Neighbour
from p2pfw.rows import PeerRow
from tests.app.world import World, key


@pytest.mark.parametrize(
    ("bound", "own", "expected"),
    [
        ("", ["192.0.2.7"], ()),
        ("192.0.2.7:7787", [], ("ws://192.0.2.7:7787",)),
        ("[2001:db8::7]:7787", [], ("ws://[2001:db8::7]:7787",)),
        ("0.0.0.0:7787", ["127.0.0.1", "192.0.2.7"], ("ws://192.0.2.7:7787",)),
        ("[::]:7787", ["::1", "fe80::1", "2001:db8::7"], ("ws://[2001:db8::7]:7787",)),
        ("0.0.0.0:7787", ["127.0.0.1"], ()),
        ("0.0.0.0:7787", [f"192.0.2.{n}" for n in range(1, 9)], tuple(f"ws://192.0.2.{n}:7787" for n in range(1, 5))),
    ],
)
async def test_where_it_can_be_dialled(bound: str, own: list[str], expected: tuple[str, ...]):
    """What it listens on; for a wildcard its own addresses, without those that only this machine can reach."""
    world = World()
    a = await world.node("a", owner=1)
    a.machine.own = [Neighbour(key=key(address), reason="own address") for address in own]
    a.node.household.bound = bound

    assert a.node.household.addresses() == expected
    assert len(expected) <= MOST_ADDRESSES


async def test_what_the_operator_advertises_wins():
    """Behind a NAT nobody else can know."""
    world = World()
    a = await world.node("a", owner=1, start=False)
    listen = replace(a.who.config.listen, advertise=("ws://web-1.example.net:7787",))
    a.who = replace(a.who, config=replace(a.who.config, listen=listen))
    a._build()
    await a.start()

    assert a.node.household.addresses() == ("ws://web-1.example.net:7787",)


async def test_the_fleet_is_told_to_a_joiner_without_those_who_are_out():
    """This node first, then the others by name; strangers and distrusted nodes are none of the fleet."""
    world = World()
    a = await world.node("a", owner=1)
    b, d = await world.node("b", owner=1), await world.node("d", owner=1)
    c = await world.node("c", owner=2)
    for other, trust in ((b, None), (c, 0.3), (d, None)):
        await world.meet(a, other, trust=trust)
    a.node.book.put(
        PeerRow(id=d.id, owner=d.owner, name="d", trust=None, distrusted=True, addresses=("ws://10.0.0.9:1",))
    )

    assert [node.name for node in a.node.household.fleet_nodes()] == ["a", "b"]
