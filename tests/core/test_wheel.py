"""The wheel reminds of each key once, at the second that holds for it, whatever moved meanwhile."""

from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.wheel import COARSE, Wheel

moves = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5 * COARSE), st.integers(0, COARSE)), max_size=40)


@given(moves)
def test_a_key_is_due_at_its_time_and_not_before(history):
    """(key, how far ahead, how much time passes): against a dictionary that is scanned."""
    times, now = {}, 0
    wheel = Wheel(lambda key: times.get(key, 0))
    for key, ahead, passes in history:
        if ahead and times.get(key) != now + ahead:
            times[key] = now + ahead
            wheel.put(now + ahead, key)
        else:
            times.pop(key, None)
        now += passes
        due = [key for key, time in times.items() if time <= now]
        deadline = wheel.next_deadline()
        assert deadline is not None or not times
        assert all(deadline <= time for time in times.values())
        assert sorted(wheel.due(now)) == sorted(due)
        for past in due:
            del times[past]


def test_a_key_that_came_back_to_its_time_is_due_once():
    """Two slots of the same second are one reminder."""
    wheel = Wheel({7: 100}.get)
    wheel.put(100, 7)
    wheel.put(100, 7)

    assert len(wheel) == 2
    assert wheel.due(100) == [7]
    assert (len(wheel), wheel.next_deadline()) == (0, None)


def test_rebuilding_gets_rid_of_stale_slots():
    """A key that moves a thousand times leaves a thousand hints; a rebuilt wheel has one."""
    times = {}
    wheel = Wheel(times.get)
    for second in range(1000):
        times[7] = 10_000 + second
        wheel.put(times[7], 7)
    wheel.rebuild([(times[7], 7)])

    assert len(wheel) == 1
    assert wheel.due(10_998) == []
    assert wheel.due(10_999) == [7]


def test_what_is_put_after_its_bucket_was_opened_is_sorted_by_the_second():
    """A late reminder within the current bucket, or in the past, is not lost."""
    times = {1: COARSE * 3 + 5, 2: COARSE * 3 + 9, 3: 4}
    wheel = Wheel(times.get)
    wheel.put(times[1], 1)
    assert wheel.due(COARSE * 3) == []
    wheel.put(times[2], 2)
    wheel.put(times[3], 3)

    assert wheel.next_deadline() == 4
    assert wheel.due(COARSE * 3 + 5) == [3, 1]
    assert wheel.due(COARSE * 3 + 9) == [2]


def test_a_rebuilt_wheel_remembers_what_was_opened():
    """Nothing that is near goes back to the far side."""
    times = {1: COARSE + 5}
    wheel = Wheel(times.get)
    wheel.put(times[1], 1)
    assert wheel.due(COARSE + 1) == []
    wheel.rebuild([(times[1], 1)])

    assert wheel.next_deadline() == COARSE + 5


def test_what_is_due_at_once_comes_in_slices():
    """A list of 100,000 ends in one second; nobody waits while all of it is looked at, and nothing of it is lost."""
    times = {key: COARSE * 3 + key % 3 for key in range(1, 101)}
    wheel = Wheel(lambda key: times.get(key, 0))
    for key, time in times.items():
        wheel.put(time, key)
    found = []
    while times:
        slots = len(wheel)
        due = wheel.due(COARSE * 4, most=7)
        assert slots - len(wheel) <= 7
        assert wheel.next_deadline() is None or wheel.next_deadline() <= COARSE * 4
        found += due
        for key in due:
            del times[key]

    assert sorted(found) == list(range(1, 101))
    assert (len(wheel), wheel.next_deadline()) == (0, None)
