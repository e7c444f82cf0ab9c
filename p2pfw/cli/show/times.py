"""The node's times (RFC 3339) as people and scripts read them."""

from datetime import datetime

from p2pfw.core.duration import short_duration


def epoch(time: str | None) -> int | None:
    """Unix seconds."""
    return None if time is None else int(datetime.fromisoformat(time).timestamp())


def ago(time: str | None, now: float) -> str:
    """As "4m ago"; "just now" within a second, and for a clock that is a little behind."""
    seconds = 0 if time is None else now - (epoch(time) or 0)
    return f"{short_duration(seconds)} ago" if seconds >= 1 else "just now"


def until(time: str | None, now: float) -> str:
    """As "in 3h56m"; "never" without an end, "now" when it is over."""
    if time is None:
        return "never"
    seconds = (epoch(time) or 0) - now
    return f"in {short_duration(seconds)}" if seconds >= 1 else "now"
