"""A verdict with everything that led to it, for `why`: CLI, API and dashboard show this one value.

Only values and the arithmetic of "what would flip it". How to undo a block is the CLI's business; see policy for the
rules.
"""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from p2pfw.core.forbidden import NO_OBSTACLES, Obstacles
from p2pfw.core.statement import Statement
from p2pfw.core.verdict import Decision, Reason, Uncounted, Verdict
from p2pfw.core.voices import KEEP_THRESHOLDS, LEAST_SUPPORT, VOICES_NEEDED, Weighed, combine, missing_support


@dataclass(frozen=True, slots=True, kw_only=True)
class Testimony:
    """One statement, and what became of it."""

    statement: Statement
    voice: bytes
    """Who is speaking: the owner's key, b"self", or b"feed:" and its name (voices.voice_of)."""
    support: float
    """Trust times confidence; shown for what did not count, too."""
    trust_origin: str
    """"configured 0.90", "operator", "unknown owner", ..."""
    counted: bool
    uncounted: Uncounted | None = None
    """Why not; None for what counts, and for what nobody asked: its class may not go as wide as this prefix."""


class Turn(Enum):
    """Ways in which a verdict could change."""

    VOICE_LEAVES = "voice-leaves"
    """The strongest voice takes its word back: `score` would be left, below `bound`, or too few voices."""
    WORD_ENDS = "word-ends"
    """Operator, fleet or feed take their word back: `otherwise` is what the voices alone would say."""
    SUPPORT_COMES = "support-comes"
    """`voices` more voices, with `support` in one of them, would reach the threshold `bound`."""
    SAID_AGAIN = "said-again"
    """The lease is over: a voice says it again, or `voices` more join."""
    RANGE_GOES = "range-goes"
    """The range that stands in the way is taken back, as far as the operator can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """One thing that would change the verdict. Fields that do not belong to its turn are at their defaults."""

    turn: Turn
    who: Statement | None = None
    score: float = 0.0
    bound: float = 0.0
    support: float = 0.0
    voices: int = 0
    otherwise: Verdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Verdict and evidence. `verdict` is what `judge` answers for the same arguments."""

    key: int
    verdict: Verdict
    testimonies: tuple[Testimony, ...] = ()
    """Those that count first, the strongest first; then the others."""
    obstacles: Obstacles = NO_OBSTACLES
    """Every range that the prefix touches, in either direction, also where a stronger rule decided."""
    whitelist_sources: int = 0
    whitelist_ranges: int = 0
    flips: tuple[Flip, ...] = ()


class Grounds(NamedTuple):
    """What `flips_of` needs to know."""

    verdict: Verdict
    otherwise: Verdict
    """What the score alone says."""
    counted: tuple[Weighed, ...]
    """One a voice, strongest first."""
    width: int
    """Bits wider than one host."""


def flips_of(grounds: Grounds) -> tuple[Flip, ...]:
    """What would change this verdict; empty where no single thing does, or only the passing of time."""
    verdict = grounds.verdict
    if verdict.reason in (Reason.WHITELIST, Reason.PROTECTED, Reason.PRIVATE):
        return (Flip(turn=Turn.RANGE_GOES),)
    if verdict.reason in (Reason.OPERATOR, Reason.FLEET, Reason.FEED):
        return (Flip(turn=Turn.WORD_ENDS, otherwise=grounds.otherwise),)
    if verdict.threshold is None:
        return ()
    if verdict.decision is Decision.ADOPT:
        return _if_strongest_leaves(grounds.counted, grounds.width)
    return _if_support_comes(verdict, verdict.threshold, grounds.width)


def _if_strongest_leaves(counted: tuple[Weighed, ...], width: int) -> tuple[Flip, ...]:
    rest = counted[1:]
    score, bound = combine(item.support for item in rest), KEEP_THRESHOLDS[width]
    if score >= bound and len(rest) >= max(1, VOICES_NEEDED[width] - 1):
        return ()
    return (Flip(turn=Turn.VOICE_LEAVES, who=counted[0].statement, score=score, bound=bound),)


def _if_support_comes(verdict: Verdict, threshold: float, width: int) -> tuple[Flip, ...]:
    needed = verdict.voices_needed or VOICES_NEEDED[width]
    lease_over = verdict.reason is Reason.NEEDS_VOICES and verdict.voices >= VOICES_NEEDED[width]
    return (
        Flip(
            turn=Turn.SAID_AGAIN if lease_over else Turn.SUPPORT_COMES,
            score=verdict.score,
            bound=threshold,
            support=max(LEAST_SUPPORT, missing_support(verdict.score, threshold)),
            voices=max(1, needed - verdict.voices),
        ),
    )
