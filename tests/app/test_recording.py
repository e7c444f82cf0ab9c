"""What follows when something of others was recorded: kept, judged, obeyed; restored nodes and wrong clocks."""

import pytest

from p2pfw.app.recording import RESTORED
from p2pfw.core.announcement import Announcement, Kind, Stamp, build_entries
from p2pfw.core.wire import Push, Pushed, encode_frame
from p2pfw.errors import NotAcceptableError
from p2pfw.ports import SendClass
from p2pfw.rows import PeerRow, PutAnnouncement
from tests.app.fakes import FakeStore
from tests.app.test_originating import draft
from tests.app.world import Running, World, key, node_key

BAD, OTHER = "203.0.113.9", "203.0.113.10"


async def pair(world: World) -> tuple[Running, Running]:
    """Two nodes of one fleet."""
    a, b = await world.node("a", owner=1), await world.node("b", owner=1)
    await world.meet(a, b)
    await world.advance(seconds=2)
    return a, b


def pushed(said: Announcement) -> bytes:
    """A frame that brings it."""
    raw = said.raw
    return encode_frame(Push(items=(Pushed(hop=0, header=raw.header, signature=raw.signature, body=raw.body),)))


async def test_what_others_say_is_kept():
    """Posted, not synced: others can send it again. After a restart it is there."""
    world = World()
    a, b = await pair(world)
    await a.block(BAD)
    await world.settle()
    assert any(isinstance(write, PutAnnouncement) for write in b.store.posted)
    await b.restart()
    b.judge()

    assert b.adopts(BAD)


async def test_what_was_lost_by_a_crash_comes_again():
    """The announcement that the power cut took is reconciled from a peer."""
    world = World()
    a, b = await pair(world)
    await a.block(BAD)
    await world.settle()
    await b.restart(crash=True)
    b.judge()
    assert not b.adopts(BAD)
    world.wait(60)
    world.dial(b)
    await world.settle()

    assert b.adopts(BAD)


async def restored(world: World) -> tuple[Running, Running]:
    """A, from a backup that is older than its last words; B still knows them."""
    a, b = await pair(world)
    await a.block(BAD, ttl="1d")
    await world.settle()
    backup = FakeStore(b"restored".ljust(16, b"\0"))
    backup.held, backup.values = dict(a.store.held), dict(a.store.values)
    backup.tables = {table: dict(rows) for table, rows in a.store.tables.items()}
    world.wait(1)
    await a.block(OTHER, ttl="1d")
    await world.settle()
    await a.stop()
    backup.values[RESTORED] = True
    a.store = backup
    world.wait(120)
    return a, b


async def test_a_restored_node_is_silent_until_it_relearned():
    """It might use numbers again that it used before: only when a peer gave back what it said may it speak."""
    world = World()
    a, b = await restored(world)
    a._build()
    await a.start()
    assert "restored from a backup" in a.node.originator.held
    await a.block("203.0.113.11")
    with pytest.raises(NotAcceptableError):
        await a.unblock(BAD)
    assert "silent" in {line.code for line in a.node.health.lines()}
    world.dial(a)
    await world.advance(seconds=120, step=30)

    assert a.node.originator.held == ""
    assert a.adopts(OTHER)
    assert b.adopts("203.0.113.11")
    assert a.events("relearned")
    assert RESTORED not in a.store.values
    mine = a.node.domain.ledger.highest(a.id).header.order
    assert mine <= a.node.originator.position


async def test_a_restored_node_may_speak_alone():
    """`--alone`: there is nobody who could know better, and the next start does not ask again."""
    world = World()
    a, _ = await restored(world)
    a._build()
    await a.start(alone=True)
    assert a.node.originator.held == ""
    await a.restart()

    assert a.node.originator.held == ""


async def test_relearning_on_a_full_disk_keeps_silent():
    """Without the new epoch on disk the node does not speak, and does not die."""
    world = World()
    a, _ = await restored(world)
    a._build()
    await a.start()
    a.store.fill_up()
    world.dial(a)
    await world.advance(seconds=60, step=30)
    assert a.node.originator.held != ""
    a.store.repair()
    for session in list(a.transport.open):
        a.transport.close(session, "again")
    world.dial(a)
    await world.advance(seconds=120, step=30)

    assert a.node.originator.held == ""


