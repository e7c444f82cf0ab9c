"""What this node lacks and who said to have it: each id asked of one peer at a time, newest first (protocol 5.4).

A peer's window is 256 KiB of what it is thought to send back, by the sizes that came so far. Who does not answer while
another peer has the id too loses it to that peer. Bounded: `MAX_OF_PEER` ids a peer and `MAX_ALL` in all; what did not
fit is for a later reconciliation. Decides whom to ask for what; asking is the caller's. Times are monotonic seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

WINDOW_BYTES: Final = 262_144
MIN_WINDOW: Final = 8
MAX_WINDOW: Final = 256
FIRST_SIZE: Final = 4_096.0
"""Bytes that an announcement is thought to have before any came."""
WEIGHT: Final = 0.125
"""How fast the thought follows what comes."""
MAX_OF_PEER: Final = 32_768
MAX_ALL: Final = 131_072
STALL: Final = 5.0
"""Seconds without any answer after which another peer is asked: two answers of 32 KiB on a line of 128 kbit/s."""


@dataclass(slots=True)
class _Wanted:
    sources: list[int]
    asked: int | None = None
    urgent: bool = False


@dataclass(slots=True)
class _Queue:
    """One peer's: stacks, so that the newest goes first. May name ids that are settled; they are passed over."""

    urgent: list[bytes] = field(default_factory=list)
    rest: list[bytes] = field(default_factory=list)
    outstanding: dict[bytes, None] = field(default_factory=dict)
    pending: int = 0
    """Ids that it said to have and that are not settled."""
    size: float = FIRST_SIZE
    progress: float = 0.0

    def pop(self) -> bytes | None:
        stack = self.urgent or self.rest
        return stack.pop() if stack else None

    @property
    def window(self) -> int:
        return min(MAX_WINDOW, max(MIN_WINDOW, int(WINDOW_BYTES / self.size)))


class Wants:
    """All that is lacking, over all peers."""

    def __init__(self) -> None:
        self._wanted: dict[bytes, _Wanted] = {}
        self._queues: dict[int, _Queue] = {}

    def __len__(self) -> int:
        return len(self._wanted)

    def open(self, peer: int) -> None:
        """A peer that can be asked."""
        self._queues[peer] = _Queue()

    def close(self, peer: int) -> None:
        """It cannot be asked any more; who else has what it had takes over."""
        del self._queues[peer]
        for identity in [identity for identity, wanted in self._wanted.items() if peer in wanted.sources]:
            self._without(identity, peer)

    def offer(self, peer: int, ids: Sequence[bytes], *, urgent: bool = False) -> int:
        """The peer has these, oldest first, and we lack them. How many did not fit."""
        queue = self._queues[peer]
        overflow = 0
        for identity in ids:
            wanted = self._wanted.get(identity)
            if wanted is not None and peer in wanted.sources:
                continue
            if queue.pending >= MAX_OF_PEER or (wanted is None and len(self._wanted) >= MAX_ALL):
                overflow += 1
                continue
            if wanted is None:
                wanted = self._wanted[identity] = _Wanted([], urgent=urgent)
            wanted.sources.append(peer)
            queue.pending += 1
            (queue.urgent if wanted.urgent else queue.rest).append(identity)
        return overflow

    def take(self, peer: int, now: float) -> tuple[bytes, ...]:
        """What to ask this peer for now: fills its window once half of it is free."""
        queue = self._queues[peer]
        if not (queue.rest or queue.urgent) or len(queue.outstanding) > queue.window // 2:
            return ()
        taken: list[bytes] = []
        while len(queue.outstanding) < queue.window and (identity := queue.pop()) is not None:
            wanted = self._wanted.get(identity)
            if wanted is None or wanted.asked is not None or peer not in wanted.sources:
                continue
            wanted.asked = peer
            queue.outstanding[identity] = None
            taken.append(identity)
        if taken:
            queue.progress = now
        return tuple(taken)

    def is_asked(self, peer: int, identity: bytes) -> bool:
        """True when this peer was asked for it and has not answered."""
        return identity in self._queues[peer].outstanding

    def arrived(self, peer: int, size: int, now: float) -> None:
        """An answer of so many bytes came."""
        queue = self._queues[peer]
        queue.size += (size - queue.size) * WEIGHT
        queue.progress = now

    def settle(self, identity: bytes) -> None:
        """It is here, or it is known not to count: nobody needs to be asked for it."""
        wanted = self._wanted.pop(identity, None)
        if wanted is None:
            return
        for source in wanted.sources:
            self._queues[source].pending -= 1
        if wanted.asked is not None:
            self._queues[wanted.asked].outstanding.pop(identity, None)

    def missed(self, peer: int, identity: bytes, now: float) -> None:
        """The peer does not have it after all."""
        wanted = self._wanted.get(identity)
        if wanted is None or peer not in wanted.sources:
            return
        queue = self._queues[peer]
        queue.pending -= 1
        queue.outstanding.pop(identity, None)
        queue.progress = now
        self._without(identity, peer)

    def stalled(self, now: float) -> list[int]:
        """Take from peers that do not answer what others have too. The peers that did not answer."""
        late = [peer for peer, queue in self._queues.items() if self._is_late(queue, now)]
        for peer in late:
            self._give_away(peer, now)
        return late

    def peers(self) -> list[int]:
        """Those that can be asked."""
        return list(self._queues)

    def pending(self, peer: int) -> int:
        """How much this peer said to have is not settled."""
        return self._queues[peer].pending

    def next_deadline(self) -> float | None:
        """When `stalled` may have something to do."""
        return min((queue.progress + STALL for queue in self._queues.values() if queue.outstanding), default=None)

    @staticmethod
    def _is_late(queue: _Queue, now: float) -> bool:
        return bool(queue.outstanding) and now >= queue.progress + STALL

    def _give_away(self, peer: int, now: float) -> None:
        queue = self._queues[peer]
        queue.progress = now
        for identity in [one for one in queue.outstanding if len(self._wanted[one].sources) > 1]:
            self.missed(peer, identity, now)

    def _without(self, identity: bytes, peer: int) -> None:
        wanted = self._wanted[identity]
        wanted.sources.remove(peer)
        if not wanted.sources:
            del self._wanted[identity]
        elif wanted.asked == peer:
            wanted.asked = None
            for heir in map(self._queues.__getitem__, wanted.sources):
                (heir.urgent if wanted.urgent else heir.rest).append(identity)
