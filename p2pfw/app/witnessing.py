"""What this node sees for itself: sightings that confirm, and good addresses that contradict, what others said.

Evidence only lowers trust, and only this node's own counts (policy, Trust). Every observation is on disk before it is
answered; what it does to trust is judged before that, too. `p2pfw peer forgive` ends it, with a record.
"""

from collections.abc import Callable, Iterable
from typing import Final

from p2pfw import schema
from p2pfw.app.blocking import Blocking
from p2pfw.app.kit import Kit
from p2pfw.app.peerbook import PeerBook
from p2pfw.app.terms import Terms, parse_all
from p2pfw.app.wanted import Mode
from p2pfw.core.evidence import Account, Mark, What
from p2pfw.core.identity import OwnerId
from p2pfw.core.prefix import PrefixKey, key_text
from p2pfw.core.records import Action
from p2pfw.core.statement import Source, Standing, Statement
from p2pfw.operations import Caller
from p2pfw.rows import Drop, EvidenceRow, ObservationRow, Put, Write

PRUNE_EVERY: Final = 600
"""Seconds between looks for observations that are too old or too many."""
MUTED_EVENT: Final = "muted"
SURGE_TOLD: Final = 3_600
"""Seconds until a flood of one owner is told again."""


class Witnessing:
    """This node's evidence about owners."""

    def __init__(self, kit: Kit, book: PeerBook, blocking: Blocking) -> None:
        self._domain, self._store, self._judging, self._events = kit.domain, kit.store, kit.judging, kit.events
        self._enforcing, self._book, self._blocking = kit.enforcing, book, blocking
        self._told_surge: dict[OwnerId, float] = {}
        self._pruned = float("-inf")
        self.on_worth: Callable[[], None] | None = None

    # --- at start --------------------------------------------------------------------------------------------------

    def load(self, accounts: Iterable[EvidenceRow], observations: Iterable[ObservationRow]) -> None:
        """What the disk knows."""
        evidence = self._domain.trust.evidence
        for row in accounts:
            account = Account(row.pos, row.neg, row.at, row.confirmed, row.contradicted)
            evidence.load(OwnerId(row.owner), account)
        for seen in observations:
            evidence.load_mark(Mark(OwnerId(seen.owner), seen.key, What(seen.what), seen.at))
        self._domain.membership.tick(self._domain.now())

    # --- observing -------------------------------------------------------------------------------------------------

    async def saw(self, key: PrefixKey, request: schema.SightingRequest, caller: Caller) -> schema.SightingAnswer:
        """See operations.Operations.sighting."""
        if request.verdict == "good":
            return await self.contradict(key, caller)
        self._blocking.check(key)
        confirmed = await self._detected([key])
        result = await self._blocking.sighting(key, request.category)
        return schema.SightingAnswer(
            prefix=result.prefix,
            state=result.state,
            expires=result.expires,
            confirmed=confirmed,
        )

    async def detect(self, request: schema.BlockRequest) -> list[str]:
        """Before a block that a detector on this machine asks for: whom it confirms, by name."""
        if not request.detected:
            return []
        terms, keys = Terms.of(request, self._domain.now()), parse_all(request)
        for index, key in enumerate(keys):
            self._blocking.check(key, index, force=terms.force)
        return await self._detected(keys)

    async def _detected(self, keys: Iterable[PrefixKey]) -> list[str]:
        """A detector on this machine reports these: whoever had said so before is confirmed, once. Their names."""
        now, evidence = self._domain.now(), self._domain.trust.evidence
        confirmed: set[OwnerId] = set()
        writes: list[Write] = []
        for key in keys:
            said_here = self._domain.own_block(key, now) or self._domain.local.statements(key, now)
            new = evidence.report_own(key, now)
            writes.append(self._observation(OwnerId(b""), key, What.OWN))
            if said_here or not new:
                continue
            for owner in self._speakers([key]):
                before = evidence.account(owner)
                count = before.confirmed if before else 0
                self._worth(self._domain.membership.confirm(owner, key, now))
                after = evidence.account(owner)
                if after is not None and after.confirmed > count:
                    confirmed.add(owner)
                    writes += self._kept(owner, key, What.CONFIRMED)
        await self._store.commit(*writes)
        return [self._book.name_of(owner) for owner in sorted(confirmed)]

    async def contradict(self, key: PrefixKey, caller: Caller) -> schema.SightingAnswer:
        """The operator knows the address as good: everybody whose block covers it was wrong, once a day."""
        now = self._domain.now()
        around = [found for found, _ in self._domain.adoption.around(key)]
        writes: list[Write] = []
        wrong = []
        for owner in self._speakers(around):
            before = self._account(owner)
            sponsor = self._domain.trust.sponsor(owner)
            was_muted = self._domain.trust.is_muted(owner)
            changed = self._domain.membership.contradict(owner, key, now)
            if self._account(owner) == before:
                continue
            self._worth(changed)
            wrong.append(self._book.name_of(owner))
            writes += self._kept(owner, key, What.CONTRADICTED)
            if sponsor != owner:
                writes += self._kept(sponsor, key, What.VOUCHED)
            self._events.tell("contradicted", prefix=key_text(key), peer=self._book.name_of(owner), by=caller.name)
            if self._domain.trust.is_muted(owner) and not was_muted:
                self._events.tell(MUTED_EVENT, peer=self._book.name_of(owner), reason="its evidence is used up")
        await self._store.commit(*writes)
        self._domain.adoption.doubt(around)
        self._judging.dirty(around)
        ticket = await self._judging.idle()
        if self._enforcing.mode is Mode.ENFORCE:
            await self._enforcing.settle(ticket)
        found = next(self._domain.adoption.covering(key), None)
        return schema.SightingAnswer(
            prefix=key_text(key),
            state="released" if found is None else "blocked",
            expires=None,
            contradicted=wrong,
        )

    async def forgive(self, peer_id: str, caller: Caller) -> str:
        """What was seen of an owner counts no more. Its name."""
        owner = self._book.owner_of(peer_id)
        name = self._book.name_of(owner)
        await self._store.commit(*(Drop(table=EvidenceRow, identity=one) for one in self._domain.trust.kin(owner)))
        self._worth(self._domain.membership.forgive(owner, self._domain.now()))
        await self._judging.idle()
        self._events.tell("forgiven", peer=name, by=caller.name)
        return name

    # --- time ------------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Evidence fades, vouches end; floods are told; old observations are forgotten."""
        self._worth(self._domain.membership.tick(now))
        if abs(now - self._pruned) >= PRUNE_EVERY:
            self._pruned = now
            for mark in self._domain.trust.evidence.prune(now):
                identity = (mark.owner, mark.key, mark.what.value)
                self._store.post(Drop(table=ObservationRow, identity=identity))
        self._watch_surges(now)

    def _watch_surges(self, now: float) -> None:
        """An owner that wants more at once than it may: told, and a little of its trust."""
        allowances = self._domain.adoption.allowances
        if not allowances.held:
            return
        for voice in list(allowances.users()):
            usage = allowances.usage(voice, now)
            if not usage.surges or now - self._told_surge.get(voice, float("-inf")) < SURGE_TOLD:
                continue
            self._told_surge[voice] = now
            text = f"tried to add {usage.asked:,} prefixes in 10 min; {usage.held:,} held"
            self._events.tell("surge", peer=self._book.name_of(voice), reason=text, asked=usage.asked, held=usage.held)
            self._worth(self._domain.membership.contradict(voice, 0, now, What.LIMIT))
            self._store.post(*self._kept(voice, PrefixKey(0), What.LIMIT))

    # --- inside ----------------------------------------------------------------------------------------------------

    def _speakers(self, keys: Iterable[PrefixKey]) -> list[OwnerId]:
        """Other owners that this operator or somebody else named, with a living block on one of these."""
        now, own = self._domain.now(), self._domain.me.owner
        said = (one for key in keys for one in self._domain.ledger.statements(key, now) if _blocks(one))
        owners = {one.owner for one in said if one.owner and one.owner != own}
        return sorted(owner for owner in owners if self._domain.trust.worth(owner) is not None)

    def _account(self, owner: OwnerId) -> tuple[float, int]:
        account = self._domain.trust.evidence.account(owner)
        return (account.neg, account.contradicted) if account else (0.0, 0)

    def _kept(self, owner: OwnerId, key: PrefixKey, what: What) -> list[Write]:
        account = self._domain.trust.evidence.account(owner)
        if account is None:
            return []
        row = EvidenceRow(
            owner=owner,
            pos=account.pos,
            neg=account.neg,
            at=account.at,
            confirmed=account.confirmed,
            contradicted=account.contradicted,
        )
        return [Put(row=row), self._observation(owner, key, what)]

    def _observation(self, owner: OwnerId, key: PrefixKey, what: What) -> Write:
        return Put(row=ObservationRow(owner=owner, key=key, what=what.value, at=self._domain.now()))

    def _worth(self, owners: frozenset[OwnerId]) -> None:
        if not owners:
            return
        self._judging.dirty(self._domain.ledger.keys_of_owners(owners, self._domain.now()))
        if self.on_worth is not None:
            self.on_worth()


def _blocks(said: Statement) -> bool:
    return said.source is Source.SIGNED and said.action is Action.BLOCK and said.standing is Standing.LIVE