async def test_a_peer_that_proves_newer_words_of_ours_is_believed():
    """Our own signed header with a higher epoch: we number above it."""
    world = World()
    a, b = await pair(world)
    later = (int(a.clock.now()) + 100) * 1_000
    stamp = Stamp(network=a.node.domain.me.network, epoch=later, seq=7, created_ms=int(a.clock.now() * 1_000))
    ours = build_entries(node_key(1), stamp, draft(BAD).entries)
    session = b.node.peering.session_with(a.id)
    b.transport.send(session, pushed(ours), SendClass.EAGER)
    await world.settle()
    await a.block(OTHER)

    assert a.node.originator.position > (later, 7)


async def test_a_contradiction_is_told_and_proven():
    """Two headers for one number: the proof is announced once, the origin's epoch counts no more, anywhere."""
    world = World()
    a, b = await pair(world)
    c = await world.node("c", owner=2)
    await world.meet(a, c, trust=0.9, back=0.9)
    stamp = Stamp(
        network=a.node.domain.me.network, epoch=int(a.clock.now()) * 1_000, seq=1, created_ms=int(a.clock.now()) * 1_000
    )
    one, other = (build_entries(node_key(3), stamp, draft(text).entries) for text in (BAD, OTHER))
    session = c.node.peering.session_with(a.id)
    for said in (one, other):
        c.transport.send(session, pushed(said), SendClass.EAGER)
    await world.settle()

    assert a.events("equivocation")
    assert not a.adopts(BAD)
    proofs = a.node.domain.ledger.announcements_of(a.id, a.clock.now(), kind=Kind.EQUIVOCATION)
    assert len(proofs) == 1
    assert len(b.node.domain.ledger.announcements_of(a.id, b.clock.now(), kind=Kind.EQUIVOCATION)) == 1


async def test_trust_by_node_id_is_pinned_to_the_owner_it_had():
    """The word goes to the owner behind the node that was named, and never follows the node to another owner."""
    world = World()
    a, c = await world.node("a", owner=1), await world.node("c", owner=2)
    row = PeerRow(id=c.id, owner=b"", name="c", trust=0.9, addresses=(c.transport.url,))
    await a.store.commit_now(row)
    a.node.book.put(row)
    await a.beside(a.node.peers.resolve())
    await world.know(c, a, trust=0.3)
    world.dial(a)
    await world.settle()
    assert a.node.domain.trust.given(c.owner).trust == 0.9
    await a.restart()

    assert a.node.book.row(c.id).owner == c.owner
    assert a.node.domain.trust.given(c.owner).trust == 0.9


async def test_a_wrong_clock_makes_silent_and_a_right_one_speaks_again():
    """Three peers agree that it is wrong by more than a minute: nothing is announced until it is right."""
    world = World()
    a = await world.node("a", owner=1, skew=-300)
    others = [await world.node(name, owner=1) for name in ("b", "c", "d")]
    for other in others:
        await world.meet(a, other)
    await world.advance(seconds=60, step=2)
    assert a.node.originator.held.startswith("its clock differs by 300 s")
    codes = {line.code for line in a.node.health.lines()}
    assert codes >= {"clock", "silent"}
    await a.block(BAD)
    await world.settle()
    assert a.adopts(BAD)
    assert not any(other.adopts(BAD) for other in others)
    a.clock.skew = 0
    await world.advance(seconds=120, step=2)

    assert a.node.originator.held == ""
    assert all(other.adopts(BAD) for other in others)


async def test_two_witnesses_are_not_enough_against_a_clock():
    """With fewer than three peers one of them may be the wrong one: warned, not silenced."""
    world = World()
    a = await world.node("a", owner=1, skew=-300)
    b = await world.node("b", owner=1)
    await world.meet(a, b)
    await world.advance(seconds=60, step=2)

    assert a.node.originator.held == ""
    assert "clock" in {line.code for line in a.node.health.lines()}
    assert key(BAD) not in a.node.announcing.waiting
