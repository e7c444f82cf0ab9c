"""Evidence only lowers trust, counts once, and fades."""

import pytest

from p2pfw.core import evidence as module
from p2pfw.core.evidence import HALF_LIFE, MARK_LIFE, Account, Evidence, Mark, What
from tests.core.judging import DAY, HOST, NOW, owner

A = owner("a")


def test_nobody_is_above_one():
    """Confirmations make up for contradictions, and for nothing else."""
    seen = Evidence()
    for number in range(100):
        seen.confirm(A, HOST + number, NOW)

    assert seen.rep(A, NOW) == 1.0
    assert seen.account(A).pos == 12
    assert seen.account(A).confirmed == 100
    assert (seen.rep(owner("b"), NOW), seen.account(owner("b"))) == (1.0, None)


@pytest.mark.parametrize(("pos", "neg", "rep"), [(0, 1, 0.5), (0, 3, 0.25), (12, 3, 16 / 28), (4, 1, 8 / 12)])
def test_the_formula(pos, neg, rep):
    """rep = (4 + pos) / (4 + pos + 4 neg)."""
    seen = Evidence()
    for number in range(pos):
        seen.confirm(A, number, NOW)
    for number in range(neg):
        seen.contradict(A, number, NOW)

    assert seen.rep(A, NOW) == pytest.approx(rep)
    assert seen.is_muted(A, NOW) == (rep <= 0.25)


def test_a_sleeper_loses_its_lone_power_after_three_contradictions():
    """0.90 with 100 confirmations: below the 0.60 of a host."""
    seen = Evidence()
    for number in range(100):
        seen.confirm(A, number, NOW)
    worth = []
    for number in range(3):
        seen.contradict(A, number, NOW)
        worth.append(0.9 * seen.rep(A, NOW))

    assert round(worth[1], 4) == 0.6 > worth[2]


def test_a_confirmation_counts_once_for_a_prefix():
    """For an owner and prefix, ever."""
    seen = Evidence()

    assert [seen.confirm(A, HOST, NOW), seen.confirm(A, HOST, NOW + 9 * DAY)] == [True, False]


def test_a_contradiction_counts_once_a_day():
    """For an owner, prefix and day."""
    seen = Evidence()
    day = NOW - NOW % DAY

    counted = [
        seen.contradict(A, HOST, day),
        seen.contradict(A, HOST, day + DAY - 1),
        seen.contradict(A, HOST, day + DAY),
    ]

    assert counted == [True, False, True]
    assert seen.account(A).contradicted == 2


def test_slight_faults_cost_a_quarter():
    """A violated limit, and whom it vouched for."""
    seen = Evidence()
    seen.contradict(A, 0, NOW, What.LIMIT)
    seen.contradict(A, HOST, NOW, What.VOUCHED)

    assert (seen.account(A).neg, seen.account(A).contradicted) == (0.5, 0)


def test_both_halve_every_thirty_days():
    """A mistake is forgotten in time; a clock that went back undoes nothing."""
    seen = Evidence()
    seen.contradict(A, HOST, NOW)
    seen.contradict(A, HOST + 1, NOW + HALF_LIFE)

    assert seen.account(A).neg == pytest.approx(1.5)
    assert seen.rep(A, NOW + 3 * HALF_LIFE) == pytest.approx(4 / (4 + 4 * 1.5 / 4))
    assert seen.rep(A, NOW - DAY) == pytest.approx(4 / 10)


def test_what_this_node_reported_itself_is_known():
    """Whoever repeats it is confirmed by nothing."""
    seen = Evidence()

    assert [seen.report_own(HOST, NOW), seen.report_own(HOST, NOW)] == [True, False]


def test_the_operator_forgives():
    """And an old mistake does not come twice on that day."""
    seen = Evidence()
    seen.contradict(A, HOST, NOW)
    seen.forgive(A)
    seen.forgive(A)

    assert (seen.rep(A, NOW), list(seen.owners())) == (1.0, [])
    assert not seen.contradict(A, HOST, NOW)


def test_what_was_kept_goes_on():
    """After a restart."""
    seen = Evidence()
    seen.load(A, Account(pos=0, neg=3, at=NOW))
    seen.load_mark(Mark(A, HOST, What.CONFIRMED, NOW))

    assert seen.is_muted(A, NOW)
    assert not seen.confirm(A, HOST, NOW)


def test_old_observations_are_forgotten():
    """After half a year."""
    seen = Evidence()
    seen.confirm(A, HOST, NOW)

    assert seen.prune(NOW + MARK_LIFE - 1) == []
    assert seen.prune(NOW + MARK_LIFE) == [Mark(A, HOST, What.CONFIRMED, NOW)]
    assert seen.confirm(A, HOST, NOW + MARK_LIFE)


def test_too_many_observations_lose_the_oldest(monkeypatch):
    """Bounded."""
    monkeypatch.setattr(module, "MOST_MARKS", 2)
    seen = Evidence()
    for number in range(4):
        seen.confirm(A, number, NOW + number)

    assert [mark.key for mark in seen.prune(NOW + 4)] == [0, 1]
