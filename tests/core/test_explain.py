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


def acted_out(flip, told):
    """The statements as they are once it has happened."""
    again = {one: one._replace(created=NOW, stated=NOW, expires=NOW + DAY) for one in flip.gone}
    match flip.turn:
        case Turn.WORDS_END:
            return [one for one in told if one not in flip.gone]
        case Turn.SAID_AGAIN:
            return [again.get(one, one) for one in told]
        case Turn.SUPPORT_COMES:
            trusts = [flip.support, *[0.1] * (flip.voices - 1)]
            new = [local(Source.FEED_VOICE, name=f"new {n}", trust=value) for n, value in enumerate(trusts)]
            return [*told, *new]
        case Turn.OPERATOR_SAYS:
            return [*told, local(Source.OPERATOR)]
    return told


words = st.lists(
    st.one_of(
        st.builds(
            said,
            st.sampled_from("abcdefg"),
            of=st.sampled_from("abcd"),
            confidence=st.sampled_from([0.25, 0.5, 1.0]),
            basis=st.sampled_from([0, 0, 7, 8]),
            age=st.sampled_from([0, 3600, 26 * 3600, 8 * DAY]),
            ttl=st.sampled_from([600, DAY, 20 * DAY]),
        ),
        st.builds(local, st.sampled_from([Source.SIGHTING, Source.FEED, Source.FEED_VOICE]), trust=st.just(0.4)),
        st.just(by_operator()),
        st.just(by_fleet()),
    ),
    max_size=7,
    unique_by=lambda one: (one.origin, one.source),
)


@given(st.tuples(*[st.sampled_from([0.0, 0.25, 0.3, 0.4, 0.7, 0.9])] * 4), words, st.integers(20, 32), st.booleans())
def test_what_would_flip_a_verdict_flips_it_when_it_is_done(values, told, length, before):
    """Each flip is acted out and judged again: the verdict is another one, and the one that was named."""
    judge, prefix = policy(table(**dict(zip("abcd", values, strict=True)))), truncate(HOST, length)

    explanation = judge.explain(prefix, told, NOW, adopted_before=before)

    for flip in explanation.flips:
        verdict = judge.judge(prefix, acted_out(flip, told), NOW, adopted_before=before)
        assert verdict == flip.after
        assert verdict.decision is not explanation.verdict.decision
    assert explanation.flips or explanation.verdict.decision is Decision.REFUSE


@given(trusts, st.integers(24, 32))
def test_no_fewer_voices_would_flip_it(values, length):
    """Adopted: with one of those who must go still there, it stays."""
    trust, told = voices(values)
    judge, prefix = policy(trust), truncate(HOST, length)
    explanation = judge.explain(prefix, told, NOW, adopted_before=True)
    assume(explanation.verdict.decision is Decision.ADOPT)
    (flip,) = explanation.flips

    kept = [one for one in told if one not in flip.gone[:-1]]

    assert flip.turn is Turn.WORDS_END
    assert len(flip.who) == len(flip.gone) == 1 or (
        judge.judge(prefix, kept, NOW, adopted_before=True).decision is Decision.ADOPT
    )


@given(trusts, st.integers(24, 32))
def test_the_support_that_is_said_to_be_missing_is_enough(values, length):
    """Held: so many more voices, one of them with that support, and it is adopted; with less it is not."""
    trust, told = voices(values)
    judge, prefix = policy(trust), truncate(HOST, length)
    explanation = judge.explain(prefix, told, NOW)
    assume(explanation.verdict.decision is Decision.HOLD)
    (flip,) = explanation.flips
    assume(flip.support > 0.1)

    less = [local(Source.FEED_VOICE, name="new", trust=flip.support - 0.001)]
    others = [local(Source.FEED_VOICE, name=f"extra {n}", trust=0.1) for n in range(flip.voices - 1)]

    assert flip.turn is Turn.SUPPORT_COMES
    assert judge.judge(prefix, [*told, *less, *others], NOW).decision is Decision.HOLD


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

        assert (flip.turn, flip.who) == (Turn.WORDS_END, (told,))
        assert (flip.after.decision, flip.after.score) == (Decision.HOLD, 0.4)


def test_where_the_voices_would_hold_it_too_they_are_named_as_well():
    """The operator's word alone does not flip it."""
    told = [by_operator(), said("a"), said("b")]

    (flip,) = policy(table(a=0.9, b=0.2)).explain(HOST, told, NOW).flips

    assert (flip.turn, flip.who) == (Turn.WORDS_END, (told[0], told[1]))


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

    again, more = judge.explain(HOST, [old], NOW).flips

    assert (again.turn, again.who) == (Turn.SAID_AGAIN, (old,))
    assert (more.turn, more.voices, more.support) == (Turn.SUPPORT_COMES, 1, 0.1)
    assert judge.judge(HOST, [old, said("b", ttl=7 * DAY)], NOW).decision is Decision.ADOPT


@pytest.mark.parametrize("text", ["203.0.112.0/22", "0.0.0.0/0"])
def test_what_is_too_wide_cannot_be_flipped_by_anybody_who_spoke(text):
    """No amount of voices: only the operator's own word, and not where hard protection stands."""
    explanation = policy(table(a=0.9)).explain(key(text), [said("a")], NOW)

    assert explanation.verdict.reason is Reason.TOO_WIDE
    assert [flip.turn for flip in explanation.flips] == [Turn.OPERATOR_SAYS] * (text != "0.0.0.0/0")
    assert [(one.counted, one.uncounted) for one in explanation.testimonies] == [(False, None)]


def test_a_prefix_that_nobody_speaks_of_can_be_explained():
    """Also the not blocked address."""
    explanation = policy().explain(HOST, [], NOW)

    assert explanation.verdict.reason is Reason.BELOW_THRESHOLD
    assert explanation.testimonies == ()
    assert [(flip.turn, flip.support, flip.voices) for flip in explanation.flips] == [(Turn.SUPPORT_COMES, 0.6, 1)]


def test_where_no_voice_could_help_none_is_asked_for():
    """A /20 of the fleet that waits: only the fleet may go so wide, and witnesses change nothing."""
    explanation = policy().explain(key("203.0.112.0/20"), [by_fleet()], NOW, waiting=frozenset({node("f")}))

    assert (explanation.verdict.reason, explanation.flips) == (Reason.LIMIT, ())
