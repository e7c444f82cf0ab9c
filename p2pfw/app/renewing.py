"""Keeps what this node said alive, and short.

Two different things (protocol 1 "Renewal and compaction"). Renewal says "I still mean it": every 12 h standing
intentions are announced again with age 0, so that leases of a lone voice renew. Compaction re-signs what is live in few
full announcements with its age kept, so that leases end as before. After either a checkpoint voids what they replace.
`retract_all` is a checkpoint that keeps nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

from p2pfw.app.announcing import Announcing, block_entry
from p2pfw.app.originating import Document, Originator, Statements
from p2pfw.app.pace import Pace
from p2pfw.core.announcement import MAX_ENTRIES, MAX_LIFETIME, AnnouncementId, Category, Entry, Kind
from p2pfw.core.checkpoint import Checkpoint
from p2pfw.core.prefix import PrefixKey
from p2pfw.core.statement import Statement
from p2pfw.ports import Clock, Store
from p2pfw.rows import Drop, Intention, IntentionRow, Setting, Write

RENEW_EVERY: Final = 43_200
"""Seconds between renewals: half of a lone voice's lease of a day."""
COMPACT_ABOVE: Final = 64
"""Live small announcements of this node that make a compaction worth its bytes."""
RETRY: Final = 60.0
"""Seconds until what the disk refused is tried again: gathering a hundred thousand entries is not for every second."""
FULL: Final = MAX_ENTRIES // 2
"""An announcement with this many live entries stays as it is."""
RENEWED_SETTING: Final = "renewed"


class OwnStatements(Protocol):
    """This node's own part of the ledger."""

    def own_statements(self) -> Iterator[tuple[PrefixKey, Statement]]:
        """The statement of this node that holds, live BLOCK or RETRACT, for each prefix it has one on."""
        ...

    def own_announcements(self) -> list[tuple[AnnouncementId, int]]:
        """(id, expires) of this node's live announcements of kind entries."""
        ...

    def intentions(self) -> dict[PrefixKey, Intention]:
        """What the operator means to keep blocked, standing."""
        ...

    def forget_intention(self, key: PrefixKey, intention: Intention) -> None:
        """It is not meant any more, unless it was given anew."""
        ...

    def changed(self, keys: Sequence[PrefixKey]) -> None:
        """Judge these again."""
        ...


