"""Every statement finds its class, or the reason why it does not count."""

import pytest

from p2pfw.core.announcement import Action
from p2pfw.core.hearing import Hearing, Listener, silence_of
from p2pfw.core.statement import Source, Standing
from p2pfw.core.verdict import Uncounted
from tests.core.judging import DAY, HOST, ME, MINE, NOW, by_fleet, by_operator, key, local, node, said, table


def hear(*told, prefix=HOST, waiting=frozenset(), **trust):
    """What a listener with that trust makes of it."""
    listener = Listener(own_node=ME, own_owner=MINE, trust=table(**trust))
    return listener.hear(prefix, told, NOW, waiting=waiting)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (said(standing=Standing.EXPIRED), Uncounted.EXPIRED),
        (said(standing=Standing.FUTURE), Uncounted.FUTURE),
        (said(standing=Standing.RETRACTED), Uncounted.RETRACTED),
        (said(standing=Standing.PARDONED), Uncounted.PARDONED),
        (said(standing=Standing.VOIDED), Uncounted.VOIDED),
        (said(standing=Standing.UNCERTIFIED), Uncounted.VOIDED),
        (said(action=Action.RETRACT), Uncounted.RETRACTED),
        (said(action=Action.PARDON), Uncounted.PARDONED),
        (said(created=NOW - DAY), Uncounted.EXPIRED),
        (said(expires=0), Uncounted.EXPIRED),
        (said(created=NOW + 121), Uncounted.FUTURE),
        (said(created=NOW + 120), None),
        (said(ttl=30 * DAY), None),
        (said(ttl=30 * DAY, age=1), Uncounted.LIFETIME_TOO_LONG),
        (local(Source.OPERATOR, until=0), None),
        (local(Source.OPERATOR, until=NOW + 90 * DAY), None),
        (local(Source.SIGHTING, until=NOW), Uncounted.EXPIRED),
        (said(), None),
    ],
)
def test_only_a_live_entry_speaks(told, reason):
    """Not expired, created at most 120 s ahead, lifetime at most 30 d, BLOCK, and it stands; local ones may go on."""
    assert silence_of(told, NOW) is reason


def test_every_standing_has_a_reason():
    """A new standing without one would be an error here, not in production."""
    silenced = [standing for standing in Standing if silence_of(said(standing=standing), NOW) is not None]

    assert silenced == [standing for standing in Standing if standing is not Standing.LIVE]


def test_classes_are_told_apart():
    """Operator, fleet, feed, and what is weighed."""
    feed, voice, sighting = (local(source, name="x", trust=0.4) for source in list(Source)[2:])
    mine, fleet, other = by_operator(), by_fleet(), said("a")

    heard = hear(mine, local(Source.OPERATOR), fleet, feed, voice, sighting, other, a=0.3)

    assert heard.operator == [mine, local(Source.OPERATOR)]
    assert (heard.fleet, heard.feed) == ([fleet], [feed])
    assert [(item.support, item.statement) for item in heard.weighed] == [(0.4, voice), (1.0, sighting), (0.3, other)]
    assert (heard.sighted, heard.forced, heard.silent) == (True, False, [])


def test_the_own_node_is_the_operator_whatever_its_certificate():
    """origin == own node."""
    assert hear(said("me")).operator


def test_what_the_own_node_says_of_a_feed_is_not_its_operators():
    """Here the feed speaks for itself: what is told to others about it adds nothing, and lets no width through."""
    told = said("me", basis=7)

    assert hear(told).silent == [(told, Uncounted.FEED_DUPLICATE)]
    assert not hear(told).operator
    assert hear(told, prefix=key("45.0.0.0/12")).too_wide()


def test_whom_nobody_named_is_not_carried_and_whom_nobody_trusts_is_watched():
    """The two reasons for nothing."""
    unnamed, watched, faint = said("a"), said("b"), local(Source.FEED_VOICE, trust=0.05)
    homeless = said("c", owner=None)

    heard = hear(unnamed, watched, faint, homeless, b=0.0)

    assert heard.silent == [
        (unnamed, Uncounted.NOT_CARRIED),
        (watched, Uncounted.WATCH),
        (faint, Uncounted.WATCH),
        (homeless, Uncounted.NOT_CARRIED),
    ]


def test_what_may_not_go_so_wide_is_heard_and_not_asked():
    """No reason beside it: there is nothing wrong with the statement."""
    told = [said("a"), by_fleet(), local(Source.FEED), local(Source.SIGHTING)]

    heard = hear(*told, prefix=key("200.0.0.0/8"), a=0.9)

    assert heard.silent == [(one, None) for one in told]
    assert heard.too_wide()
    assert not hear(by_operator(), *told, prefix=key("200.0.0.0/8")).too_wide()


def test_whoever_waits_is_set_aside():
    """With the reason `muted`; this node itself never waits."""
    heard = hear(said("a"), by_operator(), waiting=frozenset({node("a"), ME}), a=0.9)

    assert heard.silent == [(said("a"), Uncounted.MUTED)]
    assert heard.waiting
    assert heard.operator


def test_a_lone_statement_like_the_last_one_is_not_sorted_again():
    """But any difference counts: the statement, the width, the family, the time, trust, and who waits."""
    listener = Listener(own_node=ME, own_owner=MINE, trust=table(a=0.9))
    first = listener.hear(HOST, [said("a")], NOW)

    assert listener.hear(key("192.0.2.1"), [said("a")], NOW) is first
    for other in (
        lambda: listener.hear(HOST, [said("a", ttl=5)], NOW),
        lambda: listener.hear(key("203.0.113.0/28"), [said("a")], NOW),
        lambda: listener.hear(key("2001:db8::1"), [said("a")], NOW),
        lambda: listener.hear(HOST, [said("a")], NOW + 1),
        lambda: listener.hear(HOST, [said("a"), said("a")], NOW),
        lambda: listener.hear(HOST, [], NOW),
        lambda: listener.hear(HOST, [said("a")], NOW, waiting=frozenset({node("b")})),
    ):
        first = listener.hear(HOST, [said("a")], NOW)
        assert other() is not first
    first = listener.hear(HOST, [said("a")], NOW)
    listener.trust.forget(node("nobody"))
    assert listener.hear(HOST, [said("a")], NOW) is not first


def test_a_hearing_begins_empty():
    """Nobody has spoken."""
    heard = Hearing(HOST)

    assert [heard.operator, heard.fleet, heard.feed, heard.weighed, heard.silent] == [[]] * 5
    assert (heard.forced, heard.sighted, heard.waiting, heard.verdict) == (False, False, False, None)
