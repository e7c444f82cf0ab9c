"""What this node's operator wants blocked, turned into announcements.

A lone wish is announced at once, a list is one announcement, and what follows within 50 ms waits for company, so that
neither a lone block is delayed nor a storm is one signature each (protocol 1). The answer never waits for that: a wish
that waits is kept on disk and adopted here before it is announced. Standing wishes (longer than a day) stay on disk as
intentions; renewing means them again. What other nodes may adopt is none of this module's business.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from p2pfw.app.originating import Originator, Statements
from p2pfw.core.announcement import MAX_ENTRIES, MAX_LIFETIME, Action, Category, Entry, Kind
from p2pfw.core.prefix import PrefixKey
from p2pfw.errors import InputError, NotAcceptableError, StoreError
from p2pfw.ports import Clock, Store
from p2pfw.rows import Drop, Intention, IntentionRow, Put, Write

log = logging.getLogger(__name__)

QUIET: Final = 0.05
"""Seconds: a wish that comes sooner after an announcement waits for this long to be batched."""
BATCH: Final = 256
"""Entries of one announcement made from a storm; small enough to travel in one frame with others."""
STANDING: Final = 86_400
"""Seconds: what is meant for longer is an intention that its origin renews."""
RETRY: Final = 1.0
"""Seconds until a batch that the disk refused is tried again."""
MAX_WAITING: Final = 131_072
"""Blocks that wait, at the most: what this node may say at all (half of its owner's share)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One prefix that the operator wants blocked. `until` Unix seconds, 0 for ever; `confidence` 0..7."""

    key: PrefixKey
    until: int
    category: Category
    confidence: int
    reason: str = ""
    basis: int = 0
    added: int = 0
    """When it was given, in Unix seconds: a later pardon takes it back."""

    @property
    def forever(self) -> bool:
        """No end was given."""
        return self.until == 0


def is_standing(until: int, now: float) -> bool:
    """True for what its origin renews: no end, or one that is more than a day away."""
    return until == 0 or until - now > STANDING


def block_entry(key: int, until: int, category: int, confidence: int, now: int) -> Entry:
    """The BLOCK that says it now: lives to `until`, at most 30 days (renewal carries it further)."""
    ttl = MAX_LIFETIME if until == 0 else max(1, min(until - now, MAX_LIFETIME))
    return Entry(
        key=PrefixKey(key), action=Action.BLOCK, category=Category(category), confidence=confidence, ttl=ttl, age=0
    )


class OwnBook(Protocol):
    """What announcing needs to know and to change here; implemented by domain."""

    def show(self, wish: Wish) -> None:
        """Adopt a wish that waits, as the operator's own word."""
        ...

    def hide(self, key: PrefixKey) -> None:
        """It no longer waits."""
        ...

    def changed(self, keys: Sequence[PrefixKey]) -> None:
        """Judge these again."""
        ...

    def own_end(self, key: PrefixKey) -> int | None:
        """Until when the latest live BLOCK of this node on that prefix lasts; None when there is none."""
        ...

    def stamp_floor(self, key: PrefixKey) -> int:
        """Unix second before which a new BLOCK on it would count as pardoned; 0 when there is none."""
        ...


class Announcing:
    """Blocks, retracts and pardons in this node's name. `waiting`: wishes that are adopted and not announced yet."""

    def __init__(self, originator: Originator, store: Store, clock: Clock, book: OwnBook) -> None:
        self._originator, self._store, self._clock, self._book = originator, store, clock, book
        self.waiting: dict[PrefixKey, Wish] = {}
        self._arriving: Counter[PrefixKey] = Counter()
        self._said_at = -QUIET
        self.order = asyncio.Lock()
        self._wake = asyncio.Event()

    # --- saying ----------------------------------------------------------------------------------------------------

    async def block(self, wishes: Sequence[Wish], *writes: Write) -> str:
        """Announce, now or within 50 ms. Kept and judged when it returns; the id in hex if it is announced already."""
        now = int(self._clock.now())
        lone = len(wishes) == 1
        if not self._originator.held and not (lone and (self.order.locked() or not self._quiet())):
            async with self.order:
                if not self._originator.held:
                    return await self._say_now(wishes, now, writes)
        await self._wait_for_company(wishes, writes)
        return ""

    async def retract(self, keys: Sequence[PrefixKey], *writes: Write, pardon: int | None = None) -> list[PrefixKey]:
        """Take back this node's own blocks; returns those there were. Synced, and on its way, when it returns.

        `pardon` (Unix seconds): with one announcement, take back what any node of this owner said about these
        prefixes, too, dated no earlier than that.
        """
        async with self.order:
            waiting = {key: wish for key in keys if (wish := self.waiting.get(key))}
            ends = {key: end for key in keys if (end := self._book.own_end(key)) is not None}
            drafts = [*retractions(ends, int(self._clock.now())), *_pardons(keys, pardon)]
            drops = [Drop(table=IntentionRow, identity=key) for key in keys]
            if drafts:
                await self._originator.say(drafts, *drops, *writes)
                self._said_at = self._clock.monotonic()
            else:
                await self._store.commit(*drops, *writes)
            self.let_go(waiting)
            # What was wished while this was on its way is newer; its row may have gone with the others.
            newer = [wish for key in keys if (wish := self.waiting.get(key))]
            if newer:
                await self._store.commit(*(Put(row=_row(wish)) for wish in newer))
            self._book.changed(keys)
        return [key for key in keys if key in ends or key in waiting]

    def resume(self, unsaid: Mapping[PrefixKey, Intention]) -> None:
        """At start: intentions that were kept but never announced wait again."""
        for key, meant in unsaid.items():
            wish = self.waiting[key] = _wish(key, meant)
            self._book.show(wish)
        self._wake.set()

    def show_again(self, keys: Iterable[PrefixKey]) -> None:
        """How these count has changed (they are forced now)."""
        for key in keys:
            if key in self.waiting:
                self._book.show(self.waiting[key])

    def let_go(self, wishes: Mapping[PrefixKey, Wish]) -> None:
        """These wait no longer, unless they were wished anew: they are announced, or not wanted any more."""
        for key, wish in wishes.items():
            if self.waiting.get(key) is wish:
                del self.waiting[key]
                self._book.hide(key)

    # --- the batch -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Announce what waits, for ever; a disk that refuses is asked again."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(QUIET)
            self._wake.clear()
            try:
                await self.flush()
            except (StoreError, InputError) as error:
                log.error("announcing failed", extra={"error": str(error), "waiting": len(self.waiting)})
                self._wake.set()
                await asyncio.sleep(RETRY)

    async def flush(self) -> None:
        """Announce all that waits, unless this node must be silent (then it goes on waiting)."""
        if not self.waiting:
            return
        async with self.order:
            if self._originator.held:
                return
            wishes, now = dict(self.waiting), int(self._clock.now())
            live = [wish for wish in wishes.values() if wish.forever or wish.until > now]
            await self._originator.say(self._drafts(live, now, BATCH))
            self._said_at = self._clock.monotonic()
            self.let_go(wishes)
            self._forget_rows(wishes.values(), now)
            self._book.changed(list(wishes))

    def released(self) -> None:
        """The reason to be silent is gone: what waits may go."""
        self._wake.set()

    def _quiet(self) -> bool:
        return not self.waiting and self._clock.monotonic() - self._said_at >= QUIET

    async def _say_now(self, wishes: Sequence[Wish], now: int, writes: Sequence[Write]) -> str:
        replaced = {wish.key: old for wish in wishes if (old := self.waiting.get(wish.key))}
        kept = [Put(row=_row(wish)) for wish in wishes if is_standing(wish.until, now)]
        said = await self._originator.say(self._drafts(wishes, now, MAX_ENTRIES), *kept, *writes)
        self._said_at = self._clock.monotonic()
        self.let_go(replaced)  # said later, the shorter wish that waited would win
        self._forget_rows([wish for wish in wishes if wish.key in replaced], now)
        self._book.changed([wish.key for wish in wishes])
        return said[0].id.hex()

    async def _wait_for_company(self, wishes: Sequence[Wish], writes: Sequence[Write]) -> None:
        if len(self.waiting) + len(wishes) > MAX_WAITING:
            raise NotAcceptableError(f"{len(self.waiting)} blocks wait to be announced already")
        keys = [wish.key for wish in wishes]
        self._arriving.update(keys)
        try:
            await self._store.commit(*(Put(row=_row(wish)) for wish in wishes), *writes)
        finally:
            self._arriving.subtract(keys)
            self._arriving = +self._arriving
        for wish in wishes:
            self.waiting[wish.key] = wish
            self._book.show(wish)
        self._book.changed(keys)
        self._wake.set()

    def _forget_rows(self, wishes: Iterable[Wish], now: int) -> None:
        """Rows of what is announced and not standing. A row that a newer wish has put, or is about to, stays."""
        gone = [wish.key for wish in wishes if not is_standing(wish.until, now)]
        drops = [key for key in gone if key not in self.waiting and not self._arriving[key]]
        self._store.post(*(Drop(table=IntentionRow, identity=key) for key in drops))

    def _drafts(self, wishes: Sequence[Wish], now: int, size: int) -> list[Statements]:
        """Announcements of at most `size` entries of one basis each, in key order."""
        drafts = []
        for basis in sorted({wish.basis for wish in wishes}):
            of_basis = sorted((wish for wish in wishes if wish.basis == basis), key=lambda wish: wish.key)
            for at in range(0, len(of_basis), size):
                part = of_basis[at : at + size]
                floor = max(self._book.stamp_floor(wish.key) for wish in part)
                entries = [block_entry(w.key, w.until, w.category, w.confidence, max(now, floor)) for w in part]
                drafts.append(Statements(entries=entries, basis=basis, not_before=floor))
        return drafts


def retractions(ends: Mapping[PrefixKey, int], now: int) -> Iterator[Statements]:
    """RETRACTs of blocks that would have lasted until then, in announcements of 1,024."""
    keys = sorted(ends)
    for at in range(0, len(keys), MAX_ENTRIES):
        yield Statements(entries=[_retract_entry(key, ends[key], now) for key in keys[at : at + MAX_ENTRIES]])


def _retract_entry(key: PrefixKey, end: int, now: int) -> Entry:
    """RETRACT lives at least as long as what it cancels (protocol 1 "No resurrection")."""
    ttl = max(1, min(end - now + 1, MAX_LIFETIME))
    return Entry(key=key, action=Action.RETRACT, category=Category.OTHER, confidence=7, ttl=ttl)


def _pardons(keys: Sequence[PrefixKey], not_before: int | None) -> Iterator[Statements]:
    if not_before is None:
        return
    entries = [
        Entry(key=key, action=Action.PARDON, category=Category.OTHER, confidence=7, ttl=MAX_LIFETIME)
        for key in sorted(keys)
    ]
    yield Statements(entries=entries, kind=Kind.PARDON, not_before=not_before)


def _row(wish: Wish) -> IntentionRow:
    return IntentionRow(
        key=wish.key,
        until=wish.until,
        category=wish.category,
        confidence=wish.confidence,
        reason=wish.reason,
        added=wish.added,
        basis=wish.basis,
    )


def _wish(key: PrefixKey, meant: Intention) -> Wish:
    return Wish(
        key=key,
        until=meant.until,
        category=Category(meant.category),
        confidence=meant.confidence,
        reason=meant.reason,
        basis=meant.basis,
        added=meant.added,
    )