class Renewing:
    """Renewal, compaction, and taking back everything."""

    def __init__(
        self, originator: Originator, announcing: Announcing, store: Store, clock: Clock, book: OwnStatements
    ) -> None:
        self._originator, self._announcing, self._store = originator, announcing, store
        self._clock, self._book = clock, book
        self.renewed = 0
        self._looked = (0, 0)
        self._not_before = float("-inf")

    async def tick(self) -> None:
        """Renew or compact when it is time; nothing while this node must be silent. After a StoreError, not at once."""
        if self._originator.held or self._clock.monotonic() < self._not_before:
            return
        self._not_before = self._clock.monotonic() + RETRY  # unless it works
        if not 0 <= self._clock.now() - self.renewed < RENEW_EVERY:  # below 0: the clock was ahead, and was put right
            await self.rewrite(renew=True)
        elif self._may_be_scattered() and await self._small() > COMPACT_ABOVE:
            await self.rewrite(renew=False)
        self._not_before = float("-inf")

    async def rewrite(self, *, renew: bool) -> None:
        """Say again what is live, in as few announcements as it takes, and void the rest."""
        now = int(self._clock.now())
        async with self._announcing.order:
            renewed = now if renew else self.renewed
            entries, kept = await self._gather(now, renew=renew)
            ended = {key: row for key, row in self._book.intentions().items() if 0 < row.until <= now}
            writes: list[Write] = [Setting(name=RENEWED_SETTING, value=renewed), *_drops(ended)]
            if entries:
                epoch, seq = self._originator.next_position()
                said = await self._originator.say(_segments(entries), *writes)
                held = sorted([*kept, *((one.id, one.header.expires) for one in said)])
                await self._checkpoint(Checkpoint(epoch=epoch, seq=seq, held=tuple(held)), now)
            else:
                await self._store.commit(*writes)
            self.renewed = renewed
            for key, row in ended.items():
                self._book.forget_intention(key, row)

    async def retract_all(self, *writes: Write) -> tuple[int, int]:
        """Void all that this node ever announced, drop its intentions; (announcements, prefixes) that were live.

        `writes` go into the same transaction.
        """
        now = int(self._clock.now())
        async with self._announcing.order:
            prefixes = {key for key, _ in self._book.own_statements()}
            announcements = len(self._book.own_announcements())
            standing, waiting = self._book.intentions(), dict(self._announcing.waiting)
            epoch, seq = self._originator.next_position()
            checkpoint = Checkpoint(epoch=epoch, seq=seq, held=())
            await self._checkpoint(checkpoint, now, *_drops({**standing, **waiting}), *writes)
            for key, row in standing.items():
                self._book.forget_intention(key, row)
            self._announcing.let_go(waiting)
            self._book.changed(list(waiting))
        return announcements, len(prefixes | standing.keys() | waiting.keys())

    def _may_be_scattered(self) -> bool:
        """True when enough was said since the last look that a count of small announcements is worth its time."""
        epoch, seq = self._originator.position
        if epoch == self._looked[0] and seq - self._looked[1] < COMPACT_ABOVE:
            return False
        self._looked = (epoch, seq)
        return len(self._book.own_announcements()) > COMPACT_ABOVE

    async def _checkpoint(self, checkpoint: Checkpoint, now: int, *writes: Write) -> None:
        document = Document(kind=Kind.CHECKPOINT, body=checkpoint.encode(), expires=now + MAX_LIFETIME)
        await self._originator.say([document], *writes)

    async def _small(self) -> int:
        """How many of this node's announcements hold less than half of a full one."""
        holding = await self._holding()
        return sum(holding[one] < FULL for one, _ in self._book.own_announcements())

    async def _holding(self) -> Counter[AnnouncementId | None]:
        counts: Counter[AnnouncementId | None] = Counter()
        pace = Pace(self._clock)
        for _, statement in self._book.own_statements():
            counts[statement.announcement] += 1
            await pace.step()
        return counts

    async def _gather(
        self, now: int, *, renew: bool
    ) -> tuple[list[tuple[int, Entry]], list[tuple[AnnouncementId, int]]]:
        """((basis, entry) to say again, announcements that stay)."""
        holding = await self._holding()
        intentions = self._book.intentions() if renew else {}
        full = {one for one, _ in self._book.own_announcements() if holding[one] >= FULL}
        entries = []
        pace = Pace(self._clock)
        for key, statement in self._book.own_statements():
            row = intentions.get(key)
            if row is not None:
                entries.append((row.basis, block_entry(key, row.until, row.category, row.confidence, now)))
            elif statement.announcement not in full and statement.expires > now:
                entries.append((statement.basis, _same_age(key, statement, now)))
            await pace.step()
        entries.extend(_lapsed(intentions, {entry.key for _, entry in entries}, now))
        return entries, [one for one in self._book.own_announcements() if one[0] in full]


def _drops(keys: Iterable[PrefixKey]) -> list[Drop]:
    return [Drop(table=IntentionRow, identity=key) for key in keys]


def _lapsed(intentions: dict[PrefixKey, Intention], said: set[PrefixKey], now: int) -> Iterator[tuple[int, Entry]]:
    """Intentions that nothing live stands for any more (this node was down for longer than they lived)."""
    for key, row in intentions.items():
        if key not in said and (row.until == 0 or row.until > now):
            yield row.basis, block_entry(key, row.until, row.category, row.confidence, now)


def _same_age(key: PrefixKey, statement: Statement, now: int) -> Entry:
    age = max(0, now - statement.stated)
    return Entry(
        key=key,
        action=statement.action,
        category=Category(statement.category),
        confidence=round(statement.confidence * 8) - 1,
        ttl=min(statement.expires - now, MAX_LIFETIME - age),
        age=age,
    )


def _segments(entries: list[tuple[int, Entry]]) -> Iterator[Statements]:
    for basis in sorted({basis for basis, _ in entries}):
        of_basis = sorted((entry for one, entry in entries if one == basis), key=lambda entry: entry.key)
        for at in range(0, len(of_basis), MAX_ENTRIES):
            yield Statements(entries=of_basis[at : at + MAX_ENTRIES], basis=basis)
