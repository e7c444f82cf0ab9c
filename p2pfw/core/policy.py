"""Who may make this node block what. One function decides and explains; nothing here remembers anything.

Precedence, first match wins (policy, Precedence):

    1  bytes that do not verify                    never get here
    2  not canonical; wider than anybody who speaks may go                     REFUSE
    3  hard-protected                                                          REFUSE, always
    4  soft-protected                              REFUSE, unless the operator's own block says --force
    5  private space, unless allowed; the whitelist, either way                REFUSE
    6  the operator's word; the own fleet's; a direct feed's                   ADOPT
    7  the score of the voices                                                 ADOPT or HOLD

Same statements, same configuration, same `now`, same answer, whatever the order of the statements. Budgets and the
limiter of flips need memory: see adoption.
"""

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field

from p2pfw.core.explain import Explanation, Testimony
from p2pfw.core.flipping import Case, flips_of
from p2pfw.core.forbidden import Forbidden, Obstacles
from p2pfw.core.hearing import Hearing, Listener
from p2pfw.core.identity import NodeId, OwnerId
from p2pfw.core.protected import Protected
from p2pfw.core.ranges import is_canonical
from p2pfw.core.statement import Source, Statement
from p2pfw.core.trust import TrustTable
from p2pfw.core.verdict import Decision, Reason, Uncounted, Verdict
from p2pfw.core.voices import (
    KEEP_THRESHOLDS,
    THRESHOLDS,
    VOICES_NEEDED,
    Weighed,
    group,
    lease_end,
    tally,
    voices_for_lease,
)
from p2pfw.core.whitelist import Whitelist

NOBODY: frozenset[NodeId] = frozenset()


# Bound once: looking a member up in its enumeration costs as much as a whole comparison.
_ADOPT, _OK = Decision.ADOPT, Reason.OK


@dataclass(slots=True, kw_only=True)
class Policy:
    """One node's configuration of trust and of what may never be blocked. `allow_private` may be edited."""

    own_node: NodeId
    own_owner: OwnerId
    trust: TrustTable
    whitelist: Whitelist
    protected: Protected
    allow_private: bool = False
    _listener: Listener = field(init=False)
    _forbidden: Forbidden = field(init=False)

    def __post_init__(self) -> None:
        self._listener = Listener(own_node=self.own_node, own_owner=self.own_owner, trust=self.trust)
        self._forbidden = Forbidden(whitelist=self.whitelist, protected=self.protected)

    def judge(
        self,
        key: int,
        statements: Sequence[Statement],
        now: float,
        *,
        adopted_before: bool = False,
        waiting: Set[NodeId] = NOBODY,
        unobstructed: bool = False,
    ) -> Verdict:
        """The verdict on one prefix by all statements about exactly it.

        `adopted_before`: its score adopted it so far (hysteresis). `waiting`: origins whose BLOCKs are set aside.
        `unobstructed`: what it would be if only hard protection stood in the way.
        """
        if not is_canonical(key):
            return Verdict(Decision.REFUSE, Reason.NOT_CANONICAL)
        hearing = self._listener.hear(key, statements, now, waiting=waiting)
        if hearing.too_wide():
            return Verdict(Decision.REFUSE, Reason.TOO_WIDE)
        refusal = None if unobstructed else self._refusal(hearing, self._forbidden.obstacles(key, now))
        if refusal is not None:
            return Verdict(Decision.REFUSE, refusal)
        if hearing.verdict is None or hearing.verdict[0] is not adopted_before:
            hearing.verdict = adopted_before, _decide(hearing, now, adopted_before=adopted_before)
        return hearing.verdict[1]

    def voice(self, said: Statement) -> bytes:
        """With whom a statement is one voice."""
        return self._listener.voice(said)

    def backers(
        self, key: int, statements: Sequence[Statement], now: float, *, waiting: Set[NodeId] = NOBODY
    ) -> frozenset[NodeId]:
        """The other nodes whose statements lend support now: own fleet, and whatever is weighed."""
        hearing = self._listener.hear(key, statements, now, waiting=waiting)
        said = (*hearing.fleet, *(item.statement for item in hearing.weighed))
        return frozenset(statement.origin for statement in said if statement.origin is not None)

    def explain(
        self,
        key: int,
        statements: Sequence[Statement],
        now: float,
        *,
        adopted_before: bool = False,
        waiting: Set[NodeId] = NOBODY,
        judge: Callable[[Sequence[Statement]], Verdict] | None = None,
    ) -> Explanation:
        """The verdict of `judge` with everything that led to it, and what would change it.

        `judge`: how to judge other statements on this prefix; this policy's own way unless given.
        """

        def judged(said: Sequence[Statement]) -> Verdict:
            return self.judge(key, said, now, adopted_before=adopted_before, waiting=waiting)

        def unobstructed(said: Sequence[Statement]) -> Verdict:
            return self.judge(key, said, now, adopted_before=adopted_before, waiting=waiting, unobstructed=True)

        judge = judge or judged
        verdict = judge(statements)
        if verdict.reason is Reason.NOT_CANONICAL:
            return Explanation(key=key, verdict=verdict)
        hearing = self._listener.hear(key, statements, now, waiting=waiting)
        obstacles = self._forbidden.obstacles(key, now)
        case = Case(
            statements=statements,
            verdict=verdict,
            obstacles=obstacles,
            now=now,
            judge=judge,
            unobstructed=unobstructed,
            hear=lambda said: self._listener.hear(key, said, now, waiting=waiting),
        )
        return Explanation(
            key=key,
            verdict=verdict,
            testimonies=tuple(self._testimonies(hearing)),
            obstacles=obstacles,
            whitelist_sources=len(self.whitelist.sources()),
            whitelist_ranges=len(self.whitelist),
            flips=flips_of(case),
        )

    def _refusal(self, hearing: Hearing, obstacles: Obstacles) -> Reason | None:
        hard, soft, peer, private, whitelist = obstacles
        if hard or (soft and not hearing.forced) or (peer and not (hearing.operator or hearing.sighted)):
            return Reason.PROTECTED
        if private and not self.allow_private:
            return Reason.PRIVATE
        return Reason.WHITELIST if whitelist else None

    def _testimonies(self, hearing: Hearing) -> Iterable[Testimony]:
        for statement in (*hearing.operator, *hearing.fleet, *hearing.feed):
            yield self._testimony(statement, None, counted=True)
        counted, left_out = group(hearing.weighed)
        for item in counted:
            yield self._testimony(item.statement, None, counted=True)
        for said, uncounted in (*left_out, *hearing.silent):
            yield self._testimony(said, uncounted, counted=False)

    def _testimony(self, said: Statement, uncounted: Uncounted | None, *, counted: bool) -> Testimony:
        return Testimony(
            statement=said,
            voice=self._listener.voice(said),
            support=round(self._listener.trust_in(said) * said.confidence, 6),
            trust_origin=self._trust_origin(said),
            counted=counted,
            uncounted=uncounted,
        )

    def _trust_origin(self, said: Statement) -> str:
        if said.source is Source.OPERATOR or said.origin == self.own_node:
            return "operator"
        if said.source is Source.SIGNED:
            return self.trust.origin_of(said.owner, said.category)
        return "this machine" if said.source is Source.SIGHTING else f"feed {said.name}"


