"""Of each pair of owners the newest word holds, whatever the order; and the table is bounded."""

from itertools import permutations

import pytest

from p2pfw.core import vouches as module
from p2pfw.core.identity import OwnerId
from p2pfw.core.vouch import Vouch
from p2pfw.core.vouches import Vouches
from p2pfw.errors import FutureError, ShareError
from tests.core.judging import DAY, NOW, owner


def word(by="a", subject="s", level=100, created=NOW, life=DAY, mark=0):
    """A vouch; signatures are checked before it comes here."""
    return Vouch(
        voucher=owner(by),
        subject=owner(subject) if isinstance(subject, str) else OwnerId(subject.to_bytes(32)),
        level=level,
        created=created,
        expires=created + life,
        signature=bytes([mark]) * 64,
    )


def test_the_newest_word_of_a_pair_holds_in_every_order():
    """Level 0 takes back; of one second the lower level holds."""
    words = [word(created=NOW - 5), word(level=0), word(level=50), word(level=0, mark=1, created=NOW - 9)]
    for order in permutations(words):
        book = Vouches()
        for one in order:
            book.learn(one, NOW)

        assert book.held(owner("a"), owner("s")) == words[1]
        assert book.of(owner("s"), NOW) == []
        assert len(book) == 1


def test_what_is_known_changes_nothing():
    """True only for what is new."""
    book = Vouches()

    assert [book.learn(word(), NOW), book.learn(word(), NOW)] == [True, False]
    assert book.by(owner("a")) == {owner("s")}
    assert book.by(owner("b")) == frozenset()
    assert book.of(owner("nobody"), NOW) == []
    assert book.held(owner("b"), owner("s")) is None
    assert list(book.subjects()) == [owner("s")]


def test_a_vouch_ends():
    """From its signed times."""
    book = Vouches()
    book.learn(word(), NOW)

    assert (len(book.of(owner("s"), NOW + DAY - 1)), book.of(owner("s"), NOW + DAY)) == (1, [])
    assert (book.next_deadline(NOW), book.next_deadline(NOW + DAY)) == (NOW + DAY, None)


def test_a_word_of_the_future_is_refused():
    """Beyond what honest clocks differ."""
    with pytest.raises(FutureError):
        Vouches().learn(word(created=NOW + 121), NOW)


@pytest.mark.parametrize("limit", ["MOST_BY_ONE", "MOST"])
def test_a_full_table_forgets_what_has_ended_and_else_refuses(monkeypatch, limit):
    """Of the voucher that has too many, or of anybody."""
    monkeypatch.setattr(module, limit, 2)
    book = Vouches()
    book.learn(word(subject=1, life=10), NOW)
    book.learn(word(subject=2), NOW)

    with pytest.raises(ShareError):
        book.learn(word(subject=3), NOW)
    assert book.learn(word(subject=3), NOW + 10)
    assert len(book) == 2
    assert book.by(owner("a")) == {OwnerId((2).to_bytes(32)), OwnerId((3).to_bytes(32))}


def test_the_last_word_of_a_voucher_can_be_forgotten(monkeypatch):
    """Nothing is left of it."""
    monkeypatch.setattr(module, "MOST", 1)
    book = Vouches()
    book.learn(word(life=10), NOW)
    book.learn(word(by="b"), NOW + 10)

    assert (book.by(owner("a")), len(book)) == (frozenset(), 1)


def test_a_vouchers_limit_is_nobody_elses(monkeypatch):
    """What others vouched for stays, though it has ended."""
    monkeypatch.setattr(module, "MOST_BY_ONE", 1)
    book = Vouches()
    book.learn(word(by="b", subject=1, life=10), NOW)
    book.learn(word(by="a", subject=1), NOW)

    with pytest.raises(ShareError):
        book.learn(word(by="a", subject=2), NOW + 10)
    assert book.held(owner("b"), OwnerId((1).to_bytes(32))) is not None


def test_a_subject_that_others_vouch_for_stays_known(monkeypatch):
    """One voucher's word is forgotten, the other's not; nor the first one's word for another."""
    monkeypatch.setattr(module, "MOST_BY_ONE", 2)
    book = Vouches()
    book.learn(word(by="a", subject=1, life=10), NOW)
    book.learn(word(by="b", subject=1), NOW)
    book.learn(word(by="a", subject=2), NOW)
    book.learn(word(by="a", subject=3), NOW + 10)

    assert book.held(owner("b"), OwnerId((1).to_bytes(32))) is not None
    assert book.held(owner("a"), OwnerId((1).to_bytes(32))) is None


def test_whose_word_is_worth_nothing_makes_room_for_whose_is_worth_something(monkeypatch):
    """An owner that is only vouched for may fill the table; it keeps nobody out who is named."""
    monkeypatch.setattr(module, "MOST", 3)
    named = {owner("a"), owner("b")}.__contains__
    book = Vouches()
    for number in range(3):
        book.learn(word("sybil", number), NOW, named)
    with pytest.raises(ShareError, match="no room"):
        book.learn(word("sybil", 9), NOW, named)
    for number in range(2):
        book.learn(word("a", number), NOW, named)
    book.learn(word("b", 7), NOW, named)

    assert (len(book), book.by(owner("sybil"))) == (3, frozenset())
    with pytest.raises(ShareError, match="no room"):
        book.learn(word("b", 8), NOW, named)
    book.learn(word("b", 8, created=NOW + DAY), NOW + DAY, named)  # what has ended gives way to anybody
    assert len(book) == 3
