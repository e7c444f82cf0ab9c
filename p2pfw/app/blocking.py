"""The operator's blocks: given, extended, refused where something stands in the way.

Whole or not at all: everything is checked before anything is kept, and what is answered with success is synced. What
stands in the way (whitelist, protection, private space) is refused here with its name, before the policy would refuse
it silently. Extends, never shortens. Taking back is unblocking's, lists are importing's.
"""

from collections.abc import Sequence
from typing import Final, Literal

from p2pfw import schema
from p2pfw.app.announcing import Announcing, is_standing
from p2pfw.app.explaining import obstacle_text
from p2pfw.app.judging import AT_ONCE
from p2pfw.app.kit import Kit
from p2pfw.app.marks import FORCE, NOTE
from p2pfw.app.terms import Terms, covers, later, parse_all
from p2pfw.app.wanted import Mode
from p2pfw.core.announcement import Category
from p2pfw.core.forbidden import Obstacles
from p2pfw.core.localbook import LocalEntry
from p2pfw.core.prefix import PrefixKey, key_text
from p2pfw.core.statement import Source
from p2pfw.core.times import ending
from p2pfw.core.verdict import Decision
from p2pfw.errors import ConflictError, NotAcceptableError
from p2pfw.operations import Caller
from p2pfw.rows import LocalRow, Put

State = Literal["observed", "recorded", "installed"]
SIGHTING_TTL: Final = 86_400
"""Seconds for which something that this machine saw counts (policy)."""


