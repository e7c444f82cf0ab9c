"""The pure core of one node, wired together: what it knows, whom it trusts, what it adopts.

One object so that every use case sees the same state; it does no I/O and has no timers. Also the answers that
announcing and renewing need about this node's own statements.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from p2pfw.app.announcing import Wish
from p2pfw.app.marks import Marks
from p2pfw.core.adoption import Adoption
from p2pfw.core.announcement import Action, Announcement, AnnouncementId, RawAnnouncement
from p2pfw.core.directory import Directory
from p2pfw.core.explain import Explanation
from p2pfw.core.forbidden import Forbidden
from p2pfw.core.identity import NetworkId, NodeId, OwnerId
from p2pfw.core.intake import Intake, Recorded
from p2pfw.core.ledger import Ledger
from p2pfw.core.localbook import LocalBook, LocalEntry
from p2pfw.core.membership import Membership
from p2pfw.core.policy import Policy
from p2pfw.core.prefix import PrefixKey
from p2pfw.core.protected import Protected
from p2pfw.core.shares import ORIGIN_PART, SHARE
from p2pfw.core.statement import Source, Standing, Statement
from p2pfw.core.trust import TrustTable
from p2pfw.core.whitelist import Whitelist
from p2pfw.errors import NotAcceptableError
from p2pfw.ports import Clock
from p2pfw.rows import Intention


@dataclass(frozen=True, slots=True, kw_only=True)
class Ourself:
    """Who this node is: its key, its owner by the certificate that it holds, its network."""

    node: NodeId
    owner: OwnerId
    network: NetworkId


class Domain:
    """Everything pure that one node has."""

    def __init__(self, me: Ourself, clock: Clock, *, default_trust: float, allow_private: bool) -> None:
        self.me, self._clock = me, clock
        self.directory = Directory()
        self.trust = TrustTable(me.owner, default_trust)
        self.whitelist = Whitelist()
        self.protected = Protected()
        self.membership = Membership(self.trust)
        self.ledger = Ledger(self.directory, pool=self.trust.sponsor)
        self.local = LocalBook()
        self.waiting = LocalBook()  # what is adopted and not announced yet: apart, lest it replace a local-only word
        self._shown: set[PrefixKey] = set()
        self.marks = Marks(self.local)
        self.intake = Intake(me.network, self.directory, self.ledger, self.trust, self.membership)
        self.policy = Policy(
            own_node=me.node,
            own_owner=me.owner,
            trust=self.trust,
            whitelist=self.whitelist,
            protected=self.protected,
            allow_private=allow_private,
        )
        self.adoption = Adoption(self.policy, self.statements)
        self.forbidden = Forbidden(whitelist=self.whitelist, protected=self.protected)
        self.standing: dict[PrefixKey, Intention] = {}
        self.dirty: Callable[[Sequence[PrefixKey]], object] = self.adoption.mark

    # --- asking ----------------------------------------------------------------------------------------------------

    def now(self) -> int:
        """Wall clock, whole Unix seconds."""
        return int(self._clock.now())

    def statements(self, key: PrefixKey, now: float) -> Sequence[Statement]:
        """Everything that lives about exactly this prefix, signed and local."""
        signed = self._marked(key, self.ledger.statements(key, now))
        said = self._unsigned(key, now)
        return [*signed, *said] if said else signed

    def explain(self, key: PrefixKey) -> Explanation:
        """The verdict with its reasons, and the statements that do not count."""
        now = self._clock.now()
        signed = self._marked(key, self.ledger.statements(key, now, everything=True))
        return self.adoption.explain(key, [*signed, *self._unsigned(key, now)], now)

    def proofs(self, key: PrefixKey) -> Iterator[RawAnnouncement]:
        """The signed bytes of everything that others say about exactly this prefix, with their certificates."""
        now = self._clock.now()
        for said in self.ledger.statements(key, now, everything=True):
            raw = self.ledger.get(said.announcement) if said.announcement else None
            if raw is None or said.origin is None:
                continue
            yield raw
            certificate = self.ledger.certificate(said.origin, now)
            if certificate is not None:
                yield certificate

    def sources(self) -> tuple[Callable[[], Iterator[PrefixKey]], ...]:
        """Where prefixes are spoken of, for a full judgement."""
        return self.ledger.keys, self.local.keys, self.waiting.keys

    def overlapping(self, key: PrefixKey) -> list[PrefixKey]:
        """Known prefixes that share an address with this one."""
        books = (self.ledger, self.local, self.waiting)
        return sorted({found for book in books for found in book.overlapping(key)})

    def category_of(self, key: PrefixKey) -> int:
        """The category of the first live statement that blocks it; OTHER when there is none."""
        statements = self.statements(key, self._clock.now())
        return next((int(one.category) for one in statements if one.action is Action.BLOCK), 6)

    # --- this node's own word (announcing.OwnBook, renewing.OwnStatements) -----------------------------------------

    def record_own(self, announcement: Announcement) -> Recorded | None:
        """Take in what this node just signed; None when it is known. PeerError: it does not count."""
        outcome = self.intake.load(announcement.raw, self._clock.now())
        return outcome if isinstance(outcome, Recorded) else None

    def own_block(self, key: PrefixKey, now: float) -> Statement | None:
        """The operator's BLOCK that holds on a prefix, announced. One `now` for a whole list makes it quick."""
        held = self._own_holding(key, now)
        return held if held is not None and not held.repeats else None

    def _own_holding(self, key: PrefixKey, now: float) -> Statement | None:
        """This node's BLOCK that holds, the operator's or a feed's that is said on."""
        held = self.ledger.holding(key, self.me.node, now)
        if held is None or held.standing is not Standing.LIVE or held.action is not Action.BLOCK:
            return None
        return held

    def repeats(self, key: PrefixKey) -> bool:
        """True when what this node announces on it is a feed's word, and not its operator's."""
        held = self._own_holding(key, self._clock.now())
        return held is not None and held.repeats

    def own_end(self, key: PrefixKey) -> int | None:
        """Until when a RETRACT must live that takes back this node's blocks on it; None when there is none."""
        return self.ledger.block_end(key, self.me.node, self._clock.now())

    def check_room(self, count: int) -> None:
        """NotAcceptableError when this node may not announce so many more prefixes: half of the share is its."""
        left = SHARE // ORIGIN_PART - self.ledger.used_by(self.me.node).prefixes
        if count > left:
            raise NotAcceptableError(
                f"{count:,} prefixes more are too many: this node may announce {max(0, left):,} more",
                field="prefixes",
                hint="--local-only blocks them here without announcing them, or use a feed",
            )

    def stamp_floor(self, key: PrefixKey) -> int:
        """Unix second before which a new BLOCK on it would count as pardoned."""
        pardoned = self.ledger.pardoned_at(key, self.me.owner, self._clock.now())
        return 0 if pardoned is None else pardoned + 1

    def own_statements(self) -> Iterator[tuple[PrefixKey, Statement]]:
        """What holds of this node, live BLOCK or RETRACT, prefix by prefix."""
        now = self._clock.now()
        for said in self.ledger.announcements_of(self.me.node, now):
            for key in self.ledger.keys_in(said.id):
                held = self.ledger.holding(key, self.me.node, now)
                # An older announcement's word on it no longer holds: the newer one's turn comes, or has been.
                lives = held is not None and held.standing is Standing.LIVE and held.expires > now
                if held is not None and lives and held.announcement == said.id:
                    yield key, held

    def own_announcements(self) -> list[tuple[AnnouncementId, int]]:
        """(id, expires) of this node's live announcements of entries."""
        return [(one.id, one.expires) for one in self.ledger.announcements_of(self.me.node, self._clock.now())]

    def intentions(self) -> dict[PrefixKey, Intention]:
        """What the operator means to keep blocked, standing."""
        return dict(self.standing)

    def forget_intention(self, key: PrefixKey, intention: Intention) -> None:
        """It is not meant any more, unless it was given anew."""
        if self.standing.get(key) is intention:
            del self.standing[key]

    def show(self, wish: Wish) -> None:
        """Adopt a wish that waits to be announced."""
        entry = LocalEntry(
            until=wish.until,
            added=wish.added,
            category=wish.category,
            reason=wish.reason,
            forced=self.marks.is_forced(wish.key),
        )
        self.waiting.put(Source.OPERATOR, wish.key, entry)
        self._shown.add(wish.key)

    def hide(self, key: PrefixKey) -> None:
        """A wish no longer waits: it is announced, or not wanted any more."""
        self.waiting.drop(Source.OPERATOR, key)
        self._shown.discard(key)

    def changed(self, keys: Sequence[PrefixKey]) -> None:
        """Judge these again."""
        self.dirty(keys)

    def local_end(self, key: PrefixKey) -> int | None:
        """Until when the operator's unannounced word on a prefix stands; 0 for ever, None when there is none."""
        entry = self.local.get(Source.OPERATOR, key)
        return None if entry is None or entry.ended(self._clock.now()) else entry.until

    def _unsigned(self, key: PrefixKey, now: float) -> list[Statement]:
        """What this node says to itself, and what it has yet to announce."""
        said = self.local.statements(key, now)
        return [*said, *self.waiting.statements(key, now)] if key in self._shown else said

    def _marked(self, key: PrefixKey, signed: Sequence[Statement]) -> Sequence[Statement]:
        """This node's own word counts as forced where the operator forced it."""
        if not self.marks.is_forced(key):
            return signed
        return [one._replace(forced=True) if one.origin == self.me.node else one for one in signed]
