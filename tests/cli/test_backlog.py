"""What waits, and what was sent."""

from p2pfw.cli import backlog
from p2pfw.cli.backlog import Backlog, Sent
from p2pfw.cli.orders import Order, Verb


def _order(verb: Verb, number: int, line: int = 1) -> Order:
    return Order(verb, f"203.0.113.{number}/32", line)


def test_orders_leave_in_the_order_of_their_lines_and_stay_until_done():
    """A run of the same verb at a time: a release must not overtake a block, nor wait behind a later one."""
    waiting = Backlog()
    orders = [_order(Verb.BLOCK, 1), _order(Verb.BLOCK, 2), _order(Verb.RELEASE, 3), _order(Verb.BLOCK, 4)]
    for order in orders:
        waiting.put(order)

    assert waiting.first(1) == orders[:1]
    assert waiting.first(10) == orders[:2]
    for order in orders[:2]:
        waiting.done(order)
    assert waiting.first(10) == [orders[2]]
    assert len(waiting) == 2


def test_a_later_word_about_a_prefix_takes_the_place_of_the_earlier():
    """Once each: a storm of one address is one order."""
    waiting = Backlog()
    waiting.put(_order(Verb.BLOCK, 1, 1))
    waiting.put(_order(Verb.BLOCK, 2, 2))
    waiting.put(_order(Verb.BLOCK, 1, 3))
    assert waiting.first(9) == [_order(Verb.BLOCK, 1, 1), _order(Verb.BLOCK, 2, 2)]

    waiting.put(_order(Verb.RELEASE, 1, 4))

    assert waiting.prefixes() == ["203.0.113.2/32", "203.0.113.1/32"]
    assert waiting.first(9) == [_order(Verb.BLOCK, 2, 2)]


def test_a_renewal_takes_nobodys_place():
    """What was seen anew says more than a renewal, and a release ends it."""
    waiting = Backlog()
    waiting.put(_order(Verb.RELEASE, 1))
    waiting.put(_order(Verb.RENEW, 1))

    assert waiting.first(9) == [_order(Verb.RELEASE, 1)]


def test_it_is_known_what_was_sent_and_when():
    """The longest ago first; what was sent again is young again."""
    sent = Sent()
    assert sent.oldest() is None
    for at, prefix in enumerate("abca"):
        sent.put(prefix, float(at))

    assert sent.all() == ["b", "c", "a"]
    assert (sent.oldest(), sent.before(2.0), sent.before(9.0)) == (1.0, ["b"], ["b", "c", "a"])
    assert sent.since("a", 3.0)
    assert not sent.since("b", 1.5)
    sent.forget("b")
    assert not sent.since("b", 0.0)


def test_both_are_bounded(monkeypatch):
    """The oldest memory gives way; the backlog says that it is full, and its owner stops reading."""
    monkeypatch.setattr(backlog, "MOST_KNOWN", 2)
    monkeypatch.setattr(backlog, "MOST_WAITING", 2)
    sent, waiting = Sent(), Backlog()
    for number in range(3):
        sent.put(str(number), float(number))
    waiting.put(_order(Verb.BLOCK, 1))
    assert not waiting.is_full
    waiting.put(_order(Verb.BLOCK, 2))

    assert sent.all() == ["1", "2"]
    assert waiting.is_full
