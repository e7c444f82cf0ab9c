"""Feeds said on: what a direct feed with `announce = true` blocks here, announced to others in this node's name.

Driven by state: what is to be said is compared with what the ledger holds of this node with a feed's basis, and only
the difference is announced. So a restart says nothing, and what left a feed is retracted however it left: by the list,
the whitelist, the configuration, or while this node was down. Each word lives for a day at most and is said again at
half of that, so that leases of a lone voice renew, and others forget a feed a day after nobody asks for it any more.

The operator's own word on a prefix stands before a feed's, and so does a pardon of this owner. Feeds get half of what
this node may announce, so that no list crowds out its operator. What is merely adopted from others is never said here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from p2pfw import schema
from p2pfw.app.announcing import Announcing, retractions
from p2pfw.app.feeding import Feeding
from p2pfw.app.feedlists import Subscription
from p2pfw.app.kit import Kit
from p2pfw.app.originating import Blocks, Draft, Originator
from p2pfw.app.pace import Pace
from p2pfw.core.announcement import MAX_ENTRIES, Category
from p2pfw.core.hearing import FLEET_WIDTH
from p2pfw.core.identity import DAY
from p2pfw.core.prefix import PrefixKey, is_v6, key_width
from p2pfw.core.shares import ORIGIN_PART, SHARE
from p2pfw.core.statement import Statement
from p2pfw.rows import Setting

LIFE: Final = DAY
"""Seconds that a word lives: a lone voice is believed no longer without saying it again (policy, lease)."""
ROOM: Final = SHARE // ORIGIN_PART // 2
"""Prefixes of feeds that this node announces at most."""
EVERY: Final = 3_600
"""Seconds between looks when no list changed: pardons, operator's blocks and peers come and go, words grow old."""
RETRY: Final = 60.0
"""Seconds until what the disk refused is tried again."""
CERTAIN: Final = 7
HUSHED_SETTING: Final = "feeds_hushed"
"""Setting: names of the feeds that `retract --all` silenced."""


class Word(NamedTuple):
    """How a prefix is to be announced."""

    until: int
    basis: int
    category: Category


@dataclass(slots=True)
class Share:
    """How many of a feed's prefixes are announced, and how many there was no room for."""

    announced: int = 0
    left: int = 0


