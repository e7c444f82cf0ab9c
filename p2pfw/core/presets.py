"""Trust as operators write it: the name of a preset, or a number.

Apart from the table of trust, because the configuration and the command line read trust without knowing owners or keys.
"""

from collections.abc import Mapping
from typing import Final

from p2pfw.errors import InputError

PRESETS: Final[Mapping[str, float]] = {"solo": 0.90, "pair": 0.40, "trio": 0.30, "quad": 0.25, "watch": 0.0}
"""Named trust: how many of them it takes to block one host (policy, Trust)."""


def parse_trust(text: str) -> float:
    """A preset's name, or a number 0..1. InputError names the presets."""
    if text in PRESETS:
        return PRESETS[text]
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        names = ", ".join(PRESETS)
        raise InputError(f"{text[:40]!r} is no trust", field="trust", hint=f"a number from 0 to 1, or one of {names}")
    return value
