"""Says things in this node's own name: numbers them, signs them, keeps them, records them here, hands them to gossip.

The only place that signs announcements. The number is used up before anything can fail, and what was signed is synced
before it is sent (protocol 1 "Conflicts"), so that no number ever stands for two different headers. What to say is
announcing's and renewing's business.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from p2pfw.core.announcement import MAX_LIFETIME, Action, Announcement, Category, Entry, Kind, RawAnnouncement, code
from p2pfw.core.building import Alike, Stamp, build_blocks, build_entries, build_other
from p2pfw.core.identity import NetworkId, NodeId, Signer
from p2pfw.core.prefix import PrefixKey
from p2pfw.errors import NotAcceptableError
from p2pfw.ports import Clock, Store
from p2pfw.rows import PutAnnouncement, Setting, Write

MILLISECONDS: Final = 1_000
EPOCH_SETTING: Final = "epoch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """A draft of one announcement of entries or pardons. `not_before` (Unix s): stamp it no earlier."""

    entries: Sequence[Entry]
    kind: Kind = Kind.ENTRIES
    basis: int = 0
    not_before: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A draft of one announcement of another kind. `expires` in Unix seconds."""

    kind: Kind
    body: bytes
    expires: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """A draft of one announcement of BLOCKs that differ by prefix alone. `keys` ascend; `until` Unix s, 0 for ever."""

    keys: Sequence[PrefixKey]
    until: int
    category: Category
    confidence: int
    basis: int = 0
    not_before: int = 0

    def alike(self, created: int) -> Alike:
        """As of an announcement created at that Unix second: to `until`, at most 30 days."""
        ttl = MAX_LIFETIME if not self.until else max(1, min(self.until - created, MAX_LIFETIME))
        return Alike(self.keys, ttl, code(Action.BLOCK, self.category, self.confidence), self.basis)


Draft = Statements | Blocks | Document


class Originator:
    """This node's voice. `held` says why it is silent: a restored node before it relearned, a clock that is wrong."""

    def __init__(
        self,
        signer: Signer,
        network: NetworkId,
        store: Store,
        clock: Clock,
        tell: Callable[[Announcement], None],
    ) -> None:
        self._signer, self._network, self._store, self._clock, self._tell = signer, network, store, clock, tell
        self._epoch = self._seq = 0
        self._order = asyncio.Lock()
        self._holds: dict[str, str] = {}

    @property
    def node(self) -> NodeId:
        """Whose voice this is."""
        return NodeId(self._signer.public_key)

    @property
    def position(self) -> tuple[int, int]:
        """(epoch, seq) of the newest announcement."""
        return self._epoch, self._seq

    @property
    def held(self) -> str:
        """Why nothing may be announced now; "" when it may."""
        return next(iter(self._holds.values()), "")

    def is_held_by(self, cause: str) -> bool:
        """True while that cause keeps it silent."""
        return cause in self._holds

    def hold(self, cause: str, reason: str) -> None:
        """Be silent for a cause until `release`d."""
        self._holds[cause] = reason

    def release(self, cause: str) -> None:
        """That cause is gone."""
        self._holds.pop(cause, None)

    async def begin(self, last_epoch: int, newest: tuple[int, int]) -> None:
        """Start a new epoch above everything this node is known to have said; synced before it is used."""
        async with self._order:
            epoch = max(int(self._clock.now() * MILLISECONDS), last_epoch + 1, newest[0] + 1, self._epoch + 1)
            await self._store.commit(Setting(name=EPOCH_SETTING, value=epoch))
            self._epoch, self._seq = epoch, 0

    async def overtaken(self, epoch: int, seq: int) -> None:
        """A peer proved that we said something newer: move above it."""
        if (epoch, seq) >= self.position:
            await self.begin(self._epoch, (epoch, seq))

    async def say(self, drafts: Iterable[Draft], *writes: Write) -> list[Announcement]:
        """Announce, in order; a long list may come as an iterator. `writes` go into the same transaction.

        StoreError: nothing was said. NotAcceptableError while this node must be silent.
        """
        if self.held:
            raise NotAcceptableError(f"this node must not announce anything now: {self.held}")
        async with self._order:
            said = []
            for draft in drafts:
                said.append(self._sign(draft))
                await asyncio.sleep(0)
            await self._store.commit(*(self._put(one) for one in said), *writes)
            for one in said:
                self._tell(one)
                await asyncio.sleep(0)
            return said

    def next_position(self) -> tuple[int, int]:
        """(epoch, seq) that the next announcement will have; only for who holds the only drafts in flight."""
        return self._epoch, self._seq + 1

    def _sign(self, draft: Draft) -> Announcement:
        self._seq += 1
        now_ms = int(self._clock.now() * MILLISECONDS)
        if isinstance(draft, Document):
            stamp = Stamp(network=self._network, epoch=self._epoch, seq=self._seq, created_ms=now_ms)
            return build_other(self._signer, stamp, draft.kind, draft.body, draft.expires)
        created = max(now_ms, draft.not_before * MILLISECONDS)
        stamp = Stamp(network=self._network, epoch=self._epoch, seq=self._seq, created_ms=created)
        if isinstance(draft, Blocks):
            return build_blocks(self._signer, stamp, draft.alike(created // MILLISECONDS))
        return build_entries(self._signer, stamp, draft.entries, basis=draft.basis, kind=draft.kind)

    def _put(self, one: Announcement) -> PutAnnouncement:
        return put_announcement(one.raw, one, int(self._clock.now()))


def put_announcement(raw: RawAnnouncement, one: Announcement, now: int) -> PutAnnouncement:
    """The write that keeps an announcement."""
    header = one.header
    return PutAnnouncement(raw=raw, id=one.id, kind=header.kind, expires=header.expires, recorded=now)
