"""Counts of what was refused, and why: the numbers that `status` shows. Bounded by the words that errors carry."""

from collections import Counter
from typing import Final

MAX_REASONS: Final = 200
"""Reasons are words of ours, so this is never reached by a peer; it keeps a mistake from growing without end."""


class Refusals:
    """How often each reason was met since the start."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, reason: str, count: int = 1) -> None:
        """Count one more; a new reason beyond the bound counts as "other"."""
        known = reason in self._counts or len(self._counts) < MAX_REASONS
        self._counts[reason if known else "other"] += count

    def __getitem__(self, reason: str) -> int:
        return self._counts[reason]

    def snapshot(self) -> dict[str, int]:
        """Reason → count, most frequent first."""
        return dict(self._counts.most_common())
