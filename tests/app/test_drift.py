"""A repair, or a fight: the first ones at once, then with pauses, and the operator is told."""

from p2pfw.app.drift import ENOUGH, IN_A_ROW, LONGEST, Fight


def test_a_few_repairs_are_no_fight():
    """A reload of another firewall takes one or two."""
    fight = Fight()
    begun = [fight.repaired(["rule missing"], float(second)) for second in range(ENOUGH - 1)]

    assert not any(begun)
    assert not fight.is_on(3.0)
    assert fight.pause(3.0) == 0


def test_the_fifth_in_a_row_begins_one_and_the_pauses_grow():
    """Told once; up to half a minute between two."""
    fight, now, begun, pauses = Fight(), 0.0, [], []
    for _ in range(ENOUGH + 6):
        begun.append(fight.repaired(["rule not first", "set empty"], now))
        pauses.append(fight.pause(now))
        now += max(1.0, fight.pause(now))

    assert begun.count(True) == 1
    assert pauses == [0, 0, 0, 0, 2, 4, 8, 16, LONGEST, LONGEST, LONGEST]
    assert fight.about == "rule not first, set empty"


def test_repairs_far_apart_are_no_fight():
    """One a quarter of an hour is somebody's cron job, healed each time at once."""
    fight = Fight()
    begun = [fight.repaired(["rule missing"], hour * (IN_A_ROW + 1)) for hour in range(50)]

    assert not any(begun)


def test_a_fight_is_over_when_nothing_needs_repair():
    """Then the next one begins with quick repairs again."""
    fight = Fight()
    for second in range(9):
        fight.repaired(["rule missing"], float(second))
    assert fight.is_on(8.0 + IN_A_ROW)
    assert not fight.is_on(8.1 + IN_A_ROW)
    fight.repaired(["rule missing"], 9.0 + IN_A_ROW)

    assert fight.pause(9.0 + IN_A_ROW) == 0
