"""From what the kernel holds to what is adopted, and nothing more than that."""

from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.plan import MOST_TIMEOUT, TOLERANCE, difference
from tests.core.judging import NOW

ends = st.one_of(
    st.just(0), st.integers(NOW - 5, NOW + 40), st.integers(NOW + MOST_TIMEOUT - 3, NOW + MOST_TIMEOUT * 2)
)
tables = st.dictionaries(st.integers(0, 12), ends)


def applied(plan, installed, now):
    """What the kernel holds after the plan, its longest timeout kept."""
    held = {key: end for key, end in installed.items() if key not in plan.remove}
    return held | {key: min(end, now + MOST_TIMEOUT) if end else 0 for key, end in plan.add.items()}


@given(tables, tables)
def test_after_the_plan_the_kernel_holds_what_is_adopted(adopted, installed):
    """Level-triggered: whatever the kernel held, it then holds what is wanted, and a second plan is empty."""
    plan = difference(adopted, installed, NOW)

    held = applied(plan, installed, NOW)
    wanted = {key: end for key, end in adopted.items() if end == 0 or end > NOW}
    assert held.keys() == wanted.keys()
    for key, end in wanted.items():
        assert (held[key] == 0) == (end == 0)
        assert abs(held[key] - end) <= TOLERANCE or held[key] > NOW + MOST_TIMEOUT // 2
    assert not difference(adopted, held, NOW)


@given(tables)
def test_nothing_is_done_where_nothing_differs(adopted):
    """An installed entry that is right is not touched: each touch costs, and resets its counters."""
    installed = {key: min(end, NOW + MOST_TIMEOUT) for key, end in adopted.items() if end == 0 or end > NOW}

    plan = difference(adopted, installed, NOW)

    assert not plan
    assert (plan.add, plan.remove) == ({}, [])


def test_a_shorter_end_is_set_as_well_as_a_longer_one():
    """A lease that shrank must not outlive itself in the kernel."""
    assert difference({1: NOW + 60}, {1: NOW + 600}, NOW).add == {1: NOW + 60}
    assert difference({1: NOW + 600}, {1: NOW + 60}, NOW).add == {1: NOW + 600}
    assert difference({1: 0}, {1: NOW + 60}, NOW).add == {1: 0}
    assert difference({1: NOW + 60}, {1: 0}, NOW).add == {1: NOW + 60}


def test_a_lease_beyond_the_kernels_maximum_is_renewed_half_way():
    """Entered with the longest timeout there is, again when half of it is gone."""
    long = {1: NOW + 2 * MOST_TIMEOUT}

    assert not difference(long, {1: NOW + MOST_TIMEOUT // 2 + 1}, NOW)
    assert difference(long, {1: NOW + MOST_TIMEOUT // 2}, NOW).add == long


def test_what_has_ended_is_removed_even_while_it_is_still_adopted():
    """The kernel does not wait for the next judgement."""
    plan = difference({1: NOW}, {1: NOW + 1, 2: 0}, NOW)

    assert (plan.add, sorted(plan.remove)) == ({}, [1, 2])
    assert plan
