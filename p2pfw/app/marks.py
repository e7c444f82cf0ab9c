"""What belongs to the operator's blocks and stays on this node: marks that a block was forced, notes of its reason.

They end with what they belong to. `tick` says what has ended, so that neither memory nor disk keeps what nobody needs;
what is being written at that moment is left alone. Weighs nothing; domain and explaining read it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from heapq import heappop, heappush
from typing import Final

from p2pfw.core.localbook import LocalBook
from p2pfw.core.prefix import PrefixKey, overlaps
from p2pfw.core.statement import Source
from p2pfw.rows import LocalRow

FORCE: Final = "force"
"""LocalRow.source of the mark that the operator forced a prefix past soft protection."""
NOTE: Final = "note"
"""LocalRow.source of the operator's reason for an announced block."""
SPOKEN: Final = {source.value: source for source in (Source.OPERATOR, Source.SIGHTING)}
"""LocalRow.source of what this node says to itself alone."""
AGAIN: Final = 5
"""Seconds until something that is being written is looked at again."""


class Marks:
    """All local rows, by when they end; `local` is where those live that are statements."""

    def __init__(self, local: LocalBook) -> None:
        self._local = local
        self._forced: dict[PrefixKey, int] = {}
        self._notes: dict[PrefixKey, tuple[int, str]] = {}
        self._ends: list[tuple[int, str, PrefixKey]] = []
        self._writing: Counter[PrefixKey] = Counter()

    def put(self, row: LocalRow) -> None:
        """A row that is on disk."""
        key = PrefixKey(row.key)
        if row.source == FORCE:
            self._forced[key] = row.until
        elif row.source == NOTE:
            self._notes[key] = row.until, row.reason
        if row.until:
            heappush(self._ends, (row.until, row.source, key))

    def drop(self, key: PrefixKey) -> bool:
        """The block is taken back, and its marks with it. True when it had been forced."""
        self._notes.pop(key, None)
        return self._forced.pop(key, None) is not None

    def is_forced(self, key: PrefixKey) -> bool:
        """True when the operator forced exactly this prefix."""
        return key in self._forced

    def is_opened(self, key: PrefixKey) -> bool:
        """True when a forced prefix overlaps this one: soft protection of it gives way."""
        return any(overlaps(key, forced) for forced in self._forced)

    def note(self, key: PrefixKey) -> str:
        """The operator's reason for a block; "" when there is none."""
        return self._notes.get(key, (0, ""))[1]

    @contextmanager
    def writing(self, keys: Iterable[PrefixKey]) -> Iterator[None]:
        """Rows about these prefixes are on their way to the disk: one that ends now must not be dropped after them."""
        keys = list(keys)
        self._writing.update(keys)
        try:
            yield
        finally:
            self._writing.subtract(keys)
            self._writing = +self._writing

    def tick(self, now: float) -> list[tuple[str, PrefixKey]]:
        """(source, key) of rows that have ended: to be dropped from disk. Statements are forgotten by `local`."""
        ended = []
        while self._ends and self._ends[0][0] <= now:
            _, source, key = heappop(self._ends)
            if self._writing[key]:
                heappush(self._ends, (int(now) + AGAIN, source, key))
            elif self._forget(source, key, now):
                ended.append((source, key))
        return ended

    def _forget(self, source: str, key: PrefixKey, now: float) -> bool:
        """Forget what ended; False when it has another end by now."""
        until = self._end(source, key)
        if until is not None and not 0 < until <= now:
            return False
        if source == FORCE:
            self._forced.pop(key, None)
        elif source == NOTE:
            self._notes.pop(key, None)
        return True

    def _end(self, source: str, key: PrefixKey) -> int | None:
        if source == FORCE:
            return self._forced.get(key)
        if source == NOTE:
            return self._notes.get(key, (None, ""))[0]
        entry = self._local.get(SPOKEN[source], key)
        return None if entry is None else entry.until