class Repeating:
    """This node's announcements of its feeds."""

    def __init__(self, kit: Kit, feeding: Feeding, announcing: Announcing, originator: Originator) -> None:
        self._domain, self._store, self._clock = kit.domain, kit.store, kit.clock
        self._feeding, self._announcing, self._originator = feeding, announcing, originator
        self._hushed: frozenset[str] = frozenset()
        self._shares: dict[str, Share] = {}
        self._changed = True
        self._looked = 0
        self._not_before = float("-inf")
        feeding.said = self.changed

    def begin(self, settings: Mapping[str, object]) -> None:
        """At start."""
        hushed = settings.get(HUSHED_SETTING)
        self._hushed = frozenset(str(name) for name in hushed) if isinstance(hushed, list) else frozenset()

    def changed(self) -> None:
        """Some feed says something else now, or came, or went."""
        self._changed = True

    # --- after `retract --all` ---------------------------------------------------------------------------------------

    def hush(self) -> Setting:
        """Say nothing of today's feeds until their operator asks for them again; the row that keeps it."""
        return self._hush(self._hushed | {one.feed.name for one in self._feeding.subscriptions() if one.announces})

    async def unhush(self, name: str) -> None:
        """The operator asked for it."""
        if name in self._hushed:
            await self._store.commit(self._hush(self._hushed - {name}))

    def _hush(self, names: frozenset[str]) -> Setting:
        self._hushed = names
        self.changed()
        return Setting(name=HUSHED_SETTING, value=sorted(names))

    # --- saying ----------------------------------------------------------------------------------------------------

    async def tick(self) -> None:
        """Announce the difference when there may be one; nothing while this node must be silent. StoreError."""
        now, monotonic = self._domain.now(), self._clock.monotonic()
        lately = 0 <= now - self._looked < EVERY  # below 0: the clock was ahead, and was put right
        if self._originator.held or monotonic < self._not_before or (lately and not self._changed):
            return
        self._not_before, self._changed = monotonic + RETRY, False  # unless it works
        try:
            await self._repeat()
        except BaseException:
            self._changed = True
            raise
        self._not_before, self._looked = float("-inf"), now

    async def _repeat(self) -> None:
        feeds = [one for one in self._feeding.subscriptions() if one.announces and one.feed.name not in self._hushed]
        async with self._announcing.order:
            now, said = self._domain.now(), await self._said()
            if not feeds and not said:
                self._shares = {}
                return
            wanted = await self._wanted(feeds, said, now)
            unknown = {one.basis for one in feeds if not one.fetched}  # e.g. a database that was lost
            gone = await self._ends(key for key in said if key not in wanted and said[key].basis not in unknown)
            fresh = await self._fresh(wanted, said, now)
            if gone or fresh:
                await self._originator.say(_drafts(gone, fresh, now))

    async def _said(self) -> dict[PrefixKey, Statement]:
        """What this node says of feeds."""
        said, pace = {}, Pace(self._clock)
        for key, held in self._domain.own_statements():
            if held.repeats:
                said[key] = held
            await pace.step()
        return said

    async def _wanted(
        self, feeds: Iterable[Subscription], said: Mapping[PrefixKey, Statement], now: int
    ) -> dict[PrefixKey, Word]:
        """What is to be said, as far as there is room: what is said already comes first, then in order."""
        wanted: dict[PrefixKey, Word] = {}
        words = {one.feed.name: self._word(one, now) for one in feeds if now < one.until}
        keys = {name: sorted(self._domain.local.feed_keys(name)) for name in words}
        room, pace = self._room(len(said)), Pace(self._clock)
        shares = {name: Share() for name in words}
        for is_said in (True, False):
            for name, word in words.items():
                for key in keys[name]:
                    if (key in said) is is_said and key not in wanted and self._may_be_said(key, now):
                        if len(wanted) < room:
                            wanted[key] = word
                            shares[name].announced += 1
                        else:
                            shares[name].left += 1
                    await pace.step()
        self._shares = shares
        return wanted

    def _word(self, one: Subscription, now: int) -> Word:
        return Word(min(one.until, now + LIFE), one.basis, one.feed.category)

    def _room(self, said: int) -> int:
        """Prefixes of feeds that may be said in all, by this node's part of its owner's share and by the share."""
        ledger, me = self._domain.ledger, self._domain.me
        left = SHARE // ORIGIN_PART - ledger.used_by(me.node).prefixes
        return min(ROOM, said + max(0, min(left, SHARE - ledger.used(me.owner).prefixes)))

    def _may_be_said(self, key: PrefixKey, now: int) -> bool:
        """False where others could not take it, where it must not be blocked, and where the operator has spoken."""
        domain = self._domain
        if key_width(key) > FLEET_WIDTH[is_v6(key)] or key in domain.standing or key in self._announcing.waiting:
            return False
        if domain.own_block(key, now) is not None or domain.stamp_floor(key):
            return False
        return not any(domain.forbidden.obstacles(key, now))

    async def _fresh(
        self, wanted: Mapping[PrefixKey, Word], said: Mapping[PrefixKey, Statement], now: int
    ) -> dict[PrefixKey, Word]:
        """What is new, is said otherwise, or has lived for half of its time; and with that what soon will have."""
        new: dict[PrefixKey, Word] = {}
        old: dict[PrefixKey, Word] = {}
        due, pace = False, Pace(self._clock)
        for key, word in wanted.items():
            held = said.get(key)
            if held is None or (held.basis, held.category) != (word.basis, word.category):
                new[key] = word
            elif 4 * (held.expires - now) < 3 * (word.until - now):
                old[key] = word
                due = due or 2 * (held.expires - now) < word.until - now
            await pace.step()
        return {**new, **old} if due else new

    async def _ends(self, keys: Iterable[PrefixKey]) -> dict[PrefixKey, int]:
        """Until when what takes these back must live."""
        ends, pace = {}, Pace(self._clock)
        for key in keys:
            end = self._domain.own_end(key)
            if end is not None:
                ends[key] = end
            await pace.step()
        return ends

    # --- telling ---------------------------------------------------------------------------------------------------

    def announced(self, name: str) -> int:
        """How many prefixes of that feed are announced."""
        return self._shares[name].announced if name in self._shares else 0

    def lines(self) -> Iterator[schema.HealthLine]:
        """What of feeds is not announced that should be."""
        for one in self._feeding.subscriptions():
            name = one.feed.name
            left = self._shares[name].left if name in self._shares else 0
            if one.announces and name in self._hushed:
                text = f"feed {name}: not announced since retract --all; it is blocked here all the same"
                remedy = f"p2pfw feed refresh {name} announces it again"
                yield schema.HealthLine(level="warning", code="feed-announce", text=text, remedy=remedy)
            elif one.announces and left:
                said = self.announced(name)
                text = f"feed {name}: {said:,} of its prefixes are announced, {left:,} are not: there is no room"
                remedy = f"a node announces at most {ROOM:,} prefixes of feeds; announce a smaller list"
                yield schema.HealthLine(level="warning", code="feed-announce", text=text, remedy=remedy)


def _drafts(ends: Mapping[PrefixKey, int], fresh: Mapping[PrefixKey, Word], now: int) -> Iterator[Draft]:
    yield from retractions(ends, now)
    for word in sorted(set(fresh.values())):
        keys = sorted(key for key in fresh if fresh[key] == word)
        for at in range(0, len(keys), MAX_ENTRIES):
            yield Blocks(
                keys=keys[at : at + MAX_ENTRIES],
                until=word.until,
                category=word.category,
                confidence=CERTAIN,
                basis=word.basis,
            )
