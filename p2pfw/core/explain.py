"""A verdict with everything that led to it, for `why`: CLI, API and dashboard show this one value.

Only values. What would flip a verdict is found by flipping, how to undo a block is the CLI's business; see policy for
the rules.
"""

from enum import Enum
from typing import NamedTuple

from p2pfw.core.forbidden import NO_OBSTACLES, Obstacles
from p2pfw.core.statement import Statement
from p2pfw.core.verdict import Uncounted, Verdict


class Testimony(NamedTuple):
    """One statement, and what became of it."""

    statement: Statement
    voice: bytes
    """Who is speaking: the key of the owner or of its sponsor, b"self", or b"feed:" and its name (voices.voice_of)."""
    support: float
    """Trust times confidence; shown for what did not count, too."""
    trust_origin: str
    """"configured 0.90", "vouched 0.25 x 0.57 by evidence", "operator", "unknown owner", ..."""
    counted: bool
    uncounted: Uncounted | None = None
    """Why not; None for what counts, and for what nobody asked: its class may not go as wide as this prefix."""


class Turn(Enum):
    """Ways in which a verdict could change."""

    WORDS_END = "words-end"
    """Those who hold it take their words back: the stronger classes first, then the strongest voices."""
    SUPPORT_COMES = "support-comes"
    """`voices` more voices, with `support` in one of them."""
    SAID_AGAIN = "said-again"
    """The lease is over: who said it says it again."""
    RANGE_GOES = "range-goes"
    """No range that can be taken back stands in the way any more."""
    OPERATOR_SAYS = "operator-says"
    """The operator's own block: nobody else may go so wide."""


class Flip(NamedTuple):
    """One thing that would change the verdict, and to what. Found by asking the policy, not by arithmetic beside it."""

    turn: Turn
    after: Verdict
    """What the policy says once it has happened."""
    who: tuple[Statement, ...] = ()
    """One statement for each word that must end, or be said again."""
    gone: tuple[Statement, ...] = ()
    """Every statement that those words consist of."""
    support: float = 0.0
    voices: int = 0


class Explanation(NamedTuple):
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
