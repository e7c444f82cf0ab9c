"""How many seconds, as an option: a plain number, or a duration as everywhere else (90s, 15m)."""

from typing import Final

import click

from p2pfw.core.duration import parse_duration
from p2pfw.errors import InputError

MOST: Final = 3_600
"""An hour: a trial that nobody confirms for longer is no trial."""


def seconds(text: str) -> int:
    """Whole seconds, 0 (none at all) to an hour: for `type=` of an option."""
    text = text.strip()
    try:
        found = int(text[:9]) if text.isascii() and text.isdigit() else parse_duration(text)
    except InputError as error:
        raise click.BadParameter(f"{error.problem}: {error.hint}") from None
    if found > MOST:
        raise click.BadParameter(f"{text[:40]!r} is more than 1h")
    return found
