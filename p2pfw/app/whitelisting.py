"""The operator's whitelist at run time: kept, judged and in the kernel before the answer.

The kernel's own allow set takes effect first, then what overlaps leaves the block set. Entries of the configuration are
the configuration's to take back.
"""

import asyncio
from collections.abc import Callable, Iterable

from p2pfw import schema
from p2pfw.app.kit import Kit
from p2pfw.app.terms import seconds_of
from p2pfw.app.wanted import Mode
from p2pfw.core.prefix import Prefix, PrefixKey, key_text
from p2pfw.core.protected import ProtectedRange, Strength
from p2pfw.core.times import ending
from p2pfw.core.whitelist import COMMAND, WhitelistEntry
from p2pfw.errors import ConflictError, FirewallError, NotFoundError
from p2pfw.operations import Caller
from p2pfw.rows import AllowRow, Drop, Put


class Whitelisting:
    """Edits of the whitelist, and answers about it. `recut`: feeds go around what must not be blocked; what changed."""

    def __init__(self, kit: Kit, recut: Callable[[], list[PrefixKey]] = list) -> None:
        self._recut = recut
        self._domain, self._judging, self._enforcing = kit.domain, kit.judging, kit.enforcing
        self._store, self._events = kit.store, kit.events
        self._editing = asyncio.Lock()

    def load(self, rows: Iterable[AllowRow]) -> None:
        """Run-time entries, at start."""
        for row in rows:
            entry = WhitelistEntry(key=PrefixKey(row.key), until=row.until, comment=row.comment, source=COMMAND)
            self._domain.whitelist.put(entry)

    def kernel_keys(self) -> list[PrefixKey]:
        """What the kernel's allow set holds of it."""
        return self._domain.whitelist.keys()

    async def allow(self, prefix: Prefix, request: schema.AllowRequest, caller: Caller) -> schema.AllowAnswer:
        """See operations.Operations.allow."""
        now, seconds = self._domain.now(), seconds_of(request.ttl)
        until = 0 if seconds is None else now + seconds
        entry = WhitelistEntry(key=prefix.key, until=until, comment=request.comment, source=COMMAND)
        row = AllowRow(key=prefix.key, until=until, comment=request.comment, added=now)
        async with self._editing:
            await self._store.commit(Put(row=row))
            self._domain.whitelist.put(entry)
        self._events.tell("allow", prefix=str(prefix), reason=request.comment, by=caller.name)
        released = await self._follow(prefix.key)
        return schema.AllowAnswer(entry=entry_view(entry), released=[key_text(key) for key in released])

    async def disallow(self, prefix: Prefix, caller: Caller) -> schema.AllowAnswer:
        """See operations.Operations.disallow."""
        entry = next((one for one in self._domain.whitelist.entries() if _is(one, prefix.key, COMMAND)), None)
        if entry is None:
            raise self._not_there(prefix)
        async with self._editing:
            await self._store.commit(Drop(table=AllowRow, identity=prefix.key))
            self._domain.whitelist.remove(prefix.key, COMMAND)
        self._events.tell("disallow", prefix=str(prefix), by=caller.name)
        await self._follow(prefix.key)
        return schema.AllowAnswer(entry=entry_view(entry))

    def prune(self, now: float) -> None:
        """Drop what has ended. Not during an edit: a row that is on its way might be the one that is dropped."""
        ended = [] if self._editing.locked() else self._domain.whitelist.prune(now)
        rows = [entry.key for entry in ended if entry.source == COMMAND]
        self._store.post(*(Drop(table=AllowRow, identity=key) for key in rows))
        self.changed(entry.key for entry in ended)

    def changed(self, changed: Iterable[PrefixKey]) -> None:
        """Whitelist or protection changed by other ways (configuration, expiry, addresses): judge what overlaps."""
        keys = list(changed)
        if not keys:
            return
        self._judging.dirty(self._recut())
        for key in keys:
            self._judging.dirty(self._domain.overlapping(key))
        self._enforcing.allow_changed()

    async def judged(self) -> None:
        """Wait until what changed is judged: nothing that overlaps it is adopted any more."""
        await self._judging.idle()

    def listing(self, *, protected: bool) -> schema.AllowList:
        """See operations.Operations.allow_list."""
        entries = [entry_view(entry) for entry in self._domain.whitelist.entries()]
        if protected:
            entries += [protected_view(one) for one in self._domain.protected.entries()]
        return schema.AllowList(entries=entries)

    def check(self, prefix: Prefix) -> schema.AllowCheck:
        """See operations.Operations.allow_check."""
        now = self._domain.now()
        listed = [entry for entry in self._domain.whitelist.entries() if not entry.ended(now)]
        views = [entry_view(entry) for entry in listed if Prefix(entry.key).overlaps(prefix)]
        protected = [one for one in self._domain.protected.entries() if one.strength is not Strength.PEER]
        views += [protected_view(one) for one in protected if Prefix(one.key).overlaps(prefix)]
        return schema.AllowCheck(prefix=str(prefix), allowed=bool(views), overlaps=views)

    async def _follow(self, key: PrefixKey) -> list[PrefixKey]:
        """Judge what overlaps, wait for the kernel; what was adopted and is no longer. FirewallError: not there yet."""
        # What is said around a hole now is judged together with what it replaces: nothing opens in between.
        overlapping = sorted({*self._recut(), *self._domain.overlapping(key)})
        adopted = [one for one in overlapping if self._domain.adoption.until(one) is not None]
        ticket = self._enforcing.allow_changed()
        self._judging.dirty(overlapping)
        await self._judging.idle()
        if self._enforcing.mode is Mode.ENFORCE:
            problem = await self._enforcing.settle(max(ticket, self._judging.ticket))
            if problem:
                raise FirewallError(f"kept, but the kernel does not follow yet: {problem}")
        return [one for one in adopted if self._domain.adoption.until(one) is None]

    def _not_there(self, prefix: Prefix) -> ConflictError | NotFoundError:
        other = next((one for one in self._domain.whitelist.entries() if one.key == prefix.key), None)
        if other is None:
            return NotFoundError(f"{prefix} is not on the whitelist", field="prefix")
        return ConflictError(
            f"{prefix} is whitelisted by {other.source}",
            overlap=str(prefix),
            hint="edit it there, then p2pfw config reload",
        )


def entry_view(entry: WhitelistEntry) -> schema.AllowEntry:
    """A whitelist entry as it is shown."""
    return schema.AllowEntry(
        prefix=key_text(entry.key), source=entry.source, comment=entry.comment, expires=ending(entry.until)
    )


def protected_view(one: ProtectedRange) -> schema.AllowEntry:
    """A protected range as it is shown."""
    return schema.AllowEntry(
        prefix=key_text(one.key), source=f"protected:{one.strength.value}", comment=one.reason, expires=None
    )


def _is(entry: WhitelistEntry, key: PrefixKey, source: str) -> bool:
    return entry.key == key and entry.source == source
