"""The one thread that writes: what waits when it is free becomes one transaction with one sync.

    commit   waits in the queue; answered after the sync of its group, or with why the group was not kept
    post     rides along with the next group, or is written by itself after FLUSH_AFTER; never answered

While one group syncs the next one gathers, so a thousand callers cost a few syncs and one caller waits for nobody. A
group that fails is tried once more without its posts, which are worth less than a promise; posts are kept and retried,
so after a failure a post may reach the disk behind commits that came later. While the disk fails the thread tries it
every RETRY_AFTER, so that recovery shows without anybody asking. Nothing here knows what is written.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from p2pfw.errors import StoreError
from p2pfw.store.rows import Operation

log = logging.getLogger(__name__)

FLUSH_AFTER: Final = 0.1
"""Seconds that a post may wait for a commit to ride with: what a crash may lose of what others can send again."""
RETRY_AFTER: Final = 1.0
"""Seconds between looks at a disk that failed; a commit looks at once."""
GROUP_OPERATIONS: Final = 20_000
"""One transaction takes no more than this (and whole requests only), so that answers do not wait for an import."""
MAX_WAITING: Final = 200_000
"""Operations; beyond this commits are refused and posts dropped, and both say so. About 100 MB of signed bytes."""

Answer = Callable[[StoreError | None], None]


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """Operations that are kept together or not at all. `answer` is called once from the thread; None: a post."""

    operations: Sequence[Operation]
    answer: Answer | None = None


class Disk(Protocol):
    """What the thread writes to; used by the thread alone."""

    def write(self, requests: Sequence[Request]) -> None:
        """All of them in one synced transaction, or StoreError and none."""
        ...

    def probe(self) -> None:
        """Write something small and sync it; StoreError while the disk fails."""
        ...

    def close(self) -> None:
        """The last call."""
        ...


class Writer:
    """A running thread; `close` ends it."""

    def __init__(self, disk: Disk, *, max_waiting: int = MAX_WAITING) -> None:
        self._disk = disk
        self._max_waiting = max_waiting
        # Guards what follows; never held while the disk works.
        self._changed = threading.Condition()
        self._waiting: list[Request] = []
        self._operations = 0
        self._commits = 0
        self._due_at = 0.0
        self._dropped = 0
        self._closing = False
        self._error: StoreError | None = None
        self._thread = threading.Thread(target=self._run, name="p2pfw-store", daemon=True)
        self._thread.start()

    @property
    def failing(self) -> str:
        """Why the last write failed, or that posts had to be dropped; "" while all is well."""
        with self._changed:
            if self._error is not None:
                return str(self._error)
            if self._dropped:
                return f"the disk is too slow: {self._dropped} received changes were not kept, to be fetched again"
            return ""

    def put(self, request: Request) -> bool:
        """Queue it; False when there is no room or the writer is closed. Never waits for the disk."""
        with self._changed:
            # A request larger than the bound is let in alone: whole or not at all holds for it too.
            full = bool(self._waiting) and self._operations + len(request.operations) > self._max_waiting
            if full or self._closing:
                self._dropped += request.answer is None
                return False
            if not self._waiting and self._error is None:
                self._due_at = time.monotonic() + FLUSH_AFTER
            self._waiting.append(request)
            self._count(request, 1)
            self._changed.notify()
            return True

    def close(self) -> None:
        """Write what waits, then end the thread and close the disk. Returns when that is done."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            group = self._gather()
            self._settle(group, self._write(group))
            with self._changed:
                if self._closing and (not self._waiting or self._error is not None):
                    break
        self._abandon()
        self._disk.close()

    def _gather(self) -> list[Request]:
        """Waits until there is reason to go to the disk; empty: only to see whether it works."""
        with self._changed:
            while (wait := self._patience()) is None or wait > 0:
                self._changed.wait(wait)
            count, size = 0, 0
            for request in self._waiting:
                size += len(request.operations)
                if count and size > GROUP_OPERATIONS:
                    break
                count += 1
            group, self._waiting = self._waiting[:count], self._waiting[count:]
            for request in group:
                self._count(request, -1)
            return group

    def _patience(self) -> float | None:
        """Seconds until there is reason to write; None: for ever, as things are."""
        if self._commits or self._closing:
            return 0.0
        if self._error is None and not self._waiting:
            return None
        if self._error is None and self._operations >= GROUP_OPERATIONS:
            return 0.0
        return self._due_at - time.monotonic()

    def _count(self, request: Request, sign: int) -> None:
        self._operations += sign * len(request.operations)
        self._commits += sign * (request.answer is not None)

    def _write(self, group: list[Request]) -> StoreError | None:
        try:
            if group:
                self._disk.write(group)
            elif self._error is not None:
                self._disk.probe()
        except StoreError as error:
            return error
        except Exception as error:
            # A mistake of ours. The thread that everybody waits for must not die of it.
            log.exception("writing failed for a reason that was not foreseen")
            return StoreError(f"internal error while writing: {error!r}")
        return None

    def _settle(self, group: list[Request], error: StoreError | None) -> None:
        """Answer the commits and keep the posts that were not written."""
        commits = [request for request in group if request.answer is not None]
        posts = [request for request in group if request.answer is None] if error else []
        self._note(posts, error)
        answered = self._write(commits) if posts and commits else error
        for request in commits:
            _answer(request, answered)

    def _note(self, posts: list[Request], error: StoreError | None) -> None:
        with self._changed:
            before, self._error = self._error, error
            self._waiting[:0] = posts
            for request in posts:
                self._count(request, 1)
            self._due_at = time.monotonic() + (FLUSH_AFTER if error is None else RETRY_AFTER)
            if error is None and not self._waiting:
                self._dropped = 0
        if error is not None and before is None:
            log.error("could not write", extra={"error": str(error)})
        if error is None and before is not None:
            log.info("could write again")

    def _abandon(self) -> None:
        """At the end of a failing disk: nobody waits for an answer that never comes."""
        with self._changed:
            left, self._waiting = self._waiting, []
        for request in left:
            _answer(request, StoreError("the node stopped before this was kept"))


def _answer(request: Request, error: StoreError | None) -> None:
    if request.answer is not None:
        request.answer(error)
