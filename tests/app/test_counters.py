"""Counts and measurements: bounded, and as Prometheus reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.app.counters import MAX_REASONS, MAX_STRANGERS, Histogram, Refusals


def test_reasons_are_counted_and_bounded():
    """A mistake that makes reasons out of data fills one more count, not the memory."""
    refusals = Refusals()
    for number in range(MAX_REASONS + 5):
        refusals.add(f"reason {number}")
    refusals.add("reason 0")

    assert refusals["other"] == 5
    assert len(refusals.snapshot()) == MAX_REASONS + 1
    assert refusals["reason 0"] == 2


def test_origins_that_are_not_carried_are_remembered_and_bounded():
    """A ring: whoever was heard last comes first, each once."""
    refusals = Refusals()
    for number in [*range(MAX_STRANGERS + 5), 7]:
        refusals.add_stranger(bytes([number % 256, number // 256]))

    assert len(refusals.strangers()) == MAX_STRANGERS
    assert refusals.strangers()[0] == b"\x07\x00"
    assert b"\x04\x00" not in refusals.strangers()


@given(st.lists(st.floats(-5, 100)))
def test_a_histogram_counts_what_is_at_most_each_bound(values):
    """Against counting by hand; what a clock ahead of ours makes negative counts as nothing."""
    bounds = (0.5, 1.0, 10.0)
    histogram = Histogram(bounds)
    for value in values:
        histogram.add(value)
    found = histogram.snapshot()

    assert found.counts == (*(sum(max(0.0, one) <= bound for one in values) for bound in bounds), len(values))
    assert found.total == pytest.approx(sum(max(0.0, one) for one in values))
