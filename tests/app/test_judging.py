"""Verdicts follow what is known: the few at once, the many in slices, and each change is told."""

import asyncio
import logging

from p2pfw.app.judging import AT_ONCE, TOLD_SINGLY
from p2pfw.core.localbook import LocalEntry
from p2pfw.core.prefix import PrefixKey, v4_key
from p2pfw.core.statement import Source
from tests.app.fakes import START
from tests.app.world import Running, World, key

BAD = "203.0.113.9"


def say(one: Running, count: int, *, first: int = 45 << 24) -> list[PrefixKey]:
    """So many local blocks, of which judging has not heard yet."""
    keys = [v4_key(first + number, 32) for number in range(count)]
    for host in keys:
        one.node.domain.local.put(Source.OPERATOR, host, LocalEntry(until=START + 3_600, added=START))
    return keys


async def test_few_are_judged_at_once_while_many_wait():
    """A block is adopted when `dirty` returns, also with a hundred thousand verdicts waiting."""
    world = World()
    a = await world.node("a")
    a.node.judging.dirty(say(a, 100_000))
    assert a.node.domain.adoption.pending == 100_000
    (mine,) = say(a, 1, first=46 << 24)
    a.node.judging.dirty([mine])

    assert a.node.domain.adoption.until(mine) == START + 3_600
    assert a.node.domain.adoption.pending == 100_000


async def test_many_are_judged_a_slice_at_a_time():
    """A turn says whether more is to be done; idle waits for the last."""
    world = World()
    a = await world.node("a")
    a.judge()
    keys = say(a, AT_ONCE + 1)
    a.node.judging.dirty(keys)
    waiting = asyncio.create_task(a.node.judging.idle())
    await asyncio.sleep(0)
    assert not waiting.done()
    turns = 0
    while a.node.judging.turn():
        turns += 1
        await asyncio.sleep(0)
        assert not waiting.done()
    await asyncio.wait_for(waiting, 1)

    assert turns > 2
    assert all(a.node.domain.adoption.until(one) for one in keys)


async def test_idle_returns_at_once_when_nothing_is_dirty():
    """Nobody waits for nothing."""
    world = World()
    a = await world.node("a")
    a.judge()

    assert await asyncio.wait_for(a.node.judging.idle(), 1) == a.node.judging.ticket


async def test_changes_are_told_singly_and_many_as_a_count():
    """An operator reads each block; of a list the numbers."""
    world = World()
    a = await world.node("a")
    a.node.judging.dirty(say(a, 2))
    assert [event.reason for event in a.events("adopted")] == ["operator", "operator"]
    a.node.judging.dirty(say(a, TOLD_SINGLY + 1, first=46 << 24))

    (told,) = a.events("verdicts")
    assert told.detail == {"adopted": TOLD_SINGLY + 1, "others": 0}


async def test_the_words_of_a_verdicts_life():
    """adopted, extended, refused, released: one event each, with the reason."""
    world = World()
    a = await world.node("a")
    await a.block(BAD, ttl="1h", local_only=True)
    await a.block(BAD, ttl="2h", local_only=True)
    await a.beside(a.allow(BAD))
    await a.unblock(BAD)
    about = [(e.kind, e.reason) for e in a.node.events.after(0) if e.prefix == f"{BAD}/32"]

    verdicts = [one for one in about if one[0] in ("adopted", "extended", "refused", "released", "held")]
    assert verdicts == [
        ("adopted", "operator"),
        ("extended", "operator"),
        ("refused", "whitelist"),
        ("released", "nobody says so any more"),
    ]


async def test_what_time_ends_is_judged_when_it_ends():
    """Nobody has to say that a lease is over."""
    world = World()
    a = await world.node("a")
    await a.block(BAD, ttl="10m")
    world.clock.pass_time(599)
    a.judge()
    assert a.adopts(BAD)
    world.clock.pass_time(2)
    a.judge()

    assert not a.adopts(BAD)


async def test_the_task_judges_what_becomes_dirty():
    """The real loop: woken by news, idle without."""
    world = World()
    a = await world.node("a")
    task = asyncio.create_task(a.node.judging.run())
    await asyncio.wait_for(a.node.judging.idle(), 5)
    keys = say(a, AT_ONCE + 100)
    a.node.judging.dirty(keys)
    await asyncio.wait_for(a.node.judging.idle(), 5)
    task.cancel()

    assert a.node.domain.adoption.until(keys[0]) == START + 3_600


async def test_everything_asks_all_sources():
    """A full judgement at start finds what is local, what is signed and what waits to be announced."""
    world = World()
    a = await world.node("a")
    await a.block("203.0.113.1")
    await a.block("203.0.113.2")
    await a.block("203.0.113.3", local_only=True)
    await a.restart()
    a.judge()

    assert key("203.0.113.2") in a.node.announcing.waiting
    assert all(a.adopts(f"203.0.113.{number}") for number in (1, 2, 3))


async def test_a_change_of_verdict_is_one_line_and_a_repeat_is_none(caplog):
    """Said again, or for longer, it is the same verdict; many at once are one line."""
    caplog.set_level(logging.INFO, logger="p2pfw.app.judging")
    world = World()
    a = await world.node("a")
    a.judge()
    caplog.clear()
    await a.block(BAD)
    await a.block(BAD)
    await a.block(BAD, ttl="8h")
    a.judge()
    assert [record.getMessage() for record in caplog.records] == ["adopted"]

    caplog.clear()
    a.node.judging.dirty(say(a, TOLD_SINGLY + 1))
    assert [record.getMessage() for record in caplog.records] == ["verdicts"]
    assert caplog.records[0].adopted == TOLD_SINGLY + 1
