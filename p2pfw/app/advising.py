"""What the doctor says about trust: who could make this machine block what, who can do it alone, who is needed now.

Reads everything and changes nothing. What takes a walk over all that is adopted turns the loop between.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from p2pfw import schema
from p2pfw.app.domain import Domain
from p2pfw.app.pace import Pace
from p2pfw.app.peerbook import PeerBook
from p2pfw.core.collusion import WIDTHS, Coalition, cheapest, voices_of
from p2pfw.core.identity import OwnerId
from p2pfw.core.verdict import Decision, Reason
from p2pfw.ports import Clock

FEW: Final = 2
"""Fewer colluders than this is worth a warning: one owner alone decides."""


class Advising:
    """The trust part of the doctor's report."""

    def __init__(self, domain: Domain, book: PeerBook, clock: Clock) -> None:
        self._domain, self._book, self._clock = domain, book, clock

    async def report(self) -> tuple[schema.TrustReport, list[schema.Check]]:
        """The numbers, and what to do about them."""
        voices = voices_of(self._domain.trust)
        coalitions = [(asked, cheapest(voices, width)) for asked, width in WIDTHS.items()]
        needed = await self._needed()
        report = schema.TrustReport(
            coalitions=[self._coalition(asked, one) for asked, one in coalitions],
            alone=[self._alone(owner, trust) for trust, owner in voices],
            needed_now=[
                schema.Needed(owner=self._book.name_of(owner), prefixes=count) for owner, count in needed.most_common()
            ],
            fleet=len(self._domain.directory.nodes_of(self._domain.me.owner, self._domain.now())) or 1,
        )
        return report, list(self._checks(coalitions[0][1], voices))

    def _checks(self, host: Coalition, voices: list[tuple[float, OwnerId]]) -> Iterator[schema.Check]:
        if not voices:
            yield schema.Check(
                code="collusion", level="ok", text="nobody outside this fleet can make it block anything"
            )
        elif host.number is None:
            text = f"all {len(voices)} owners together could not make this node block one address"
            remedy = "that is safe, and of no use: give more trust, or name more peers"
            yield schema.Check(code="collusion", level="ok", text=f"{text} ({remedy})")
        elif host.number < FEW:
            strong = [(trust, owner) for trust, owner in voices if trust >= host.threshold]
            names = ", ".join(self._book.name_of(owner) for _, owner in strong)
            text = f"one owner alone can make this node block any address: {names}"
            remedy = f"p2pfw peer trust {self._book.name_of(strong[0][1])} pair, unless you mean it"
            yield schema.Check(code="collusion", level="warning", text=text, remedy=remedy)
        else:
            text = f"it takes {host.number} owners together to make this node block one address"
            yield schema.Check(code="collusion", level="ok", text=text)
        for owner in sorted(self._domain.trust.owners()):
            worth = self._domain.trust.worth(owner)
            if worth is not None and worth.muted:
                name = self._book.name_of(owner)
                text = f"{name} is muted: what was seen of it speaks against it ({worth.rep:.2f})"
                yield schema.Check(
                    code="muted",
                    level="warning",
                    text=text,
                    remedy=f"p2pfw peer show {name}, p2pfw peer forgive {name}",
                )

    def _coalition(self, asked: str, one: Coalition) -> schema.Coalition:
        return schema.Coalition(
            prefix=asked,
            number=one.number,
            owners=[self._book.name_of(owner) for owner in one.owners],
            score=one.score,
            threshold=one.threshold,
            voices_needed=one.needed,
        )

    def _alone(self, owner: OwnerId, trust: float) -> schema.Alone:
        usage = self._domain.adoption.allowances.usage(owner, self._clock.now())
        able = [asked for asked, width in WIDTHS.items() if cheapest([(trust, owner)], width).owners]
        return schema.Alone(
            owner=self._book.name_of(owner),
            trust=trust,
            can_block=able,
            prefixes_limit=usage.prefixes_limit,
            lone_hour_limit=usage.rate_limit if able else 0,
            prefixes=usage.prefixes,
        )

    async def _needed(self) -> Counter[OwnerId]:
        """Of how many adopted prefixes each voice is one without which they would not be adopted."""
        needed: Counter[OwnerId] = Counter()
        allowances, adoption, pace = self._domain.adoption.allowances, self._domain.adoption, Pace(self._clock)
        for key, word in adoption.verdicts():
            await pace.step()
            if word.decision is not Decision.ADOPT or word.reason is not Reason.OK:
                continue
            voices = allowances.voices(adoption.charged(key))
            if len(voices) == 1:
                needed[voices[0]] += 1
                continue
            statements, now = self._domain.statements(key, self._clock.now()), self._clock.now()
            for voice in voices:
                left = [one for one in statements if self._domain.policy.voice(one) != voice]
                verdict = self._domain.policy.judge(key, left, now, adopted_before=True)
                needed[voice] += verdict.decision is not Decision.ADOPT
        return +needed
