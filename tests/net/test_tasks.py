"""Every task has an owner, and none outlives it."""

import asyncio

from p2pfw.net.tasks import Tasks


async def test_patient_stop_lets_tasks_end_by_themselves():
    """A goodbye on its way is not cut off."""
    tasks, done = Tasks(), []

    async def goodbye():
        await asyncio.sleep(0.01)
        done.append("said")

    tasks.detach(goodbye())
    await tasks.stop(60.0)

    assert done == ["said"]


async def test_stop_cancels_what_does_not_end():
    """And waits until it is gone."""
    tasks, events = Tasks(), []

    async def endless():
        try:
            await asyncio.Event().wait()
        finally:
            events.append("gone")

    task = tasks.start(endless())
    await tasks.stop(0.01)

    assert events == ["gone"]
    assert task.cancelled()


async def test_stopping_nothing_is_nothing():
    """No tasks, no wait."""
    await Tasks().stop(60.0)


async def test_failed_task_is_our_error_and_no_other_tasks(caplog):
    """Logged with its traceback."""
    tasks = Tasks()

    async def fail():
        raise ValueError("a mistake of ours")

    task = tasks.start(fail())
    await asyncio.wait([task])
    await asyncio.sleep(0)

    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "a mistake of ours" in caplog.text
