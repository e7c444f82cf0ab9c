"""What the tests of the ledger let origins say, and the slow twin that says what must come of it."""

from collections.abc import Iterable, Sequence

from p2pfw.core.announcement import (
    Action,
    Announcement,
    AnnouncementId,
    Checkpoint,
    Entry,
    Kind,
    Stamp,
    build_certificate,
    build_checkpoint,
    build_entries,
    build_other,
    build_revocation,
    checkpoint_of,
    records,
    split_code,
)
from p2pfw.core.directory import Directory
from p2pfw.core.equivocation import Equivocation
from p2pfw.core.identity import Certificate, NodeId, OwnerId, Revocation, Uses
from p2pfw.core.ledger import Ledger
from p2pfw.core.prefix import Prefix, PrefixKey
from p2pfw.core.statement import Standing, Statement
from tests.core.making import DAY, NETWORK, NOW, block, key

HOST, NEXT, NET6 = "203.0.113.9", "203.0.113.10", "2001:db8::/48"


def prefix(text: str) -> PrefixKey:
    """The key of a prefix in text."""
    return Prefix.parse(text).key


def place(seq: int, *, epoch: int = 1, at: int = NOW) -> Stamp:
    """An order, and when it was created, in Unix seconds."""
    return Stamp(network=NETWORK, epoch=epoch, seq=seq, created_ms=at * 1000)


def say(seq: int, *entries: Entry, by: int = 1, epoch: int = 1, at: int = NOW, basis: int = 0) -> Announcement:
    """Entries by a numbered node."""
    return build_entries(key(by), place(seq, epoch=epoch, at=at), entries, basis=basis)


def retract(text: str, *, ttl: int = 3600) -> Entry:
    """Takes a block back."""
    return block(text, ttl=ttl, action=Action.RETRACT)


def pardon(seq: int, *texts: str, by: int = 1, epoch: int = 1, at: int = NOW, ttl: int = 30 * DAY) -> Announcement:
    """A pardon by a numbered node."""
    entries = [block(text, ttl=ttl, action=Action.PARDON) for text in texts]
    return build_entries(key(by), place(seq, epoch=epoch, at=at), entries, kind=Kind.PARDON)


def checkpoint(
    seq: int,
    held: Iterable[Announcement] = (),
    *,
    by: int = 1,
    epoch: int = 1,
    at: int = NOW,
    before: int | None = None,
) -> Announcement:
    """A checkpoint by a numbered node: voids all before itself (or before that seq) but what it lists."""
    listed = tuple(sorted((one.id, one.expires) for one in held))
    body = Checkpoint(epoch=epoch, seq=seq if before is None else before, held=listed)
    return build_checkpoint(key(by), place(seq, epoch=epoch, at=at), body)


def proof(
    one: Announcement, other: Announcement, *, by: int = 9, seq: int = 1, expires: int = NOW + DAY
) -> Announcement:
    """The proof that two announcements contradict one another, told by a numbered node."""
    body = Equivocation.of((one.raw.header, one.raw.signature), (other.raw.header, other.raw.signature)).encode()
    return build_other(key(by), place(seq), Kind.EQUIVOCATION, body, expires)


def certified(certificate: Certificate, *, by: int = 1, seq: int = 1, epoch: int = 1) -> Announcement:
    """A node's certificate under its own signature."""
    return build_certificate(key(by), place(seq, epoch=epoch, at=certificate.not_before + 120), certificate)


def revoked(revocation: Revocation, *, by: int = 1, seq: int = 1) -> Announcement:
    """A revocation, carried by a numbered node."""
    return build_revocation(key(by), place(seq, at=revocation.created), revocation)


def ledger(*said: Announcement, directory: Directory | None = None, now: float = NOW, share: int = 262_144) -> Ledger:
    """A ledger that has recorded these, in this order."""
    made = Ledger(directory or Directory(), share=share)
    for one in said:
        made.record(one, now)
    return made


def standings(book: Ledger, text: str = HOST, now: float = NOW) -> list[Standing]:
    """What became of each BLOCK about a prefix."""
    return [one.standing for one in book.statements(prefix(text), now, everything=True)]


def counts(book: Ledger, text: str = HOST, now: float = NOW) -> bool:
    """True when something that counts is said about a prefix."""
    return bool(book.statements(prefix(text), now))


