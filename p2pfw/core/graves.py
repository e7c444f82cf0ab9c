"""Announcements that are void before their time: remembered by id, so that nobody sends them again.

A replay finds the id known, a checkpoint that lists it finds it held. The signed header stays too: what is void can
still prove that its origin contradicted itself, so that it does not matter which came first, the contradiction or what
voided it. Costs the origin some of its share, until the announcement itself would have ended.
"""

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Final, NamedTuple

from p2pfw.core.equivocation import Signed
from p2pfw.core.identity import NodeId

SHORT_BYTES: Final = 16
"""As many bytes of an id tell announcements apart; what travels in IHAVE."""


class Grave(NamedTuple):
    """What is left of an announcement. `order` is (epoch, seq) as one integer (held)."""

    origin: NodeId
    order: int
    signed: Signed


class Graves:
    """Void announcements, by the first 16 bytes of their ids. Times in Unix seconds."""

    def __init__(self) -> None:
        self._graves: dict[bytes, Grave] = {}
        self._orders: dict[tuple[NodeId, int], bytes] = {}
        self._ends: list[tuple[int, bytes]] = []

    def __contains__(self, announcement: bytes) -> bool:
        return announcement[:SHORT_BYTES] in self._graves

    def add(self, announcement: bytes, grave: Grave, until: int) -> None:
        """Remember that the announcement with this id is void, until then."""
        short = announcement[:SHORT_BYTES]
        self._graves[short] = grave
        self._orders.setdefault((grave.origin, grave.order), short)
        heappush(self._ends, (until, short))

    def rival(self, origin: NodeId, order: int) -> Signed | None:
        """The signed header of a void announcement of that origin with that order."""
        short = self._orders.get((origin, order))
        return None if short is None else self._graves[short].signed

    def expire(self, now: float) -> Iterator[NodeId]:
        """Forget those whose time is over: the origin of each."""
        while self._ends and self._ends[0][0] <= now:
            short = heappop(self._ends)[1]
            grave = self._graves.pop(short)
            if self._orders.get((grave.origin, grave.order)) == short:
                del self._orders[grave.origin, grave.order]
            yield grave.origin

    def next_deadline(self) -> int | None:
        """When the next one is over."""
        return self._ends[0][0] if self._ends else None
