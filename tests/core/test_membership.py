"""Vouches, charters and evidence change who counts, at once, and say whose statements must be judged again."""

import pytest

from p2pfw.core import vouches
from p2pfw.core.announcement import Category
from p2pfw.core.evidence import What
from p2pfw.core.identity import OwnerId
from p2pfw.core.membership import NOBODY, Membership
from p2pfw.core.trust import REFRESH, TrustTable
from p2pfw.core.vouch import Vouch
from p2pfw.errors import CharterError, FutureError, ShareError
from tests.core.judging import DAY, HOST, MINE, owner
from tests.core.making import NOW, owner_id
from tests.core.test_charter import charter, signed
from tests.core.test_charters import ROOT, after


def made(**trust):
    """A membership over a table with that trust."""
    table = TrustTable(MINE)
    for name, value in trust.items():
        table.give(owner(name), value)
    return table, Membership(table)


def vouch(by, subject, *, life=DAY, level=100, created=NOW):
    """Whose signature was checked."""
    return Vouch(
        voucher=owner(by),
        subject=owner(subject),
        level=level,
        created=created,
        expires=created + life,
        signature=bytes(64),
    )


def trust(table, one: OwnerId):
    """T."""
    return table.trust(one, Category.SSH)


def test_members_count_by_the_charter_that_holds():
    """From the beginning, and whoever a next version adds or removes."""
    table, group = made()
    group.begin(ROOT, (), (), NOW)
    began = [trust(table, owner_id(n)) for n in (1, 2, 3, 4)]
    changed = group.charter(after(ROOT, 1, 2, 4, by=(1, 2)), NOW)

    assert began == [0.25, 0.25, 0.25, 0.0]
    assert changed == {owner_id(3), owner_id(4)}
    assert [trust(table, owner_id(n)) for n in (1, 2, 3, 4)] == [0.25, 0.25, 0.0, 0.25]
    assert group.changes == 1


def test_what_is_known_of_charters_is_taken_up_again():
    """After a restart."""
    table, group = made()
    group.begin(ROOT, [owner_id(1)], [after(ROOT, 1, 2, 4, by=(1, 2))], NOW)

    assert trust(table, owner_id(4)) == 0.25


def test_without_a_charter_nothing_of_one_counts():
    """A node of a network that has none, or begins with one that does not hold."""
    table, group = made()

    assert group.charter(ROOT, NOW) is NOBODY
    assert not group.ended(NOW)
    with pytest.raises(CharterError):
        group.begin(signed(charter(), 1), (), (), NOW)
    assert list(table.owners()) == []


def test_a_charter_that_ended_keeps_its_members_and_gives_new_ones_nothing():
    """At most `watch`: carried, and not counted."""
    end = ROOT.charter.valid_until
    table, group = made()
    group.begin(ROOT, [owner_id(1), owner_id(2)], (), end)

    assert group.ended(end)
    assert [trust(table, owner_id(n)) for n in (1, 2, 3)] == [0.25, 0.25, 0.0]
    assert table.carries(owner_id(3))


def test_the_operators_word_on_a_member_wins():
    """Up, down, never."""
    table, group = made()
    table.give(owner_id(1), 0.0)
    group.begin(ROOT, (), (), NOW)

    assert [trust(table, owner_id(n)) for n in (1, 2)] == [0.0, 0.25]


def test_a_vouch_counts_until_it_ends():
    """And taken back at once."""
    table, group = made(v=0.4)

    came = group.vouch(vouch("v", "a"), NOW)
    again = group.vouch(vouch("v", "a"), NOW)
    worth = trust(table, owner("a"))
    ended = group.tick(NOW + DAY)

    assert (came, again, worth, ended) == ({owner("a")}, NOBODY, 0.2, {owner("a")})
    group.vouch(vouch("v", "b", created=NOW + DAY), NOW + DAY)
    assert group.vouch(vouch("v", "b", level=0, created=NOW + DAY + 1), NOW + DAY + 1) == {owner("b")}
    with pytest.raises(FutureError):
        group.vouch(vouch("v", "c", created=NOW + 9 * DAY), NOW)


def test_evidence_moves_trust_and_fades():
    """Confirmed: nothing to make up for; contradicted: less; forgiven, or after a time: as before."""
    table, group = made(a=0.9)

    assert group.confirm(owner("a"), HOST, NOW) == NOBODY
    assert group.confirm(owner("a"), HOST, NOW) == NOBODY
    assert group.contradict(owner("a"), HOST, NOW) == {owner("a")}
    assert group.contradict(owner("a"), HOST, NOW) == NOBODY
    lower = trust(table, owner("a"))
    assert group.tick(NOW + 1) == NOBODY
    assert group.tick(NOW + 2) == NOBODY
    assert group.tick(NOW + 30 * REFRESH) == {owner("a")}
    assert lower < trust(table, owner("a")) < 0.9
    assert group.forgive(owner("a"), NOW) == {owner("a")}
    assert trust(table, owner("a")) == 0.9


def test_whoever_vouches_answers_a_little():
    """+ 0.25 for a contradiction of somebody it vouched for; nothing for the own owner, or a limit."""
    table, group = made(v=0.4)
    group.vouch(vouch("v", "a"), NOW)

    group.contradict(owner("a"), HOST, NOW)
    group.contradict(owner("a"), 0, NOW, What.LIMIT)

    assert table.evidence.account(owner("v")).neg == 0.25
    assert table.evidence.account(owner("a")).neg == 1.25
    group.vouch(
        Vouch(voucher=MINE, subject=owner("b"), level=100, created=NOW, expires=NOW + 9, signature=bytes(64)),
        NOW,
    )
    group.contradict(owner("b"), HOST, NOW)
    assert table.evidence.account(MINE) is None


def test_time_is_looked_at_when_something_may_have_changed():
    """Every hour, and when a vouch ends; a clock that went back looks again."""
    _, group = made(v=0.4)
    group.vouch(vouch("v", "a", life=600), NOW)

    assert group.tick(NOW) == NOBODY
    assert group.tick(NOW + 599) == NOBODY
    assert group.tick(NOW + 600) == {owner("a")}
    assert group.tick(NOW - 9 * REFRESH) == {owner("a")}


def test_nothing_follows_from_a_charter_where_there_is_none():
    """Time passes as well."""
    _, group = made()

    assert group._follow(NOW) is NOBODY


def test_whom_nobody_named_keeps_nobody_out_who_is_named(monkeypatch):
    """A full table of vouches: the operator's and the charter's people find room, strangers' friends give way."""
    monkeypatch.setattr(vouches, "MOST", 2)
    table, members = made(a=0.9)
    for subject in ("s", "t"):
        members.vouch(vouch("stranger", subject), NOW)
    with pytest.raises(ShareError):
        members.vouch(vouch("another", "u"), NOW)
    members.vouch(vouch("a", "friend"), NOW)
    members.vouch(
        Vouch(voucher=MINE, subject=owner("ours"), level=100, created=NOW, expires=NOW + DAY, signature=bytes(64)), NOW
    )

    assert trust(table, owner("friend")) == 0.25
    assert trust(table, owner("ours")) == 0.25
    assert len(table.vouches) == 2