class Twin:
    """The ledger's rules as protocol 1.5-1.6 and 7 have them, by scanning a list of everything ever heard.

    No index, no slots, no order of arrival. Deaths other than by time are for good.
    """

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.heard: dict[AnnouncementId, Announcement] = {}

    def record(self, one: Announcement) -> None:
        self.heard[one.id] = one

    def statements(self, key_: PrefixKey, now: float) -> set[tuple[NodeId, AnnouncementId, int, int, Standing]]:
        """(origin, id, stated, ends, standing) of every BLOCK on a prefix that has not ended and is not void."""
        found = set()
        for origin in {one.origin for one in self.heard.values()}:
            mine = self._entries(origin, key_, now)
            if mine:
                found |= {(origin, *rest) for rest in self._became(origin, mine, key_, now)}
        return found

    def held(self, now: float) -> set[AnnouncementId]:
        """Ids of what has not died."""
        return {one.id for one in self.heard.values() if not self._dead(one, now)}

    def _became(self, origin, mine, key_, now):
        newest = max(mine, key=lambda entry: entry[0].order)
        if newest[3] is Action.BLOCK:
            yield newest[0].id, newest[1], newest[2], self._standing(origin, newest, key_, now)
            return
        for one, stated, ends, action in mine:
            again = any(o.order > one.order and e >= ends for o, _, e, a in mine if a is Action.BLOCK)
            if action is Action.BLOCK and not again:
                yield one.id, stated, ends, Standing.RETRACTED

    def _standing(self, origin, entry, key_, now) -> Standing:
        owner = self.directory.carried_owner(origin, now)
        if owner is not None and self._pardoned(owner, entry[1], key_, now):
            return Standing.PARDONED
        if Uses.ANNOUNCE not in self.directory.uses_of(origin, now):
            return Standing.UNCERTIFIED
        return Standing.LIVE

    def _pardoned(self, owner: OwnerId, stated: int, key_: PrefixKey, now: float) -> bool:
        for one in self.heard.values():
            if one.kind != Kind.PARDON or self._dead(one, now) or one.created < stated:
                continue
            certificate = self.directory.certificate_of(one.origin)
            may = certificate is None or Uses.PARDON in certificate.uses
            lives = any(k == key_ and one.created + ttl > now for k, ttl, _, _ in records(one))
            if may and lives and self.directory.carried_owner(one.origin, now) == owner:
                return True
        return False

    def _entries(self, origin, key_, now):
        return [
            (one, one.created - age, one.created + ttl, split_code(code)[0])
            for one in self.heard.values()
            if one.origin == origin and one.kind == Kind.ENTRIES and not self._dead(one, now)
            for k, ttl, age, code in records(one)
            if k == key_ and one.created + ttl > now
        ]

    def _dead(self, one: Announcement, now: float) -> bool:
        if one.expires <= now:
            return True
        if one.kind not in (Kind.ENTRIES, Kind.PARDON):
            return False
        if self._contradicted(one.origin, one.header.epoch):
            return True
        return one.kind == Kind.ENTRIES and any(
            other.kind == Kind.CHECKPOINT and other.origin == one.origin and self._voids(checkpoint_of(other), one, now)
            for other in self.heard.values()
        )

    def _voids(self, mark: Checkpoint, one: Announcement, now: float) -> bool:
        held = {listed for listed, expires in mark.held if listed in self.heard or expires <= now}
        return len(held) == len(mark.held) and one.order < (mark.epoch, mark.seq) and one.id not in held

    def _contradicted(self, origin: NodeId, epoch: int) -> bool:
        orders = [one.order for one in self.heard.values() if one.origin == origin and one.header.epoch == epoch]
        told = (Equivocation.decode(o.raw.body) for o in self.heard.values() if o.kind == Kind.EQUIVOCATION)
        return len(orders) > len(set(orders)) or any((p.origin, p.epoch) == (origin, epoch) for p in told)


def brief(statements: Sequence[Statement]) -> set[tuple[NodeId | None, AnnouncementId | None, int, int, Standing]]:
    """Statements in the twin's form, without what has ended or is void."""
    gone = (Standing.EXPIRED, Standing.VOIDED)
    return {(s.origin, s.announcement, s.stated, s.expires, s.standing) for s in statements if s.standing not in gone}
