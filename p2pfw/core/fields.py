"""What a field of a frame may hold: checks that every frame makes of itself when it is built (protocol 3).

Each raises FrameError with the field's name. Types are exact: a frame has one spelling, and True is no 1.
"""

import math
import re
from collections.abc import Sequence
from typing import Final

from p2pfw.core.canonical import MAX_COUNTER
from p2pfw.errors import FrameError

# Changing any of these breaks peers.
MAX_ADDRESSES: Final = 8
NAME: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._@ -]{0,62}[A-Za-z0-9])?)?")
ADDRESS: Final = re.compile(r"[!-~]{1,255}")
CODE: Final = re.compile(r"[a-z0-9-]{1,32}")


def need(holds: bool, what: str) -> None:  # noqa: FBT001
    """FrameError with this text unless it holds."""
    if not holds:
        raise FrameError(what)


def number(what: str, value: object, most: int = MAX_COUNTER) -> None:
    """An integer from 0 to `most`; a bool is none."""
    need(isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most, what)


def blob(what: str, value: bytes, least: int, most: int) -> None:
    """A byte string of `least` to `most` bytes."""
    need(type(value) is bytes and least <= len(value) <= most, what)


def text(what: str, value: str, form: re.Pattern[str]) -> None:
    """Text of this form."""
    need(type(value) is str and form.fullmatch(value) is not None, what)


def blobs(what: str, values: Sequence[bytes], size: int, most: int) -> None:
    """At most so many byte strings of one size."""
    need(len(values) <= most and all(type(value) is bytes and len(value) == size for value in values), what)


def addresses(values: Sequence[str]) -> None:
    """At most so many addresses, as text without spaces."""
    need(len(values) <= MAX_ADDRESSES, "too many addresses")
    for value in values:
        text("not an address", value, ADDRESS)


def share(what: str, value: float) -> None:
    """A number from 0 to 1, as a float."""
    need(type(value) is float and math.isfinite(value) and 0.0 <= value <= 1.0, what)
