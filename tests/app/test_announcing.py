"""When wishes become announcements, and what is on disk, in memory and said at every moment between."""

import asyncio

import pytest

from p2pfw import schema
from p2pfw.app.announcing import BATCH, QUIET
from p2pfw.core.announcement import records
from p2pfw.errors import DiskFullError, NotAcceptableError, StoreError
from p2pfw.rows import IntentionRow, PutAnnouncement
from tests.app.world import CALLER, World, key

ONE, OTHER, THIRD = "203.0.113.1", "203.0.113.2", "203.0.113.3"


def sizes(one) -> list[int]:
    """How many entries each announcement on disk has, in the order in which they were kept."""
    puts = [write for write in one.store.log if isinstance(write, PutAnnouncement) and write.kind == 0]
    return [len(write.raw.body) // 12 for write in puts]


async def test_a_lone_block_is_announced_at_once():
    """After a quiet spell nothing waits: the answer carries the announcement's id, the neighbour adopts it."""
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b", owner=1)
    await world.meet(a, b)

    answer = await a.block(ONE)
    assert len(answer.announcement) == 64
    assert not a.node.announcing.waiting
    world.wires.carry()
    assert b.adopts(ONE)


async def test_what_follows_within_50_ms_waits_for_company():
    """It is adopted and on disk when it is answered, and announced in one batch."""
    world = World()
    a = await world.node("a")
    await a.block(ONE)
    answers = [await a.block(text) for text in (OTHER, THIRD)]

    assert [answer.announcement for answer in answers] == ["", ""]
    assert a.adopts(OTHER)
    assert {row.key for row in a.store.rows(IntentionRow)} == {key(OTHER), key(THIRD)}
    await a.node.announcing.flush()
    assert sizes(a) == [1, 2]
    assert a.adopts(OTHER)
    assert a.store.rows(IntentionRow) == []


async def test_a_quiet_spell_ends_the_waiting():
    """50 ms after the last announcement the next one is a lone one again."""
    world = World()
    a = await world.node("a")
    await a.block(ONE)
    world.clock.pass_time(2 * QUIET)

    assert (await a.block(OTHER)).announcement


async def test_a_storm_is_announced_256_at_a_time():
    """A thousand lone blocks within a moment are few signatures, and no announcement is larger than a batch."""
    world = World()
    a = await world.node("a")
    for number in range(600):
        await a.block(f"45.0.{number // 256}.{number % 256}")
    await a.node.announcing.flush()

    assert sizes(a) == [1, BATCH, BATCH, 599 - 2 * BATCH]


async def test_a_list_is_one_announcement():
    """A list is not a storm: it is said at once, in one."""
    world = World()
    a = await world.node("a")
    request = schema.BlockRequest(prefixes=[f"45.0.{n // 256}.{n % 256}" for n in range(1_000)], ttl="1h")
    answer = await a.app.block(request, CALLER)

    assert answer.announcement
    assert sizes(a) == [1_000]


async def test_unblocking_takes_back_a_wish_that_waits():
    """It is never announced, and its row is gone."""
    world = World()
    a = await world.node("a")
    await a.block(ONE)
    await a.block(OTHER)
    answer = await a.unblock(OTHER)

    assert answer.retracted
    assert not a.adopts(OTHER)
    await a.node.announcing.flush()
    assert sizes(a) == [1]
    assert a.store.rows(IntentionRow) == []


async def test_a_crash_between_kept_and_announced_loses_nothing():
    """The wish is on disk when it is answered: after a power cut it is adopted and announced."""
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b", owner=1)
    await world.meet(a, b)
    await a.block(ONE)
    await a.block(OTHER)
    await a.restart(crash=True)
    a.judge()
    assert a.adopts(OTHER)

    world.dial(a)
    await world.settle()
    assert b.adopts(OTHER)
    assert key(OTHER) not in a.node.domain.standing


async def test_a_crash_after_the_announcement_says_nothing_twice():
    """The row of a wish may outlive its announcement by a crash; it is recognised and dropped."""
    world = World()
    a = await world.node("a")
    await a.block(ONE)
    await a.block(OTHER)
    await a.node.announcing.flush()
    assert a.store.posted
    await a.restart(crash=True)

    assert not a.node.announcing.waiting
    assert a.store.rows(IntentionRow) == []
    a.judge()
    assert a.adopts(OTHER)


async def test_on_a_full_disk_nothing_is_said_and_nothing_half_done():
    """No answer, no adoption, no announcement, no wish in memory; and everything works when there is room again."""
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b", owner=1)
    await world.meet(a, b)
    a.store.fill_up()
    before = a.transport.sent
    for text in (ONE, OTHER):
        with pytest.raises(DiskFullError):
            await a.block(text, ttl="forever", reason="a reason", force=True)

    assert a.transport.sent == before
    assert not a.adopts(ONE)
    assert not a.node.announcing.waiting
    assert not a.node.domain.standing
    assert not a.node.domain.marks.is_forced(key(ONE))
    assert a.node.domain.marks.note(key(ONE)) == ""
    a.store.repair()
    await a.block(ONE)
    await world.settle()
    assert b.adopts(ONE)


async def test_a_full_disk_keeps_what_waits_waiting():
    """A batch that the disk refuses is still wanted, still adopted, and goes out when it can."""
    world = World()
    a = await world.node("a")
    await a.block(ONE)
    await a.block(OTHER)
    a.store.fill_up()
    with pytest.raises(StoreError):
        await a.node.announcing.flush()
    assert a.adopts(OTHER)

    a.store.repair()
    await a.node.announcing.flush()
    assert sizes(a) == [1, 1]
    assert not a.node.announcing.waiting


async def test_unblocking_on_a_full_disk_changes_nothing():
    """Neither a wish that waits nor what is announced is half taken back."""
    world = World()
    a = await world.node("a")
    await a.block(ONE, ttl="forever")
    await a.block(OTHER)
    a.store.fill_up()
    for text in (ONE, OTHER):
        with pytest.raises(DiskFullError):
            await a.unblock(text)

    assert a.adopts(ONE)
    assert a.adopts(OTHER)
    assert key(ONE) in a.node.domain.standing
    assert key(OTHER) in a.node.announcing.waiting


async def test_a_silent_node_keeps_and_adopts_and_says_later():
    """A node that must not announce still obeys its operator here, and speaks when it may."""
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b", owner=1)
    await world.meet(a, b)
    a.node.originator.hold("test", "it is a test")
    answer = await a.block(ONE)
    await world.settle()

    assert answer.announcement == ""
    assert a.adopts(ONE)
    assert not b.adopts(ONE)
    a.node.originator.release("test")
    await world.settle()
    assert b.adopts(ONE)


async def test_a_silent_node_cannot_take_back_what_it_announced():
    """A retraction cannot wait: it is refused with the reason, and nothing is forgotten."""
    world = World()
    a = await world.node("a")
    await a.block(ONE, ttl="forever")
    a.node.originator.hold("test", "its clock is wrong")

    with pytest.raises(NotAcceptableError, match="its clock is wrong"):
        await a.unblock(ONE)
    assert a.adopts(ONE)
    assert key(ONE) in a.node.domain.standing


async def test_a_wish_that_ends_while_it_waits_is_never_announced():
    """Silence may last longer than a block."""
    world = World()
    a = await world.node("a")
    a.node.originator.hold("test", "it is a test")
    await a.block(ONE, ttl="10m")
    await world.advance(hours=1)
    assert not a.adopts(ONE)

    a.node.originator.release("test")
    await world.settle()
    assert sizes(a) == []
    assert not a.node.announcing.waiting
    assert a.store.rows(IntentionRow) == []


async def test_a_shorter_wish_that_waits_does_not_shorten_a_longer_block():
    """A list that blocks for longer what waits already takes its place: the newest announcement wins everywhere."""
    world = World()
    a = await world.node("a")
    await a.block(ONE)
    await a.block(OTHER, ttl="1h")
    await a.app.block(schema.BlockRequest(prefixes=[OTHER, THIRD], ttl="10h"), CALLER)
    await a.node.announcing.flush()

    assert a.until(OTHER) == int(a.clock.now()) + 36_000
    assert not a.node.announcing.waiting


async def test_a_local_word_survives_a_wish_on_the_same_prefix():
    """`--local-only` for ever and an announced hour: when the hour is announced and over, the local word holds."""
    world = World()
    a = await world.node("a")
    await a.block(ONE)
    await a.block(OTHER, ttl="forever", local_only=True)
    await a.block(OTHER, ttl="1h")
    await a.node.announcing.flush()
    await world.advance(hours=2)

    assert a.adopts(OTHER)
    assert a.until(OTHER) == 0


async def test_a_lone_block_does_not_wait_for_a_long_announcement():
    """While an import is being signed, a block is kept and adopted at once and announced after it."""
    world = World()
    a = await world.node("a")
    async with a.node.announcing.order:
        answer = await asyncio.wait_for(a.block(ONE), 1)
        assert a.adopts(ONE)

    assert answer.announcement == ""
    await a.node.announcing.flush()
    assert sizes(a) == [1]


async def test_a_list_that_becomes_silent_while_it_waits_for_its_turn_is_kept():
    """The clock is found wrong while an import holds the voice: the list is kept and adopted, and said later."""
    world = World()
    a = await world.node("a")
    request = schema.BlockRequest(prefixes=[ONE, OTHER])
    async with a.node.announcing.order:
        blocking = asyncio.create_task(a.app.block(request, CALLER))
        await asyncio.sleep(0)
        a.node.originator.hold("test", "its clock is wrong")
    answer = await asyncio.wait_for(blocking, 1)
    assert answer.announcement == ""
    assert a.adopts(OTHER)
    a.node.originator.release("test")
    await a.node.announcing.flush()

    assert sizes(a) == [2]


async def test_a_block_that_comes_while_its_predecessor_is_announced_is_kept():
    """The row of the newer wish is not dropped with the older one's: it survives a crash right after its answer."""
    world = World()
    a = await world.node("a")
    await a.block(ONE)
    await a.block(OTHER, ttl="1h")
    a.store.gate = asyncio.Event()
    flushing = asyncio.create_task(a.node.announcing.flush())
    await asyncio.sleep(0.01)
    blocking = asyncio.create_task(a.block(OTHER, ttl="3h"))
    await asyncio.sleep(0.01)
    a.store.gate.set()
    await asyncio.gather(flushing, blocking)
    a.store.gate = None
    await a.restart(crash=True)
    a.judge()

    assert a.until(OTHER) == int(a.clock.now()) + 3 * 3_600
    await a.node.announcing.flush()
    assert a.until(OTHER) == int(a.clock.now()) + 3 * 3_600


async def test_a_block_and_an_unblock_at_the_same_moment_agree_with_the_disk():
    """Whatever order they get: memory, disk and, after a crash, memory again say the same."""
    for first in ("block", "unblock"):
        world = World()
        a = await world.node("a")
        await a.block(ONE)
        await a.block(OTHER, ttl="3d")
        a.store.gate = asyncio.Event()
        work = {"block": lambda a=a: a.block(OTHER, ttl="forever"), "unblock": lambda a=a: a.unblock(OTHER)}
        begun = asyncio.create_task(work.pop(first)())
        await asyncio.sleep(0.01)
        (second,) = work.values()
        also = asyncio.create_task(second())
        await asyncio.sleep(0.01)
        a.store.gate.set()
        await asyncio.gather(begun, also)
        a.store.gate = None
        adopted = a.adopts(OTHER)
        meant = key(OTHER) in a.node.domain.standing
        await a.restart(crash=True)
        a.judge()

        assert adopted == a.adopts(OTHER)
        assert meant == (key(OTHER) in a.node.domain.standing)


async def test_too_many_waiting_blocks_are_refused(monkeypatch):
    """What waits is bounded; the refusal says how many wait."""
    monkeypatch.setattr("p2pfw.app.announcing.MAX_WAITING", 3)
    world = World()
    a = await world.node("a")
    a.node.originator.hold("test", "it is a test")
    for number in range(3):
        await a.block(f"45.0.0.{number}")

    with pytest.raises(NotAcceptableError, match="3 blocks wait"):
        await a.block("45.0.0.9")


async def test_the_task_announces_what_waits_and_survives_the_disk():
    """The real loop, with real 50 ms: it retries by itself."""
    world = World()
    a = await world.node("a")
    await a.block(ONE)
    await a.block(OTHER)
    a.store.fill_up()
    task = asyncio.create_task(a.node.announcing.run())
    await asyncio.sleep(0.1)
    assert a.node.announcing.waiting
    a.store.repair()
    async with asyncio.timeout(10):
        while a.node.announcing.waiting:  # noqa: ASYNC110  # it tells nobody when it is done
            await asyncio.sleep(0.02)
    task.cancel()

    assert sizes(a) == [1, 1]


async def test_entries_are_in_key_order_and_once_each():
    """Announcements are canonical whatever the order of the wishes."""
    world = World()
    a = await world.node("a")
    await a.app.block(schema.BlockRequest(prefixes=[THIRD, ONE, OTHER, "2001:db8::/64", ONE]), CALLER)
    (one,) = a.node.domain.ledger.announcements_of(a.id, a.clock.now())
    raw = a.node.domain.ledger.get(one.id)

    from p2pfw.core.announcement import parse

    assert [entry[0] for entry in records(parse(raw))] == [key(t) for t in (ONE, OTHER, THIRD, "2001:db8::/64")]
