"""An owner takes another key: both signed it, both are one voice, and nobody leaves what was seen of him behind."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core import succession as module
from p2pfw.core.canonical import pack
from p2pfw.core.evidence import Account
from p2pfw.core.membership import NOBODY, Membership
from p2pfw.core.records import Category
from p2pfw.core.succession import Succession, Successions, succeed
from p2pfw.core.trust import TrustTable
from p2pfw.core.vouch import Vouch
from p2pfw.errors import CertificateError, InputError, MalformedError, PeerError, ShareError, SignatureError
from tests.core.judging import DAY, MINE
from tests.core.making import NOW, flips, key, owner_id


def taken(old, new):
    """One numbered key takes over from another."""
    return succeed(key(old), key(new), created=NOW)


def test_what_was_encoded_decodes_to_the_same_and_no_bit_can_be_changed():
    """Canonical, signed by both."""
    one = taken(1, 2)
    again = Succession.decode(one.encode())
    again.check_signatures()
    accepted = []
    for data in flips(one.encode()):
        try:
            Succession.decode(data).check_signatures()
        except PeerError:
            continue
        accepted.append(data)

    assert again == one
    assert accepted == []


def test_both_keys_must_have_signed():
    """Neither alone can take, or give away."""
    one, other = taken(1, 2), taken(1, 3)
    parts = {"old": one.old, "new": one.new, "created": NOW}

    with pytest.raises(SignatureError, match="old key"):
        Succession(**parts, old_signature=other.old_signature, new_signature=one.new_signature).check_signatures()
    with pytest.raises(SignatureError, match="new key"):
        Succession(**parts, old_signature=one.old_signature, new_signature=other.new_signature).check_signatures()


def test_what_is_none_cannot_be_built():
    """One key twice, other lengths, another version."""
    one = taken(1, 2)

    with pytest.raises(InputError):
        taken(1, 1)
    with pytest.raises(MalformedError, match="version 2"):
        Succession.decode(pack([2, one.old, one.new, NOW, one.old_signature, one.new_signature]))
    with pytest.raises(MalformedError, match="key of another"):
        Succession.decode(pack([1, b"x", one.new, NOW, one.old_signature, one.new_signature]))
    with pytest.raises(MalformedError, match="signature of another"):
        Succession.decode(pack([1, one.old, one.new, NOW, b"x", one.new_signature]))
    with pytest.raises(CertificateError):
        Succession.decode(pack([1, one.old, one.new, 1 << 50, one.old_signature, one.new_signature]))


def test_successors_are_followed_in_every_order():
    """From key to key; a ring ends where it began; two successors are none."""
    for order in permutations([taken(1, 2), taken(2, 3), taken(5, 6), taken(6, 5), taken(7, 8), taken(7, 9)]):
        book = Successions()
        for one in order:
            book.learn(one)

        assert [book.heir(owner_id(n)) for n in (1, 2, 3, 4)] == [owner_id(n) for n in (3, 3, 3, 4)]
        assert [book.heir(owner_id(n)) for n in (5, 6, 7)] == [owner_id(n) for n in (6, 5, 7)]
        assert book.contested() == {owner_id(7)}


def test_the_table_and_the_way_are_bounded(monkeypatch):
    """Known ones are not new; a third successor changes nothing."""
    monkeypatch.setattr(module, "MOST", 3)
    monkeypatch.setattr(module, "FURTHEST", 2)
    book = Successions()

    assert [book.learn(one) for one in (taken(1, 2), taken(1, 2), taken(1, 3), taken(1, 4))] == [
        True,
        False,
        True,
        False,
    ]
    book.learn(taken(5, 6))
    book.learn(taken(6, 7))
    with pytest.raises(ShareError):
        book.learn(taken(7, 8))
    assert book.heir(owner_id(5)) == owner_id(7)


def test_who_trusted_the_old_key_trusts_the_new_one():
    """By the operator, and by the charter; one voice; what was given to the new one itself comes first."""
    table = TrustTable(MINE)
    group = Membership(table)
    table.give(owner_id(1), 0.4)
    table.set_charter({owner_id(5): 0.25})

    changed = group.succession(taken(1, 2), NOW)
    again = group.succession(taken(1, 2), NOW)
    group.succession(taken(5, 6), NOW)

    assert changed == {owner_id(1), owner_id(2)}
    assert again == NOBODY
    assert [table.trust(owner_id(n), Category.SSH) for n in (1, 2, 5, 6)] == [0.4, 0.4, 0.25, 0.25]
    assert [table.sponsor(owner_id(n)) for n in (1, 2)] == [owner_id(2)] * 2
    assert table.predecessors(owner_id(2)) == [owner_id(1)]
    table.give(owner_id(2), 0.1)
    assert table.trust(owner_id(2), Category.SSH) == 0.1
    table.forget(owner_id(2))
    table.forget(owner_id(1))
    assert not table.carries(owner_id(2))


def test_what_was_seen_of_the_old_key_was_seen_of_the_new_one():
    """And the other way does not help either: the worst counts."""
    table = TrustTable(MINE)
    group = Membership(table)
    table.give(owner_id(1), 0.9)
    table.evidence.load(owner_id(1), Account(neg=3, at=NOW))
    group.succession(taken(1, 2), NOW)

    assert table.is_muted(owner_id(2))
    group.forgive(owner_id(1), NOW)
    assert table.trust(owner_id(2), Category.SSH) == 0.9
    assert table.imagined(owner_id(1), 0.3).trust(owner_id(2), Category.SSH) == 0.3


def test_every_key_of_one_owner_answers_for_the_others():
    """What is seen of the new key lowers the old one, too, and forgiving one forgives all."""
    table = TrustTable(MINE)
    group = Membership(table)
    table.give(owner_id(1), 0.9)
    for one in (taken(1, 2), taken(2, 3)):
        group.succession(one, NOW)
    told = [table.trust(owner_id(n), Category.SSH) for n in (1, 2, 3)]
    for number in range(3):
        group.contradict(owner_id(2), number, NOW)
    muted = [table.is_muted(owner_id(n)) for n in (1, 2, 3)]
    changed = group.forgive(owner_id(3), NOW)

    assert told == [0.9, 0.9, 0.9]
    assert muted == [True, True, True]
    assert changed == {owner_id(1), owner_id(2), owner_id(3)}
    assert table.kin(owner_id(1)) == sorted(owner_id(n) for n in (1, 2, 3))


def test_a_full_table_has_room_for_who_is_named(monkeypatch):
    """Strangers' successions give way to a named owner's, never the reverse."""
    monkeypatch.setattr(module, "MOST", 2)
    table = TrustTable(MINE)
    table.give(owner_id(1), 0.9)
    members = Membership(table)
    for number in (10, 20):
        table.successions.learn(taken(number, number + 1))
    with pytest.raises(ShareError):
        members.succession(taken(30, 31), NOW)
    changed = members.succession(taken(1, 2), NOW)

    assert owner_id(2) in changed
    assert table.trust(owner_id(2), Category.SSH) == 0.9
    assert len(table.successions) == 2
    with pytest.raises(ShareError):
        members.succession(taken(30, 31), NOW)


STEPS = st.one_of(
    st.tuples(st.just("give"), st.integers(1, 6), st.sampled_from([0.0, 0.3, 0.9])),
    st.tuples(st.just("forget"), st.integers(1, 6)),
    st.tuples(st.just("vouch"), st.integers(1, 6), st.integers(1, 6), st.sampled_from([0, 50, 100])),
    st.tuples(st.just("succeed"), st.integers(1, 6), st.integers(1, 6)),
    st.tuples(st.just("contradict"), st.integers(1, 6)),
)


@given(st.lists(STEPS, max_size=25))
def test_what_is_settled_step_by_step_is_what_a_table_comes_to_that_is_made_at_once(steps):
    """After every step: the same trust, sponsor and carrying for everybody; and what changed is said."""
    table = TrustTable(MINE)
    members = Membership(table)
    for number, step in enumerate(steps):
        before = {number: (table.carries(owner_id(number)), table.worth(owner_id(number))) for number in range(1, 7)}
        changed = _take(table, members, step, number)
        fresh = TrustTable(MINE)
        fresh.vouches, fresh.evidence, fresh.successions = table.vouches, table.evidence, table.successions
        fresh._given = dict(table._given)
        fresh.refresh(NOW)

        for one in map(owner_id, range(1, 7)):
            assert table.worth(one) == fresh.worth(one), (step, one)
        if changed is not None:
            moved = {
                owner_id(one)
                for one, (_, worth) in before.items()
                if _weight(worth) != _weight(table.worth(owner_id(one)))
            }
            assert moved == changed


def _take(table, members, step, number):
    """Whose worth changed, where the step says."""
    match step:
        case ("give", one, trust):
            table.give(owner_id(one), trust)
            return None
        case ("forget", one):
            table.forget(owner_id(one))
            return None
        case ("vouch", by, subject, level):
            if by == subject:
                return frozenset()
            word = Vouch(
                voucher=owner_id(by), subject=owner_id(subject), level=level, created=NOW - 100 + number,
                expires=NOW + DAY, signature=bytes(64),
            )  # fmt: skip
            return members.vouch(word, NOW)
        case ("succeed", old, new):
            return members.succession(taken(old, new), NOW) if old != new else frozenset()
        case (_, one):
            return members.contradict(owner_id(one), number, NOW)


def _weight(worth):
    return worth and (worth.trust, worth.sponsor)
