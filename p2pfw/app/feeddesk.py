"""Feeds as the operator commands them: listed, tried, fetched now, and added at run time.

What was added at run time is kept in the database and read by the same readers and checks as the configuration; the
configuration's feeds are the configuration's to change, and win where both use one name. How feeds are fetched and
guarded is feeding's.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from msgspec import structs

from p2pfw import schema
from p2pfw.app.feeding import Feeding
from p2pfw.app.feedlists import Subscription, digest, place_of, refused, source_of
from p2pfw.app.kit import Kit
from p2pfw.app.repeating import Repeating
from p2pfw.config import Feed, read_feed
from p2pfw.config.readers import shown_url
from p2pfw.core.times import rfc3339
from p2pfw.errors import ConfigError, ConflictError, FeedError, InputError, NotAcceptableError, NotFoundError
from p2pfw.operations import Caller
from p2pfw.ports import FeedSource, NotModified
from p2pfw.rows import FeedRow, Setting

log = logging.getLogger(__name__)

FEEDS_SETTING: Final = "feeds"
"""Setting: run-time feeds by name, each as it was said."""
MOST: Final = 64
"""Run-time feeds."""
AT_ONCE: Final = 2
"""Lists that are tried at the same time: each may take max_bytes of memory."""


class FeedDesk:
    """Implements operations.FeedOperations. `users`: who may name files, which are read with the node's rights."""

    def __init__(
        self, kit: Kit, feeding: Feeding, repeating: Repeating, source: FeedSource, users: Iterable[int]
    ) -> None:
        self._domain, self._clock, self._store, self._events = kit.domain, kit.clock, kit.store, kit.events
        self._feeding, self._repeating, self._source = feeding, repeating, source
        self._trusted = {f"socket:{user}" for user in users}
        self._configured: tuple[Feed, ...] = ()
        self._commanded: dict[str, dict[str, object]] = {}
        self._editing = asyncio.Lock()
        self._tries = asyncio.Semaphore(AT_ONCE)

    def begin(self, feeds: Iterable[Feed], rows: Iterable[FeedRow], settings: dict[str, object]) -> None:
        """At start."""
        kept = settings.get(FEEDS_SETTING)
        self._commanded = dict(kept) if isinstance(kept, dict) else {}
        self._configured = tuple(feeds)
        self._feeding.begin(self._all(), rows)

    def configure(self, feeds: Iterable[Feed]) -> None:
        """The configuration was read again."""
        self._configured = tuple(feeds)
        self._feeding.configure(self._all())

    def feeds(self) -> schema.FeedList:
        """See operations."""
        return schema.FeedList(feeds=[self._view(one) for one in self._feeding.subscriptions()])

    def feed(self, name: str) -> schema.FeedView:
        """See operations."""
        return self._view(self._known(name))

    async def add_feed(self, request: schema.FeedRequest, caller: Caller) -> schema.FeedView:
        """See operations."""
        values = self._values(request, caller)
        feed = _read(request.name, values)
        async with self._editing:
            if self._feeding.find(feed.name) is not None:
                hint = f"p2pfw feed remove {feed.name}, or another name"
                raise ConflictError(f"there is a feed {feed.name} already", overlap="", field="name", hint=hint)
            if len(self._commanded) >= MOST:
                raise NotAcceptableError(f"{MOST} feeds were added at run time", hint="remove one first")
            await self._keep({**self._commanded, feed.name: values})
            self._feeding.configure(self._all())
            fetching = self._feeding.fetch_now(feed.name)
        self._events.tell("feed-added", feed=feed.name, by=caller.name)
        await fetching
        return self.feed(feed.name)

    async def remove_feed(self, name: str, caller: Caller) -> None:
        """See operations."""
        async with self._editing:
            self._known(name)
            if name not in self._commanded or name in {feed.name for feed in self._configured}:
                hint = f"take [feed.{name}] out there, then p2pfw config reload"
                raise ConflictError(f"feed {name} is the configuration's", overlap="", field="name", hint=hint)
            await self._keep({one: values for one, values in self._commanded.items() if one != name})
            await self._repeating.unhush(name)
            self._feeding.configure(self._all())
        self._events.tell("feed-removed", feed=name, by=caller.name)

    async def refresh_feed(self, name: str, request: schema.RefreshRequest) -> schema.FeedView:
        """See operations."""
        self._known(name)
        await self._repeating.unhush(name)
        await self._feeding.fetch_now(name, accept=request.accept)
        return self.feed(name)

    async def test_feed(self, request: schema.FeedRequest, caller: Caller) -> schema.FeedTest:
        """See operations."""
        feed = _read(request.name, self._values(request, caller))
        known = self._feeding.find(feed.name)
        last = known.listed.whole if known is not None and known.source == source_of(feed) else ()
        place = place_of(feed)
        async with self._tries:
            try:
                answer = await self._source.fetch(place)
            except FeedError as error:
                raise NotAcceptableError(f"it cannot be fetched: {error}", field="url", hint=error.hint) from None
            if isinstance(answer, NotModified):  # nothing was said about what is known
                raise NotAcceptableError("its source says that it did not change, unasked", field="url")
            now = self._domain.now()
            found = await asyncio.to_thread(digest, answer, last, feed, now)
        trouble = refused(feed.name, found)
        return schema.FeedTest(
            accepted=trouble is None,
            entries=len(found.keys),
            added=len(set(found.keys).difference(last)),
            removed=len(set(last).difference(found.keys)),
            left_out=dict(found.dropped),
            unreadable=[str(one) for one in found.problems],
            date=rfc3339(found.date),
            problem=trouble.text if trouble else "",
            remedy=trouble.remedy if trouble else "",
        )

    def _all(self) -> list[Feed]:
        """The configuration's, and those of run time that it does not name."""
        taken = {feed.name for feed in self._configured}
        found = list(self._configured)
        for name, values in self._commanded.items():
            if name in taken:
                continue
            try:
                found.append(_read(name, values))
            except InputError as error:  # said to another version: no reason not to start
                log.error("run-time feed not read", extra={"feed": name, "error": str(error)})
        return found

    async def _keep(self, commanded: dict[str, dict[str, object]]) -> None:
        await self._store.commit(Setting(name=FEEDS_SETTING, value=commanded))
        self._commanded = commanded

    def _known(self, name: str) -> Subscription:
        one = self._feeding.find(name)
        if one is None:
            raise NotFoundError(f"there is no feed {name}", field="name", hint="p2pfw feed list")
        return one

    def _values(self, request: schema.FeedRequest, caller: Caller) -> dict[str, object]:
        """As the configuration would write it. Files are read with the node's rights, so not everybody names them."""
        values = {
            key: value for key, value in structs.asdict(request).items() if key != "name" and value not in ("", None)
        }
        for key in ("file", "key_file", "ca_file"):
            path = values.get(key)
            if path is not None and caller.name not in self._trusted:
                hint = "over the socket, as root or the node's user; or in the configuration"
                raise NotAcceptableError(f"not everybody may name files: {key}", field=key, hint=hint)
            if path is not None and not str(path).startswith("/"):
                raise InputError(f"{key} is no absolute path", field=key)
        return values

    def _view(self, one: Subscription) -> schema.FeedView:
        feed, now = one.feed, self._domain.now()
        wait = max(0.0, one.when - self._clock.monotonic())
        return schema.FeedView(
            name=feed.name,
            place=_shown(feed),
            format=feed.format.value,
            adopt=feed.adopt.value,
            source="configuration" if feed in self._configured else "command",
            entries=len(one.listed),
            cut=one.listed.carved,
            announced=self._repeating.announced(feed.name),
            left_out=dict(one.dropped),
            fetched=rfc3339(one.fetched) if one.fetched else None,
            date=rfc3339(one.date) if one.fetched else None,
            until=rfc3339(one.until) if one.fetched else None,
            next_refresh=None if one.busy else rfc3339(now + wait),
            problem=one.trouble.text if one.trouble else "",
            remedy=one.trouble.remedy if one.trouble else "",
        )


def _read(name: str, values: dict[str, object]) -> Feed:
    try:
        return read_feed(name, values)
    except ConfigError as error:
        raise NotAcceptableError(error.problem, field="body", hint=error.hint) from None


def _shown(feed: Feed) -> str:
    return shown_url(feed.url) if feed.url else str(feed.file)
