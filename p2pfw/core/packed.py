"""A verdict as one integer, so that a table of a million verdicts takes no object of its own for each.

    until (36 bits) | review (36) | number of the node that is charged (20) | reason (4) | decision (2)

Only the form; see adoption for what is kept in it.
"""

from typing import Final, NamedTuple

from p2pfw.core.prefix import PrefixKey
from p2pfw.core.verdict import Decision, Reason, Verdict

_REASON_SHIFT: Final = 2
_NODE_SHIFT: Final = 6
_REVIEW_SHIFT: Final = 26
_UNTIL_SHIFT: Final = 62
_CODE_MASK: Final = (1 << _NODE_SHIFT) - 1
_NODE_MASK: Final = (1 << _REVIEW_SHIFT - _NODE_SHIFT) - 1
_TIME_MASK: Final = (1 << _UNTIL_SHIFT - _REVIEW_SHIFT) - 1
_DECISION_MASK: Final = (1 << _REASON_SHIFT) - 1
_SHOWN_MASK: Final = ~((1 << _UNTIL_SHIFT) - (1 << _NODE_SHIFT))
_ADOPT: Final = int(Decision.ADOPT)


class Word(NamedTuple):
    """A verdict as it is kept."""

    decision: Decision
    reason: Reason
    until: int | None
    """Unix seconds, 0: no end; None: not adopted."""


def code(decision: Decision, reason: Reason) -> int:
    """Decision and reason as a small number."""
    return reason << _REASON_SHIFT | decision


WORDS: Final = tuple((decision, reason) for reason in Reason for decision in (*Decision, Decision.REFUSE))
"""Decision and reason by their code; every fourth code is never made."""


def pack(verdict: Verdict, node: int) -> int:
    """With the number of the node whose budget it takes from, 0: nobody's."""
    times = (verdict.until or 0) << _UNTIL_SHIFT | verdict.review << _REVIEW_SHIFT
    return times | node << _NODE_SHIFT | verdict.reason << _REASON_SHIFT | verdict.decision


def word_of(packed: int | None) -> Word | None:
    """What is shown of it; None for None."""
    return None if packed is None else shown(packed)


def shown(packed: int) -> Word:
    """What is shown of it."""
    decision, reason = WORDS[packed & _CODE_MASK]
    return Word(decision, reason, packed >> _UNTIL_SHIFT if decision is Decision.ADOPT else None)


def differ(one: int | None, other: int | None) -> bool:
    """True when the two are not shown alike."""
    return one is None or other is None or (one ^ other) & _SHOWN_MASK != 0


def code_of(packed: int) -> int:
    """Decision and reason."""
    return packed & _CODE_MASK


def is_adopted(packed: int | None) -> bool:
    """True for ADOPT; None is not adopted."""
    return packed is not None and packed & _DECISION_MASK == _ADOPT


def until_of(packed: int) -> int:
    """When the block ends; 0: no end, or not adopted."""
    return packed >> _UNTIL_SHIFT


def review_of(packed: int | None) -> int:
    """When time alone may change it; 0: never."""
    return packed >> _REVIEW_SHIFT & _TIME_MASK if packed else 0


def node_of(packed: int | None) -> int:
    """The number of the node that is charged; 0: none."""
    return packed >> _NODE_SHIFT & _NODE_MASK if packed else 0


class Change(NamedTuple):
    """What judging changed about one prefix."""

    key: PrefixKey
    until: int | None
    """When the block ends, 0: never; None: it must not be blocked (any more)."""
    packed_old: int | None
    packed_new: int | None

    @property
    def old(self) -> Word | None:
        """The verdict before; None: nobody had spoken of it."""
        return word_of(self.packed_old)

    @property
    def new(self) -> Word | None:
        """The verdict now; None: nobody speaks of it any more."""
        return word_of(self.packed_new)
