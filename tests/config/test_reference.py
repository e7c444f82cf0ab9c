"""docs/operations.md lists every key as the program has it."""

from pathlib import Path

import pytest

from p2pfw.config.keys import Shape
from p2pfw.config.show import default_text, reference

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"
SUFFIX = {Shape.ONE: "", Shape.MANY: ", list", Shape.TABLE: ", by category"}


def row(section, key):
    """The line of the table that this key must have."""
    name = f"[[peer]] {key.name}" if section == "[peer]" else f"{section}.{key.name}"
    default = default_text(key) if key.derived or key.required else f"`{default_text(key)}`"
    return f"| `{name}` | {default} | {key.reader.form}{SUFFIX[key.shape]} | {key.about} |"


@pytest.mark.parametrize("section, key", [pytest.param(*pair, id=f"{pair[0]}.{pair[1].name}") for pair in reference()])
def test_every_key_is_documented_as_it_is(section, key):
    """Default, form and meaning; the line to put there is the one in the message."""
    assert row(section, key) in DOCUMENT.read_text(encoding="utf-8").splitlines()


def test_no_key_is_documented_that_does_not_exist():
    """A key that was renamed leaves no trace."""
    table = DOCUMENT.read_text(encoding="utf-8").partition("| key | default |")[2].partition("\n\n")[0]
    documented = [line for line in table.splitlines()[2:] if line.startswith("| `")]

    assert documented == [row(section, key) for section, key in reference()]
