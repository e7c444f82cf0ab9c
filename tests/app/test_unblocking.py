"""Taking back: one's own word, the fleet's by pardon, and who still has it blocked."""

import asyncio

import pytest

from p2pfw.errors import FirewallError, NotFoundError
from p2pfw.rows import IntentionRow, LocalRow
from tests.app.fakes import START
from tests.app.world import Running, World, key

BAD = "203.0.113.9"


async def fleet(world: World) -> tuple[Running, Running, Running]:
    """A and B of one fleet, C of another owner; all believe one another."""
    a, b = await world.node("a", owner=1), await world.node("b", owner=1)
    c = await world.node("c", owner=2)
    await world.meet(a, b)
    await world.meet(a, c, trust=0.9)
    await world.meet(b, c, trust=0.9)
    return a, b, c


async def test_an_unblock_is_heard_everywhere():
    """RETRACT follows its BLOCK to whoever adopted it."""
    world = World()
    a, b, c = await fleet(world)
    await a.block(BAD, ttl="forever")
    await world.settle()
    answer = await a.unblock(BAD)
    await world.settle()

    assert (answer.retracted, answer.pardoned, answer.still_blocked_by) == (True, False, [])
    assert not any(one.adopts(BAD) for one in (a, b, c))
    assert a.store.rows(IntentionRow) == []


async def test_what_the_kernel_still_drops_is_not_removed():
    """Taken back and gossiped; why its packets are still dropped is in the answer, and it is tried again."""
    world = World()
    a = await world.node("a", enforce=True)
    await a.beside(a.block(BAD, wait=True))
    a.firewall.fail(*[FirewallError("ipset: no luck")] * 3)
    answer = await a.beside(a.unblock(BAD))

    assert (answer.retracted, answer.not_removed) == (True, "ipset: no luck")
    assert a.drops(BAD)
    a.firewall.errors.clear()
    world.clock.pass_time(60)
    await a.node.enforcing.step()
    assert not a.drops(BAD)


async def test_what_was_never_blocked_cannot_be_unblocked():
    """404 that names whose word was looked for."""
    world = World()
    a, _, c = await fleet(world)
    with pytest.raises(NotFoundError, match="not blocked by this fleet"):
        await a.unblock(BAD)
    await c.block(BAD)
    await world.settle()
    with pytest.raises(NotFoundError, match="not blocked by this node") as caught:
        await a.unblock(BAD, scope="own")

    assert "p2pfw allow add" in caught.value.hint


async def test_a_second_unblock_finds_nothing():
    """Unblocked is unblocked."""
    world = World()
    a = await world.node("a")
    await a.block(BAD)
    await a.unblock(BAD)

    with pytest.raises(NotFoundError):
        await a.unblock(BAD)


async def test_a_pardon_takes_back_the_whole_fleets_word():
    """Whichever node of the fleet said it: unblocking on one unblocks on all, strangers included."""
    world = World()
    a, b, c = await fleet(world)
    await b.block(BAD, ttl="2h")
    await world.settle()
    assert a.adopts(BAD)
    answer = await a.unblock(BAD)
    await world.settle()

    assert (answer.retracted, answer.pardoned) == (False, True)
    assert not any(one.adopts(BAD) for one in (a, b, c))


async def test_a_pardoned_intention_is_not_renewed():
    """The fleet node whose standing block was pardoned obeys: its intention and its renewals are gone for good."""
    world = World()
    a, b, c = await fleet(world)
    await b.block(BAD, ttl="forever")
    await world.settle()
    await a.unblock(BAD)
    await world.settle()
    assert b.node.domain.standing == {}
    assert b.store.rows(IntentionRow) == []
    await world.advance(hours=30)

    assert not any(one.adopts(BAD) for one in (a, b, c))


async def test_a_pardon_is_obeyed_by_a_node_that_was_silent():
    """It could not retract when it learned of it: it does so when it may, and does not renew in between."""
    world = World()
    a, b, c = await fleet(world)
    await b.block(BAD, ttl="forever")
    await world.settle()
    b.node.originator.hold("test", "it is a test")
    await a.unblock(BAD)
    await world.settle()
    assert not b.adopts(BAD)
    b.node.originator.release("test")
    await world.advance(hours=30)

    assert b.store.rows(IntentionRow) == []
    assert not any(one.adopts(BAD) for one in (a, b, c))


async def test_a_pardon_is_obeyed_after_a_restart():
    """Killed between learning of it and obeying it: the intention does not come back from the disk."""
    world = World()
    a, b, c = await fleet(world)
    await b.block(BAD, ttl="forever")
    await world.settle()
    b.node.originator.hold("test", "it is a test")
    await a.unblock(BAD)
    await world.settle()
    await b.restart()
    world.dial(b)
    await world.settle()
    assert b.node.domain.standing == {}
    await world.advance(hours=30)

    assert not any(one.adopts(BAD) for one in (a, b, c))


