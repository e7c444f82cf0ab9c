"""p2pfw.core.duration: one spelling of time, read strictly and written so that it can be read back."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.duration import MAX_DURATION, exact_duration, parse_duration, parse_ttl, short_duration
from p2pfw.errors import InputError


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("1s", 1),
        ("90s", 90),
        ("15m", 900),
        ("4h", 14_400),
        ("7d", 604_800),
        ("1h30m", 5_400),
        ("1d2h3m4s", 93_784),
        ("1d 2h", 93_600),
        (" 4H ", 14_400),
        ("3650d", MAX_DURATION),
        ("0d5s", 5),
    ],
)
def test_documented_spellings_are_read(text, seconds):
    """Number and unit, larger units first; case and spaces around do not matter."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text, hint",
    [
        ("", "90s, 15m, 4h or 7d"),
        ("forever", "90s, 15m, 4h or 7d"),
        ("-5s", "90s, 15m, 4h or 7d"),
        ("1.5h", "90s, 15m, 4h or 7d"),
        ("30m1h", "90s, 15m, 4h or 7d"),
        ("1h1h", "90s, 15m, 4h or 7d"),
        ("4 fortnights", "90s, 15m, 4h or 7d"),
        ("٣s", "90s, 15m, 4h or 7d"),
        ("90", "did you mean 90s?"),
        ("10min", "did you mean 10m?"),
        ("2 hours", "did you mean 2h?"),
        ("3 days", "did you mean 3d?"),
        ("5 seconds", "did you mean 5s?"),
        ("2w", "did you mean 14d?"),
        ("1y", "did you mean 365d?"),
        ("0s", "the shortest duration is 1s"),
        ("0d0h", "the shortest duration is 1s"),
        ("3651d", "the longest duration is 3650d"),
        ("999999999d", "the longest duration is 3650d"),
        ("9999999999s", "90s, 15m, 4h or 7d"),
    ],
)
def test_what_is_not_a_duration_is_refused_with_what_would_be_right(text, hint):
    """A bare number is ambiguous; zero, negative and absurd lengths are slips."""
    with pytest.raises(InputError, match=r"duration|no time|ten years") as caught:
        parse_duration(text, field="ttl")

    assert hint in caught.value.hint
    assert caught.value.field == "ttl"


def test_refused_text_is_quoted_in_part_only():
    """What a caller sends does not fill the log."""
    with pytest.raises(InputError) as caught:
        parse_duration("x" * 100_000)

    assert len(str(caught.value)) < 200


def test_forever_is_a_ttl_and_no_duration():
    """Only what may have no end reads "forever", as None."""
    assert parse_ttl("forever") is None
    assert parse_ttl(" Forever ") is None
    assert parse_ttl("4h") == 14_400
    with pytest.raises(InputError, match="or forever") as caught:
        parse_ttl("4", field="ttl")
    assert caught.value.field == "ttl"


@given(st.integers(1, MAX_DURATION))
def test_exact_spelling_reads_back_as_the_same_number(seconds):
    """exact_duration and parse_duration are inverse."""
    assert parse_duration(exact_duration(seconds)) == seconds


@given(st.integers(1, MAX_DURATION))
def test_short_spelling_is_never_longer_and_loses_less_than_its_smaller_unit(seconds):
    """Rounded down to two neighbouring units: at most 1/24 of the value is lost, from a minute on 1/60."""
    shown = parse_duration(short_duration(seconds))

    assert shown <= seconds
    assert seconds - shown < max(1, seconds / 24)


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0, "0s"),
        (0.9, "0s"),
        (59, "59s"),
        (60, "1m"),
        (61, "1m1s"),
        (14_399, "3h59m"),
        (14_160, "3h56m"),
        (86_705, "1d"),
        (176_400, "2d1h"),
        (-0.5, "0s"),
        (-90, "-1m30s"),
    ],
)
def test_short_spelling_is_what_a_person_reads_at_a_glance(seconds, text):
    """Two units at most, none of them zero; a negative time keeps its sign."""
    assert short_duration(seconds) == text


@pytest.mark.parametrize("seconds, text", [(0, "0s"), (3_605, "1h5s"), (86_400, "1d"), (93_784, "1d2h3m4s")])
def test_exact_spelling_leaves_out_empty_units(seconds, text):
    """Shortest form that says the same."""
    assert exact_duration(seconds) == text


@given(st.text())
def test_any_text_is_a_duration_or_an_input_error(text):
    """Nothing else can come out, whatever goes in."""
    with suppress(InputError):
        assert 1 <= parse_duration(text) <= MAX_DURATION
