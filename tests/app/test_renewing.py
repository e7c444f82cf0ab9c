"""Renewal, compaction and taking back: what keeps a network's memory alive, short and honest."""

import pytest

from p2pfw import schema
from p2pfw.app.renewing import COMPACT_ABOVE, RENEW_EVERY
from p2pfw.core.announcement import MAX_ENTRIES, Kind
from p2pfw.core.prefix import Prefix
from p2pfw.errors import NotAcceptableError, StoreError
from p2pfw.rows import IntentionRow
from tests.app.world import CALLER, DAY, START, Running, World, key

BAD = "203.0.113.9"


async def trio(world: World) -> tuple[Running, Running, Running]:
    """A and B of one fleet, C of another owner that trusts A's owner enough to believe it alone."""
    a, b = await world.node("a", owner=1), await world.node("b", owner=1)
    c = await world.node("c", owner=2)
    await world.meet(a, b)
    await world.meet(a, c, trust=0.9)
    return a, b, c


def live(one: Running) -> list:
    """Ids of the announcements of entries that a node holds of its own."""
    return one.node.domain.own_announcements()


async def test_a_standing_block_outlives_the_lease_of_a_lone_voice():
    """A block for ever is renewed every 12 h, so that it still holds at a stranger's after 30 h, and in the kernel."""
    world = World()
    a, _, c = await trio(world)
    await c.enforce()
    await a.block(BAD, ttl="forever")
    await world.settle()

    for _ in range(60):
        await world.advance(hours=0.5)
        assert c.adopts(BAD)
        assert c.drops(BAD)


async def test_a_block_of_a_dead_node_ends_with_its_lease():
    """One voice blocks for a day from when it last said so: nobody needs to take back what a dead node said."""
    world = World()
    a, _, c = await trio(world)
    await c.enforce()
    await a.block(BAD, ttl="forever")
    await world.settle()
    await a.stop()

    await world.advance(hours=23.5)
    assert c.drops(BAD)
    await world.advance(hours=1)
    assert not c.adopts(BAD)
    assert not c.drops(BAD)


async def test_the_kernel_ends_a_lease_by_itself():
    """With the node that enforces dead too, the kernel's own timeout lets the address in again."""
    world = World()
    a, _, c = await trio(world)
    await c.enforce()
    await a.block(BAD, ttl="4h")
    await world.settle()
    assert c.drops(BAD)

    await c.stop()
    world.clock.pass_time(4 * 3_600 + 2)
    assert c.firewall.ruled
    assert not c.drops(BAD)


async def test_a_block_for_a_day_or_less_is_not_renewed():
    """What has an end within a day ends then, everywhere."""
    world = World()
    a, b, c = await trio(world)
    await a.block(BAD, ttl="20h")
    await world.advance(hours=19)
    assert all(one.adopts(BAD) for one in (a, b, c))

    await world.advance(hours=2)
    assert not any(one.adopts(BAD) for one in (a, b, c))


async def test_a_renewal_ends_with_its_intention():
    """A block for three days is renewed for three days and no longer."""
    world = World()
    a, _, c = await trio(world)
    await a.block(BAD, ttl="3d")
    await world.advance(hours=70)
    assert c.adopts(BAD)

    await world.advance(hours=3)
    assert not c.adopts(BAD)
    assert not a.adopts(BAD)
    assert a.node.domain.standing == {}
    assert a.store.rows(IntentionRow) == []


async def test_a_renewal_voids_what_it_replaces():
    """However often it is said again, the ledger holds one announcement of it, here and elsewhere."""
    world = World()
    a, _, c = await trio(world)
    await a.block(BAD, ttl="forever")
    await world.advance(hours=50)

    assert len(live(a)) == 1
    assert live(a) == [(one.id, one.expires) for one in c.node.domain.ledger.announcements_of(a.id, c.clock.now())]


async def test_many_small_announcements_are_compacted_and_keep_ages_and_leases():
    """More than 64 small announcements become one, and a lone voice's lease ends when it would have ended anyway."""
    world = World()
    a, _, c = await trio(world)
    hosts = [f"203.0.113.{number}" for number in range(COMPACT_ABOVE + 6)]
    await world.advance(seconds=120)
    for host in hosts:
        await a.block(host, ttl="2d")
        world.wait(1)
    a.node.domain.standing.clear()  # as if not meant again: only their leases keep them
    await world.settle()
    before = {host: c.until(host) for host in hosts}
    assert len(live(a)) > COMPACT_ABOVE

    await world.advance(seconds=600)
    assert len(live(a)) == 1
    assert {host: c.until(host) for host in hosts} == before
    assert len(c.node.domain.ledger.announcements_of(a.id, c.clock.now())) == 1


async def test_few_announcements_are_left_alone():
    """Nothing is said again for tidiness' sake."""
    world = World()
    a = await world.node("a")
    await a.housekeeping.tick()
    for number in range(20):
        await a.block(f"203.0.113.{number}")
        world.wait(1)
    await world.advance(seconds=600)

    assert len(live(a)) == 20


