"""What would flip a verdict is computed, and true: doing it flips it."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from p2pfw.core.explain import Turn
from p2pfw.core.prefix import truncate
from p2pfw.core.protected import Strength
from p2pfw.core.statement import Source, Standing
from p2pfw.core.verdict import Decision, Reason, Uncounted
from tests.core.judging import (
    DAY,
    HOST,
    NOW,
    by_fleet,
    by_operator,
    key,
    local,
    node,
    owner,
    policy,
    protected,
    said,
    table,
    whitelist,
)

trusts = st.lists(st.sampled_from([0.1, 0.25, 0.3, 0.4, 0.5, 0.7, 0.9]), min_size=1, max_size=6)


def voices(values):
    """Owners v0, v1, ... with that trust, and one statement of each."""
    names = [f"v{number}" for number in range(len(values))]
    return table(**dict(zip(names, values, strict=True))), [said(name) for name in names]


@given(trusts, st.integers(24, 32))
def test_taking_the_strongest_voice_away_does_what_was_said(values, length):
    """Adopted: `flips if helios retracts (0.40 < 0.77)`, or no single voice flips it."""
    trust, told = voices(values)
    judge, prefix = policy(trust), truncate(HOST, length)
    explanation = judge.explain(prefix, told, NOW)
    assume(explanation.verdict.decision is Decision.ADOPT)

    without = [judge.judge(prefix, [one for one in told if one is not gone], NOW, adopted_before=True) for gone in told]

    flips = [verdict for verdict in without if verdict.decision is not Decision.ADOPT]
    assert bool(flips) == bool(explanation.flips)
    for flip in explanation.flips:
        strongest = told.index(flip.who)
        assert flip.turn is Turn.VOICE_LEAVES
        assert without[strongest].decision is Decision.HOLD
        assert flip.score == without[strongest].score == min(verdict.score for verdict in without)


@given(trusts, st.integers(24, 32))
def test_the_support_that_is_said_to_be_missing_is_enough(values, length):
    """Held: so many more voices, one of them with that support, and it is adopted; with less it is not."""
    trust, told = voices(values)
    judge, prefix = policy(trust), truncate(HOST, length)
    explanation = judge.explain(prefix, told, NOW)
    assume(explanation.verdict.decision is Decision.HOLD)
    (flip,) = explanation.flips

    trust.give(owner("new"), min(1.0, flip.support + 0.0001))
    others = [f"extra{number}" for number in range(flip.voices - 1)]
    for name in others:
        trust.give(owner(name), 0.1)
    more = [*told, said("new"), *map(said, others)]

    assert flip.turn is Turn.SUPPORT_COMES
    assert judge.judge(prefix, more, NOW).decision is Decision.ADOPT
    assert judge.judge(prefix, [*told, *map(said, others)], NOW).decision is Decision.HOLD


def test_each_line_of_evidence_says_how_it_was_weighed():
    """Support, how the trust came about, counted or why not."""
    trust = table(helios=0.9, juno=0.4)
    told = [
        said("juno", confidence=0.5),
        said("helios"),
        said("ceres", of="helios", confidence=0.5),
        said("stranger"),
        said("late", standing=Standing.RETRACTED),
    ]

    explanation = policy(trust).explain(HOST, told, NOW)

    lines = [(one.statement.origin, one.support, one.trust_origin, one.uncounted) for one in explanation.testimonies]
    assert lines == [
        (node("helios"), 0.9, "configured 0.90", None),
        (node("juno"), 0.2, "configured 0.40", None),
        (node("ceres"), 0.45, "configured 0.90", Uncounted.SAME_OWNER),
        (node("stranger"), 0.0, "unknown owner", Uncounted.NOT_CARRIED),
        (node("late"), 0.0, "unknown owner", Uncounted.RETRACTED),
    ]
    assert [one.counted for one in explanation.testimonies] == [True, True, False, False, False]


def test_local_words_say_where_they_come_from():
    """Operator, fleet, feeds, this machine."""
    told = [
        by_operator(),
        local(Source.OPERATOR),
        by_fleet(),
        local(Source.FEED, name="drop"),
        local(Source.FEED_VOICE, name="x", trust=0.4),
        local(Source.SIGHTING),
    ]

    explanation = policy().explain(HOST, told, NOW)

    origins = {one.trust_origin for one in explanation.testimonies}
    assert origins == {"operator", "own fleet", "feed drop", "feed x", "this machine"}
    assert all(one.counted for one in explanation.testimonies)


def test_a_stronger_word_that_ends_leaves_the_rest_to_decide():
    """Operator, fleet and feed: what the voices alone would say."""
    for told in (by_operator(), by_fleet(), local(Source.FEED)):
        (flip,) = policy(table(a=0.4)).explain(HOST, [told, said("a")], NOW).flips

        assert flip.turn is Turn.WORD_ENDS
        assert (flip.otherwise.decision, flip.otherwise.score) == (Decision.HOLD, 0.4)


def test_a_range_in_the_way_is_named_with_every_other():
    """Whitelist and protected checks in both directions."""
    judge = policy(
        table(a=0.9),
        whitelist=whitelist("203.0.113.0/28", "198.51.100.0/24"),
        protected=protected(Strength.SOFT, "203.0.113.7"),
    )

    explanation = judge.explain(HOST, [said("a")], NOW)

    assert explanation.verdict.reason is Reason.PROTECTED
    assert explanation.obstacles.whitelist.key == key("203.0.113.0/28")
    assert explanation.obstacles.soft.key == HOST
    assert [flip.turn for flip in explanation.flips] == [Turn.RANGE_GOES]
    assert (explanation.whitelist_sources, explanation.whitelist_ranges) == (1, 2)


def test_a_lease_that_is_over_says_what_would_begin_a_new_one():
    """A lone voice whose day has passed: it says so again, or another joins."""
    judge = policy(table(a=0.9, b=0.1))
    old = said("a", ttl=7 * DAY, created=NOW - DAY)

    (flip,) = judge.explain(HOST, [old], NOW).flips

    assert (flip.turn, flip.voices, flip.support) == (Turn.SAID_AGAIN, 1, 0.1)
    assert judge.judge(HOST, [old, said("b", ttl=7 * DAY)], NOW).decision is Decision.ADOPT


@pytest.mark.parametrize("text", ["203.0.112.0/22", "0.0.0.0/0"])
def test_what_is_too_wide_cannot_be_flipped_by_anybody_who_spoke(text):
    """No amount of voices."""
    explanation = policy(table(a=0.9)).explain(key(text), [said("a")], NOW)

    assert (explanation.verdict.reason, explanation.flips) == (Reason.TOO_WIDE, ())
    assert [(one.counted, one.uncounted) for one in explanation.testimonies] == [(False, None)]


def test_a_prefix_that_nobody_speaks_of_can_be_explained():
    """Also the not blocked address."""
    explanation = policy().explain(HOST, [], NOW)

    assert explanation.verdict.reason is Reason.BELOW_THRESHOLD
    assert explanation.testimonies == ()
    assert [(flip.turn, flip.support, flip.voices) for flip in explanation.flips] == [(Turn.SUPPORT_COMES, 0.6, 1)]
