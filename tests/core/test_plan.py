"""From what is adopted to what one entry of the kernel should be, and nothing more than that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.plan import MOST_TIMEOUT, RENEW_BEFORE, TOLERANCE, is_right, kernel_end
from tests.core.judging import NOW

ends = st.one_of(
    st.just(0), st.integers(NOW + 1, NOW + 40), st.integers(NOW + MOST_TIMEOUT - 3, NOW + MOST_TIMEOUT * 2)
)


@given(ends)
def test_nothing_is_in_the_kernel_without_an_end(until):
    """promise 1: a node that dies leaves nothing that does not expire."""
    end = kernel_end(until, NOW)

    assert end is not None
    assert NOW < end <= NOW + MOST_TIMEOUT
    assert end == until or end == NOW + MOST_TIMEOUT


@pytest.mark.parametrize("until", [None, NOW, NOW - 5, 1])
def test_what_is_not_adopted_or_has_ended_must_not_be_there(until):
    """The kernel does not wait for the next judgement."""
    assert kernel_end(until, NOW) is None


@given(ends)
def test_a_trial_cuts_every_entry_and_prolongs_none(until):
    """enforcement 8: unconfirmed entries end with the trial, also if the node is dead by then."""
    end = kernel_end(until, NOW, cut=NOW + 20.9)

    assert end == min(kernel_end(until, NOW), NOW + 20)


@given(ends)
def test_an_entry_that_was_just_written_is_right(until):
    """An installed entry that is right is not touched: each touch costs, and resets its counters."""
    wanted = kernel_end(until, NOW)

    assert is_right(wanted, wanted, NOW)
    assert is_right(wanted, wanted + TOLERANCE, NOW)
    assert is_right(wanted, wanted - TOLERANCE, NOW)


@pytest.mark.parametrize("wanted", [NOW + 60, NOW + 600, NOW + MOST_TIMEOUT])
def test_too_long_too_short_and_without_end_are_wrong(wanted):
    """A lease that shrank must not outlive itself in the kernel; one that grew must not end early."""
    assert not is_right(wanted, wanted + TOLERANCE + 1, NOW)
    assert not is_right(wanted, wanted - RENEW_BEFORE - 1, NOW)
    assert not is_right(wanted, 0, NOW)


def test_a_short_entry_that_ends_seconds_early_is_wrong():
    """Only what is cut to the maximum may lag."""
    assert not is_right(NOW + 600, NOW + 600 - TOLERANCE - 1, NOW)


def test_an_entry_at_the_maximum_is_renewed_after_a_day_and_not_at_every_audit():
    """The wanted end moves with the clock; the installed one does not."""
    written = kernel_end(0, NOW)

    assert is_right(kernel_end(0, NOW + 3_600), written, NOW + 3_600)
    assert not is_right(kernel_end(0, NOW + RENEW_BEFORE + 1), written, NOW + RENEW_BEFORE + 1)
