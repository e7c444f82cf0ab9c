"""State as answers: status, listing, blocklist rows. Reads only; computed when asked, true at that instant.

The listing of very many lets the loop turn while it looks: each of its entries is true, the whole may be some ms old.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Final

from msgspec import structs

from p2pfw import __version__, schema
from p2pfw.app.counters import Refusals
from p2pfw.app.explaining import Names
from p2pfw.app.health import Health
from p2pfw.app.kit import Kit
from p2pfw.app.mode import Modes
from p2pfw.app.pace import Pace
from p2pfw.app.peering import Peering
from p2pfw.app.wanted import Mode
from p2pfw.core.adoption import Word
from p2pfw.core.announcement import Category
from p2pfw.core.idtext import encode_id
from p2pfw.core.prefix import Prefix, PrefixKey, covers, key_text
from p2pfw.core.times import ending, rfc3339
from p2pfw.core.verdict import Decision
from p2pfw.errors import InputError
from p2pfw.operations import AdoptedRow

_CURSOR: Final = re.compile(r"[0-9a-f]{1,35}")
VIEWS: Final = {"adopted": Decision.ADOPT, "held": Decision.HOLD, "refused": Decision.REFUSE}
MOST_LISTED: Final = 1_000
RUN: Final = 2_048
"""Keys sorted between two turns of the loop: about a millisecond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What status says of this process. `started` Unix seconds; `instance`: differs between processes."""

    name: str
    network: str
    started: float
    instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Whom the views ask, beside the kit."""

    modes: Modes
    peering: Peering
    names: Names
    refusals: Refusals
    health: Health
    rules: Sized
    """The local rules."""


