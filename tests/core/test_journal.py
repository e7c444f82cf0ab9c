"""Changes have numbers, and whoever asks by number misses none."""

import pytest

from p2pfw.core.journal import Journal
from p2pfw.core.prefix import v4_key


def filled(count: int, limit: int = 100) -> Journal:
    """Changes of the hosts 1, 2, 3 ...; every second had been adopted before."""
    journal = Journal(limit)
    for number in range(1, count + 1):
        journal.note(v4_key(number, 32), was=number % 2 == 0)
    return journal


def hosts(journal: Journal, number: int, most: int = 1_000) -> list[int]:
    """Who changed after a number."""
    return [key >> 8 for key, _ in journal.after(number, most)]


def test_what_follows_a_number_comes_oldest_first():
    """Each with whether it was adopted before; nothing follows the newest."""
    journal = filled(4)

    assert list(journal.after(2, 10)) == [(v4_key(3, 32), False), (v4_key(4, 32), True)]
    assert hosts(journal, 0, most=3) == [1, 2, 3]
    assert hosts(journal, 4) == []
    assert journal.last == 4


def test_the_oldest_are_forgotten_and_the_numbers_stay():
    """An eighth at a time; who stands before what is left is told that it is gone."""
    journal = filled(17, limit=16)

    assert journal.last == 17
    assert journal.first == 2
    assert hosts(journal, 2) == list(range(3, 18))
    assert journal.knows(2)
    assert not journal.knows(1)


@pytest.mark.parametrize("number", [-1, 5])
def test_a_number_that_was_never_given_is_not_known(number: int):
    """Of another life of this node, for example."""
    assert not filled(4).knows(number)


def test_a_tiny_journal_forgets_one_at_a_time():
    """An eighth of few is none."""
    assert hosts(filled(5, limit=2), 3) == [4, 5]
