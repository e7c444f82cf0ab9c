"""What follows when something of others was recorded: keep it, judge it, drop whom it revokes, obey a pardon.

The sink of peering. Everything here is a consequence of signed data that intake has verified.
"""

import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from p2pfw.app.announcing import Announcing
from p2pfw.app.counters import PROPAGATION, Histogram
from p2pfw.app.kit import Kit
from p2pfw.app.originating import MILLISECONDS, Document, Originator, put_announcement
from p2pfw.app.peerbook import PeerBook
from p2pfw.core.announcement import Announcement, Kind, RawAnnouncement, lifetime, records
from p2pfw.core.gossip.events import Recorded
from p2pfw.core.identity import NodeId
from p2pfw.core.intake import Learned
from p2pfw.core.intake import Recorded as Outcome
from p2pfw.core.prefix import PrefixKey
from p2pfw.errors import InputError, PeerError, StoreError
from p2pfw.ports import PeerSession
from p2pfw.rows import Put, Setting

log = logging.getLogger(__name__)

RESTORED: str = "restored"
REVOKED: str = "revoked"


class Ends(Protocol):
    """Who can end sessions and resolve peers anew."""

    def drop_node(self, node: NodeId, reason: str) -> None:
        """End the session with a node whose key is dead."""
        ...