async def test_a_full_announcement_is_not_said_again():
    """What is full stays as it is: a list of 1,024 is not re-signed for the sake of small ones beside it."""
    world = World()
    a = await world.node("a")
    await a.housekeeping.tick()
    first = Prefix.parse("45.0.0.0/32").key
    step = Prefix.parse("45.0.0.1/32").key - first
    wanted = [first + step * number for number in range(MAX_ENTRIES)]
    request = schema.BlockRequest(ttl="1d")
    progress = a.app.import_blocks(wanted, request, CALLER)
    await a.beside(_drain(progress))
    full = live(a)
    for number in range(COMPACT_ABOVE + 8):
        await a.block(f"203.0.113.{number}")
        world.wait(1)
    await world.advance(seconds=600)

    assert set(full) <= set(live(a))
    assert len(live(a)) == 2


async def _drain(progress) -> list[schema.ImportProgress]:
    return [one async for one in progress]


async def test_retract_all_voids_everything_everywhere():
    """One checkpoint that holds nothing: fleet, strangers, this node; and it stays so when renewal is due again."""
    world = World()
    a, b, c = await trio(world)
    await a.block(BAD, ttl="forever")
    await a.block("198.51.100.0/28", ttl="4h")
    await world.settle()
    assert b.adopts("198.51.100.0/28")

    answer = await a.app.retract_all(CALLER)
    assert (answer.announcements, answer.prefixes) == (2, 2)
    await world.settle()
    assert not any(one.adopts(host) for one in (a, b, c) for host in (BAD, "198.51.100.0/28"))
    await world.advance(hours=30)
    assert not any(one.adopts(BAD) for one in (a, b, c))
    await a.restart()
    await world.advance(hours=30)
    assert not a.adopts(BAD)


async def test_retract_all_takes_back_what_only_waits():
    """A wish that was not announced yet is not announced any more."""
    world = World()
    a = await world.node("a")
    await a.block(BAD)
    await a.block("203.0.113.10")
    assert a.node.announcing.waiting

    await a.app.retract_all(CALLER)
    await world.settle()
    assert not a.adopts(BAD)
    assert not a.adopts("203.0.113.10")
    assert a.store.rows(IntentionRow) == []


async def test_retract_all_is_whole_or_nothing():
    """On a full disk nothing is taken back: neither from what waits nor from what is meant to stand."""
    world = World()
    a = await world.node("a")
    await a.block(BAD, ttl="forever")
    await a.block("203.0.113.10")
    a.store.fill_up()

    with pytest.raises(StoreError):
        await a.app.retract_all(CALLER)
    a.store.repair()
    assert a.adopts(BAD)
    assert a.adopts("203.0.113.10")
    assert key(BAD) in a.node.domain.standing
    assert key("203.0.113.10") in a.node.announcing.waiting
    assert len(a.store.rows(IntentionRow)) == 2


async def test_a_silent_node_refuses_to_retract_all_and_keeps_all():
    """A node that must be silent cannot void anything, and says so before it has changed anything."""
    world = World()
    a = await world.node("a")
    await a.block(BAD, ttl="forever")
    a.node.originator.hold("test", "it is a test")

    with pytest.raises(NotAcceptableError):
        await a.app.retract_all(CALLER)
    assert key(BAD) in a.node.domain.standing
    assert a.store.rows(IntentionRow)


async def test_a_renewal_that_the_disk_refused_is_made_up_for():
    """A failed renewal is not taken for done: it comes as soon as the disk works, long before the lease ends."""
    world = World()
    a, _, c = await trio(world)
    await a.block(BAD, ttl="forever")
    await world.settle()
    a.store.fill_up()
    await world.advance(hours=14)
    a.store.repair()
    await world.advance(hours=9)

    assert c.until(BAD) > START + 1.5 * DAY
    assert a.node.renewing.renewed > START + RENEW_EVERY


async def test_a_clock_that_was_ahead_does_not_put_renewal_off():
    """Renewed "tomorrow" by a wrong clock: when it is put right, leases are renewed by the right one."""
    world = World()
    a = await world.node("a", skew=30 * DAY)
    await a.block(BAD, ttl="forever")
    await world.advance(hours=13)
    a.clock.skew = 0
    await a.housekeeping.tick()
    await world.settle()

    assert a.node.renewing.renewed == int(world.clock.wall)
    assert a.adopts(BAD)


async def test_a_node_that_was_down_for_a_month_means_it_again():
    """Standing intentions are announced again after their announcements have died."""
    world = World()
    a, _, c = await trio(world)
    await a.block(BAD, ttl="forever")
    await world.settle()
    await a.stop()
    await world.advance(hours=31 * 24, step=86_400)
    assert not c.adopts(BAD)

    a._build()
    await a.start()
    world.dial(a)
    await world.settle()
    await world.advance(seconds=1_200)
    assert a.adopts(BAD)
    assert c.adopts(BAD)


async def test_a_checkpoint_says_what_it_keeps():
    """Compaction is one checkpoint; the kinds that are no entries are not touched by it."""
    world = World()
    a = await world.node("a", owner=1)
    await a.housekeeping.tick()
    for number in range(COMPACT_ABOVE + 6):
        await a.block(f"203.0.113.{number}")
        world.wait(1)
    await world.advance(seconds=600)
    ledger, now = a.node.domain.ledger, a.clock.now()

    assert len(ledger.announcements_of(a.id, now, kind=Kind.CHECKPOINT)) == 1
    assert len(ledger.announcements_of(a.id, now, kind=Kind.CERTIFICATE)) == 1
