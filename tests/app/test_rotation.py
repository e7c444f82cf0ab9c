"""An owner's key is rotated on running nodes: signed by old and new, gossiped, and trust follows."""

import pytest

from p2pfw import schema
from p2pfw.core.identity import NodeId, certify
from p2pfw.core.succession import succeed
from p2pfw.errors import InputError
from tests.app.world import CALLER, START, World, owner_key

BAD, OTHER = "203.0.113.9", "203.0.113.10"
DAY = 86_400


async def test_trust_follows_an_owner_to_its_new_key():
    """A node that the new key certified is believed, named and let in as before; also after a restart."""
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b", owner=2)
    await world.meet(a, b, trust=0.9)
    await world.advance(seconds=2)
    signed = succeed(owner_key(2), owner_key(8), created=START)
    answer = await b.node.trusting.succeed(schema.SuccessionRequest(succession=signed.encode().hex()))
    await world.settle()
    moved = certify(owner_key(8), b.id, serial=9, not_before=START - DAY + 60, not_after=START + 80 * DAY)
    b.store.values["certificate"] = moved.encode().hex()
    await b.restart()
    world.dial(a)
    await world.advance(seconds=4, step=2)
    await b.block(BAD)
    await world.settle()

    assert "takes over" in answer.text
    assert a.node.domain.directory.owner_of(b.id, a.clock.now()) == owner_key(8).public_key
    assert a.adopts(BAD)
    assert a.node.book.name_of(owner_key(8).public_key) == "b"
    assert a.node.book.knows(b.id, a.node.domain.directory.owner_of(b.id, a.clock.now()))
    await a.restart(crash=False)
    await world.settle()
    assert a.adopts(BAD)
    await a.beside(a.app.put_peer("b", schema.PeerRequest(distrust=True), CALLER))
    assert not a.adopts(BAD)
    assert not a.node.book.knows(b.id, a.node.domain.directory.owner_of(b.id, a.clock.now()))


@pytest.mark.parametrize("wrong", ["zz", "00", succeed(owner_key(5), owner_key(6), created=1).encode().hex()])
async def test_what_is_no_succession_of_this_owner_is_refused(wrong):
    """Bytes that are none; another owner's."""
    world = World()
    a = await world.node("a", owner=1)

    with pytest.raises(InputError):
        await a.node.trusting.succeed(schema.SuccessionRequest(succession=wrong))
    assert NodeId(a.id) == a.id