class Recording:
    """Implements peering.Sink."""

    def __init__(self, kit: Kit, book: PeerBook, originator: Originator, announcing: Announcing) -> None:
        self._domain, self._store, self._judging, self._events = kit.domain, kit.store, kit.judging, kit.events
        self._clock, self._book = kit.clock, book
        self._originator, self._announcing = originator, announcing
        self.ends: Ends | None = None
        self.spawn: Callable[[Coroutine[Any, Any, None]], object] | None = None
        self.on_trust: Callable[[], None] | None = None
        self.on_worth: Callable[[], None] | None = None
        self._charters = 0
        self.arrived = 0
        self.propagation = Histogram(PROPAGATION)
        self._proof: RawAnnouncement | None = None
        """The announcement whose consequences are being drawn."""
        self.pardoned: set[PrefixKey] = set()

    def recorded(self, effect: Recorded) -> None:
        """An announcement of somebody else's is in the ledger."""
        outcome = effect.outcome
        one = outcome.announcement
        self._proof = one.raw
        self.arrived += 1
        self.propagation.add(self._clock.now() - one.header.created_ms / MILLISECONDS)
        if outcome.kept:
            self._store.post(put_announcement(one.raw, one, self._domain.now()))
        self._judging.dirty(outcome.dirty)
        self._follow(Learned(dirty=[], revoked=outcome.revoked, certified=outcome.certified), one.origin)
        if one.origin == self._domain.me.node:  # of a life that this disk does not know
            self.overtaken(*one.header.order)
        self._follow_worth(outcome)
        if one.kind == Kind.PARDON:
            self._obey(one)
        if outcome.equivocation is not None:
            self._accuse(outcome.equivocation.encode(), one.origin)

    def identified(self, session: PeerSession) -> None:
        """A peer proved its identity: its certificate counts, with the consent that the proof is."""
        if session.certificate is None:
            return
        try:
            learned = self._domain.intake.learn(session.certificate, self._clock.now())
        except PeerError as error:
            log.info("certificate not taken", extra={"peer": session.node.hex()[:16], "reason": str(error)})
            return
        self._proof = None
        self._judging.dirty(learned.dirty)
        self._follow(learned, session.node)

    def overtaken(self, epoch: int, seq: int) -> None:
        """Number above what a peer proved that we said."""
        self._spawn(self._originator.overtaken(epoch, seq))

    def caught_up(self, node: NodeId, *, own: bool) -> None:
        """A restored node may speak once a peer gave back what it had said."""
        if own and self._originator.is_held_by(RESTORED):
            self._spawn(self._relearned(node))

    def follow_own(self, outcome: Outcome) -> None:
        """What this node said itself has the same consequences."""
        self._proof = outcome.announcement.raw
        self._follow(Learned(dirty=[], revoked=outcome.revoked, certified=outcome.certified), self._domain.me.node)
        self._follow_worth(outcome)

    def watch_identity(self) -> None:
        """A node whose key is revoked, or whose certificate is long over, is heard by nobody: it falls silent."""
        me, now = self._domain.me.node, self._clock.now()
        if self._domain.directory.is_revoked(me):
            self._originator.hold(REVOKED, "its key was revoked by its owner")
        elif self._domain.directory.carried_owner(me, now) is None:
            self._originator.hold(REVOKED, "its certificate ended more than 30 days ago")
        elif self._originator.is_held_by(REVOKED):
            self._originator.release(REVOKED)
            self._announcing.released()

    # --- consequences ----------------------------------------------------------------------------------------------

    def _follow(self, learned: Learned, node: NodeId) -> None:
        for revoked in learned.revoked:
            self._events.tell("revoked", peer=self._book.name_of(revoked))
            self._prove()
            if self.ends is not None:
                self.ends.drop_node(revoked, "revoked")
        if learned.revoked:
            self.watch_identity()
        if learned.certified:
            self._certified(node)

    def _follow_worth(self, outcome: Outcome) -> None:
        """A vouch or a charter changed who counts, or a proposal is new."""
        changes = self._domain.membership.changes
        if self.on_worth is not None and (outcome.worth or changes != self._charters):
            self._charters = changes
            self.on_worth()
            if outcome.announcement.kind == Kind.CHARTER:
                self._events.tell("charter-said", peer=self._book.name_of(outcome.announcement.origin))
                self._prove()

    def _prove(self) -> None:
        """What the newest event rests on."""
        if self._proof is not None:
            self._events.prove([self._proof])

    def _certified(self, node: NodeId) -> None:
        owner = self._domain.directory.owner_of(node, self._clock.now())
        if owner is None:
            return
        self._events.tell("certified", peer=self._book.name_of(node))
        self._prove()
        pins = self._book.pins(node, owner) if bytes(owner) != bytes(node) else []
        if pins:
            self._store.post(*(Put(row=row) for row in pins))
        if self.on_trust is not None:
            self.on_trust()

    def _obey(self, pardon: Announcement) -> None:
        """Older standing intentions of this node are dropped, and their renewals retracted (identity.md)."""
        owner = self._domain.directory.owner_of(pardon.origin, self._clock.now())
        if owner != self._domain.me.owner or pardon.origin == self._domain.me.node:
            return
        older = [key for key, *_ in records(pardon) if self._is_meant(PrefixKey(key), pardon.header.created)]
        self.pardoned.update(map(PrefixKey, older))
        if older:
            self._spawn(self.take_back())

    def _is_meant(self, key: PrefixKey, pardoned_at: int) -> bool:
        """True when this node has meant it since before the pardon, announced or not."""
        given = (self._domain.standing.get(key), self._announcing.waiting.get(key))
        return any(one is not None and one.added <= pardoned_at for one in given)

    async def take_back(self) -> None:
        """Retract what was pardoned by the fleet. What the disk refuses stays to be done: housekeeping asks again."""
        keys = sorted(self.pardoned)
        if not keys:
            return
        rows = {key: row for key in keys if (row := self._domain.standing.get(key))}
        try:
            await self._announcing.retract(keys)
        except (StoreError, InputError) as error:
            log.error("a pardoned intention could not be retracted", extra={"error": str(error)})
            return
        for key, row in rows.items():
            self._domain.forget_intention(key, row)
        self.pardoned.difference_update(keys)

    def _accuse(self, proof: bytes, origin: NodeId) -> None:
        self._events.tell("equivocation", peer=self._book.name_of(origin))
        self._prove()
        expires = self._domain.now() + lifetime(Kind.EQUIVOCATION)
        self._spawn(self._announce(Document(kind=Kind.EQUIVOCATION, body=proof, expires=expires)))

    async def _announce(self, document: Document) -> None:
        await self._originator.say([document])

    async def _relearned(self, node: NodeId) -> None:
        own = self._domain.ledger.highest(self._domain.me.node)
        if own is not None:
            await self._originator.overtaken(*own.header.order)
        await self._store.commit(Setting(name=RESTORED, value=None))
        self._originator.release(RESTORED)
        self._announcing.released()
        self._events.tell("relearned", peer=self._book.name_of(node))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        if self.spawn is None:
            work.close()
            return
        self.spawn(_survive(work))


async def _survive(work: Coroutine[Any, Any, None]) -> None:
    """A consequence that the disk refuses is told, and does not end the node."""
    try:
        await work
    except (StoreError, InputError) as error:
        log.error("a consequence was not drawn", extra={"error": str(error)})