class Blocking:
    """The operator's hand."""

    def __init__(self, kit: Kit, announcing: Announcing) -> None:
        self._domain, self._judging, self._enforcing = kit.domain, kit.judging, kit.enforcing
        self._store, self._events, self._announcing = kit.store, kit.events, announcing

    # --- block -----------------------------------------------------------------------------------------------------

    async def block(self, request: schema.BlockRequest, caller: Caller) -> schema.BlockAnswer:
        """See operations.Operations.block."""
        now = self._domain.now()
        terms, keys = Terms.of(request, now), parse_all(request)
        for index, key in enumerate(keys):
            self.check(key, index, force=terms.force)
        ends = {key: self.end_so_far(key, now, local_only=terms.local_only) for key in keys}
        wanted = [key for key in keys if not covers(ends[key], terms.until)]
        announcement = await self.keep(wanted, terms, now)
        for key in wanted:
            self._events.tell("block", prefix=key_text(key), reason=terms.reason, by=caller.name)
        problem = await self._settled(wanted) if request.wait else ""
        return self._answer(keys, terms, ends, announcement, problem, waited=request.wait)

    async def keep(self, keys: Sequence[PrefixKey], terms: Terms, now: int) -> str:
        """Announce or keep locally, with what belongs to it; the id of the announcement when there is one already."""
        if not keys:
            return ""
        sources = [FORCE] * terms.force + [Source.OPERATOR.value if terms.local_only else NOTE] * terms.is_noted
        rows = [terms.local_row(key, source, now) for source in sources for key in keys]
        writes = [Put(row=row) for row in rows]
        announcement = ""
        with self._domain.marks.writing(keys):
            if terms.local_only:
                await self._store.commit(*writes)
                self._adopt_locally(keys, terms, now)
            else:
                wishes = [terms.wish(key, self._meant_at(key, now)) for key in keys]
                announcement = await self._announcing.block(wishes, *writes)
        self._remember(keys, rows, terms, now)
        return announcement

    def _remember(self, keys: Sequence[PrefixKey], rows: Sequence[LocalRow], terms: Terms, now: int) -> None:
        """What is on disk counts in memory from now on."""
        for row in rows:
            self._domain.marks.put(row)
        if not terms.local_only and is_standing(terms.until, now):
            meant = {at: terms.intention(at) for at in {self._meant_at(key, now) for key in keys}}
            self._domain.standing.update((key, meant[self._meant_at(key, now)]) for key in keys)
        if terms.force:
            self._announcing.show_again(keys)
            self._judging.dirty(keys)
            self._enforcing.allow_changed()

    def _meant_at(self, key: PrefixKey, now: int) -> int:
        """When a block of this instant was given: after every pardon that is known."""
        return max(now, self._domain.stamp_floor(key))

    def _adopt_locally(self, keys: Sequence[PrefixKey], terms: Terms, now: int) -> None:
        for key in keys:
            entry = LocalEntry(
                until=terms.until, added=now, category=terms.category, reason=terms.reason, forced=terms.force
            )
            self._domain.local.put(Source.OPERATOR, key, entry)
        self._judging.dirty(keys)

    def end_so_far(self, key: PrefixKey, now: int, *, local_only: bool) -> int | None:
        """Until when this node's own word on it stands already; 0 for ever, None when there is none."""
        ends = [self._domain.local_end(key)]
        if not local_only:
            own = self._domain.own_block(key, now)
            standing = self._domain.standing.get(key)
            ends = [own.expires if own else None, standing.until if standing else None]
            waiting = self._announcing.waiting.get(key)
            ends.append(waiting.until if waiting else None)
        known = [end for end in ends if end is not None and (end == 0 or end > now)]
        return None if not known else 0 if 0 in known else max(known)

    async def _settled(self, keys: Sequence[PrefixKey]) -> str:
        if self._enforcing.mode is Mode.OBSERVE or not keys:
            return ""
        ticket = await self._judging.idle() if len(keys) > AT_ONCE else self._judging.ticket
        problem = await self._enforcing.settle(ticket)
        missing = next((key for key in keys if not self._enforcing.holds(key)), None)
        return problem or (f"{key_text(missing)} is {self._instead(missing)}" if missing is not None else "")

    def _instead(self, key: PrefixKey) -> str:
        """What a prefix is that was blocked and is not installed."""
        word = self._domain.adoption.verdict(key)
        if word is None:
            return "taken back again"
        adopted = word.decision is Decision.ADOPT
        return "adopted, and the kernel does not drop it" if adopted else f"{word.decision.word}: {word.reason.word}"

    def _answer(
        self,
        keys: Sequence[PrefixKey],
        terms: Terms,
        ends: dict[PrefixKey, int | None],
        announcement: str,
        problem: str,
        *,
        waited: bool,
    ) -> schema.BlockAnswer:
        results = [
            schema.BlockResult(
                prefix=key_text(key),
                state=self._state(key, waited=waited),
                expires=ending(_kept_end(ends[key], terms.until)),
                extended=ends[key] is not None,
            )
            for key in keys
        ]
        return schema.BlockAnswer(
            prefix=results[0].prefix,
            announcement=announcement,
            state=results[0].state,
            expires=results[0].expires,
            results=results,
            not_installed=problem,
        )

    def _state(self, key: PrefixKey, *, waited: bool) -> State:
        if self._enforcing.mode is Mode.OBSERVE:
            return "observed"
        return "installed" if waited and self._enforcing.holds(key) else "recorded"

    # --- what stands in the way ------------------------------------------------------------------------------------

    def check(self, key: PrefixKey, index: int = 0, *, force: bool = False) -> None:
        """ConflictError or NotAcceptableError naming the range that forbids blocking it."""
        obstacles = self._domain.forbidden.obstacles(key, self._domain.now())
        reason = self.obstacle(obstacles, force=force)
        if not reason:
            return
        where = f" (element {index})" if index else ""
        if reason == "private":
            raise NotAcceptableError(
                f"{key_text(key)}{where} is in {obstacle_text(obstacles)}, which is refused",
                field="prefix",
                hint="set policy.allow_private = true if you mean it",
            )
        hints = {
            "whitelist": "take it off the whitelist first, if you mean it",
            "soft": "--force blocks it all the same",
            "hard": "nothing may block it",
        }
        raise ConflictError(
            f"{key_text(key)}{where} overlaps {obstacle_text(obstacles)}",
            overlap=obstacle_text(obstacles).partition(" ")[0],
            hint=hints[reason],
        )

    def obstacle(self, obstacles: Obstacles, *, force: bool) -> str:
        """hard, soft, whitelist, private, or "" when the operator may block it."""
        if obstacles.hard:
            return "hard"
        if obstacles.soft and not force:
            return "soft"
        if obstacles.private and not self._domain.policy.allow_private:
            return "private"
        return "whitelist" if obstacles.whitelist else ""

    # --- sightings ----------------------------------------------------------------------------------------------------

    async def sighting(self, key: PrefixKey, category: str) -> schema.BlockResult:
        """The voice `self`, for a day."""
        self.check(key)
        now = self._domain.now()
        until, kind = now + SIGHTING_TTL, Category[category.upper()]
        row = LocalRow(source=Source.SIGHTING.value, key=key, until=until, category=kind, reason="", added=now)
        with self._domain.marks.writing([key]):
            await self._store.commit(Put(row=row))
        self._domain.local.put(Source.SIGHTING, key, LocalEntry(until=until, added=now, category=kind))
        self._domain.marks.put(row)
        self._judging.dirty([key])
        return schema.BlockResult(prefix=key_text(key), state=self._state(key, waited=False), expires=ending(until))


def _kept_end(end: int | None, until: int) -> int:
    return until if end is None else later(end, until)