async def test_a_pardon_takes_back_what_waits_to_be_announced():
    """What a silent node of the fleet kept for later was meant before the pardon: it is never announced."""
    world = World()
    a, b, _ = await fleet(world)
    await a.block(BAD)
    b.node.originator.hold("test", "it is a test")
    await b.block(BAD, ttl="3h")
    assert key(BAD) in b.node.announcing.waiting
    world.wait(1)
    await a.unblock(BAD)  # RETRACT of its own; nothing of B's is known to A yet
    await b.block("203.0.113.77")
    assert b.adopts(BAD)
    c = await world.node("d", owner=1)
    await world.meet(a, c)
    await c.block(BAD)
    await world.settle()
    await a.unblock(BAD)
    await world.settle()
    b.node.originator.release("test")
    await world.advance(seconds=600)

    assert not any(one.adopts(BAD) for one in (a, b, c))


async def test_a_block_after_a_pardon_holds():
    """Said again after it was taken back, in the same second even, it counts: it is dated after the pardon."""
    world = World()
    a, b, c = await fleet(world)
    await b.block(BAD, ttl="forever")
    await world.settle()
    await a.unblock(BAD)
    await world.settle()
    await b.block(BAD, ttl="forever")
    await world.settle()
    assert all(one.adopts(BAD) for one in (a, b, c))
    await b.restart()
    world.dial(b)
    await world.advance(hours=25)

    assert all(one.adopts(BAD) for one in (a, b, c))


async def test_scope_own_leaves_the_fleets_word():
    """fail2ban takes back what it said, and nobody else's."""
    world = World()
    a, b, _ = await fleet(world)
    await a.block(BAD)
    await b.block(BAD)
    await world.settle()
    answer = await a.unblock(BAD, scope="own")
    await world.settle()

    assert (answer.retracted, answer.pardoned) == (True, False)
    assert a.adopts(BAD)
    assert answer.still_blocked_by == ["b"]


async def test_who_still_blocks_it_is_named():
    """A stranger's word stays, also on a wider prefix around it; the hint says what keeps it open here."""
    world = World()
    a, _, c = await fleet(world)
    await a.block(BAD)
    await c.block(BAD)
    await world.settle()
    answer = await a.unblock(BAD)

    assert answer.still_blocked_by == ["c"]
    assert answer.hint.startswith("p2pfw allow add 203.0.113.9")
    await a.block(BAD)
    await a.block("203.0.113.0/28")
    assert "this node (203.0.113.0/28)" in (await a.unblock(BAD)).still_blocked_by


async def test_marks_go_with_the_block():
    """Neither note nor local row stays, on disk or in memory."""
    world = World()
    a = await world.node("a")
    await a.block(BAD, ttl="forever", reason="because", local_only=True)
    await a.block(BAD, ttl="forever", reason="because")
    assert a.store.rows(LocalRow)
    await a.unblock(BAD)

    assert a.store.rows(LocalRow) == []
    assert a.node.domain.marks.note(key(BAD)) == ""
    assert a.node.domain.local_end(key(BAD)) is None
    assert not a.adopts(BAD)


async def test_unblocked_is_out_of_the_kernel_when_it_is_answered():
    """In enforce mode packets pass when the command returns."""
    world = World()
    a = await world.node("a", enforce=True)
    await a.beside(a.block(BAD, wait=True))
    assert a.drops(BAD)
    await a.beside(a.unblock(BAD))

    assert not a.drops(BAD)


async def test_a_local_block_given_while_it_is_taken_back_stays():
    """The newer word holds in memory and on disk, whatever the disk did first."""
    world = World()
    a = await world.node("a")
    await a.block(BAD, ttl="1h", local_only=True)
    a.store.gate = asyncio.Event()
    giving = asyncio.create_task(a.block(BAD, ttl="forever", local_only=True))
    await asyncio.sleep(0)
    taking = asyncio.create_task(a.unblock(BAD))
    await asyncio.sleep(0)
    a.store.gate.set()
    await asyncio.gather(giving, taking)
    a.store.gate = None
    adopted = a.adopts(BAD)
    await a.restart(crash=True)
    a.judge()

    assert adopted
    assert a.adopts(BAD)


async def test_a_pardon_on_a_full_disk_is_obeyed_later():
    """What could not be retracted is retracted by a later tick, and not renewed before."""
    world = World()
    a, b, c = await fleet(world)
    await b.block(BAD, ttl="forever")
    await world.settle()
    b.store.fill_up()
    await a.unblock(BAD)
    await world.settle()
    assert b.node.recording.pardoned == {key(BAD)}
    b.store.repair()
    await world.advance(hours=26)

    assert b.node.recording.pardoned == set()
    assert b.store.rows(IntentionRow) == []
    assert not any(one.adopts(BAD) for one in (a, b, c))


async def test_a_late_block_does_not_come_back():
    """Who missed both hears the RETRACT, whatever comes first: it lives as long as the block."""
    world = World()
    a, b, c = await fleet(world)
    c.transport.down = True
    await c.stop()
    await a.block(BAD, ttl="20h")
    await world.settle()
    await a.unblock(BAD)
    await world.settle()
    c._build()
    await c.start()
    world.dial(a)
    world.dial(b)
    await world.settle()

    assert not c.adopts(BAD)
    assert a.node.domain.own_end(key(BAD)) in (None, START + 72_000, START + 72_001)
