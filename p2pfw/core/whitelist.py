"""What the operator said may never be blocked. Checked before trust, so no amount of trust can override it.

An entry refuses every prefix that shares an address with it, in either direction: a host inside a whitelisted range,
and a wide prefix that contains a whitelisted host. Knows nothing about who announced what, nor about the machine's
own addresses (see protected); the policy asks both.
"""

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

from p2pfw.core.prefix import PrefixKey, covers, key_text
from p2pfw.core.ranges import OverlapMap, span
from p2pfw.core.special import MAPPED, embedded
from p2pfw.errors import InputError

CONFIGURATION: Final = "configuration"
"""The source of `policy.allow`."""
COMMAND: Final = "command"
"""The source of `p2pfw allow add` and its API. Any other source is the path of a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhitelistEntry:
    """One range of the operator's. `until` is Unix seconds, 0: no end."""

    key: PrefixKey
    until: int = 0
    comment: str = ""
    source: str = COMMAND

    def __post_init__(self) -> None:
        if self.until < 0:
            raise InputError(f"{key_text(self.key)} cannot end before 1970", field="until")

    def ended(self, now: float) -> bool:
        """True when it counts no more."""
        return 0 < self.until <= now


class Whitelist:
    """All entries, by prefix; several sources may name one prefix, and each takes back only its own word."""

    def __init__(self) -> None:
        self._ranges: OverlapMap[tuple[WhitelistEntry, ...]] = OverlapMap()
        # A whitelisted ::ffff:192.0.2.1 is 192.0.2.1 to every program: what lies inside IPv4-mapped space is kept
        # under its IPv4 prefix too.
        self._mapped: OverlapMap[PrefixKey] = OverlapMap()
        self._ends: list[tuple[int, PrefixKey]] = []
        self._sources: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._ranges)

    def put(self, entry: WhitelistEntry) -> None:
        """Insert, or replace what the same source said of the same prefix."""
        self.remove(entry.key, entry.source)
        self._ranges.set(entry.key, (*(self._ranges.get(entry.key) or ()), entry))
        if covers(MAPPED, entry.key):
            self._mapped.set(embedded(entry.key)[0], entry.key)
        self._sources[entry.source] += 1
        if entry.until:
            insort(self._ends, (entry.until, entry.key))

    def remove(self, key: PrefixKey, source: str = COMMAND) -> WhitelistEntry | None:
        """Take back what this source said of exactly this prefix; None when it had said nothing."""
        entries = self._ranges.get(key) or ()
        removed = next((entry for entry in entries if entry.source == source), None)
        if removed:
            self._drop(removed)
        return removed

    def replace(self, source: str, entries: Iterable[WhitelistEntry]) -> list[PrefixKey]:
        """A source says all its entries anew (configuration or file read again); the prefixes that changed."""
        before = {entry.key: entry for entry in self.entries() if entry.source == source}
        after = {entry.key: entry for entry in entries}
        for key in before.keys() - after.keys():
            self.remove(key, source)
        changed = [key for key, entry in after.items() if before.get(key) != entry]
        for key in changed:
            self.put(after[key])
        return sorted(changed + list(before.keys() - after.keys()))

    def prune(self, now: float) -> list[WhitelistEntry]:
        """Remove what has ended, and say what; the prefixes they touched must be judged again."""
        ended = [
            entry
            for key in {key for until, key in self._ends[: bisect_right(self._ends, now, key=itemgetter(0))]}
            for entry in self._ranges[key]
            if entry.ended(now)
        ]
        for entry in ended:
            self._drop(entry)
        return ended

    def next_deadline(self) -> int | None:
        """When the next entry ends (or ended, if `prune` is late); None without ends."""
        return self._ends[0][0] if self._ends else None

    def touches(self, first: int, last: int) -> bool:
        """True when an entry, ended or not, shares an address with the span. Fast; embedded addresses are not seen."""
        return self._ranges.touches(first, last) or self._mapped.touches(first, last)

    def overlap(self, key: int, now: float) -> WhitelistEntry | None:
        """The entry that shares an address with the prefix, or with an IPv4 prefix embedded in it; None when free.

        The longest of those that cover it, else the first inside.
        """
        for tested in (key, *embedded(key)):
            for entry in self._overlapping(tested):
                if not entry.ended(now):
                    return entry
        return None

    def entries(self) -> Iterator[WhitelistEntry]:
        """All entries in the order of prefixes, ended ones among them until `prune`."""
        return (entry for _, entries in self._ranges.items() for entry in entries)

    def keys(self) -> list[PrefixKey]:
        """All prefixes in order, those under IPv4-mapped entries too: what the kernel's allow set holds."""
        return sorted({key for ranges in (self._ranges, self._mapped) for key, _ in ranges.items()})

    def sources(self) -> set[str]:
        """Who has said something."""
        return {source for source, count in self._sources.items() if count}

    def _overlapping(self, key: int) -> Iterator[WhitelistEntry]:
        if self._ranges.touches(*span(key)):
            for _, entries in self._ranges.overlapping(key):
                yield from entries
        if self._mapped.touches(*span(key)):
            for _, mapped in self._mapped.overlapping(key):
                yield from self._ranges.get(mapped) or ()

    def _drop(self, entry: WhitelistEntry) -> None:
        self._sources[entry.source] -= 1
        if entry.until:
            del self._ends[bisect_left(self._ends, (entry.until, entry.key))]
        rest = tuple(other for other in self._ranges[entry.key] if other is not entry)
        if rest:
            self._ranges.set(entry.key, rest)
            return
        self._ranges.delete(entry.key)
        if covers(MAPPED, entry.key):
            self._mapped.delete(embedded(entry.key)[0])
