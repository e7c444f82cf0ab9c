"""docs/policy.md says what the code does: its tables are computed here."""

import re
from pathlib import Path

import pytest

from p2pfw.core.trust import PRESETS
from p2pfw.core.verdict import Reason, Uncounted
from p2pfw.core.voices import KEEP_THRESHOLDS, THRESHOLDS, VOICES_NEEDED, combine

PAGE = (Path(__file__).parents[2] / "docs" / "policy.md").read_text()


def rows(first):
    """The cells of the table whose first heading is this one."""
    lines = PAGE[PAGE.index(f"\n| {first} |") :].strip().split("\n\n")[0].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in line.strip("| ").split("|")] for line in lines]


def equal_voices(trust, width):
    """How many equal voices it takes, by counting up; None: never."""
    enough = (
        count for count in range(VOICES_NEEDED[width], 100) if trust and combine([trust] * count) >= THRESHOLDS[width]
    )
    return next(enough, None)


def test_presets_and_how_many_of_them_it_takes():
    """The first table of section 3."""
    for name, trust, *voices in rows("preset"):
        expected = [equal_voices(PRESETS[name], width) or "never" for width in (0, 4, 8)]
        assert (float(trust), voices) == (PRESETS[name], [str(one) for one in expected])
    assert [row[0] for row in rows("preset")] == list(PRESETS)


@pytest.mark.parametrize("row", rows("prefix"), ids=lambda row: row[0])
def test_thresholds_and_voices_by_width(row):
    """The table of section 4."""
    prefixes, threshold, voices, kept = row
    for length in map(int, re.findall(r"/([0-9]+)", prefixes)):
        width = 32 - length if length <= 32 else 64 - length
        assert float(threshold) == THRESHOLDS[width]
        assert int(voices) == VOICES_NEEDED[width]
        assert re.findall(r"[0-9.]+", kept) == [f"{KEEP_THRESHOLDS[width]:.2f}", str(max(1, VOICES_NEEDED[width] - 1))]


def test_every_reason_is_explained_and_no_other():
    """The two tables of section 7."""
    verdicts, statements = PAGE.split("\nOf a verdict:\n")[1].split("\nOf a single statement that does not count:\n")
    listed = [re.findall(r"^\| `([a-z-]+)`", part, re.MULTILINE) for part in (verdicts, statements)]

    assert sorted(listed[0]) == sorted(reason.word for reason in Reason)
    assert listed[1] == [reason.word for reason in Uncounted]
