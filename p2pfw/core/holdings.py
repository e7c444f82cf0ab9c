"""What is held: announcements on their shelf, found by id, by origin and by prefix, and charged to their owner's share.

Putting and removing keep all of that in step. Which announcement may come in, and when one dies, is the ledger's.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from p2pfw.core.announcement import Announcement, AnnouncementId, Kind, RawAnnouncement
from p2pfw.core.directory import Directory
from p2pfw.core.equivocation import Signed, signed
from p2pfw.core.graves import SHORT_BYTES, Grave, Graves
from p2pfw.core.header import WITH_RECORDS
from p2pfw.core.held import RETRACTS, TAKES_BACK, Held, Shelf, body_codes, body_keys, octets, order_of
from p2pfw.core.identity import NodeId, OwnerId
from p2pfw.core.index import CROWD, PrefixIndex
from p2pfw.core.pardons import Pardons
from p2pfw.core.prefix import PrefixKey
from p2pfw.core.shares import ANNOUNCEMENT_OCTETS, GRAVE_OCTETS, Shares, Used
from p2pfw.errors import ShareError

SAME_WORD: Final = 4
"""Announcements that carry one and the same revocation or vouch: anybody can wrap one, and its owner's room pays."""
OWNERS_WORDS: Final = frozenset({Kind.REVOCATION, Kind.VOUCH, Kind.SUCCESSION})
"""Kinds that an owner signed for everybody to carry: they have room of their own, which no node can use up."""


class Counts(NamedTuple):
    """How much is held."""

    announcements: int
    entries: int
    prefixes: int


