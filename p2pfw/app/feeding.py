"""Configured feeds: fetched again and again, guarded, cut around what must not be blocked, and said on this machine.

All or nothing: a list replaces the last good one whole, or not at all, and is on disk before it counts. What was last
good goes on counting until it is too old by its own date, whatever happens to its source; then it ends, as everything
does. Nobody waits for a feed: each failure is state with its remedy (`lines`), and is tried again by itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Final

from p2pfw import schema
from p2pfw.app.feedlists import (
    Digest,
    Subscription,
    Trouble,
    digest,
    hourly,
    is_of_kind,
    pack,
    refused,
    source_of,
    unpack,
    whitelist_source,
)
from p2pfw.app.feedtelling import FeedTelling, health_of
from p2pfw.app.kit import Kit
from p2pfw.config import Feed, Format
from p2pfw.core.carving import CarvedList, Holes
from p2pfw.core.duration import short_duration
from p2pfw.core.httpdate import http_date
from p2pfw.core.prefix import PrefixKey
from p2pfw.core.special import SPECIAL_RANGES, Space
from p2pfw.errors import FeedError, InputError, NotAcceptableError, StoreError
from p2pfw.ports import FeedSource, Fetched, NotModified
from p2pfw.rows import Drop, FeedRow, Put

JITTER: Final = 0.1
"""Share of the interval that is added by chance: a thousand nodes must not ask at the same second."""
FIRST_RETRY: Final = 300.0
"""Seconds after a first failure; then up to three times as long each time, and never longer than the interval."""
AT_ONCE: Final = 4
"""Feeds that are fetched at the same time: each may take max_bytes of memory."""
LONGEST_NAP: Final = 3_600.0
HOUR: Final = 3_600.0


class Feeding:
    """The operator's feeds. `chance` gives numbers in [0, 1)."""

    def __init__(self, kit: Kit, source: FeedSource, chance: Callable[[], float]) -> None:
        self._domain, self._judging, self._telling = kit.domain, kit.judging, FeedTelling(kit.events)
        self._store, self._clock = kit.store, kit.clock
        self._source, self._chance = source, chance
        self._feeds: dict[str, Subscription] = {}
        self._holes = Holes()
        self._wake = asyncio.Event()
        self._places = asyncio.Semaphore(AT_ONCE)
        self.whitelisted: Callable[[Iterable[PrefixKey]], None] = lambda _: None
        """Told which prefixes a warning list put on the whitelist or took off."""
        self.said: Callable[[], None] = lambda: None
        """Told that a feed says something else, or came, or went."""

    # --- what is configured ----------------------------------------------------------------------------------------

    def begin(self, feeds: Iterable[Feed], rows: Iterable[FeedRow]) -> None:
        """At start: the last good lists count before anything is fetched. The caller judges everything anyway."""
        kept = {row.name: row for row in rows}
        for feed in feeds:
            one = self._subscribe(feed, kept.pop(feed.name, None))
            if one.fetched and feed.file is None:
                wait = one.fetched + self._interval(one) - self._clock.now()
                one.due += min(max(0.0, wait), feed.refresh)
        for name in kept:
            self._store.post(Drop(table=FeedRow, identity=name))
        for one in self._feeds.values():
            self._allow(one)  # before the others are cut around it
        self._cut_anew()
        for one in self._feeds.values():
            self._say(one)

    def configure(self, feeds: Iterable[Feed]) -> None:
        """The configuration was read again. New and changed feeds, and all files, are looked at now."""
        wanted = {feed.name: feed for feed in feeds}
        for name in self._feeds.keys() - wanted.keys():
            self._drop(name)
        for feed in wanted.values():
            self._reconfigure(feed)
        self.recut()
        self._wake.set()

    def _drop(self, name: str) -> None:
        one = self._feeds.pop(name)
        self._store.post(Drop(table=FeedRow, identity=name))
        self._judging.dirty(list(self._domain.local.drop_feed(name)))
        self.whitelisted(self._domain.whitelist.replace(whitelist_source(one.feed), []))
        self.said()

    def _reconfigure(self, feed: Feed) -> None:
        one = self._feeds.get(feed.name)
        if one is not None and one.whitelists != (feed.format is Format.WARNINGLIST):
            self._drop(feed.name)  # what it blocked must not be whitelisted now, nor the other way round
            one = None
        if one is None:
            self._subscribe(feed, None)
        elif one.feed != feed or feed.file is not None:
            one.feed, one.delay = feed, 0.0
            one.due, one.again = self._clock.monotonic(), one.busy
            self.said()
            if one.fetched:
                self._judging.dirty(self._say(one))

    def _subscribe(self, feed: Feed, row: FeedRow | None) -> Subscription:
        row = row if row is not None and is_of_kind(row.source, feed) else None
        one = Subscription(feed=feed, listed=self._listed(feed, unpack(row.keys) if row else ()))
        if row is not None:
            one.load(row, row.date or http_date(row.modified))
        one.due = self._clock.monotonic()
        self._feeds[feed.name] = one
        return one

    def _listed(self, feed: Feed, keys: Sequence[PrefixKey]) -> CarvedList:
        """A warning list is part of what must not be blocked, and is not cut around it."""
        return CarvedList(keys, Holes() if feed.format is Format.WARNINGLIST else self._holes)

    # --- what must not be blocked ----------------------------------------------------------------------------------

    def recut(self) -> list[PrefixKey]:
        """Whitelist, protection or private space changed: cut the lists anew. What is said otherwise now, to judge."""
        if not self._feeds:
            return []
        different = self._cut_anew()
        return [key for one in different if one.fetched for key in self._say(one)]

    def _cut_anew(self) -> list[Subscription]:
        changed = self._holes.replace(self._forbidden())
        return [one for one in self._feeds.values() if not one.whitelists and one.listed.follow(changed)]

    def _forbidden(self) -> Iterator[PrefixKey]:
        domain = self._domain
        yield from domain.whitelist.keys()
        for protected in domain.protected.entries():
            yield protected.key
        spaces = {Space.HARD} if domain.policy.allow_private else {Space.HARD, Space.PRIVATE}
        for row in SPECIAL_RANGES:
            if row.space in spaces:
                yield row.key

    # --- fetching --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Fetch what is due, for ever."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                for one in self.take_due():
                    tasks.create_task(self.refresh(one), name=f"feed {one.feed.name}")
                await self._nap()

    def take_due(self) -> list[Subscription]:
        """What is to be fetched now; marked as being fetched."""
        now = self._clock.monotonic()
        due = [one for one in self._feeds.values() if one.when <= now and not one.busy]
        for one in due:
            one.busy = True
        return due

    def fetch_now(self, name: str, *, accept: bool = False) -> Awaitable[None]:
        """Begin at once, before anything else is awaited. NotAcceptableError: its publisher allows no fetch yet."""
        one = self._feeds[name]
        one.accept = one.accept or accept
        wait = one.earliest - self._clock.monotonic()
        if wait > 0:
            then = " and taken in whatever changed" if one.accept else ""
            hint = f"it is fetched{then} in {short_duration(wait)} at the earliest"
            raise NotAcceptableError(f"the publisher of {name} allows one fetch an hour", field="name", hint=hint)
        if one.busy:
            raise NotAcceptableError(f"{name} is being fetched", field="name", hint="p2pfw feed list")
        one.busy = True
        return self.refresh(one)

    async def refresh(self, one: Subscription) -> None:
        """One attempt, and when the next one is."""
        retry_after = 0
        try:
            async with self._places:
                trouble = await self._attempt(one)
        except FeedError as error:
            trouble, retry_after = Trouble(code="feed-fetch", text=str(error), remedy=error.hint), error.retry_after
        except InputError as error:
            trouble = Trouble(code="feed-guard", text=error.problem, remedy=error.hint)
        except StoreError as error:
            trouble = Trouble(code="feed-fetch", text=f"not kept: {error}")
        finally:
            one.busy = False
        self._telling.attempted(one, trouble)
        one.trouble = trouble
        self._schedule(one, retry_after)
        self._wake.set()

    async def _attempt(self, one: Subscription) -> Trouble | None:
        source = source_of(one.feed)
        if hourly(one.feed):
            one.earliest = self._clock.monotonic() + HOUR
        answer = await self._source.fetch(one.place)
        if not self._is_wanted(one, source):
            return None
        if isinstance(answer, NotModified):
            await self._confirm(one, source)
            return None
        return await self._take(one, answer, source)

    async def _confirm(self, one: Subscription, source: str) -> None:
        """The source says that nothing changed: the list is as of now, unless it has a date of its own."""
        now = self._domain.now()
        packed = await asyncio.to_thread(pack, one.listed.whole)
        await self._keep(one, one.row(now, packed), one.written or http_date(one.modified) or now, source)

    async def _take(self, one: Subscription, answer: Fetched, source: str) -> Trouble | None:
        now = self._domain.now()
        found = await asyncio.to_thread(digest, answer, () if one.accept else one.last, one.feed, now)
        trouble = refused(one.feed.name, found)
        if trouble is not None:
            return trouble
        row = FeedRow(
            name=one.feed.name,
            fetched=now,
            etag=answer.etag,
            modified=answer.modified,
            keys=found.packed,
            source=source,
            date=found.written,
        )
        await self._keep(one, row, found.date, source, found)
        one.accept = False
        return None

    async def _keep(self, one: Subscription, row: FeedRow, date: int, source: str, found: Digest | None = None) -> None:
        """On disk first, then in the book; `found` None: the same list as before."""
        await self._store.commit(Put(row=row))
        if not self._is_wanted(one, source):
            self._forget(one)
            return
        one.load(row, date)
        if found is not None:
            before = len(one.listed)
            one.listed, one.dropped = self._listed(one.feed, found.keys), found.dropped
            self._telling.taken_in(one, before)
        self._judging.dirty(self._say(one))

    def _is_wanted(self, one: Subscription, source: str) -> bool:
        """False when the configuration took it away, or says another source, while this one was being asked."""
        return self._feeds.get(one.feed.name) is one and source_of(one.feed) == source

    def _forget(self, one: Subscription) -> None:
        """What was kept for a feed that is configured no longer must not come back at the next start."""
        if one.feed.name not in self._feeds:
            self._store.post(Drop(table=FeedRow, identity=one.feed.name))

    def _say(self, one: Subscription) -> Sequence[PrefixKey]:
        """The local book says what the list says now; the prefixes to judge."""
        if one.whitelists or not one.fetched:
            self.whitelisted(self._allow(one))
            return ()
        local, now, name = self._domain.local, self._domain.now(), one.feed.name
        self.said()
        ends = {feed.name: feed.until for feed, _ in local.feeds()}
        changed = local.replace_feed(one.word(), one.listed.said())
        # Times alone change no verdict, so the rest is judged again only before its word runs out, or when it had.
        ended = ends.get(name, 0)
        if ended <= now or one.until < ended or now - one.judged >= one.lasting / 2:
            one.judged = now
            changed |= local.feed_keys(name)
        return list(changed)

    def _allow(self, one: Subscription) -> list[PrefixKey]:
        """The whitelist says what a warning list says now; what changed."""
        if not one.whitelists or not one.fetched:
            return []
        counts = self._domain.now() < one.until
        return self._domain.whitelist.replace(whitelist_source(one.feed), one.allowed() if counts else ())

    # --- when ------------------------------------------------------------------------------------------------------

    def _interval(self, one: Subscription) -> float:
        return one.feed.refresh * (1 + JITTER * self._chance())

    def _schedule(self, one: Subscription, retry_after: int) -> None:
        wait = self._interval(one)
        if one.trouble is None:
            one.delay = 0.0
        else:
            most = max(FIRST_RETRY, 3 * one.delay)
            one.delay = min(FIRST_RETRY + (most - FIRST_RETRY) * self._chance(), one.feed.refresh)
            wait = max(one.delay, retry_after)
        if one.again:
            one.again, wait = False, 0.0
        one.due = self._clock.monotonic() + wait

    async def _nap(self) -> None:
        now = self._clock.monotonic()
        waits = [one.when - now for one in self._feeds.values() if not one.busy]
        try:
            async with asyncio.timeout(max(0.0, min(waits, default=LONGEST_NAP))):
                await self._wake.wait()
        except TimeoutError:
            return
        finally:
            self._wake.clear()

    # --- asking -----------------------------------------------------------------------------------------------------

    def find(self, name: str) -> Subscription | None:
        """By its name."""
        return self._feeds.get(name)

    def subscriptions(self) -> list[Subscription]:
        """All, in order of name."""
        return [self._feeds[name] for name in sorted(self._feeds)]

    def states(self) -> dict[str, tuple[int, int]]:
        """By name: when it was last taken in (Unix seconds, 0: never), and how many entries it has."""
        return {name: (one.fetched, len(one.listed)) for name, one in self._feeds.items()}

    def lines(self) -> Iterator[schema.HealthLine]:
        """What the operator should know of feeds."""
        now, monotonic = self._domain.now(), self._clock.monotonic()
        for one in self._feeds.values():
            yield from health_of(one, now, monotonic)
