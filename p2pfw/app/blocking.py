"""The operator's blocks: given, extended, taken back, imported by the hundred thousand.

Whole or not at all: everything is checked before anything is kept, and what is answered with success is synced. What
stands in the way (whitelist, protection, private space) is refused here with its name, before the policy would refuse
it silently. Extends, never shortens.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from p2pfw import schema
from p2pfw.app.announcing import Announcing, Wish, block_entry, is_standing
from p2pfw.app.enforcing import Mode
from p2pfw.app.explaining import Names, obstacle_text
from p2pfw.app.kit import Kit
from p2pfw.app.originating import Originator, Statements
from p2pfw.app.pace import Pace
from p2pfw.core.announcement import MAX_ENTRIES, Action, Category
from p2pfw.core.duration import parse_ttl
from p2pfw.core.forbidden import Obstacles
from p2pfw.core.localbook import LocalEntry
from p2pfw.core.prefix import Prefix, PrefixKey, key_text
from p2pfw.core.statement import Source
from p2pfw.core.times import ending
from p2pfw.core.verdict import Decision
from p2pfw.errors import ConflictError, InputError, NotAcceptableError, NotFoundError
from p2pfw.operations import Caller
from p2pfw.ports import Drop, IntentionRow, LocalRow, Put, Write

FORCE: Final = "force"
NOTE: Final = "note"
SIGHTING_TTL: Final = 86_400
"""Seconds for which something that this machine saw counts (policy)."""
INSTALL_WITHIN: Final = 30.0
"""Seconds that an import waits for the kernel before it says that it is late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a request asks for, parsed. `until` Unix seconds, 0 for ever; `confidence` 0..7."""

    until: int
    category: Category
    confidence: int
    reason: str
    local_only: bool
    force: bool

    @classmethod
    def of(cls, request: schema.BlockRequest, now: int) -> "Terms":
        """InputError names the field."""
        seconds = seconds_of(request.ttl)
        return cls(
            until=now + seconds if seconds is not None else 0,
            category=Category[request.category.upper()],
            confidence=max(0, min(7, round(request.confidence * 8) - 1)),
            reason=request.reason,
            local_only=request.local_only,
            force=request.force,
        )

    def wish(self, key: PrefixKey) -> Wish:
        """The wish to block one prefix on these terms."""
        return Wish(key=key, until=self.until, category=self.category, confidence=self.confidence, reason=self.reason)


def seconds_of(ttl: str | int) -> int | None:
    """A request's ttl in seconds, None for ever; InputError below one second."""
    seconds = parse_ttl(ttl, field="ttl") if isinstance(ttl, str) else ttl
    if seconds is not None and seconds < 1:
        raise InputError(f"ttl {ttl!r} is less than a second", field="ttl", hint='write it like "4h" or "forever"')
    return seconds


def later(one: int, other: int) -> int:
    """The later of two ends, where 0 is never."""
    return 0 if 0 in (one, other) else max(one, other)


