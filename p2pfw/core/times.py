"""Unix seconds to the times that answers show."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

_KEPT: Final = 1_024
"""Texts kept: what is shown together was signed, and ends, in the same few seconds."""


def rfc3339(seconds: float) -> str:
    """As RFC 3339 in UTC, whole seconds: 2026-01-31T12:00:00Z."""
    return _text(int(seconds))


@lru_cache(maxsize=_KEPT)
def _text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ending(until: int) -> str | None:
    """The same, where 0 means no end (None)."""
    return rfc3339(until) if until else None


def parse_rfc3339(text: str) -> int:
    """Unix seconds of such a text. ValueError for another one, or a time without a zone."""
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError(f"{text[:40]!r} has no zone: write it like 2026-01-31T12:00:00Z")
    return int(when.timestamp())
