"""What is said about a prefix, and what became of it: from references to statements.

Of one origin's entries that have not ended, the newest by (epoch, seq) holds; origins never override one another
(protocol 1.5). It counts (LIVE) when it is a BLOCK, not of the future, not pardoned, and its origin has a certificate
that is valid now and allows announcing. A RETRACT is never of the future here: a clock that was set back must not
bring back what was taken back. How much a statement weighs is policy's.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from p2pfw.core.announcement import FUTURE, Action, Category
from p2pfw.core.directory import Directory
from p2pfw.core.held import AGE_SHIFT, POSITION_BITS, POSITION_MASK, RETRACTS, THREE_BYTES, TTL_SHIFT, Held, Said, Shelf
from p2pfw.core.identity import NodeId, OwnerId, Uses
from p2pfw.core.index import PrefixIndex
from p2pfw.core.pardons import Pardons
from p2pfw.core.prefix import PrefixKey
from p2pfw.core.statement import Source, Standing, Statement

VOIDED_SHOWN: Final = 32
"""Announcements that are kept after they were voided, to be shown only."""

# A member looked up on its enum class, and an operation on flags, each cost as much as all the rest of a statement.
_SIGNED: Final = Source.SIGNED
_LIVE: Final = Standing.LIVE
_ANNOUNCE: Final = int(Uses.ANNOUNCE)
_FLEET: Final = int(Uses.FLEET)
_SAYS: Final = {
    action << 6 | category << 3 | confidence: (action, category, (confidence + 1) / 8)
    for action in (Action.BLOCK, Action.RETRACT)
    for category in Category
    for confidence in range(8)
}
"""Code byte → action, category, confidence."""
_BLOCKS: Final = {value: says for value, says in _SAYS.items() if value < RETRACTS}

_Entry = tuple[Held, Said]
_Word = tuple[Held, int]
"""A record as it lies in its announcement: this is where a judgement of everything spends its time."""


class Standings:
    """Answers about prefixes, from what lies on the shelf, in the index and in the directory."""

    def __init__(self, shelf: Shelf, index: PrefixIndex, pardons: Pardons, directory: Directory) -> None:
        self._shelf, self._index, self._pardons, self._directory = shelf, index, pardons, directory
        self._voided: deque[Held] = deque(maxlen=VOIDED_SHOWN)
        self._at = 0.0
        self._changes = -1
        self._owners: dict[NodeId, tuple[OwnerId | None, bool]] = {}
        self._last: tuple[list[_Word], float, int, list[Statement]] | None = None

    def live(self, key: PrefixKey, now: float) -> Sequence[Statement]:
        """The statements about exactly this prefix that count; several in order of their origins.

        Lists come by the thousand: records that say the same as those about the prefix before are not read again.
        """
        found = self._index.get(key)
        if found is None:
            return []
        entries = []
        slots = self._shelf.slots
        for ref in (found,) if isinstance(found, int) else found:
            held = slots[ref >> POSITION_BITS]
            entries.append((held, held.word(ref & POSITION_MASK)))
        if key in self._pardons.refs:
            return self._holding(entries, key, now)
        last, changes = self._last, self._directory.changes
        if last is None or last[1] != now or last[2] != changes or last[0] != entries:
            last = self._last = entries, now, changes, self._holding(entries, key, now)
        return last[3]

    def every(self, key: PrefixKey, now: float) -> list[Statement]:
        """All BLOCKs about exactly this prefix that are still known, with what became of each; by origin, newest first.

        Not shown: what its origin merely said again.
        """
        entries = sorted(self._entries(key), key=lambda entry: (entry[0].origin, -entry[0].order))
        newest = _newest(entries, now)
        shown = []
        for held, said in entries:
            standing = self._standing(held, said, newest.get(held.origin), key, now)
            if standing is not None and said.code < RETRACTS:
                shown.append(self._statement(held, said, standing, now))
        return shown + [self._statement(held, said, Standing.VOIDED, now) for held, said in self._dead(key, now)]

    def holding(self, key: PrefixKey, origin: NodeId, now: float) -> Statement | None:
        """What holds of one origin, BLOCK or RETRACT; LIVE is said of a RETRACT that holds too."""
        found = self._index.get(key)
        if isinstance(found, int):
            live = self.live(key, now)
            if live:  # nearly always, where a node looks through all that it said itself
                return live[0] if live[0].origin == origin else None
        holder = _newest(self._entries(key), now).get(origin)
        if holder is None:
            return None
        held, said = holder
        standing = _LIVE if said.code >= RETRACTS else self._became(held, said, key, now)
        return self._statement(held, said, standing, now)

    def block_end(self, key: PrefixKey, origin: NodeId, now: float) -> int | None:
        """Until when a RETRACT by this origin must live: the latest end of its BLOCKs that no RETRACT outlives yet."""
        mine = [entry for entry in self._entries(key) if entry[0].origin == origin and entry[1].ends > now]
        open_ends = [
            said.ends
            for held, said in mine
            if said.code < RETRACTS
            and not any(r.code >= RETRACTS and by.order > held.order and r.ends >= said.ends for by, r in mine)
        ]
        return max(open_ends, default=None)

    def bury(self, held: Held) -> None:
        """Show it as voided for a while."""
        self._voided.append(held)

    def _holding(self, entries: list[_Word], key: PrefixKey, now: float) -> list[Statement]:
        """Of each origin what holds, in order of the origins, if it counts."""
        if len(entries) > 1:
            newest: dict[NodeId, _Word] = {}
            for held, word in entries:
                other = newest.get(held.origin)
                if held.created + (word >> TTL_SHIFT & THREE_BYTES) > now and (
                    other is None or held.order > other[0].order
                ):
                    newest[held.origin] = held, word
            entries = [newest[origin] for origin in sorted(newest)]
        each = [self._live(held, word, key, now) for held, word in entries]
        return [one for one in each if one is not None]

    def _live(self, held: Held, word: int, key: PrefixKey, now: float) -> Statement | None:
        """The statement of an entry that holds unless it has ended, if it counts."""
        says = _BLOCKS.get(word & 0xFF)
        created = held.created
        ends = created + (word >> TTL_SHIFT & THREE_BYTES)
        if says is None or ends <= now or created > now + FUTURE:
            return None
        origin = held.origin
        owner, fleet = self._speaks_for(origin, now)
        if owner is None:
            return None
        stated = created - (word >> AGE_SHIFT & THREE_BYTES)
        if key in self._pardons.refs and stated <= self._pardons.newest(key, owner, now):
            return None
        action, category, confidence = says
        return tuple.__new__(
            Statement,
            (
                _SIGNED, origin, owner, fleet, action, category, confidence,
                created, stated, ends, held.basis, _LIVE, held.id, "", 0.0, False,
            ),
        )  # fmt: skip

    def _speaks_for(self, origin: NodeId, now: float) -> tuple[OwnerId | None, bool]:
        """(owner for whom it announces now, or None; whether as fleet). Kept while neither time nor directory moves."""
        directory = self._directory
        if now != self._at or directory.changes != self._changes:
            self._at, self._changes, self._owners = now, directory.changes, {}
        speaks = self._owners.get(origin)
        if speaks is None:
            uses = int(directory.uses_of(origin, now))
            owner = directory.owner_of(origin, now) if uses & _ANNOUNCE else None
            speaks = self._owners[origin] = owner, uses & _FLEET != 0
        return speaks

    def _entries(self, key: PrefixKey) -> Iterator[_Entry]:
        found = self._index.get(key)
        for ref in () if found is None else (found,) if isinstance(found, int) else found:
            held = self._shelf.slots[ref >> POSITION_BITS]
            yield held, held.said(ref & POSITION_MASK)

    def _standing(self, held: Held, said: Said, holder: _Entry | None, key: PrefixKey, now: float) -> Standing | None:
        """What became of a BLOCK; None when its origin has merely said it again."""
        if said.ends <= now or holder is None:
            return Standing.EXPIRED
        if holder[0] is held:
            return self._became(held, said, key, now)
        return Standing.RETRACTED if holder[1].code >= RETRACTS else None

    def _became(self, held: Held, said: Said, key: PrefixKey, now: float) -> Standing:
        if held.created > now + FUTURE:
            return Standing.FUTURE
        # A pardon by the owner that the origin had last is shown as such although it would not count now.
        owner = self._directory.carried_owner(held.origin, now)
        if owner is not None and key in self._pardons.refs and said.stated <= self._pardons.newest(key, owner, now):
            return Standing.PARDONED
        if not Uses.ANNOUNCE & self._directory.uses_of(held.origin, now):
            return Standing.UNCERTIFIED
        return _LIVE

    def _dead(self, key: PrefixKey, now: float) -> Iterator[_Entry]:
        for held in reversed(self._voided):
            position = held.find(key)
            if position is not None:
                said = held.said(position)
                if said.code < RETRACTS and said.ends > now:
                    yield held, said

    def _statement(self, held: Held, said: Said, standing: Standing, now: float) -> Statement:
        action, category, confidence = _SAYS[said.code]
        return Statement(
            source=_SIGNED,
            origin=held.origin,
            owner=self._directory.owner_of(held.origin, now),
            fleet=Uses.FLEET in self._directory.uses_of(held.origin, now),
            action=action,
            category=category,
            confidence=confidence,
            created=held.created,
            stated=said.stated,
            expires=said.ends,
            basis=held.basis,
            standing=standing,
            announcement=held.id,
        )


def _newest(entries: Iterable[_Entry], now: float) -> dict[NodeId, _Entry]:
    """Of each origin's entries that have not ended, the newest by (epoch, seq)."""
    newest: dict[NodeId, _Entry] = {}
    for entry in entries:
        held, said = entry
        if said.ends > now:
            other = newest.get(held.origin)
            if other is None or held.order > other[0].order:
                newest[held.origin] = entry
    return newest
