"""Durations as people write them: 90s, 15m, 4h, 7d, 1h30m, and "forever" where something may have no end.

One spelling for configuration, command line and REST. A number without a unit is refused, because one program's
seconds are another's minutes, and anything above ten years is a slip of the finger or an attempt to overflow a clock.
Knows no months and no weeks: their length is a matter of taste.
"""

import re
from typing import Final

from p2pfw.errors import InputError

MAX_DURATION: Final = 3_650 * 86_400
"""Seconds; ten years. Far above every lifetime of the protocol, far below where time arithmetic ends."""

_SECONDS: Final = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_FORMS: Final = "write it like 90s, 15m, 4h or 7d"
# Each unit once, the larger first; nine digits are more than MAX_DURATION needs.
_PATTERN: Final = re.compile(r"(?:([0-9]{1,9})d)?\s*(?:([0-9]{1,9})h)?\s*(?:([0-9]{1,9})m)?\s*(?:([0-9]{1,9})s)?")
_SLIP: Final = re.compile(r"([0-9]{1,9})\s*([a-z]*)")
# What people write instead, and what they mean by it: (factor, unit).
_SLIPS: Final = {
    "": (1, "s"),
    **dict.fromkeys(("sec", "secs", "second", "seconds"), (1, "s")),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), (1, "m")),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), (1, "h")),
    **dict.fromkeys(("day", "days"), (1, "d")),
    **dict.fromkeys(("w", "wk", "week", "weeks"), (7, "d")),
    **dict.fromkeys(("y", "yr", "year", "years"), (365, "d")),
}


def parse_duration(text: str, *, field: str = "") -> int:
    """Whole seconds, 1..MAX_DURATION. InputError (naming `field`) says what would be right."""
    plain = text.strip().lower()
    match = _PATTERN.fullmatch(plain)
    if match is None or not plain:
        raise InputError(f"{text[:40]!r} is not a duration", field=field, hint=_hint(plain))
    seconds = sum(int(number or 0) * size for number, size in zip(match.groups(), _SECONDS.values(), strict=True))
    if seconds == 0:
        raise InputError(f"{text[:40]!r} is no time at all", field=field, hint="the shortest duration is 1s")
    if seconds > MAX_DURATION:
        raise InputError(f"{text[:40]!r} is more than ten years", field=field, hint="the longest duration is 3650d")
    return seconds


def parse_ttl(text: str, *, field: str = "") -> int | None:
    """As parse_duration; None for "forever"."""
    if text.strip().lower() == "forever":
        return None
    try:
        return parse_duration(text, field=field)
    except InputError as error:
        raise InputError(error.problem, field=field, hint=f"{error.hint}, or forever") from None


def exact_duration(seconds: int) -> str:
    """What parse_duration reads back as the same number, without empty units: "1d2h", "1h5s"; 0 is "0s"."""
    return _units(seconds, len(_SECONDS))


def short_duration(seconds: float) -> str:
    """For reading: the two largest units, rounded down: "3h56m", "4m", "2d"; less than a second is "0s"."""
    whole = int(abs(seconds))
    size = next((size for size in _SECONDS.values() if whole >= size), 1)
    # Two neighbouring units only: 1d0h5m is read as a day, not as "1d5m".
    below = next((smaller for smaller in _SECONDS.values() if smaller < size), 1)
    text = _units(whole - whole % below, 2)
    return f"-{text}" if seconds <= -1 else text


def _units(seconds: int, most: int) -> str:
    parts: list[str] = []
    for unit, size in _SECONDS.items():
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:most]) or "0s"


def _hint(plain: str) -> str:
    slip = _SLIP.fullmatch(plain)
    if slip is None or slip[2] not in _SLIPS:
        return _FORMS
    factor, unit = _SLIPS[slip[2]]
    return f"did you mean {int(slip[1]) * factor}{unit}?"
