"""Seconds on the command line: a number or a duration, within an hour."""

import click
import pytest

from p2pfw.cli.seconds import seconds


@pytest.mark.parametrize(
    ("text", "expected"), [("0", 0), ("60", 60), ("90s", 90), ("5m", 300), ("1h", 3600), (" 7 ", 7)]
)
def test_a_number_or_a_duration(text: str, expected: int):
    """Both are seconds; 0 is no timer."""
    assert seconds(text) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("2h", "'2h' is more than 1h"),
        ("9" * 40, f"'{'9' * 40}' is more than 1h"),
        ("-5", "'-5' is not a duration: write it like 90s, 15m, 4h or 7d"),
        ("5 minutes", "'5 minutes' is not a duration: did you mean 5m?"),
    ],
)
def test_anything_else_is_told_what_would_be_right(text: str, problem: str):
    """Both ends and the form."""
    with pytest.raises(click.BadParameter) as caught:
        seconds(text)

    assert caught.value.message == problem