class Blocking:
    """The operator's hand."""

    def __init__(self, kit: Kit, announcing: Announcing, originator: Originator, names: Names) -> None:
        self._domain, self._judging, self._enforcing = kit.domain, kit.judging, kit.enforcing
        self._store, self._events, self._clock = kit.store, kit.events, kit.clock
        self._announcing, self._originator, self._names = announcing, originator, names

    # --- block -----------------------------------------------------------------------------------------------------

    async def block(self, request: schema.BlockRequest, caller: Caller) -> schema.BlockAnswer:
        """See operations.Operations.block."""
        now = self._domain.now()
        terms, keys = Terms.of(request, now), parse_all(request)
        for index, key in enumerate(keys):
            self.check(key, index, force=terms.force)
        ends = {key: self._end_so_far(key, local_only=terms.local_only) for key in keys}
        wanted = [key for key in keys if not _covers(ends[key], terms.until)]
        announcement = await self._keep(wanted, terms, now)
        for key in wanted:
            self._events.tell("block", prefix=key_text(key), reason=terms.reason, by=caller.name)
        problem = await self._settled(wanted) if request.wait else ""
        return self._answer(keys, terms, ends, announcement, problem, waited=request.wait)

    async def _keep(self, keys: Sequence[PrefixKey], terms: Terms, now: int) -> str:
        if not keys:
            return ""
        marks: list[Write] = []
        if terms.force:
            marks += [Put(row=self._local_row(key, FORCE, terms, now)) for key in keys]
            self._domain.forced.update(keys)
        if terms.local_only:
            await self._store.commit(*marks, *(Put(row=self._local_row(k, "operator", terms, now)) for k in keys))
            self._adopt_locally(keys, terms, now)
            return ""
        if terms.reason:
            marks += [Put(row=self._local_row(key, NOTE, terms, now)) for key in keys]
        announcement = await self._announcing.block([terms.wish(key) for key in keys], *marks)
        self._remember(keys, terms, now)
        return announcement

    def _remember(self, keys: Sequence[PrefixKey], terms: Terms, now: int) -> None:
        for key in keys:
            if terms.reason:
                self._domain.notes[key] = terms.reason
            if is_standing(terms.until, now):
                self._domain.standing[key] = _intention(key, terms, now)

    def _adopt_locally(self, keys: Sequence[PrefixKey], terms: Terms, now: int) -> None:
        for key in keys:
            entry = LocalEntry(
                until=terms.until, added=now, category=terms.category, reason=terms.reason, forced=terms.force
            )
            self._domain.local.put(Source.OPERATOR, key, entry)
        self._judging.dirty(keys)

    @staticmethod
    def _local_row(key: PrefixKey, source: str, terms: Terms, now: int) -> LocalRow:
        return LocalRow(
            source=source, key=key, until=terms.until, category=terms.category, reason=terms.reason, added=now
        )

    def _end_so_far(self, key: PrefixKey, *, local_only: bool) -> int | None:
        """Until when this node's own word on it stands already; 0 for ever, None when there is none."""
        ends = [self._domain.local_end(key)]
        if not local_only:
            own = self._domain.own_block(key)
            standing = self._domain.standing.get(key)
            ends = [own.expires if own else None, standing.until if standing else None]
            waiting = self._announcing.waiting.get(key)
            ends.append(waiting.until if waiting else None)
        known = [end for end in ends if end is not None]
        return None if not known else 0 if 0 in known else max(known)

    async def _settled(self, keys: Sequence[PrefixKey]) -> str:
        if self._enforcing.mode is Mode.OBSERVE or not keys:
            return ""
        return await self._enforcing.settle(self._judging.ticket)

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
        state = "observed" if self._enforcing.mode is Mode.OBSERVE else "recorded"
        if waited and not problem and self._enforcing.enforcing:
            state = "installed"
        results = [
            schema.BlockResult(
                prefix=key_text(key),
                state=state,  # type: ignore[arg-type]  # one of the three words above
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

    # --- unblock ---------------------------------------------------------------------------------------------------

    async def unblock(self, key: PrefixKey, scope: str, caller: Caller) -> schema.UnblockAnswer:
        """See operations.Operations.unblock."""
        others = [] if scope == "own" else self._fleet_words(key)
        local = self._domain.local_end(key) is not None
        own = self._domain.own_end(key) is not None or local
        if not own and not others:
            raise NotFoundError(self._not_ours(key, scope), field="prefix", hint=self._hint(key))
        drops = [Drop(table=LocalRow, identity=(source, key)) for source in ("operator", FORCE, NOTE)]
        if own:
            await self._announcing.retract([key], *drops)
        self._forget(key)
        if others:
            await self._announcing.pardon(key, max(others))
        self._judging.dirty([key])
        self._events.tell("unblock", prefix=key_text(key), by=caller.name, pardoned=bool(others))
        await self._settled([key])
        return schema.UnblockAnswer(
            prefix=key_text(key),
            retracted=own,
            pardoned=bool(others),
            still_blocked_by=self._still(key),
            hint=self._hint(key),
        )

    def _fleet_words(self, key: PrefixKey) -> list[int]:
        """When other nodes of the own fleet made their live statements on it."""
        statements = self._domain.ledger.statements(key, self._domain.now())
        me = self._domain.me
        ours = [one for one in statements if one.owner == me.owner and one.origin != me.node]
        return [one.stated for one in ours if one.action is Action.BLOCK]

    def _forget(self, key: PrefixKey) -> None:
        self._domain.local.drop(Source.OPERATOR, key)
        self._domain.forced.discard(key)
        self._domain.notes.pop(key, None)
        self._domain.standing.pop(key, None)

    def _still(self, key: PrefixKey) -> list[str]:
        """Because of whom it, or a prefix around it, is still adopted."""
        names = set()
        for found, word in self._domain.adoption.covering(key):
            if word.decision is not Decision.ADOPT:
                continue
            for testimony in self._domain.explain(found).testimonies:
                if testimony.counted:
                    said = testimony.statement
                    who = self._names.name_of(said.owner or said.origin) if said.origin else f"feed {said.name}"
                    names.add(who if found == key else f"{who} ({key_text(found)})")
        return sorted(names)

    def _not_ours(self, key: PrefixKey, scope: str) -> str:
        whose = "this node" if scope == "own" else "this fleet"
        return f"{key_text(key)} is not blocked by {whose}"

    def _hint(self, key: PrefixKey) -> str:
        if not self._still(key):
            return ""
        return f"p2pfw allow add {key_text(key)} --ttl 1d keeps it open here whatever others say"

    # --- import, sightings -----------------------------------------------------------------------------------------

    async def import_blocks(
        self, keys: Sequence[PrefixKey], request: schema.BlockRequest, caller: Caller
    ) -> AsyncIterator[schema.ImportProgress]:
        """See operations.Operations.import_blocks."""
        now = self._domain.now()
        terms = Terms.of(request, now)
        wanted, skipped = await self._sift(keys, terms)
        yield schema.ImportProgress(stage="parsed", entries=len(wanted), skipped=skipped)
        if terms.local_only:
            await self._keep(wanted, terms, now)
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
            reason = self.obstacle(self._domain.forbidden.obstacles(key, now), force=False)
            if not reason and _covers(self._end_so_far(key, local_only=terms.local_only), terms.until):
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
        rows: list[Write] = []
        if is_standing(terms.until, now):
            rows = [Put(row=_intention(key, terms, now)) for key in keys]
            self._domain.standing.update({key: _intention(key, terms, now) for key in keys})
        async with self._announcing.order:
            said = await self._originator.say(self._drafts(keys, terms, now), *rows)
        return len(said)

    def _drafts(self, keys: Sequence[PrefixKey], terms: Terms, now: int) -> Iterator[Statements]:
        """Announcements of 1,024, made one at a time: a list of a million takes no million objects."""
        ordered = sorted(keys)
        for at in range(0, len(ordered), MAX_ENTRIES):
            part = ordered[at : at + MAX_ENTRIES]
            floor = max(map(self._domain.stamp_floor, part))
            entries = [block_entry(key, terms.until, terms.category, terms.confidence, max(now, floor)) for key in part]
            yield Statements(entries=entries, not_before=floor)

    async def sighting(self, key: PrefixKey, category: str) -> schema.BlockResult:
        """The voice `self`, for a day."""
        self.check(key)
        now = self._domain.now()
        until, kind = now + SIGHTING_TTL, Category[category.upper()]
        row = LocalRow(source=Source.SIGHTING.value, key=key, until=until, category=kind, reason="", added=now)
        await self._store.commit(Put(row=row))
        self._domain.local.put(Source.SIGHTING, key, LocalEntry(until=until, added=now, category=kind))
        self._judging.dirty([key])
        state = "observed" if self._enforcing.mode is Mode.OBSERVE else "recorded"
        return schema.BlockResult(prefix=key_text(key), state=state, expires=ending(until))  # type: ignore[arg-type]


def parse_all(request: schema.BlockRequest) -> list[PrefixKey]:
    """The prefixes of a request in order, each once; InputError names the element that is at fault."""
    texts = request.prefixes if request.prefixes is not None else [request.prefix] if request.prefix else []
    if not texts or (request.prefix is not None and request.prefixes is not None):
        raise InputError("give either prefix or prefixes", field="prefix")
    keys: dict[PrefixKey, None] = {}
    for index, text in enumerate(texts):
        try:
            keys[Prefix.parse(text).key] = None
        except InputError as error:
            place = f"prefixes[{index}]" if request.prefixes is not None else "prefix"
            raise InputError(error.problem, field=place, hint=error.hint) from None
    return list(keys)


def _covers(end: int | None, until: int) -> bool:
    """True when what stands already lasts as long as what is asked."""
    return end is not None and later(end, until) == end


def _kept_end(end: int | None, until: int) -> int:
    return until if end is None else later(end, until)


def _intention(key: PrefixKey, terms: Terms, now: int) -> IntentionRow:
    return IntentionRow(
        key=key,
        until=terms.until,
        category=terms.category,
        confidence=terms.confidence,
        reason=terms.reason,
        added=now,
    )
