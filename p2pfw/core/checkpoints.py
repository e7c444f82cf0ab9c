"""When checkpoints apply: once everything that they list is held, or has expired (protocol 1.6).

A checkpoint that applies voids its origin's entries announcements before (epoch, seq) that it does not list, those that
come later included. What it lists was held when it began to apply, or had expired; so for an announcement that comes
later its order alone decides, and no list is kept. One that waits is asked on two occasions only: something that it
lists arrives, or expires. Deleting is the ledger's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush

from p2pfw.core.checkpoint import AnnouncementId, Checkpoint
from p2pfw.core.held import Held, order_of
from p2pfw.core.identity import NodeId


@dataclass(frozen=True, slots=True, eq=False)
class Applying:
    """A checkpoint that begins to apply."""

    origin: NodeId
    bound: int
    """(epoch, seq) as one integer: what comes before it is void, unless it is listed."""
    listed: frozenset[AnnouncementId]


@dataclass(slots=True, eq=False)
class _Waiting:
    applying: Applying
    serial: int
    missing: set[AnnouncementId]


class Checkpoints:
    """Checkpoints that apply, and those that wait for what they list."""

    def __init__(self) -> None:
        self._bounds: dict[NodeId, dict[int, int]] = {}
        """Per origin: the bounds that apply, by the serial of the checkpoint's announcement."""
        self._waiting: dict[int, _Waiting] = {}
        self._awaited: dict[AnnouncementId, list[_Waiting]] = {}
        self._ends: list[tuple[int, AnnouncementId]] = []

    def bound(self, origin: NodeId) -> int:
        """Entries announcements of the origin with a lower order are void when they come now. 0: none."""
        return max(self._bounds.get(origin, {}).values(), default=0)

    def add(
        self, held: Held, checkpoint: Checkpoint, known: Callable[[AnnouncementId], bool], now: float
    ) -> Applying | None:
        """Take in a checkpoint's announcement. Returns what begins to apply at once."""
        bound = order_of((checkpoint.epoch, checkpoint.seq))
        applying = Applying(held.origin, bound, frozenset(listed for listed, _ in checkpoint.held))
        missing = set(checkpoint.missing(known, now))
        if not missing:
            self._bounds.setdefault(held.origin, {})[held.serial] = bound
            return applying
        waiting = self._waiting[held.serial] = _Waiting(applying, held.serial, missing)
        for listed, expires in checkpoint.held:
            if listed in missing:
                self._awaited.setdefault(listed, []).append(waiting)
                heappush(self._ends, (expires, listed))
        return None

    def remove(self, held: Held) -> None:
        """A checkpoint's announcement is gone: what it voided stays gone, what comes now is not void by it."""
        waiting = self._waiting.pop(held.serial, None)
        if waiting is not None:
            for listed in waiting.missing:
                self._forget(listed, waiting)
            return
        bounds = self._bounds[held.origin]
        del bounds[held.serial]
        if not bounds:
            del self._bounds[held.origin]

    def arrived(self, listed: AnnouncementId) -> Iterator[Applying]:
        """Something is held now, or has expired: the checkpoints that begin to apply by that."""
        for waiting in self._awaited.pop(listed, ()):
            waiting.missing.discard(listed)
            if not waiting.missing:
                del self._waiting[waiting.serial]
                applying = waiting.applying
                self._bounds.setdefault(applying.origin, {})[waiting.serial] = applying.bound
                yield applying

    def expire(self, now: float) -> Iterator[Applying]:
        """The checkpoints that begin to apply because what they still missed has expired."""
        while self._ends and self._ends[0][0] <= now:
            yield from self.arrived(heappop(self._ends)[1])

    def next_deadline(self) -> int | None:
        """When something that is missing expires, in Unix seconds."""
        while self._ends and self._ends[0][1] not in self._awaited:
            heappop(self._ends)
        return self._ends[0][0] if self._ends else None

    def missing(self, origin: NodeId | None = None) -> list[AnnouncementId]:
        """What to ask for so that waiting checkpoints can apply: of one origin, or of all; ascending.

        A checkpoint below one that applies has nothing left to say, and asks for nothing.
        """
        wanted: set[AnnouncementId] = set()
        for waiting in self._waiting.values():
            applying = waiting.applying
            if origin in (None, applying.origin) and applying.bound > self.bound(applying.origin):
                wanted |= waiting.missing
        return sorted(wanted)

    def _forget(self, listed: AnnouncementId, waiting: _Waiting) -> None:
        left = [other for other in self._awaited[listed] if other is not waiting]
        if left:
            self._awaited[listed] = left
        else:
            del self._awaited[listed]
