"""The owner's acts: certificates renewed and published, nodes revoked, and what follows at once."""

import pytest

from p2pfw import schema
from p2pfw.app.originating import Document
from p2pfw.core.announcement import Kind
from p2pfw.core.identity import DAY, revoke
from p2pfw.errors import InputError, StoreError
from tests.app.world import START, Running, World, owner_key, peer_id

BAD = "203.0.113.9"

LATER = 200
"""A kind of a later version."""


async def fleet(world: World) -> tuple[Running, Running, Running]:
    """A (with the owner key) and B of one fleet; C, who trusts their owner."""
    a, b = await world.node("a", owner=1), await world.node("b", owner=1, holds_owner_key=False)
    c = await world.node("c", owner=2)
    await world.meet(a, b)
    await world.meet(a, c, trust=0.9)
    await world.meet(b, c, trust=0.9)
    await world.advance(seconds=2)
    return a, b, c


def published(one: Running) -> list:
    """Certificates that a node's ledger holds of itself."""
    return one.node.domain.ledger.announcements_of(one.id, one.clock.now(), kind=Kind.CERTIFICATE)


async def test_a_certificate_is_published_once():
    """By the node that it is for: that is its consent. Not again while it is known."""
    world = World()
    a = await world.node("a", owner=1)
    await a.housekeeping.tick()
    await a.housekeeping.tick()

    assert len(published(a)) == 1


async def test_a_certificate_is_renewed_by_itself():
    """A month before its end, where the owner key is; blocks go on counting for ever."""
    world = World()
    a, _, c = await fleet(world)
    before = a.node.domain.directory.certificate_of(a.id)
    await a.block(BAD, ttl="forever")
    await world.advance(hours=24 * 62, step=10_800)
    after = a.node.domain.directory.certificate_of(a.id)

    assert after.not_after >= before.not_after + 50 * DAY
    assert after.serial > before.serial
    assert a.node.credentials.certificate == after.encode()
    assert c.node.domain.directory.certificate_of(a.id) == after
    assert c.adopts(BAD)
    await a.restart()
    assert a.node.keys.certificate == after


async def test_without_the_owner_key_the_end_is_told_and_comes():
    """Health warns a fortnight before; past the end its statements support nothing elsewhere."""
    world = World()
    _, b, c = await fleet(world)
    await b.block(BAD, ttl="forever")
    await world.advance(hours=24 * 80, step=10_800)
    assert {line.code for line in b.node.health.lines()} >= {"certificate"}
    assert c.adopts(BAD)
    await world.advance(hours=24 * 11, step=10_800)
    (line,) = [line for line in b.node.health.lines() if line.code == "certificate"]

    assert line.level == "error"
    assert not c.adopts(BAD)
    with pytest.raises(InputError, match="does not hold its owner's key"):
        await b.app.renew_owner()
    with pytest.raises(InputError, match="does not hold its owner's key"):
        await b.app.revoke_node(schema.RevokeRequest(node=peer_id(c)))


async def test_long_past_its_end_a_node_falls_silent_and_lives():
    """A month past the end nobody carries it: it says so, keeps its operator's blocks, and does not die of itself."""
    world = World()
    b = await world.node("b", owner=1, holds_owner_key=False)
    await b.block(BAD, ttl="forever")
    await world.advance(hours=24 * 125, step=21_600)
    assert "ended more than 30 days ago" in b.node.originator.held
    await b.block("203.0.113.10")

    assert b.adopts("203.0.113.10")
    assert {line.code for line in b.node.health.lines()} >= {"silent", "certificate"}


async def test_renewal_by_hand_answers_the_new_end():
    """`p2pfw owner renew`."""
    world = World()
    a = await world.node("a", owner=1)
    answer = await a.app.renew_owner()

    assert answer.expires is not None
    assert answer.expires.startswith("2027-04")
    assert a.events("certificate")


