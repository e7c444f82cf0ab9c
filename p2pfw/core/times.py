"""Unix seconds to the times that answers show."""

from datetime import UTC, datetime


def rfc3339(seconds: float) -> str:
    """As RFC 3339 in UTC, whole seconds: 2026-01-31T12:00:00Z."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ending(until: int) -> str | None:
    """The same, where 0 means no end (None)."""
    return rfc3339(until) if until else None
