"""Which version holds follows from what is known, not from the order in which it came."""

import random
from itertools import permutations

import pytest

from p2pfw.core import charters as module
from p2pfw.core.charters import Charters
from p2pfw.errors import CharterError
from tests.core.making import NOW, owner_id
from tests.core.test_charter import charter, signed

ROOT = signed(charter(1, 2, 3), 1, 2)


def after(before, *numbers, by=(), need=2, until=0):
    """A next version with these members, signed by some of the version before."""
    made = charter(
        *numbers,
        need=need,
        number=before.charter.number + 1,
        previous=before.charter.hash,
        founded=before.charter.network_id,
        created=NOW + until,
    )
    return signed(made, *by)


def test_a_beginning_needs_its_own_members():
    """m of itself."""
    with pytest.raises(CharterError, match="1 of its members signed it, and 2 must have"):
        Charters(signed(charter(), 1))


def test_a_change_holds_when_enough_have_signed():
    """Signatures come one by one, in copies of their own."""
    book = Charters(ROOT)
    two = after(ROOT, 1, 2, 3, 4, need=3)

    news = [book.learn(signed(two.charter, n)) for n in (4, 3, 3)]
    waiting = list(book.proposals())
    book.learn(signed(two.charter, 1))

    assert news == [True, True, False]
    assert [(one.signatures, one.needed) for one in waiting] == [(1, 2)]
    assert book.current.charter == two.charter
    assert book.current.signatures.keys() == {owner_id(1), owner_id(3), owner_id(4)}
    assert list(book.proposals()) == []
    assert len(book.chain) == 2


def test_the_same_versions_lead_to_the_same_one_in_every_order():
    """With a proposal, an old version again, and one that came before what it follows."""
    two = after(ROOT, 1, 2, 4, by=(1, 3))
    three = after(two, 1, 4, 5, by=(4, 1))
    never = after(two, 1, 9, 8, by=(4, 9, 8))
    ends = set()
    for order in permutations([two, three, never, ROOT]):
        book = Charters(ROOT)
        for one in order:
            book.learn(one)
        ends.add((book.current.charter.hash, tuple(one.charter.hash for one in book.conflict)))

    assert ends == {(three.charter.hash, ())}


def test_of_two_valid_next_versions_neither_holds():
    """Both shown, in every order; an earlier one that was applied is given up."""
    one, other = after(ROOT, 1, 2, by=(1, 2)), after(ROOT, 1, 3, by=(1, 3))
    for order in ((one, other), (other, one)):
        book = Charters(ROOT)
        for signed_one in order:
            book.learn(signed_one)

        assert book.current == ROOT
        assert {found.charter.hash for found in book.conflict} == {one.charter.hash, other.charter.hash}


def test_a_next_version_of_one_of_them_settles_it():
    """Signed by enough of its own members: the deeper branch goes on."""
    one, other = after(ROOT, 1, 2, by=(1, 2)), after(ROOT, 1, 3, by=(1, 3))
    settled = after(one, 1, 2, 3, by=(1, 2))
    for order in permutations([one, other, settled]):
        book = Charters(ROOT)
        for signed_one in order:
            book.learn(signed_one)

        assert (book.current, book.conflict) == (settled, ())


def test_another_past_is_not_followed():
    """Two versions back nobody goes, though enough of the old members sign a longer branch."""
    book = Charters(ROOT)
    two = after(ROOT, 4, 5, 6, by=(1, 2))
    three = after(two, 4, 5, 6, by=(4, 5), until=1)
    for one in (two, three):
        book.learn(one)
    forged = after(ROOT, 1, 2, 3, by=(1, 2, 3), until=2)
    longer = after(forged, 1, 2, 3, by=(1, 2, 3), until=3)
    longest = after(longer, 1, 2, 3, by=(1, 2, 3), until=4)
    for one in (forged, longer, longest):
        book.learn(one)

    assert (book.current, book.forked) == (three, True)


def test_another_networks_charter_is_none_of_ours():
    """Whoever signed it."""
    book = Charters(ROOT)

    assert not book.learn(signed(charter(1, 2, 3, network="other"), 1, 2, 3))
    assert book.get(ROOT.charter.hash[:4]) == ROOT
    assert book.get(b"") is None
    assert book.get(b"\0" * 32) is None


def test_strangers_signatures_do_not_keep_members_out(monkeypatch):
    """Where they are too many, those who may sign are kept."""
    monkeypatch.setattr(module, "MAX_MEMBERS", 3)
    two = after(ROOT, 1, 2, 3, by=(20, 21, 22))
    book = Charters(ROOT)
    book.learn(two)
    book.learn(signed(two.charter, 1))
    book.learn(signed(two.charter, 2))

    assert book.current.charter == two.charter
    assert len(book.current.signatures) == 3


def test_too_many_proposals_lose_the_least_signed(monkeypatch):
    """What holds stays, and so does what has more signatures of members."""
    monkeypatch.setattr(module, "MOST", 3)
    book = Charters(ROOT)
    worth = after(ROOT, 1, 2, 3, by=(1,), until=1)
    spam = [after(ROOT, 7, 8, by=(9,), until=n) for n in range(2, 6)]

    assert book.learn(worth)
    for one in spam:
        book.learn(one)

    assert book.get(worth.charter.hash) == worth
    assert book.get(ROOT.charter.hash) == ROOT
    assert sum(book.get(one.charter.hash) is not None for one in spam) == 1


def test_a_chain_longer_than_the_room_stays_whole(monkeypatch):
    """What holds is never forgotten."""
    monkeypatch.setattr(module, "MOST", 2)
    book, last = Charters(ROOT), ROOT
    for n in range(4):
        last = after(last, 1, 2, 3, by=(1, 2), until=n)
        book.learn(last)

    assert (book.current, len(book.chain)) == (last, 5)


def test_no_order_and_no_loss_of_copies_makes_books_differ():
    """Random forests of versions, learned in random orders: one answer."""
    for seed in range(60):
        rng = random.Random(seed)
        made = [ROOT]
        for n in range(8):
            before = rng.choice(made)
            old = [one for one in range(1, 9) if owner_id(one) in before.charter.owners]
            new = rng.sample(range(1, 9), 3)
            made.append(after(before, *new, by=rng.sample(old, rng.randint(1, len(old))), until=n))
        ends = set()
        for _ in range(5):
            book = Charters(ROOT)
            for one in rng.sample(made, len(made)) + rng.sample(made, 3):
                book.learn(one)
            if not book.forked:
                ends.add((book.current.charter.hash, tuple(one.charter.hash for one in book.conflict)))
        assert len(ends) <= 1
