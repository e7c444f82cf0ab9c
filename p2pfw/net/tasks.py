"""The transport's tasks: each has an owner, none is forgotten, and all are gone when it stops."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


class Tasks:
    """A bag of running tasks. A failed one is logged as our error, and concerns no other."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[object]] = set()

    def start(self, work: Coroutine[None, None, T]) -> asyncio.Task[T]:
        """Run it until it ends, or until `stop`."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    def detach(self, work: Coroutine[None, None, object]) -> None:
        """The same for work whose end nobody waits for."""
        task = self.start(work)
        task.set_name("detached")

    async def stop(self, patience: float) -> None:
        """Give them this many seconds to end by themselves, then cancel what is left, and wait for it."""
        if self._running:
            await asyncio.wait(self._running, timeout=patience)
        left = list(self._running)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _done(self, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            log.error("task failed", exc_info=problem)
