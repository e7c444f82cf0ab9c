"""The ring of events, and the counters beside it: bounded, in order, and honest about gaps."""

import asyncio

from p2pfw.app.counters import MAX_REASONS, Refusals
from p2pfw.app.events import READER_LAG, Events
from tests.app.fakes import FakeClock


def ring(count: int, size: int = 10) -> Events:
    """A ring with so many events told."""
    events = Events(FakeClock(), size)
    for number in range(count):
        events.tell("block", prefix=f"45.0.0.{number}/32", by="socket:0")
    return events


async def take(events: Events, after: int, count: int) -> list[int]:
    """The ids of the next events that a follower gets, or of all until it ends."""
    got = []
    async for event in events.follow(after):
        got.append(event.id)
        if len(got) == count:
            break
    return got


def test_an_event_carries_its_facts():
    """Numbered from 1, dated, with details by name."""
    (event,) = ring(1).after(0)

    assert (event.id, event.time, event.kind) == (1, "2027-01-15T08:00:00Z", "block")
    assert event.detail == {"by": "socket:0"}


def test_the_ring_forgets_the_oldest():
    """`after` gives what is left, oldest first."""
    events = ring(25)

    assert [event.id for event in events.after(0)] == list(range(16, 26))
    assert [event.id for event in events.after(23)] == [24, 25]
    assert events.after(25) == []
    assert events.last == 25


async def test_a_follower_gets_what_is_new():
    """0 begins now; an id begins behind it; both go on as things happen."""
    events = ring(3)
    fresh = asyncio.create_task(take(events, 0, 2))
    replay = asyncio.create_task(take(events, 1, 4))
    await asyncio.sleep(0)
    events.tell("one")
    await asyncio.sleep(0)
    events.tell("two")

    assert await asyncio.wait_for(fresh, 1) == [4, 5]
    assert await asyncio.wait_for(replay, 1) == [2, 3, 4, 5]


async def test_several_followers_each_get_everything():
    """Nobody takes an event away from another."""
    events = ring(0)
    tasks = [asyncio.create_task(take(events, 0, 20)) for _ in range(5)]
    await asyncio.sleep(0)
    for number in range(20):
        events.tell("tick", number=number)
        if number % 3 == 0:
            await asyncio.sleep(0)

    assert await asyncio.wait_for(asyncio.gather(*tasks), 1) == [list(range(1, 21))] * 5


async def test_a_follower_that_lags_too_far_is_ended():
    """It sees the loss instead of a silent gap."""
    events = ring(READER_LAG + 20, size=10)

    assert await asyncio.wait_for(take(events, 5, 100), 1) == []


async def test_an_id_of_a_former_process_begins_anew():
    """Ids begin at 1 with each process: a greater one than the last gets what there is, not silence for ever."""
    events = ring(3)
    task = asyncio.create_task(take(events, 9_000, 1))
    await asyncio.sleep(0)
    events.tell("news")

    assert (await asyncio.wait_for(task, 1))[0] in (1, 4)


def test_refusals_are_counted_by_reason_and_bounded():
    """The most frequent first; beyond the bound a new reason counts as other."""
    refusals = Refusals()
    for number in range(MAX_REASONS + 50):
        refusals.add(f"reason-{number}")
    refusals.add("reason-3", 7)

    assert refusals["reason-3"] == 8
    assert refusals["never"] == 0
    assert next(iter(refusals.snapshot())) == "other"
    assert len(refusals.snapshot()) == MAX_REASONS + 1
