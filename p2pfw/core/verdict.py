"""The policy's answer, as values: what was decided, why, and why a statement did not count.

Only the words; see policy for the rules. The words are part of the API: they are never renamed.
"""

from enum import IntEnum
from typing import Final, Literal, NamedTuple


class Decision(IntEnum):
    """What the policy answers on one prefix."""

    ADOPT = 0
    HOLD = 1
    REFUSE = 2

    @property
    def word(self) -> Literal["ADOPT", "HOLD", "REFUSE"]:
        """As the API spells it."""
        return _DECISION_WORDS[self]


_DECISION_WORDS: Final[tuple[Literal["ADOPT"], Literal["HOLD"], Literal["REFUSE"]]] = ("ADOPT", "HOLD", "REFUSE")


class Reason(IntEnum):
    """Why. ADOPT says by whose word; HOLD what is missing, or used up; REFUSE what stands in the way."""

    OK = 0
    """Enough independent voices."""
    OPERATOR = 1
    FLEET = 2
    FEED = 3
    LOCAL = 4
    """Seen on this machine."""
    NEEDS_VOICES = 5
    """The score would do; too few witnesses, or none of them has said so lately."""
    BELOW_THRESHOLD = 6
    WHITELIST = 7
    PROTECTED = 8
    PRIVATE = 9
    TOO_WIDE = 10
    NOT_CANONICAL = 11
    LIMIT = 12
    """A limit of those who say so is used up, or an origin changed its mind too often within the hour."""
    DENSITY = 13
    """Too many single hosts of one network by a lone voice: the network's threshold applies."""

    @property
    def word(self) -> str:
        """As the API spells it: "needs-voices"."""
        return _REASON_WORDS[self]


_REASON_WORDS: Final = tuple(reason.name.lower().replace("_", "-") for reason in Reason)


class Uncounted(IntEnum):
    """Why a single statement did not count."""

    EXPIRED = 0
    FUTURE = 1
    LIFETIME_TOO_LONG = 2
    BAD_SIGNATURE = 3
    RETRACTED = 4
    PARDONED = 5
    MUTED = 6
    """Set aside for now: evidence leaves nothing of its owner, it changes its mind too often, or is over a limit."""
    VOIDED = 7
    """A checkpoint took it back, its origin was revoked, or has no certificate that is valid now."""
    FEED_DUPLICATE = 8
    SAME_OWNER = 9
    SAME_SPONSOR = 10
    NOT_CARRIED = 11
    WATCH = 12
    """Its owner's trust (times its confidence) is below what counts."""

    @property
    def word(self) -> str:
        """As the API spells it: "feed-duplicate"."""
        return _UNCOUNTED_WORDS[self]


_UNCOUNTED_WORDS: Final = tuple(reason.name.lower().replace("_", "-") for reason in Uncounted)


class Verdict(NamedTuple):
    """The answer on one prefix at one time. A named tuple: a full judgement makes one for each prefix."""

    decision: Decision
    reason: Reason
    until: int | None = None
    """When an adopted block ends, Unix seconds; 0: no end; None: not adopted."""
    review: int = 0
    """When time alone may change the answer; 0: never."""
    score: float = 0.0
    threshold: float | None = None
    """None where it was not scored: decided by precedence before."""
    voices: int = 0
    voices_needed: int | None = None
    charged: tuple[bytes, ...] = ()
    """Whose limits it takes from. With FLEET: the nodes of the own fleet that say so, sorted; with OK: the voices."""
