"""Times as answers show them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.times import ending, parse_rfc3339, rfc3339


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1970-01-01T00:00:00Z"), (1_800_000_000, "2027-01-15T08:00:00Z"), (1_800_000_000.999, "2027-01-15T08:00:00Z")],
)
def test_times_are_rfc_3339_in_utc(seconds: float, text: str):
    """Whole seconds, rounded down, with a Z."""
    assert rfc3339(seconds) == text


@given(st.integers(0, 4_000_000_000))
def test_times_read_back(seconds: int):
    """No second is lost, also past 2038."""
    assert datetime.fromisoformat(rfc3339(seconds)) == datetime.fromtimestamp(seconds, UTC)


def test_no_end_is_none():
    """0 stands for never."""
    assert ending(0) is None
    assert ending(1_800_000_000) == "2027-01-15T08:00:00Z"


def test_what_was_written_is_read_again():
    """RFC 3339, with a zone."""
    assert parse_rfc3339(rfc3339(1_800_000_000)) == 1_800_000_000
    assert parse_rfc3339("2027-01-15T09:00:00+01:00") == 1_800_000_000
    for text, why in (("2027-01-15T09:00:00", "no zone"), ("soon", "Invalid"), ("", "Invalid")):
        with pytest.raises(ValueError, match=why):
            parse_rfc3339(text)
