"""What is done again and again, and what it must not do."""

import asyncio

from p2pfw.app.housekeeping import PEAK
from p2pfw.app.pace import STEP, STRIDE, Pace
from p2pfw.core.announcement import Kind
from p2pfw.rows import DropAnnouncements
from tests.app.fakes import FakeClock
from tests.app.world import World

BAD = "203.0.113.9"


async def test_dead_announcements_leave_memory_and_disk():
    """Two minutes after their end, not before (protocol 1)."""
    world = World()
    a = await world.node("a", owner=1)
    await a.block(BAD, ttl="1h")
    await world.advance(seconds=3_600 + 60, step=60)
    assert sorted(kind for _, kind, _ in a.store.held.values()) == [Kind.ENTRIES, Kind.CERTIFICATE]
    await world.advance(seconds=120, step=60)
    await a.store.close()

    assert [kind for _, kind, _ in a.store.held.values()] == [Kind.CERTIFICATE]
    assert not a.node.domain.own_announcements()
    assert any(isinstance(write, DropAnnouncements) for write in a.store.log)


async def test_a_full_disk_does_not_stop_the_second_hand():
    """Ends, protection and clocks are looked after; what has to be said is tried again."""
    world = World()
    a = await world.node("a", owner=1)
    a.store.fill_up()
    await world.advance(seconds=30, step=1)
    assert "store" in {line.code for line in a.node.health.lines()}
    a.store.repair()
    await world.advance(seconds=5, step=1)

    assert len(a.node.domain.ledger.announcements_of(a.id, a.clock.now(), kind=Kind.CERTIFICATE)) == 1
    assert "store" not in {line.code for line in a.node.health.lines()}


async def test_the_tasks_tick_and_measure():
    """The real loops: a tick at once, and a measurement of lateness every 50 ms."""
    world = World()
    a = await world.node("a", owner=1)
    tasks = [asyncio.create_task(work) for work in (a.housekeeping.run(), a.housekeeping.measure_lag())]
    async with asyncio.timeout(5):
        while not (a.store.held and a.node.health.lag._samples):  # noqa: ASYNC110  # the tasks do it
            await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()

    assert a.node.health.loop_lag_ms() >= 0.0


async def test_memory_is_given_back_after_a_peak():
    """Once, when nothing is being judged any more."""
    world = World()
    a = await world.node("a", owner=1)
    given: list[int] = []
    sizes = iter([10 << 20, (10 << 20) + PEAK + 1, 11 << 20, 11 << 20, 11 << 20])
    ports = a.node.ports
    object.__setattr__(ports, "memory_bytes", lambda: next(sizes))
    object.__setattr__(ports, "give_back_memory", lambda: given.append(1))
    a.judge()
    for _ in range(3):
        await a.housekeeping.tick()

    assert given == [1]


async def test_long_work_lets_the_loop_turn():
    """Whenever 5 ms have passed, looked at every 64 items."""
    clock = FakeClock()
    pace = Pace(clock)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    for _ in range(10 * STRIDE):
        await pace.step()
    assert turns == 0
    clock.pass_time(2 * STEP)
    for _ in range(STRIDE):
        await pace.step()
    task.cancel()

    assert turns == 1
