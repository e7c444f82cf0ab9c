"""A verdict comes out of its integer as it went in."""

from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.packed import (
    WORDS,
    Word,
    code,
    code_of,
    differ,
    is_adopted,
    node_of,
    pack,
    review_of,
    until_of,
    word_of,
)
from p2pfw.core.verdict import Decision, Reason, Verdict

times = st.integers(0, (1 << 36) - 1)


@given(st.sampled_from(Decision), st.sampled_from(Reason), times, times, st.integers(0, (1 << 20) - 1))
def test_every_field_survives(decision, reason, until, review, number):
    """Decision, reason, end, review, and the number of the node that pays."""
    adopted = decision is Decision.ADOPT
    packed = pack(Verdict(decision, reason, until if adopted else None, review), number)

    assert word_of(packed) == Word(decision, reason, until if adopted else None)
    assert (review_of(packed), node_of(packed)) == (review, number)
    assert is_adopted(packed) is adopted
    assert until_of(packed) == (until if adopted else 0)
    assert WORDS[code_of(packed)] == (decision, reason)
    assert code_of(packed) == code(decision, reason)


def test_nothing_is_no_verdict():
    """None stands for a prefix that nobody speaks of."""
    assert (word_of(None), is_adopted(None), review_of(None), node_of(None)) == (None, False, 0, 0)


@given(times, times, st.booleans())
def test_only_what_is_shown_makes_two_verdicts_differ(until, review, adopted):
    """Review and payer are nobody's business; decision, reason and end are."""
    decision = Decision.ADOPT if adopted else Decision.HOLD
    one = pack(Verdict(decision, Reason.LIMIT, until if adopted else None, review), 3)

    assert not differ(one, pack(Verdict(decision, Reason.LIMIT, until if adopted else None, 7), 5))
    assert differ(one, pack(Verdict(decision, Reason.OK, until if adopted else None, review), 3))
    assert differ(one, pack(Verdict(Decision.REFUSE, Reason.LIMIT, None, review), 3))
    assert differ(one, pack(Verdict(decision, Reason.LIMIT, until + 1, review), 3))
    assert differ(one, None)
    assert differ(None, one)
