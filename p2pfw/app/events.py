"""What happens, as a bounded ring that readers follow.

An event is told once to whoever listens and kept for the last `size`; a reader that falls behind is told so by the
gap in ids, never waited for. Nothing here decides anything.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterable
from itertools import islice
from typing import Final

from msgspec import structs

from p2pfw import schema
from p2pfw.core.announcement import RawAnnouncement
from p2pfw.core.held import octets
from p2pfw.core.proving import MOST_PROOFS, proof_of
from p2pfw.core.times import rfc3339
from p2pfw.ports import Clock

PROOF_OCTETS: Final = 16 << 20
"""Bytes of signed evidence kept with events."""
RING: Final = 10_000
"""Events kept for replay by Last-Event-ID; about 3 MB."""
READER_LAG: Final = 5_000
"""A follower that is further behind than this is ended, so that it sees the loss instead of a silent gap."""

Detail = str | int | float | bool | None


class Events:
    """The ring, and those who follow it."""

    def __init__(self, clock: Clock, size: int = RING) -> None:
        self._clock = clock
        self._ring: deque[schema.Event] = deque(maxlen=size)
        self._last = 0
        self._news = asyncio.Event()
        self._proofs: OrderedDict[int, tuple[RawAnnouncement, ...]] = OrderedDict()
        self._weight = 0
        self.watchers: list[Callable[[schema.Event], None]] = []
        """Told of every event at once; they must be quick."""

    @property
    def last(self) -> int:
        """Id of the newest event; 0 when there was none."""
        return self._last

    def tell(self, kind: str, *, prefix: str = "", peer: str = "", reason: str = "", **detail: Detail) -> None:
        """Record one event, now."""
        self._last += 1
        event = schema.Event(
            id=self._last,
            time=rfc3339(self._clock.now()),
            kind=kind,
            prefix=prefix,
            peer=peer,
            reason=reason,
            detail=detail,
        )
        self._ring.append(event)
        self._news.set()
        for watch in self.watchers:
            watch(event)

    def prove(self, proofs: Iterable[RawAnnouncement]) -> None:
        """The signed bytes that the newest event rests on: for exports. The oldest give way at 16 MiB."""
        kept = tuple(islice(proofs, MOST_PROOFS))
        if not kept:
            return
        self._proofs[self._last] = kept
        self._weight += sum(map(octets, kept))
        while self._weight > PROOF_OCTETS:
            _, gone = self._proofs.popitem(last=False)
            self._weight -= sum(map(octets, gone))

    def with_proofs(self, event: schema.Event) -> schema.Event:
        """The event with its signed evidence, as far as that is kept."""
        proofs = [proof_of(raw) for raw in self._proofs.get(event.id, ())]
        return structs.replace(event, evidence=proofs) if proofs else event

    def after(self, last: int) -> list[schema.Event]:
        """What the ring holds with a greater id, oldest first."""
        missing = min(self._last - last, len(self._ring))
        return [self._ring[index] for index in range(len(self._ring) - missing, len(self._ring))] if missing > 0 else []

    async def follow(self, after: int) -> AsyncIterator[schema.Event]:
        """Replay what is newer than `after` (0: nothing), then go on for ever; ends when the reader lags too far.

        An id that was not given yet is of an earlier life of this node: then all that the ring holds is news.
        """
        at = self._last - len(self._ring) if after > self._last else after or self._last
        while True:
            if self._last - at > max(READER_LAG, len(self._ring)):
                return
            for event in self.after(at):
                at = event.id
                yield event
            if at == self._last:
                self._news.clear()
                await self._news.wait()
