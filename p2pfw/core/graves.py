"""Announcements that are void before their time: their ids are remembered, so that nobody sends them again.

An id alone, not the announcement: what is void needs no proof. A replay finds it known, a checkpoint that lists it
finds it held. Costs its origin a little of its share, until the announcement itself would have ended.
"""

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Final

from p2pfw.core.identity import NodeId

SHORT_BYTES: Final = 16
"""As many bytes of an id tell announcements apart; what travels in IHAVE."""


class Graves:
    """Ids of void announcements, by their first 16 bytes. Times in Unix seconds."""

    def __init__(self) -> None:
        self._origins: dict[bytes, NodeId] = {}
        self._ends: list[tuple[int, bytes]] = []

    def __contains__(self, announcement: bytes) -> bool:
        return announcement[:SHORT_BYTES] in self._origins

    def add(self, announcement: bytes, origin: NodeId, until: int) -> None:
        """Remember that this id is void, at least until then."""
        short = announcement[:SHORT_BYTES]
        self._origins[short] = origin
        heappush(self._ends, (until, short))

    def expire(self, now: float) -> Iterator[NodeId]:
        """Forget those whose time is over: the origin of each."""
        while self._ends and self._ends[0][0] <= now:
            yield self._origins.pop(heappop(self._ends)[1])

    def next_deadline(self) -> int | None:
        """When the next one is over."""
        return self._ends[0][0] if self._ends else None
