"""All announcements that are held, and what they say about each prefix.

Rules it keeps (protocol 1.5, 1.6, 1.8):

- What is known depends on what was recorded, not on the order in which it came, but for what a full share kept out.
- An announcement dies when its time has passed, a checkpoint of its origin that applies voids it, its origin is
  revoked, or its epoch is in quarantine because the origin contradicted itself. Never by other local judgement.
- What died by time is deleted 120 s later; what died otherwise at once, and its id is remembered until its time.
- Memory is bounded by the shares of the owners that are carried.

Verified announcements only: what may come in is intake's, how much a statement weighs is policy's, what a certificate
means is directory's. Every change is answered with the prefixes that must be judged again ("dirty").
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import chain
from typing import Final, NamedTuple

from p2pfw.core.announcement import (
    Announcement,
    AnnouncementId,
    Kind,
    RawAnnouncement,
    certificate_of,
    checkpoint_of,
    parse,
    revocation_of,
    succession_of,
    vouch_of,
)
from p2pfw.core.checkpoints import Applying, Checkpoints
from p2pfw.core.directory import Directory
from p2pfw.core.equivocation import Equivocation, Quarantine, signed
from p2pfw.core.held import RETRACTS, STANDS_ALONE, Held, body_codes, order_of
from p2pfw.core.holdings import Counts, Holdings
from p2pfw.core.identity import NodeId, OwnerId
from p2pfw.core.prefix import PrefixKey
from p2pfw.core.shares import SHARE, Used
from p2pfw.core.standings import Standings
from p2pfw.core.statement import Statement

LAG: Final = 120
"""Seconds from expiry to deletion: clocks differ, and a peer may still ask for it."""
TICK_ENTRIES: Final = 65_536
"""Entries that one tick deletes, about, so that it does not stall; the rest is due at once."""


class Listed(NamedTuple):
    """What reconciliation needs to know of an announcement."""

    id: AnnouncementId
    created_ms: int
    expires: int
    kind: int
    origin: NodeId


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """What a tick did: announcements that the store may forget, prefixes to be judged again."""

    ids: tuple[AnnouncementId, ...]
    dirty: frozenset[PrefixKey]


class Ledger:
    """See the module. `now` in Unix seconds. `share` and `pool`: see shares."""

    def __init__(
        self, directory: Directory, *, share: int = SHARE, pool: Callable[[OwnerId], OwnerId] = lambda owner: owner
    ) -> None:
        self._directory = directory
        self._holdings = Holdings(directory, share, pool)
        held = self._holdings
        self._standings = Standings(held.shelf, held.index, held.pardons, directory)
        self._checkpoints = Checkpoints()
        self._quarantine = Quarantine()
        self._agenda: list[tuple[int, int, int]] = []
        """(when, serial, slot): one for each announcement, at the next end of what it takes back, then its deletion."""
        self._gone: list[AnnouncementId] = []
        self._proofs: list[Equivocation] = []
        self._ticked = 0.0

    # --- what is known ---------------------------------------------------------------------------------------------

    def statements(self, key: PrefixKey, now: float, *, everything: bool = False) -> Sequence[Statement]:
        """The statements about exactly this prefix that count: of each origin the one that holds, if it is LIVE.

        With `everything` also the BLOCKs that do not count, each with its standing.
        """
        return self._standings.every(key, now) if everything else self._standings.live(key, now)

    def holding(self, key: PrefixKey, origin: NodeId, now: float) -> Statement | None:
        """What holds of one origin on a prefix, BLOCK or RETRACT (a RETRACT that holds is called LIVE)."""
        return self._standings.holding(key, origin, now)

    def block_end(self, key: PrefixKey, origin: NodeId, now: float) -> int | None:
        """How long a RETRACT by the origin must live to take back all its BLOCKs on a prefix; None: there is none."""
        return self._standings.block_end(key, origin, now)

    def pardoned_at(self, key: PrefixKey, owner: OwnerId, now: float) -> int | None:
        """When the newest pardon was created that counts for the owner: what was stated until then is taken back."""
        newest = self._holdings.pardons.newest(key, owner, now)
        return None if newest < 0 else newest

    def known(self, announcement: bytes) -> bool:
        """True for the id, or its first 16 bytes, of what is held, or void and not to be fetched again."""
        return self._holdings.known(announcement)

    def get(self, announcement: bytes) -> RawAnnouncement | None:
        """The signed bytes, by id or by its first 16 bytes."""
        held = self._holdings.find(announcement)
        return None if held is None else held.raw

    def highest(self, origin: NodeId) -> Announcement | None:
        """The origin's newest announcement by (epoch, seq): proof of how far it has numbered."""
        held = self._holdings.highest(origin)
        return None if held is None else parse(held.raw)

    def ids_of(self, owners: Collection[OwnerId], now: float) -> list[Listed]:
        """What is held of these owners and has not expired. What an owner signed is its own, whoever carried it."""
        owner_of = {origin: self._directory.carried_owner(origin, now) for origin in self._holdings.origins()}
        return [
            Listed(held.id, held.created_ms, held.expires, held.kind, held.origin)
            for held in self._holdings.shelf.all()
            if held.expires > now and (held.sealed_by or owner_of[held.origin]) in owners
        ]

    def announcements_of(self, origin: NodeId, now: float, *, kind: int = Kind.ENTRIES) -> list[Listed]:
        """An origin's announcements of a kind that have not expired, ascending by (epoch, seq)."""
        mine = sorted(self._holdings.of(origin), key=lambda held: held.order)
        alive = [one for one in mine if one.kind == kind and one.expires > now]
        return [Listed(one.id, one.created_ms, one.expires, one.kind, one.origin) for one in alive]

    def keys(self) -> Iterator[PrefixKey]:
        """Every prefix that an entry is held about, ended or not."""
        return self._holdings.index.keys()

    def keys_in(self, announcement: AnnouncementId) -> list[PrefixKey]:
        """The prefixes of an announcement that is held, ascending; of one that is not, or has no records, none."""
        held = self._holdings.find(announcement)
        return [] if held is None else held.keys()

    def keys_of(self, origin: NodeId) -> Iterator[PrefixKey]:
        """Every prefix that the origin blocked, retracted or pardoned, once each."""
        mine = (held.keys() for held in self._holdings.of(origin))
        return iter(set(chain.from_iterable(mine)))

    def certificate(self, origin: NodeId, now: float) -> RawAnnouncement | None:
        """The newest certificate that the origin announced, as it travelled; None when there is none that lives."""
        held = self._holdings.certificate(origin)
        return held.raw if held is not None and held.expires > now else None

    def arrival(self, announcement: AnnouncementId) -> int:
        """A number that is smaller for what came earlier; 0 for what is not held."""
        held = self._holdings.find(announcement)
        return 0 if held is None else held.serial

    def bodies(self, kind: int, now: float) -> list[bytes]:
        """What every announcement of a kind that has not expired says."""
        return [held.body for held in self._holdings.shelf.all() if held.kind == kind and held.expires > now]

    def keys_of_owners(self, owners: Collection[OwnerId], now: float) -> list[PrefixKey]:
        """Every prefix that a node of these owners speaks of."""
        mine = [origin for origin in self._holdings.origins() if self._directory.carried_owner(origin, now) in owners]
        return list(set(chain.from_iterable(map(self.keys_of, mine))))

    def overlapping(self, key: PrefixKey) -> list[PrefixKey]:
        """Every prefix that an entry is held about and that shares an address with this one."""
        return self._holdings.index.overlapping(key)

    def missing(self, origin: NodeId | None = None) -> list[AnnouncementId]:
        """What to ask for so that checkpoints (of one origin, or all) can apply."""
        return self._checkpoints.missing(origin)

    def in_quarantine(self, origin: NodeId, epoch: int) -> bool:
        """True when the origin contradicted itself in that epoch."""
        return self._quarantine.holds(origin, epoch)

    def counts(self) -> Counts:
        """Announcements, entries, and prefixes that entries are about."""
        return self._holdings.counts()

    def used(self, owner: OwnerId) -> Used:
        """What an owner takes of its share: unique (origin, prefix), and bytes."""
        return self._holdings.used(owner)

    def used_by(self, origin: NodeId) -> Used:
        """What one origin takes of its owner's share."""
        return self._holdings.used_by(origin)

    # --- what comes in ---------------------------------------------------------------------------------------------

    def check_room(self, announcement: Announcement, owner: OwnerId) -> None:
        """ShareError when it would not fit into its owner's share."""
        self._holdings.check_room(announcement, owner)

    def record(self, announcement: Announcement, now: float) -> list[PrefixKey]:
        """Take in what was verified; the prefixes to be judged again. ShareError: there is no room for it.

        What is known already changes nothing; what is void already is remembered as such, and not held.
        """
        if self._holdings.known(announcement.id):
            return []
        sealed_by = _sealed_by(announcement)
        owner = sealed_by or self._directory.carried_owner(announcement.origin, now) or OwnerId(announcement.origin)
        self._holdings.check_room(announcement, owner)
        contradicted = self._contradicted(announcement)
        if self.is_void(announcement):
            self._holdings.bury(announcement, owner, announcement.expires + LAG)
            self._gone.append(announcement.id)
            return contradicted + self._arrived(announcement.id)
        held, dirty = self._holdings.put(announcement, owner, sealed_by)
        self._schedule(held, now)
        return dirty + contradicted + self._consequences(held, announcement, now) + self._arrived(held.id)

    def is_void(self, announcement: Announcement) -> bool:
        """True for what would die at once: before a checkpoint that applies, or of an epoch in quarantine."""
        header = announcement.header
        if header.kind in STANDS_ALONE or header.kind == Kind.CHECKPOINT:
            return False
        if self._quarantine.holds(header.origin, header.epoch):
            return True
        return header.kind == Kind.ENTRIES and order_of(header.order) < self._checkpoints.bound(header.origin)

    def revoke(self, origins: Iterable[NodeId]) -> list[PrefixKey]:
        """These keys were revoked: what they announced is dead, but for what proves itself."""
        dirty: list[PrefixKey] = []
        for origin in origins:
            # No graves: what comes again is refused by its key; and if the owner certifies it again, it may come.
            for held in [held for held in self._holdings.of(origin) if held.kind not in STANDS_ALONE]:
                dirty += self._remove(held)
        return dirty

    def take_proofs(self) -> list[Equivocation]:
        """Contradictions that were found since this was last asked, to be announced once each."""
        proofs, self._proofs = self._proofs, []
        return proofs

    # --- time ------------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> Dropped:
        """Delete what has been dead for long enough, and name what time alone has changed."""
        dirty: set[PrefixKey] = set()
        # protocol 7.1: both ways, so that a clock that was put back and forth marks the same prefixes again.
        for node in self._directory.changed_between(self._ticked, now) if self._ticked else ():
            dirty.update(self.keys_of(node))
        self._ticked = now
        dirty.update(self._run_agenda(now))
        for applying in self._checkpoints.expire(now):
            dirty.update(self._apply(applying))
        self._quarantine.expire(now)
        self._holdings.clear_graves(now)
        gone, self._gone = self._gone, []
        return Dropped(ids=tuple(one for one in gone if self._holdings.find(one) is None), dirty=frozenset(dirty))

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next; in the past when it has already."""
        if self._gone:
            return self._ticked
        deadlines = (
            self._agenda[0][0] if self._agenda else None,
            self._checkpoints.next_deadline(),
            self._quarantine.next_deadline(),
            self._holdings.graves.next_deadline(),
            self._directory.next_deadline(self._ticked),
        )
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def _schedule(self, held: Held, now: float) -> None:
        heappush(self._agenda, (_next_end(held, now), held.serial, held.slot))

    def _run_agenda(self, now: float) -> Iterator[PrefixKey]:
        deleted = 0
        while self._agenda and self._agenda[0][0] <= now and deleted < TICK_ENTRIES:
            when, serial, slot = heappop(self._agenda)
            held = self._holdings.shelf.present(slot, serial)
            if held is None:
                continue
            if held.expires + LAG <= now:
                deleted += held.entries + 1
                yield from self._remove(held)
                continue
            yield from (key for key, end in zip(held.keys(), held.ends(), strict=True) if when <= end <= now)
            self._schedule(held, now)

    # --- deaths ----------------------------------------------------------------------------------------------------

    def _consequences(self, held: Held, announcement: Announcement, now: float) -> list[PrefixKey]:
        if held.kind == Kind.CHECKPOINT:
            applying = self._checkpoints.add(held, checkpoint_of(announcement), self._holdings.known, now)
            return [] if applying is None else self._apply(applying)
        if held.kind == Kind.EQUIVOCATION:
            proof = Equivocation.decode(held.body)
            return self._put_in_quarantine(proof, max(proof.until, held.expires))
        return []

    def _arrived(self, announcement: AnnouncementId) -> list[PrefixKey]:
        return [key for applying in self._checkpoints.arrived(announcement) for key in self._apply(applying)]

    def _apply(self, applying: Applying) -> list[PrefixKey]:
        """protocol 1.6: the origin's entries before the bound are void, unless listed."""
        mine = self._holdings.of(applying.origin)
        entries = [held for held in mine if held.kind == Kind.ENTRIES and held.order < applying.bound]
        return self._void([held for held in entries if held.id not in applying.listed])

    def _contradicted(self, announcement: Announcement) -> list[PrefixKey]:
        """protocol 1.5: two headers with one (origin, epoch, seq)."""
        rival = self._holdings.rival(announcement)
        if rival is None:
            return []
        proof = Equivocation.of(rival, signed(announcement.raw))
        if not self._quarantine.holds(proof.origin, proof.epoch):
            self._proofs.append(proof)
        return self._put_in_quarantine(proof, proof.until)

    def _put_in_quarantine(self, proof: Equivocation, until: int) -> list[PrefixKey]:
        if not self._quarantine.add(proof.origin, proof.epoch, until):
            return []
        mine = (held for held in self._holdings.of(proof.origin) if held.epoch == proof.epoch)
        return self._void([held for held in mine if held.kind not in STANDS_ALONE and held.kind != Kind.CHECKPOINT])

    def _void(self, dead: list[Held]) -> list[PrefixKey]:
        """Announcements of one origin die before their time."""
        lost: set[PrefixKey] = set()
        for held in dead:
            lost.update(self._holdings.replace_by_grave(held, held.expires + LAG))
            self._gone.append(held.id)
            self._standings.bury(held)
        if lost:
            self._holdings.restore(dead[0].origin, lost)
        return list(lost)

    def _remove(self, held: Held) -> list[PrefixKey]:
        if held.kind == Kind.CHECKPOINT:
            self._checkpoints.remove(held)
        self._gone.append(held.id)
        return self._holdings.remove(held)


def _sealed_by(announcement: Announcement) -> OwnerId | None:
    if announcement.kind == Kind.CERTIFICATE:
        return certificate_of(announcement).owner
    if announcement.kind == Kind.REVOCATION:
        return revocation_of(announcement).owner
    if announcement.kind == Kind.VOUCH:
        return vouch_of(announcement).voucher
    if announcement.kind == Kind.SUCCESSION:
        return succession_of(announcement).old
    return None


def _next_end(held: Held, now: float) -> int:
    """When an entry that takes something back ends next, for what that lets stand again; else the deletion."""
    deletion = held.expires + LAG
    if held.kind == Kind.PARDON or (held.kind == Kind.ENTRIES and max(body_codes(held.n4, held.body)) >= RETRACTS):
        return min((end for end in held.ends() if end > now), default=deletion)
    return deletion