def _decide(hearing: Hearing, now: float, *, adopted_before: bool) -> Verdict:
    """Precedence 5 to 8, for a prefix that nothing forbids."""
    if hearing.operator:
        reason = Reason.OPERATOR
    elif hearing.fleet:
        reason = Reason.FLEET
    elif hearing.feed:
        reason = Reason.FEED
    else:
        return _score(hearing, now, adopted_before=adopted_before)
    ends = [said.expires for said in (*hearing.operator, *hearing.fleet, *hearing.feed)]
    if hearing.weighed:
        ends += _scored_ends(hearing, now)
    return Verdict(
        Decision.ADOPT,
        reason,
        until=0 if 0 in ends else max(ends),
        review=min(filter(None, ends), default=0),
        charged=tuple(sorted({said.origin for said in hearing.fleet if said.origin})) if reason is Reason.FLEET else (),
    )


def _scored_ends(hearing: Hearing, now: float) -> list[int]:
    """What would hold the block when the stronger words end first, so that it does not lapse in between.

    Without hysteresis: under a stronger word nobody remembers whether the score had adopted it once.
    """
    scored = _score(hearing, now, adopted_before=False)
    return [scored.until, scored.review] if scored.until is not None else []


def _limited(counted: list[Weighed]) -> tuple[bytes, ...]:
    """The voices that limits are kept for: feeds have caps of their own."""
    if len(counted) == 1:
        return (counted[0].voice,) if counted[0].statement.source is Source.SIGNED else ()
    return tuple(item.voice for item in counted if item.statement.source is Source.SIGNED)


def _score(hearing: Hearing, now: float, *, adopted_before: bool) -> Verdict:
    """Precedence 8: the voices against the threshold, then the lease."""
    weighed, width = hearing.weighed, hearing.width
    counted = group(weighed)[0] if len(weighed) > 1 else weighed
    told = tally(counted, weighed)
    score, voices, needed = told.score, told.voices, VOICES_NEEDED[width]
    adopt = score >= THRESHOLDS[width] and voices >= needed
    if not adopt and adopted_before:
        adopt = score >= KEEP_THRESHOLDS[width] and voices >= max(1, needed - 1)
    if adopt:
        until = lease_end(told)
        if until > now:
            reason = Reason.LOCAL if hearing.sighted else _OK
            review = min(until, told.earliest or until)
            charged = _limited(counted) if reason is _OK else ()
            return Verdict(_ADOPT, reason, until, review, score, THRESHOLDS[width], voices, needed, charged)
        needed = max(needed, voices_for_lease(told.newest, now))
    if hearing.waiting:
        reason = Reason.LIMIT
    elif adopt or score >= THRESHOLDS[width]:
        reason = Reason.NEEDS_VOICES
    else:
        reason = Reason.BELOW_THRESHOLD
    return Verdict(Decision.HOLD, reason, None, 0, score, THRESHOLDS[width], voices, needed)