class Views:
    """What the operator reads."""

    def __init__(self, kit: Kit, me: Card, sources: Sources) -> None:
        self._domain, self._enforcing, self._clock, self._me = kit.domain, kit.enforcing, kit.clock, me
        self._modes, self._peering, self._names = sources.modes, sources.peering, sources.names
        self._refusals, self._health, self._rules = sources.refusals, sources.health, sources.rules
        self.configured: Callable[[], int] = int

    def status(self) -> schema.Status:
        """See operations.Operations.status."""
        domain, enforcing = self._domain, self._enforcing
        now = domain.now()
        counts = domain.ledger.counts()
        return schema.Status(
            node_id=encode_id(domain.me.node),
            owner_id=encode_id(domain.me.owner),
            name=self._me.name,
            network=self._me.network,
            version=__version__,
            started=rfc3339(self._me.started),
            uptime=max(0, int(now - self._me.started)),
            mode=enforcing.mode.value,
            mode_origin="command" if self._modes.by_command else "configuration",
            enforcing=enforcing.enforcing,
            confirming=self._modes.confirming(),
            adopted=domain.adoption.count(Decision.ADOPT),
            installed=enforcing.installed,
            pending=enforcing.pending,
            held=domain.adoption.count(Decision.HOLD),
            refused=domain.adoption.count(Decision.REFUSE),
            announcements=counts.announcements,
            entries=counts.entries,
            whitelist=len(domain.whitelist),
            local_rules=len(self._rules),
            peers=len(self._peering.sessions),
            peers_configured=self.configured(),
            fleet=max(1, len(domain.directory.nodes_of(domain.me.owner, now))),
            generation=domain.adoption.generation,
            last_error=enforcing.last_error,
            drift=dict(enforcing.drift),
            refusals=self._refusals.snapshot(),
            origins_not_carried=[encode_id(origin) for origin in self._refusals.strangers()],
            health=self._health.lines(),
            dropped_packets=enforcing.report.dropped4 + enforcing.report.dropped6,
            dropped_bytes=enforcing.report.bytes4 + enforcing.report.bytes6,
            memory_bytes=self._health.memory_bytes(),
            loop_lag_ms=self._health.loop_lag_ms(),
        )

    def generation(self) -> str:
        """See operations.Operations.generation."""
        return f"{self._me.instance}-{self._domain.adoption.generation}"

    async def adopted(self) -> Iterator[AdoptedRow]:
        """See operations.Operations.adopted."""
        pace, runs = Pace(self._clock), list[list[PrefixKey]]()
        keys = (key for key, _ in self._domain.adoption.adopted())
        # Sorted a piece at a time and merged as it is read: sorting a large list at once would stall the loop.
        while run := sorted(islice(keys, RUN)):
            runs.append(run)
            await pace.turn()
        return self._rows(merge(*runs))

    def _rows(self, keys: Iterable[PrefixKey]) -> Iterator[AdoptedRow]:
        adoption = self._domain.adoption
        for key in keys:
            word = adoption.verdict(key)
            if word is not None and word.decision is Decision.ADOPT:
                category = self._domain.category_of(key)
                yield AdoptedRow(key=key, until=word.until or 0, reason=word.reason.word, category=category)

    def covering(self, prefix: Prefix) -> schema.BlocklistEntry | None:
        """See operations.Operations.covering."""
        found = next(self._domain.adoption.covering(prefix.key), None)
        if found is None:
            return None
        key, word = found
        return schema.BlocklistEntry(
            prefix=key_text(key),
            reason=word.reason.word,
            expires=ending(word.until or 0),
            category=_category(self._domain.category_of(key)),
            installed=self._installed(key),
        )

    async def listing(self, view: str, origin: str, contains: Prefix | None, limit: int, cursor: str) -> schema.Listing:
        """See operations.Operations.listing."""
        if view not in (*VIEWS, "installed", "top", "all"):
            hint = "adopted, held, refused, installed, top or all"
            raise InputError(f"{view!r} is no view", field="view", hint=hint)
        if view == "top":
            return await self._top(origin, contains, limit)
        after = _cursor(cursor)
        adoption, pace = self._domain.adoption, Pace(self._clock)
        matching = []
        for key, word in adoption.verdicts() if contains is None else adoption.around(contains.key):
            if self._shown(view, key, word) and (not origin or origin in self._origins(key)):
                matching.append(key)
            await pace.step()
        matching.sort()
        begin = bisect_right(matching, after)
        page = matching[begin : begin + min(limit, MOST_LISTED)]
        more = bool(page) and page[-1] != matching[-1]
        return schema.Listing(
            entries=[self._entry(key, now) for key in page if (now := adoption.verdict(key)) is not None],
            total=len(matching),
            cursor=f"{page[-1]:x}" if more else "",
        )

    async def _top(self, origin: str, contains: Prefix | None, limit: int) -> schema.Listing:
        """What dropped most, first. Counters move: there are no pages."""
        tallies = await self._enforcing.tallies()
        talking = [
            (packets, octets, PrefixKey(key))
            for key, (packets, octets) in tallies.items()
            if contains is None or covers(key, contains.key)
        ]
        heard = [one for one in sorted(talking, reverse=True) if not origin or origin in self._origins(one[2])]
        entries = []
        for packets, octets, key in heard[: min(limit, MOST_LISTED)]:
            word = self._domain.adoption.verdict(key)
            if word is not None:
                entries.append(structs.replace(self._entry(key, word), packets=packets, bytes=octets))
        return schema.Listing(entries=entries, total=len(heard), cursor="")

    def _shown(self, view: str, key: PrefixKey, word: Word) -> bool:
        if view == "all":
            return True
        if view == "installed":
            return self._installed(key)
        return word.decision is VIEWS[view]

    def _installed(self, key: PrefixKey) -> bool:
        return self._enforcing.mode is Mode.ENFORCE and self._enforcing.holds(key)

    def _entry(self, key: PrefixKey, word: Word) -> schema.ListEntry:
        return schema.ListEntry(
            prefix=key_text(key),
            verdict=word.decision.word,
            reason=word.reason.word,
            expires=ending(word.until) if word.until else None,
            installed=self._installed(key),
            origins=self._origins(key),
            category=_category(self._domain.category_of(key)),
        )

    def _origins(self, key: PrefixKey) -> list[str]:
        """Ids and names of who speaks about it."""
        statements = self._domain.statements(key, self._domain.now())
        ids = [encode_id(one.origin) for one in statements if one.origin is not None]
        names = [self._names.name_of(one.origin) for one in statements if one.origin is not None]
        return [*dict.fromkeys([*names, *ids])]


def _category(number: int) -> schema.CategoryName:
    return Category(number).name.lower()  # type: ignore[return-value]  # the names of Category are the literals


def _cursor(text: str) -> int:
    if text and _CURSOR.fullmatch(text) is None:
        raise InputError("this cursor is not one of ours", field="cursor", hint="leave it out for the first page")
    return int(text or "-1", 16)