async def test_a_renewal_on_a_full_disk_changes_nothing():
    """Neither what the handshake shows nor what the directory holds; the next tick makes up for the publication."""
    world = World()
    a = await world.node("a", owner=1)
    shown = a.node.credentials.certificate
    a.store.fill_up()
    with pytest.raises(StoreError):
        await a.app.renew_owner()

    assert a.node.credentials.certificate == shown
    assert a.node.domain.directory.certificate_of(a.id).encode() == shown


async def test_a_revoked_node_is_dead_at_once_everywhere():
    """Its sessions end, on the revoking node too; its blocks are gone; it is never let in again."""
    world = World()
    a, b, c = await fleet(world)
    await b.block(BAD, ttl="forever")
    await world.settle()
    answer = await a.app.revoke_node(schema.RevokeRequest(node="b"))
    assert "for ever" in answer.text
    await world.settle()

    assert not any(one.adopts(BAD) for one in (a, c))
    assert a.node.peering.session_with(b.id) is None
    assert c.node.peering.session_with(b.id) is None
    assert a.app.peer("b").state == "revoked"
    for one in (a, c):
        world.dial(one)
        one.transport.dial_all()
    await world.settle()
    assert a.node.peering.session_with(b.id) is None
    await a.restart()
    a.judge()
    assert a.node.domain.directory.is_revoked(b.id)
    assert not a.adopts(BAD)


async def test_a_node_that_learns_of_its_own_revocation_falls_silent():
    """It goes on protecting its machine, and does not die of announcements that nobody may record."""
    world = World()
    a, b, _ = await fleet(world)
    await b.block(BAD, ttl="forever")
    await world.settle()
    revoked = schema.RevokeRequest(node="b")
    a.node.recording.ends = None  # keep the session for as long as it takes to tell
    await a.app.revoke_node(revoked)
    await world.settle()
    assert "revoked" in b.node.originator.held
    await b.block("203.0.113.10", ttl="1d")
    await world.advance(hours=20)
    assert b.adopts("203.0.113.10")
    assert not a.adopts("203.0.113.10")
    await world.advance(hours=5)

    assert not b.adopts("203.0.113.10")
    await b.restart()
    assert "revoked" in b.node.originator.held


async def test_a_certificate_below_a_revoked_serial_opens_no_door():
    """Also for a node that was never seen before: what its owner voided does not prove fleet membership."""
    world = World()
    _, _, c = await fleet(world)
    revocation = revoke(owner_key(1), below_serial=100, created=START)
    c.node.domain.intake.revoke(revocation, START)
    stolen = await world.node("stolen", owner=1)
    await world.know(stolen, c)
    world.dial(stolen)

    assert c.node.peering.session_with(stolen.id) is None
    assert c.app.status().refusals["revoked"] >= 1


async def test_this_node_cannot_revoke_itself():
    """From another node of the fleet, it says."""
    world = World()
    a = await world.node("a", owner=1)
    with pytest.raises(InputError, match="this node itself"):
        await a.app.revoke_node(schema.RevokeRequest(node=peer_id(a)))


async def test_serials_grow():
    """Above all that were given or seen, over restarts too (they follow the clock)."""
    world = World()
    a = await world.node("a", owner=1)
    first = a.node.owning.next_serial()
    second = a.node.owning.next_serial()
    world.clock.pass_time(10)
    await a.restart()

    assert first < second < a.node.owning.next_serial()


async def test_the_fleet_is_listed_with_this_node():
    """`p2pfw owner show`."""
    world = World()
    a, b, _ = await fleet(world)
    view = a.app.owner()

    assert view.holds_key
    assert {node.name for node in view.nodes} == {"this node", "b"}
    assert not b.app.owner().holds_key


async def test_unknown_kinds_of_documents_are_kept_and_carried():
    """What a newer node says travels through this one, uninterpreted."""
    world = World()
    a, b, _ = await fleet(world)
    body, expires = b"from the future", int(a.clock.now()) + 3_600
    await a.node.originator.say([Document(kind=LATER, body=body, expires=expires)])
    await world.settle()

    assert [one.kind for one in b.node.domain.ledger.announcements_of(a.id, b.clock.now(), kind=LATER)] == [LATER]
