"""Counts of verdicts, against counting."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.packed import WORDS, code, is_adopted, word_of
from p2pfw.core.tally import Tally
from p2pfw.core.verdict import Decision, Reason

CODES = [code(decision, reason) for decision in Decision for reason in Reason]


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.sampled_from([None, *CODES])), max_size=40))
def test_the_counts_are_those_of_a_recount(changes):
    """Of every verdict, by family, in all, and as they were given."""
    tally, table, told = Tally(), {}, []
    for number, six, new in changes:
        tally.moved(table.get((number, six)), new, six=six)
        tally.told(new)
        told.append(new)
        table[number, six] = new
    now = [(six, WORDS[word]) for (_, six), word in table.items() if word is not None]

    assert tally.counts == Counter(word for _, word in now)
    for decision in Decision:
        by_hand = [sum(six is which and word[0] is decision for six, word in now) for which in (False, True)]
        assert tally.by_family(decision) == tuple(by_hand)
    assert tally.adopted() == tally.by_family(Decision.ADOPT)
    assert tally.released == told.count(None)
    assert tally.given == Counter(WORDS[word] for word in told if word is not None)
    assert all(is_adopted(word) == (word_of(word).decision is Decision.ADOPT) for word in CODES)
