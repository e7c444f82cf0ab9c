"""What would flip a verdict: found by asking the policy again with words taken away or added, never guessed.

Each answer is a case that was judged: doing what it says gives the verdict that it names. Where several words hold a
block, the fewest that must end are those of the stronger classes and then the strongest voices, taken one by one.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from p2pfw.core.announcement import Action, Category
from p2pfw.core.explain import Flip, Turn
from p2pfw.core.forbidden import Obstacles
from p2pfw.core.hearing import Hearing
from p2pfw.core.statement import Source, Standing, Statement
from p2pfw.core.verdict import Decision, Reason, Verdict
from p2pfw.core.voices import LEAST_SUPPORT, missing_support, strongest_first

DAY: Final = 86_400
MOST_VOICES: Final = 8
"""More voices than any threshold asks for."""
STEP: Final = 0.0001
"""The score is rounded to four digits, so that the arithmetic may be off by one in the last."""


class Case(NamedTuple):
    """One prefix at one time, and how to judge and to hear it."""

    statements: Sequence[Statement]
    verdict: Verdict
    obstacles: Obstacles
    now: float
    judge: Callable[[Sequence[Statement]], Verdict]
    unobstructed: Callable[[Sequence[Statement]], Verdict]
    """The same where whitelist, soft protection and private space do not stand in the way."""
    hear: Callable[[Sequence[Statement]], Hearing]


def flips_of(case: Case) -> tuple[Flip, ...]:
    """Everything that would change this verdict; empty where only time or nothing does."""
    if case.verdict.decision is Decision.ADOPT:
        return tuple(_if_words_end(case))
    if case.verdict.decision is Decision.HOLD:
        return (*_if_said_again(case), *_if_support_comes(case))
    if case.verdict.reason in (Reason.WHITELIST, Reason.PROTECTED, Reason.PRIVATE):
        return tuple(_if_range_goes(case))
    return tuple(_if_operator_says(case))


def _if_words_end(case: Case) -> Iterable[Flip]:
    left = list(case.statements)
    gone: list[Statement] = []
    who: list[Statement] = []
    while True:  # ends: without anybody's word nothing is adopted
        words = _holding(case.hear(left))
        who.append(words[0])
        gone += words
        # By value: a lone statement may be heard as its equal of a moment ago.
        left = [one for one in left if one not in words]
        after = case.judge(left)
        if after.decision is not Decision.ADOPT:
            yield Flip(turn=Turn.WORDS_END, after=after, who=tuple(who), gone=tuple(gone))
            return


def _holding(hearing: Hearing) -> Sequence[Statement]:
    """The words that hold the block now: those of the strongest class, or of the strongest voice."""
    for words in (hearing.operator, hearing.fleet, hearing.feed):
        if words:
            return words
    weighed = sorted(hearing.weighed, key=strongest_first)
    return [one.statement for one in weighed if one.voice == weighed[0].voice]


def _if_said_again(case: Case) -> Iterable[Flip]:
    """Only where that alone is enough: the score is there, and the lease is over."""
    weighed = sorted(case.hear(case.statements).weighed, key=strongest_first)
    if not weighed:
        return
    strongest = weighed[0].statement
    again = strongest._replace(created=int(case.now), stated=int(case.now), expires=int(case.now) + DAY)
    after = case.judge([again if one == strongest else one for one in case.statements])
    if after.decision is Decision.ADOPT:
        yield Flip(turn=Turn.SAID_AGAIN, after=after, who=(strongest,), gone=(strongest,))


def _if_support_comes(case: Case) -> Iterable[Flip]:
    threshold = case.verdict.threshold or 0.0
    support = max(LEAST_SUPPORT, missing_support(case.verdict.score, threshold))
    for voices in range(1, MOST_VOICES + 1):
        for tried in (support, min(1.0, round(support + STEP, 4))):
            after = case.judge([*case.statements, *witnesses(voices, tried, case.now)])
            if after.decision is Decision.ADOPT:
                yield Flip(turn=Turn.SUPPORT_COMES, after=after, support=tried, voices=voices)
                return


def _if_range_goes(case: Case) -> Iterable[Flip]:
    if case.obstacles.hard is None:
        yield Flip(turn=Turn.RANGE_GOES, after=case.unobstructed(case.statements))


def _if_operator_says(case: Case) -> Iterable[Flip]:
    after = case.judge([*case.statements, operators_word(case.now)])
    if after.decision is Decision.ADOPT:
        yield Flip(turn=Turn.OPERATOR_SAYS, after=after)


def witnesses(count: int, support: float, now: float) -> list[Statement]:
    """Voices that nobody is: the first with that support, the others with the least that counts."""
    trusts = [support, *[LEAST_SUPPORT] * (count - 1)]
    return [_local(Source.FEED_VOICE, now, f"witness {place}", trust) for place, trust in enumerate(trusts)]


def operators_word(now: float) -> Statement:
    """As if the operator had blocked it for a day."""
    return _local(Source.OPERATOR, now, "")


def _local(source: Source, now: float, name: str, trust: float = 0.0) -> Statement:
    return Statement(
        source=source,
        origin=None,
        owner=None,
        fleet=False,
        action=Action.BLOCK,
        category=Category.OTHER,
        confidence=1.0,
        created=int(now),
        stated=int(now),
        expires=int(now) + DAY,
        basis=0,
        standing=Standing.LIVE,
        announcement=None,
        name=name,
        trust=trust,
    )
