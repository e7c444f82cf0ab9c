"""What became of each statement: the rules that the ledger's tests do not show one by one."""

from p2pfw.core.announcement import FUTURE, Action
from p2pfw.core.identity import Uses
from p2pfw.core.standings import VOIDED_SHOWN
from p2pfw.core.statement import Standing
from tests.core.making import NOW, block, certificate, node_id
from tests.core.saying import HOST, NEXT, checkpoint, counts, ledger, pardon, prefix, retract, say, standings


def test_all_blocks_of_an_origin_are_shown_newest_first():
    """A shorter one that ended, and what a RETRACT covers."""
    book = ledger(say(1, block(HOST, ttl=900)), say(2, block(HOST, ttl=300)), say(3, retract(HOST, ttl=1000)), now=NOW)

    assert standings(book) == [Standing.RETRACTED, Standing.RETRACTED]
    assert standings(book, now=NOW + 300) == [Standing.EXPIRED, Standing.RETRACTED]
    assert standings(book, now=NOW + 2000) == [Standing.EXPIRED, Standing.EXPIRED]
    assert [one.action for one in book.statements(prefix(HOST), NOW, everything=True)] == [Action.BLOCK] * 2


def test_what_ends_between_two_is_passed_over():
    """An older block that ends later is shown only once it holds again."""
    book = ledger(say(1, block(HOST, ttl=900)), say(2, block(HOST, ttl=300)))

    assert standings(book) == [Standing.LIVE]
    assert standings(book, now=NOW + 300) == [Standing.EXPIRED, Standing.LIVE]


def test_future_is_told_before_pardon_and_certificate():
    """Under a clock that is behind nothing else can be said yet."""
    book = ledger(say(1, block(HOST)), pardon(2, HOST))

    assert standings(book) == [Standing.PARDONED]
    assert standings(book, now=NOW - FUTURE - 1) == [Standing.FUTURE]


def test_a_statement_without_an_owner_names_none():
    """Uncertified: shown with its origin alone, and as no fleet's."""
    book = ledger(say(1, block(HOST)))
    book._directory.learn(certificate(uses=Uses.FLEET, days=1, begins=NOW), NOW)

    (one,) = book.statements(prefix(HOST), NOW, everything=True)
    assert (one.standing, one.fleet) == (Standing.UNCERTIFIED, True)
    (one,) = book.statements(prefix(HOST), NOW + 3599, everything=True)
    assert one.owner is not None


def test_only_the_last_void_announcements_are_shown():
    """Memory for them is bounded; they count for nothing either way."""
    said = [say(seq, block(HOST)) for seq in range(1, VOIDED_SHOWN + 9)]
    book = ledger(*said, checkpoint(99), say(100, block(NEXT)))

    assert standings(book) == [Standing.VOIDED] * VOIDED_SHOWN
    assert not counts(book)


def test_answers_follow_the_clock_both_ways():
    """What was found out for one time is not kept for another."""
    book = ledger(say(1, block(HOST, ttl=200_000)))
    book._directory.learn(certificate(begins=NOW, days=1), NOW)

    assert [counts(book, now=now) for now in (NOW, NOW + 86_400, NOW, NOW + 86_400)] == [True, False, True, False]


def test_records_of_one_announcement_answer_each_for_itself():
    """Asked in turns: two alike, of which a pardon hits one, and one that lives longer; and after a new certificate."""
    book = ledger(say(1, block(HOST), block(NEXT), block("203.0.113.11", ttl=900)), pardon(2, NEXT))
    asked = [prefix(text) for text in (HOST, NEXT, "203.0.113.11", HOST)]

    assert [[one.expires - NOW for one in book.statements(key, NOW)] for key in asked] == [[3600], [], [900], [3600]]
    assert all(one.fleet for one in book.statements(asked[3], NOW))
    book._directory.learn(certificate(uses=Uses.ANNOUNCE), NOW)
    assert [one.fleet for key in asked for one in book.statements(key, NOW)] == [False] * 4, "it pardons no more, too"


def test_what_one_says_is_not_what_another_holds():
    """holding: of that origin alone, also where nobody else says anything."""
    book = ledger(say(1, block(HOST)))

    assert book.holding(prefix(HOST), node_id(2), NOW) is None
    assert book.holding(prefix(HOST), node_id(1), NOW) == book.statements(prefix(HOST), NOW)[0]
