"""What liars can get blocked, by the production core: bounds that hold, and a table that is printed by `make bench`."""

import pytest

from p2pfw.sim.attack import Attack, Setting, simulate

NETWORKS = {
    "12 x 0.40": [0.40] * 12,
    "12 x 0.25": [0.25] * 12,
    "2 x 0.40 + 18 x 0.25": [0.40] * 2 + [0.25] * 18,
    "3 x 0.90 + 9 x 0.25": [0.90] * 3 + [0.25] * 9,
}


def played(trusts, **fields):
    """Two seeds, fewer hosts: bounds need no more."""
    return simulate(Setting(trusts=trusts, **{"attackers": 60, "innocent": 60, **fields}), seeds=2)


@pytest.mark.parametrize("trusts", NETWORKS.values(), ids=NETWORKS.keys())
@pytest.mark.parametrize("liars", [0, 1, 2, 3])
def test_fewer_liars_than_the_collusion_number_get_nothing_adopted(trusts, liars):
    """Each with fifty Sybils, honest error 0: false-adopt at most 0.02. With more of them it is as the number says."""
    outcome = played(trusts, malicious=liars, error=0.0)
    ours, keys = outcome.shares["ours"], outcome.shares["3 keys"]

    if outcome.collusion is None or liars < outcome.collusion:
        assert ours.false_adopt <= 0.02
    else:
        assert ours.false_adopt > 0.02
    assert keys.false_adopt == (1.0 if liars else 0.0), "three distinct keys are what any Sybil has"


@pytest.mark.parametrize("trusts", list(NETWORKS.values())[::2], ids=list(NETWORKS.keys())[::2])
def test_sybils_change_nothing_at_all(trusts):
    """None, or a hundred behind each liar: the same hosts are adopted."""
    without, many = (played(trusts, malicious=1, sybils=sybils) for sybils in (0, 100))

    assert without.shares["ours"] == many.shares["ours"]


def test_a_flood_is_bounded_by_the_liars_limits():
    """A lone 0.90 announces 3,000 innocent hosts: 1,800; attackers are blocked as before."""
    outcome = played([0.9, 0.4, 0.4, 0.4], malicious=1, attack=Attack.FLOOD, innocent=300, error=0.0)
    quiet = played([0.9, 0.4, 0.4, 0.4], malicious=1, attack=Attack.FLOOD, innocent=1, error=0.0)

    assert outcome.shares["ours"].false_adopt == pytest.approx(0.6)
    assert outcome.shares["ours"].true_adopt == pytest.approx(quiet.shares["ours"].true_adopt, abs=0.1)


def test_networks_need_more_than_one_liar():
    """/24s: one 0.90 is not enough."""
    assert played([0.9] * 3, malicious=1, attack=Attack.WIDE, error=0.0).shares["ours"].false_adopt == 0.0
    assert played([0.9] * 3, malicious=2, attack=Attack.WIDE, error=0.0).shares["ours"].false_adopt == 1.0


def test_a_sleeper_that_was_caught_blocks_nothing_alone():
    """0.90 with a hundred confirmations and three contradictions."""
    assert played([0.9] + [0.25] * 3, malicious=1, attack=Attack.SLEEPER, error=0.0).shares["ours"].false_adopt == 0.0


def test_the_same_arguments_give_the_same_numbers():
    """Seeded."""
    assert played([0.4] * 6, malicious=1) == played([0.4] * 6, malicious=1)
