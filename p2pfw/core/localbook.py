"""What is said on this machine alone: the operator's own blocks that are not announced, feeds, and sightings.

Nothing here is signed, travels, or is bound by a share; it ends by its own times. A feed's prefixes are one set of keys
and one value for all of them, because feeds have hundreds of thousands. What any of it weighs is policy's, where it is
kept on disk is the store's.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import Final

from p2pfw.core.announcement import Action, Category
from p2pfw.core.index import within
from p2pfw.core.prefix import PrefixKey
from p2pfw.core.statement import Source, Standing, Statement
from p2pfw.errors import InputError

_PLACES: Final = (Source.OPERATOR, Source.SIGHTING)
_FEEDS: Final = (Source.FEED, Source.FEED_VOICE)
_NO_KEYS: Final[frozenset[PrefixKey]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEntry:
    """The operator's word, or a sighting, on one prefix. Times in Unix seconds; `until` 0: no end."""

    until: int
    added: int
    category: Category = Category.OTHER
    reason: str = ""
    """Free text; stays on this node."""
    forced: bool = False
    """The operator said --force."""

    def ended(self, now: float) -> bool:
        """True once its time has passed."""
        return 0 < self.until <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What holds for all prefixes of a feed. `until`: Unix second when its content is too old to count, 0: never."""

    name: str
    source: Source
    """FEED (adopted at once) or FEED_VOICE (one voice)."""
    fetched: int
    until: int = 0
    category: Category = Category.OTHER
    basis: int = 0
    """Hash of its canonical name (announcement.feed_basis), so that others who repeat it add nothing."""
    trust: float = 0.0
    """Of the voice; 0 for a feed that is adopted at once."""

    def __post_init__(self) -> None:
        if self.source not in _FEEDS:
            raise InputError(f"{self.source.value!r} is no kind of feed", field="adopt")
        if not 0 <= self.trust <= 1:
            raise InputError(f"trust {self.trust} is not within 0..1", field="trust")

    def ended(self, now: float) -> bool:
        """True once its content is too old."""
        return 0 < self.until <= now


class LocalBook:
    """See the module. Every change is answered with the prefixes that must be judged again."""

    def __init__(self) -> None:
        self._entries: dict[Source, dict[PrefixKey, LocalEntry]] = {source: {} for source in _PLACES}
        self._feeds: dict[str, tuple[Feed, frozenset[PrefixKey]]] = {}
        self._ends: list[tuple[int, str, PrefixKey]] = []
        self._passed = 0.0

    # --- the operator and what this machine saw ------------------------------------------------------------------

    def put(self, source: Source, key: PrefixKey, entry: LocalEntry) -> None:
        """Say it, or say it otherwise. InputError for a source that is a feed or signed."""
        place = self._place(source)
        old, place[key] = place.get(key), entry
        # Said again with a later end, it is looked at when the earlier one comes: one mention each is enough.
        if entry.until and (old is None or not 0 < old.until <= entry.until):
            heappush(self._ends, (entry.until, source.value, key))

    def drop(self, source: Source, key: PrefixKey) -> bool:
        """Say it no longer. False when it was not said."""
        return self._place(source).pop(key, None) is not None

    def get(self, source: Source, key: PrefixKey) -> LocalEntry | None:
        """What is said, ended or not."""
        return self._place(source).get(key)

    def entries(self, source: Source) -> Iterator[tuple[PrefixKey, LocalEntry]]:
        """Everything that a source says."""
        return iter(self._place(source).items())

    # --- feeds -----------------------------------------------------------------------------------------------------

    def replace_feed(self, feed: Feed, keys: Iterable[PrefixKey]) -> frozenset[PrefixKey]:
        """The feed holds exactly these now. Dirty: what came and went; everything when what holds for all changed."""
        old_feed, old = self._feeds.get(feed.name, (None, _NO_KEYS))
        new = frozenset(keys)
        gone, come = old - new, new - old
        # The same integer objects as before, and no second copy of those that stay.
        self._feeds[feed.name] = feed, (old - gone) | come if gone or come else old
        return gone | come if old_feed is not None and _same_weight(old_feed, feed) else old | new

    def drop_feed(self, name: str) -> frozenset[PrefixKey]:
        """The feed is configured no longer."""
        return self._feeds.pop(name, (None, _NO_KEYS))[1]

    def feeds(self) -> list[tuple[Feed, int]]:
        """Each feed, and how many prefixes it holds."""
        return [(feed, len(keys)) for feed, keys in self._feeds.values()]

    def feed_keys(self, name: str) -> frozenset[PrefixKey]:
        """The prefixes of a feed."""
        return self._feeds.get(name, (None, _NO_KEYS))[1]

    # --- answers ---------------------------------------------------------------------------------------------------

    def statements(self, key: PrefixKey, now: float) -> list[Statement]:
        """What is said about exactly this prefix and has not ended: operator, sighting, feeds in order of name."""
        if not self._feeds and not any(self._entries.values()):
            return []  # on most machines, most of the time; a full judgement asks for every prefix
        said = [
            _said(source, entry)
            for source, entries in self._entries.items()
            if (entry := entries.get(key)) is not None and not entry.ended(now)
        ]
        repeat = [feed for feed, keys in self._feeds.values() if key in keys and not feed.ended(now)]
        if repeat:
            said += [_repeated(feed) for feed in sorted(repeat, key=lambda feed: feed.name)]
        return said

    def keys(self) -> Iterator[PrefixKey]:
        """Every prefix that something is said about, once each."""
        return iter(_NO_KEYS.union(*self._tables()))

    def overlapping(self, key: PrefixKey) -> list[PrefixKey]:
        """Every prefix that something is said about and that shares an address with this one, ascending."""
        return sorted({found for table in self._tables() for found in within(table, key)})

    def tick(self, now: float) -> frozenset[PrefixKey]:
        """Forget what the operator or a sighting said until now. Dirty: that, and the feeds that have just ended."""
        dirty: set[PrefixKey] = set()
        while self._ends and self._ends[0][0] <= now:
            _, source, key = heappop(self._ends)
            entry = self.get(Source(source), key)
            if entry is not None and entry.ended(now):
                self.drop(Source(source), key)
                dirty.add(key)
            elif entry is not None and entry.until:
                heappush(self._ends, (entry.until, source, key))
        for feed, keys in self._feeds.values():
            if feed.ended(now) and not feed.ended(self._passed):
                dirty |= keys
        self._passed = now
        return frozenset(dirty)

    def next_deadline(self) -> int | None:
        """When `tick` has something to do next, in Unix seconds."""
        ends = [feed.until for feed, _ in self._feeds.values() if feed.until and not feed.ended(self._passed)]
        return min(ends + [end for end, _, _ in self._ends[:1]], default=None)

    def _place(self, source: Source) -> dict[PrefixKey, LocalEntry]:
        place = self._entries.get(source)
        if place is None:
            raise InputError(f"{source.value!r} is not said by put and drop", field="source")
        return place

    def _tables(self) -> list[Collection[PrefixKey]]:
        return [*self._entries.values(), *(keys for _, keys in self._feeds.values())]


def _same_weight(one: Feed, other: Feed) -> bool:
    """True when only its times differ."""
    return replace(one, fetched=other.fetched, until=other.until) == other


def _said(source: Source, entry: LocalEntry) -> Statement:
    return Statement(
        source=source,
        origin=None,
        owner=None,
        fleet=False,
        action=Action.BLOCK,
        category=entry.category,
        confidence=1.0,
        created=entry.added,
        stated=entry.added,
        expires=entry.until,
        basis=0,
        standing=Standing.LIVE,
        announcement=None,
        name=entry.reason,
        forced=entry.forced,
    )


def _repeated(feed: Feed) -> Statement:
    return Statement(
        source=feed.source,
        origin=None,
        owner=None,
        fleet=False,
        action=Action.BLOCK,
        category=feed.category,
        confidence=1.0,
        created=feed.fetched,
        stated=feed.fetched,
        expires=feed.until,
        basis=feed.basis,
        standing=Standing.LIVE,
        announcement=None,
        name=feed.name,
        trust=feed.trust,
    )
