"""A scorecard for each owner: what its statements were worth here, and what trust that suggests, never applied.

"First" is by arrival on this node; how much earlier is told from signed times. Counted over what is held now.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from p2pfw import schema
from p2pfw.app.domain import Domain
from p2pfw.app.pace import Pace
from p2pfw.app.peerbook import PeerBook
from p2pfw.core.identity import OwnerId
from p2pfw.core.idtext import encode_id
from p2pfw.core.presets import PRESETS
from p2pfw.core.records import Action, Category
from p2pfw.core.statement import Source
from p2pfw.ports import Clock

ENOUGH: Final = 12
"""Confirmations without a contradiction that make a step up worth a thought."""


@dataclass(slots=True)
class Tally:
    """What one owner said."""

    entries: int = 0
    alone: int = 0
    first: int = 0
    leads: list[int] = field(default_factory=list)


class Scoring:
    """Counts."""

    def __init__(self, domain: Domain, book: PeerBook, clock: Clock) -> None:
        self._domain, self._book, self._clock = domain, book, clock

    async def cards(self, peer_id: str = "") -> schema.Scorecards:
        """See operations.Operations.scorecards."""
        only = self._book.owner_of(peer_id) if peer_id else None
        tallies = await self._count()
        owners = set(tallies) | set(self._domain.trust.owners())
        chosen = sorted(owners - {self._domain.me.owner}) if only is None else [only]
        cards = [self._card(owner, tallies[owner]) for owner in chosen]
        return schema.Scorecards(cards=sorted(cards, key=lambda card: (-card.entries, card.name)))

    async def _count(self) -> defaultdict[OwnerId, Tally]:
        tallies: defaultdict[OwnerId, Tally] = defaultdict(Tally)
        pace, now = Pace(self._clock), self._clock.now()
        for key in list(self._domain.ledger.keys()):
            await pace.step()
            said = [one for one in self._domain.ledger.statements(key, now) if one.source is Source.SIGNED]
            by_owner: dict[OwnerId, tuple[int, int]] = {}
            for one in said:
                if one.owner is None or one.action is not Action.BLOCK or one.announcement is None:
                    continue
                arrived = self._domain.ledger.arrival(one.announcement)
                held = by_owner.get(one.owner)
                if held is None or arrived < held[0]:
                    by_owner[one.owner] = arrived, one.stated
            for owner in by_owner:
                tallies[owner].entries += 1
            if len(by_owner) == 1:
                tallies[next(iter(by_owner))].alone += 1
            elif by_owner:
                (_, stated, first), (_, later, _) = sorted((at, stated, who) for who, (at, stated) in by_owner.items())[
                    :2
                ]
                tallies[first].first += 1
                tallies[first].leads.append(max(0, later - stated))
        return tallies

    def _card(self, owner: OwnerId, tally: Tally) -> schema.Scorecard:
        account = self._domain.trust.evidence.account(owner)
        confirmed, contradicted = (account.confirmed, account.contradicted) if account else (0, 0)
        suggested, reason = self._suggested(owner, confirmed, contradicted)
        return schema.Scorecard(
            owner=encode_id(owner),
            name=self._book.name_of(owner),
            trust=self._domain.trust.most(owner),
            trust_from=self._domain.trust.origin_of(owner, Category.OTHER),
            confirmed=confirmed,
            contradicted=contradicted,
            entries=tally.entries,
            alone_share=round(tally.alone / tally.entries, 4) if tally.entries else 0.0,
            first=tally.first,
            lead_seconds=int(median(tally.leads)) if tally.leads else None,
            suggested=suggested,
            suggested_because=reason,
        )

    def _suggested(self, owner: OwnerId, confirmed: int, contradicted: int) -> tuple[float, str]:
        """A preset: one step down for one who is wrong more than rarely, one up for one who is often right."""
        worth = self._domain.trust.worth(owner)
        base = worth.overall if worth is not None else 0.0
        steps = sorted(PRESETS.values())
        if contradicted and contradicted * 10 > confirmed:
            lower = [step for step in steps if step < base]
            return (
                lower[-1] if lower else 0.0
            ), f"{contradicted} of {confirmed + contradicted} observations were wrong"
        if not contradicted and confirmed >= ENOUGH and base < PRESETS["pair"]:
            return next(step for step in steps if step > base), f"{confirmed} confirmed, none contradicted"
        return base, "nothing seen here speaks for another number" if confirmed + contradicted else "nothing seen yet"