class Holdings:
    """See the module. Parts that only read may use `shelf`, `index` and `pardons` directly."""

    def __init__(self, directory: Directory, share: int, pool: Callable[[OwnerId], OwnerId]) -> None:
        self.shelf = Shelf()
        self.index = PrefixIndex(self.shelf)
        self.pardons = Pardons(self.shelf, directory)
        self.graves = Graves()
        self._shares = Shares(share, pool)
        self._by_id: dict[bytes, int] = {}
        self._origins: dict[NodeId, dict[int, int]] = {}
        """Per origin: slots by order; of several with one order the later ones by -serial."""
        self._names: dict[NodeId, NodeId] = {}
        """The one object that all announcements of an origin share."""
        self._certificates: dict[NodeId, Held] = {}
        """Of each origin the newest certificate that it announced."""
        self._words: dict[bytes, int] = {}
        """How many announcements carry one body of OWNERS_WORDS."""
        self._entries = 0

    # --- questions -------------------------------------------------------------------------------------------------

    def known(self, announcement: bytes) -> bool:
        """True for the id, or its first 16 bytes, of what is held or void."""
        return announcement[:SHORT_BYTES] in self._by_id or announcement in self.graves

    def find(self, announcement: bytes) -> Held | None:
        """By id, or by its first 16 bytes."""
        slot = self._by_id.get(announcement[:SHORT_BYTES])
        return None if slot is None else self.shelf.slots[slot]

    def origins(self) -> Iterator[NodeId]:
        """Every origin of which something is held."""
        return iter(self._origins)

    def of(self, origin: NodeId) -> list[Held]:
        """An origin's announcements, as they came."""
        return [self.shelf.slots[slot] for slot in self._origins.get(origin, {}).values()]

    def highest(self, origin: NodeId) -> Held | None:
        """The origin's newest by (epoch, seq)."""
        slots = self._origins.get(origin)
        return self.shelf.slots[slots[max(slots)]] if slots else None

    def certificate(self, origin: NodeId) -> Held | None:
        """The newest certificate that the origin announced."""
        return self._certificates.get(origin)

    def rival(self, announcement: Announcement) -> Signed | None:
        """The signed header of another announcement, held or void, of the same origin with the same (epoch, seq)."""
        order = order_of(announcement.order)
        slot = self._origins.get(announcement.origin, {}).get(order)
        return self.graves.rival(announcement.origin, order) if slot is None else signed(self.shelf.slots[slot].raw)

    def counts(self) -> Counts:
        """Totals."""
        return Counts(self.shelf.count, self._entries, len(self.index))

    def used(self, owner: OwnerId) -> Used:
        """What the owner takes of its share."""
        return self._shares.used(owner)

    def used_by(self, origin: NodeId) -> Used:
        """What one origin takes of its owner's share."""
        return self._shares.used_by(origin)

    # --- changes ---------------------------------------------------------------------------------------------------

    def check_room(self, announcement: Announcement, owner: OwnerId) -> None:
        """ShareError when it would not fit. The records are only looked at where their number alone is too much."""
        raw, header = announcement.raw, announcement.header
        cost = _cost(raw)
        if header.kind in OWNERS_WORDS:
            if self._words.get(raw.body, 0) >= SAME_WORD:
                raise ShareError("the same word of an owner came often enough")
            self._shares.check_sealed(owner, cost)
            return
        retracts = header.kind == Kind.ENTRIES and min(body_codes(header.n4, raw.body)) >= RETRACTS
        reserve = retracts or header.kind in TAKES_BACK
        self._shares.check_octets(header.origin, owner, cost, reserve=reserve)
        left = self._shares.prefixes_left(header.origin, owner, reserve=reserve)
        if header.n4 + header.n6 > left and self._fresh(announcement) > left:
            raise ShareError("it speaks about more prefixes than its owner or origin may")

    def put(
        self, announcement: Announcement, owner: OwnerId, sealed_by: OwnerId | None
    ) -> tuple[Held, list[PrefixKey]]:
        """Hold it; the prefixes that it speaks about. The caller has asked `check_room` and `known`.

        ShareError: too many of its origin's entries are about one prefix. Nothing was changed then.
        """
        header = announcement.header
        keys = body_keys(header.n4, announcement.raw.body) if header.kind in WITH_RECORDS else []
        within = self.index if header.kind == Kind.ENTRIES else self.pardons
        if within.crowded(header.origin, keys):
            raise ShareError(f"its origin has {CROWD} entries on one prefix")
        origin = self._names.setdefault(announcement.origin, announcement.origin)
        held = self.shelf.put(announcement, origin, sealed_by)
        self._by_id[held.id[:SHORT_BYTES]] = held.slot
        slots = self._origins.setdefault(origin, {})
        slots[-held.serial if held.order in slots else held.order] = held.slot
        self._entries += held.entries
        fresh = self._take_in(held, keys)
        if held.kind not in OWNERS_WORDS:
            self._shares.settle(origin, owner)
        self._charge(held, fresh, _cost(held.raw))
        return held, keys

    def remove(self, held: Held) -> list[PrefixKey]:
        """Hold it no longer; the prefixes that it spoke about. See also `restore`."""
        keys = held.keys()
        gone = 0
        if held.kind == Kind.ENTRIES:
            gone = self.index.discard(held, keys)
        elif held.kind == Kind.PARDON:
            gone = self.pardons.discard(held, keys)
        self._charge(held, -gone, -_cost(held.raw))
        self._entries -= held.entries
        self._forget(held)
        self.shelf.remove(held)
        return keys

    def restore(self, origin: NodeId, lost: set[PrefixKey]) -> None:
        """After announcements of the origin went before their time: what they had covered stands again."""
        again = self.index.restore((held for held in self.of(origin) if held.kind == Kind.ENTRIES), lost)
        if again:
            self._shares.charge(origin, again, 0)

    def bury(self, announcement: Announcement, owner: OwnerId, until: int) -> None:
        """Remember that an announcement is void that never was held."""
        self._shares.settle(announcement.origin, owner)
        grave = Grave(announcement.origin, order_of(announcement.order), signed(announcement.raw))
        self._dig(announcement.id, grave, until)

    def replace_by_grave(self, held: Held, until: int) -> list[PrefixKey]:
        """Like `remove`, and remember that it is void."""
        # First, so that an origin of which nothing else is held stays its owner's.
        self._dig(held.id, Grave(held.origin, held.order, signed(held.raw)), until)
        return self.remove(held)

    def clear_graves(self, now: float) -> None:
        """Forget void announcements whose time is over."""
        for origin in self.graves.expire(now):
            self._shares.charge(origin, 0, -GRAVE_OCTETS)

    def _dig(self, announcement: AnnouncementId, grave: Grave, until: int) -> None:
        self._shares.charge(grave.origin, 0, GRAVE_OCTETS)
        self.graves.add(announcement, grave, until)

    def _fresh(self, announcement: Announcement) -> int:
        header = announcement.header
        within = self.index if header.kind == Kind.ENTRIES else self.pardons
        return within.fresh(header.origin, body_keys(header.n4, announcement.raw.body))

    def _take_in(self, held: Held, keys: list[PrefixKey]) -> int:
        if held.kind == Kind.ENTRIES:
            return self.index.add(held, keys)
        if held.kind == Kind.PARDON:
            return self.pardons.add(held, keys)
        if held.kind in OWNERS_WORDS:
            self._words[held.body] = self._words.get(held.body, 0) + 1
        if held.kind == Kind.CERTIFICATE:
            newest = self._certificates.get(held.origin)
            self._certificates[held.origin] = held if newest is None or held.order > newest.order else newest
        return 0

    def _charge(self, held: Held, prefixes: int, cost: int) -> None:
        if held.kind in OWNERS_WORDS and held.sealed_by is not None:
            self._shares.charge_sealed(held.sealed_by, cost)
        else:
            self._shares.charge(held.origin, prefixes, cost)

    def _forget(self, held: Held) -> None:
        del self._by_id[held.id[:SHORT_BYTES]]
        slots = self._origins[held.origin]
        del slots[held.order if slots.get(held.order) == held.slot else -held.serial]
        if not slots:
            del self._origins[held.origin], self._names[held.origin]
        if self._certificates.get(held.origin) is held:
            del self._certificates[held.origin]
            others = [one for one in self.of(held.origin) if one.kind == Kind.CERTIFICATE]
            if others:
                self._certificates[held.origin] = max(others, key=lambda one: one.order)
        if held.kind in OWNERS_WORDS:
            self._words[held.body] -= 1
            if not self._words[held.body]:
                del self._words[held.body]


def _cost(raw: RawAnnouncement) -> int:
    return octets(raw) + ANNOUNCEMENT_OCTETS
