"""What voices may have adopted grows with their trust, and one voice's limit is never another's."""

import pytest

from p2pfw.core import allowance as module
from p2pfw.core.allowance import HOUR, SURGE, Allowances, Window
from p2pfw.core.prefix import truncate
from p2pfw.core.verdict import Reason
from tests.core.judging import NOW, key, owner

A, B = owner("a"), owner("b")
HOST = key("203.0.113.0")
SPACED = 1 << 16
"""From one /24 to the next, as keys."""


def made(a=0.9, b=0.4):
    """Two voices with that trust."""
    return Allowances({A: a, B: b}.get)


def adopt(book, count, *voices, first=0, now=NOW, voices_in_all=None, step=SPACED):
    """Ask for so many hosts; how many were granted."""
    granted = 0
    for place in range(first, first + count):
        number = book.number(voices, voices_in_all or len(voices))
        book.ask(number, now)
        if book.check(HOST + place * step, number, now)[0] is None:
            book.charge(HOST + place * step, number)
            book.grant(number, now)
            granted += 1
        else:
            book.hold(number)
    return granted


def test_a_lone_voice_adopts_two_thousand_times_its_trust_an_hour():
    """At 0.3: 600; the next ones an hour later."""
    book = made(a=0.3)

    first = adopt(book, 700, A)
    later = adopt(book, 700, A, first=700, now=NOW + HOUR - 120)
    again = adopt(book, 700, A, first=1400, now=NOW + HOUR + 60)

    assert (first, later, again) == (600, 0, 600)


def test_voices_together_adopt_as_many_in_ten_minutes():
    """The surge brake, of the one with less."""
    book = made()

    first = adopt(book, 900, A, B)
    later = adopt(book, 900, A, B, first=900, now=NOW + SURGE + 60)

    assert (first, later) == (800, 800)
    assert book.usage(A, NOW + SURGE + 60).alone == 0


def test_nobody_adopts_more_than_its_share(monkeypatch):
    """100,000 T prefixes, whatever the pace."""
    monkeypatch.setattr(module, "PREFIXES", 100)
    book = made(b=0.29)

    granted = sum(adopt(book, 10, B, first=n * 10, now=NOW + n * HOUR) for n in range(5))

    assert granted == 29
    assert adopt(book, 10, A, first=1000) == 10


def test_sixteen_hosts_of_a_network_and_no_more():
    """A lone voice, each network for itself; IPv6 by /48."""
    book = made()
    six = key("2001:db8::/64")

    assert adopt(book, 256, A, step=1 << 8) == 16
    assert adopt(book, 256, B, step=1 << 8) == 16
    assert adopt(book, 20, A, B, step=1 << 8) == 20
    number = book.number((A,), 1)
    for place in range(16):
        book.charge(six + (place << 72), number)
    assert book.check(six + (16 << 72), number, NOW) == (Reason.DENSITY, {A})
    assert book.check(key("2001:db8:1::/64"), number, NOW) == (None, frozenset())
    book.refund(six, number)
    assert book.check(six + (16 << 72), number, NOW)[0] is None


def test_a_voice_beside_one_without_limits_is_not_alone():
    """A feed counts as a witness."""
    assert adopt(made(), 20, A, voices_in_all=2, step=1 << 8) == 20


def test_address_space_is_bounded_for_each_and_for_all(monkeypatch):
    """2^18 hosts a voice, 2^20 in all."""
    monkeypatch.setattr(module, "VOICE_SPACE", 512)
    monkeypatch.setattr(module, "ALL_SPACE", 1024)
    c, d = owner("c"), owner("d")
    book = Allowances(lambda _: 1.0)
    networks = [truncate(HOST, 24) + place * SPACED for place in range(9)]

    def take(place, *voices):
        number = book.number(voices, len(voices))
        reason, over = book.check(networks[place], number, NOW)
        if reason is None:
            book.charge(networks[place], number)
        return reason, over

    assert [take(0, A, B)[0], take(1, A, B)[0]] == [None, None]
    assert take(2, A, c) == (Reason.LIMIT, {A})
    assert [take(3, c, d)[0], take(4, c, d)[0]] == [None, None]
    assert take(5, owner("e")) == (Reason.LIMIT, {owner("e")})
    book.refund(networks[0], book.number((A, B), 2))
    assert take(6, owner("e"))[0] is None


def test_what_was_adopted_before_a_restart_is_not_new():
    """Credit, until the first judgement is over."""
    book = made(a=0.3)
    book.credit({A: 900})

    first = adopt(book, 900, A)
    more = adopt(book, 700, A, first=900)
    book.end_credit()

    assert (first, more) == (900, 600)
    assert book.adopted() == {A: 1500}
    assert adopt(book, 1, A, first=5000) == 0


def test_what_is_held_goes_in_when_there_is_room():
    """As many as may; dense networks later."""
    book = made(a=0.001)
    number = book.number((A,), 1)
    adopt(book, 3, A)
    held = [(HOST + place * SPACED, number) for place in (2, 3, 4)]

    assert book.held == 1
    assert book.with_room(held, NOW) == []
    assert book.with_room(held, NOW + HOUR + 60) == [held[0][0], held[1][0]]
    assert book.usage(A, NOW).held == 1
    assert not book.usage(A, NOW + HOUR).surges
    book.let_go(number)
    assert (book.held, list(book.users())) == (0, [A])


def test_a_dense_network_waits_for_its_own():
    """Room elsewhere does not help."""
    book = made()
    number = book.number((A,), 1)
    adopt(book, 17, A, step=1 << 8)
    held = [(HOST + (16 << 8), number)]

    assert book.with_room(held, NOW) == []
    book.refund(HOST, number)
    assert book.with_room(held, NOW) == [held[0][0]]
    shared = book.number((A, B), 2)
    assert book.with_room([(HOST, shared)], NOW) == [HOST]


def test_more_wanted_than_may_be_is_a_surge():
    """Asked in ten minutes, and something is held."""
    book = made(a=0.3)
    adopt(book, 4_000, A)

    usage = book.usage(A, NOW)

    assert (usage.asked, usage.held, usage.surges) == (4_000, 3_400, True)
    assert not made().usage(A, NOW).surges
    assert (usage.prefixes, usage.prefixes_limit, usage.rate_limit) == (600, 30_000, 600)


def test_numbers_are_given_again_when_nobody_uses_them():
    """And nobody's is 0."""
    book = made()
    number = book.number((A, B), 2)

    assert book.number((B, A), 2) == number
    assert book.number((), 1) == 0
    assert book.voices(number) == (A, B) or book.voices(number) == (B, A)
    book.charge(HOST, number)
    book.refund(HOST, number)
    assert book.number((owner("c"),), 1) == number
    assert book.voices(number) == (owner("c"),)


def test_there_is_an_end_of_numbers(monkeypatch):
    """What has none is charged to nobody: a packed verdict has room for a million."""
    monkeypatch.setattr(module, "MOST_NUMBERS", 2)
    book = made()

    assert (book.number((A,), 1), book.number((B,), 1)) == (1, 0)


@pytest.mark.parametrize("back", [-3600, -86_400])
def test_a_clock_that_was_put_back_forgets_its_future(back):
    """Else nothing would be granted until then."""
    window = Window(HOUR)
    window.add(NOW)
    window.add(NOW)

    assert (window.count(NOW), window.count(NOW + back), window.count(NOW)) == (2, 0, 0)
