"""Two programs that undo one another: repairs are spaced, never given up, and the operator is told once."""

from p2pfw.app.contests import MANY, PAUSES, WINDOW, Contests
from p2pfw.app.enforcing import CHECK_INTERVAL
from tests.app.test_enforcing import Bench
from tests.app.world import World

GONE = "rule missing in raw/PREROUTING (IPv4)"
OTHER = "set p2pfw-block4 missing"


def test_repairs_now_and_then_are_no_contest():
    """Somebody reloads his firewall every quarter of an hour: every repair is made at once."""
    contests = Contests()
    told = [contests.repaired(GONE, now) for now in range(0, 10_000, 900)]

    assert not any(told)
    assert contests.contested(10_000) == {}
    assert not contests.rests(9_901)


def test_the_same_again_and_again_is_a_contest_told_once():
    """From the fifth repair within a minute on; each kind for itself."""
    contests = Contests()
    told = [contests.repaired(GONE, float(now)) for now in range(MANY + 2)]
    contests.repaired(OTHER, 6.0)

    assert told == [False] * (MANY - 1) + [True, False, False]
    assert set(contests.contested(6.0)) == {GONE}


def test_pauses_grow_to_half_a_minute_and_stay_there():
    """2, 4, 8, 16, 30, 30: never given up."""
    contests, now, pauses = Contests(), 0.0, []
    for _ in range(MANY):
        contests.repaired(GONE, now)
    for _ in range(len(PAUSES) + 1):
        (pause,) = contests.contested(now).values()
        pauses.append(pause)
        assert contests.rests(now + pause - 0.1)
        now += pause
        assert not contests.rests(now)
        contests.repaired(GONE, now)

    assert pauses == [*PAUSES, PAUSES[-1]]


def test_a_quiet_minute_ends_the_contest():
    """After it the next repair is made at once, as the first was."""
    contests = Contests()
    for _ in range(MANY):
        contests.repaired(GONE, 0.0)

    assert contests.contested(WINDOW - 1)
    assert contests.contested(WINDOW) == {}
    assert contests.repaired(GONE, WINDOW) is False


def test_what_goes_wrong_for_the_first_time_does_not_wait():
    """A fault of another kind is no part of the contest."""
    contests = Contests()
    for _ in range(MANY):
        contests.repaired(GONE, 0.0)

    assert contests.may_wait([GONE], 1.0)
    assert not contests.may_wait([GONE, OTHER], 1.0)
    assert not contests.may_wait([GONE], 2.0)


async def test_the_worker_repairs_at_first_at_once_then_spaced():
    """The first ones keep the promise of 2 s; in ten minutes of fighting only some 25 repairs are made."""
    bench = Bench()
    bench.want(2)
    await bench.steps(1)
    for _ in range(600):
        bench.firewall.repairs = [GONE]
        await bench.steps(1)
    repaired = bench.worker.drift[GONE]

    assert MANY + len(PAUSES) <= repaired <= MANY + len(PAUSES) + 600 / PAUSES[-1]
    assert bench.kinds().count("drift-again") == 1


async def test_while_it_waits_the_truth_is_told_and_other_faults_are_repaired():
    """`enforcing` is what the kernel shows; what is not contested is put right within a second."""
    bench = Bench()
    bench.want(2)
    await bench.steps(1)
    while bench.kinds().count("drift-again") == 0:
        bench.firewall.repairs = [GONE]
        await bench.steps(1)
    bench.firewall.repairs = [GONE]
    await bench.steps(1)
    assert not bench.worker.enforcing
    assert bench.worker.unready()
    bench.firewall.repairs = [GONE, OTHER]
    await bench.steps(1)

    assert bench.worker.enforcing
    assert bench.worker.drift[OTHER] == 1


async def test_health_names_what_is_contested_and_what_to_do():
    """And whether the rule stands at this instant."""
    world = World()
    a = await world.node("a", enforce=True)
    for _ in range(MANY + 1):
        a.firewall.repairs = [GONE]
        a.clock.pass_time(CHECK_INTERVAL)
        await a.node.enforcing.step()
    (line,) = [line for line in a.node.health.lines() if line.code == "drift"]
    assert (line.level, GONE in line.text, "NOT in place" in line.text) == ("error", True, True)
    a.firewall.repairs = []
    a.clock.pass_time(CHECK_INTERVAL)
    await a.node.enforcing.step()
    (line,) = [line for line in a.node.health.lines() if line.code == "drift"]

    assert "in place now" in line.text
    assert "NOT" not in line.text
    assert len(a.events("drift-again")) == 1
