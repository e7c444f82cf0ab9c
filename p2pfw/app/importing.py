"""Lists blocked by the hundred thousand: sifted, announced in full segments, whole or nothing, with progress.

What a single block would be refused for (whitelist, protection, private space) is skipped here and counted by reason:
a list from elsewhere is not written with this machine in mind. What stands for as long already is skipped as known.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import repeat
from typing import Final

from p2pfw import schema
from p2pfw.app.announcing import Announcing, is_standing
from p2pfw.app.blocking import Blocking
from p2pfw.app.kit import Kit
from p2pfw.app.originating import Blocks, Originator
from p2pfw.app.pace import Pace
from p2pfw.app.terms import Terms, covers
from p2pfw.app.wanted import Mode
from p2pfw.core.announcement import MAX_ENTRIES
from p2pfw.core.prefix import PrefixKey
from p2pfw.operations import Caller
from p2pfw.rows import PutIntentions

INSTALL_WITHIN: Final = 30.0
"""Seconds that an import waits for the kernel before it says that it is late."""


class Importing:
    """The operator's hand, with a list in it."""

    def __init__(self, kit: Kit, announcing: Announcing, originator: Originator, blocking: Blocking) -> None:
        self._domain, self._judging, self._enforcing = kit.domain, kit.judging, kit.enforcing
        self._events, self._clock = kit.events, kit.clock
        self._announcing, self._originator, self._blocking = announcing, originator, blocking

    async def import_blocks(
        self, keys: Sequence[PrefixKey], request: schema.BlockRequest, caller: Caller
    ) -> AsyncIterator[schema.ImportProgress]:
        """See operations.Operations.import_blocks."""
        now = self._domain.now()
        terms = Terms.of(request, now)
        wanted, skipped = await self._sift(keys, terms)
        if not terms.local_only:
            self._domain.check_room(len(wanted))
        yield schema.ImportProgress(stage="parsed", entries=len(wanted), skipped=skipped)
        if terms.local_only:
            await self._blocking.keep(wanted, terms, now)
            said = 0
        else:
            said = await self._announce_all(wanted, terms, now)
        self._events.tell("import", entries=len(wanted), announcements=said, by=caller.name)
        yield schema.ImportProgress(stage="recorded", entries=len(wanted), announcements=said, skipped=skipped)
        await self._judging.idle()
        problem = await self._enforcing.settle(self._judging.ticket, INSTALL_WITHIN)
        if self._enforcing.mode is Mode.ENFORCE and not problem:
            yield schema.ImportProgress(stage="installed", entries=len(wanted), announcements=said, skipped=skipped)
        elif problem:
            failed = schema.Problem(type="about:blank", title="not installed yet", status=503, detail=problem)
            yield schema.ImportProgress(stage="failed", entries=len(wanted), problem=failed)

    async def _sift(self, keys: Sequence[PrefixKey], terms: Terms) -> tuple[list[PrefixKey], dict[str, int]]:
        wanted: list[PrefixKey] = []
        skipped: dict[str, int] = {}
        now = self._domain.now()
        pace = Pace(self._clock)
        for key in keys:
            reason = self._blocking.obstacle(self._domain.forbidden.obstacles(key, now), force=False)
            if not reason and covers(self._blocking.end_so_far(key, now, local_only=terms.local_only), terms.until):
                reason = "known"
            if reason:
                skipped[reason] = skipped.get(reason, 0) + 1
            else:
                wanted.append(key)
            await pace.step()
        return wanted, skipped

    async def _announce_all(self, keys: Sequence[PrefixKey], terms: Terms, now: int) -> int:
        if not keys:
            return 0
        keys = sorted(keys)
        async with self._announcing.order:
            floor = await self._stamp_floor(keys)
            meant = terms.intention(max(now, floor)) if is_standing(terms.until, now) else None
            waiting = self._announcing.waiting
            replaced = {key: waiting[key] for key in keys if key in waiting}
            rows = [] if meant is None else [PutIntentions(keys=part, intention=meant) for part in _parts(keys)]
            said = await self._originator.say(_drafts(keys, terms, floor), *rows)
            self._announcing.let_go(replaced)  # said later, the shorter wish that waited would win
        if meant is not None:
            self._domain.standing.update(zip(keys, repeat(meant)))
        return len(said)

    async def _stamp_floor(self, keys: Sequence[PrefixKey]) -> int:
        """Unix second before which a block of any of these would count as pardoned."""
        floor, pace = 0, Pace(self._clock)
        for key in keys:
            floor = max(floor, self._domain.stamp_floor(key))
            await pace.step()
        return floor


def _parts(keys: Sequence[PrefixKey]) -> Iterator[Sequence[PrefixKey]]:
    for at in range(0, len(keys), MAX_ENTRIES):
        yield keys[at : at + MAX_ENTRIES]


def _drafts(keys: Sequence[PrefixKey], terms: Terms, floor: int) -> Iterator[Blocks]:
    """Announcements of 1,024, made one at a time: a list of a million takes no million objects."""
    for part in _parts(keys):
        yield Blocks(
            keys=part, until=terms.until, category=terms.category, confidence=terms.confidence, not_before=floor
        )
