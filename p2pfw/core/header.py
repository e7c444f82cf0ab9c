"""The signed header of an announcement: what it is, whose, when, until when, and the hash of its body (protocol 1.1).

A header that exists is canonical and within every limit that needs no clock. The clock's rules are announcement's.
"""

from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2b
from typing import Final, Self

from p2pfw.core.canonical import MAX_COUNTER, MAX_TIME, pack, unpack
from p2pfw.core.checkpoint import MAX_BODY, AnnouncementId
from p2pfw.core.identity import CARRIED_AFTER, CLOCK_SLACK, DAY, KEY_BYTES, MAX_CERTIFICATE_LIFE, NodeId
from p2pfw.core.records import MAX_ENTRIES, MAX_LIFETIME, body_bytes
from p2pfw.errors import MalformedError

# Changing anything in this module breaks peers.
VERSION: Final = 1
MAX_HEADER: Final = 256
MAX_KIND: Final = 255
FUTURE: Final = CLOCK_SLACK
NETWORK_BYTES: Final = 8
HASH_BYTES: Final = 32
MILLISECONDS: Final = 1_000
CONTEXT: Final = "p2pfw/announcement/1"
"""What a header's signature begins with."""
REVOCATION_LIFE: Final = 400 * DAY
"""Longer than a certificate that an owner signed a year ahead can be carried (protocol 7.2)."""

_SHAPE: Final = (int, bytes, int, bytes, int, int, int, int, int, int, int, int, bytes)


class Kind(IntEnum):
    """What a body is. A kind that is not listed here is carried, and not interpreted."""

    ENTRIES = 0
    PARDON = 1
    CERTIFICATE = 2
    REVOCATION = 3
    VOUCH = 4
    CHARTER = 5
    CHECKPOINT = 6
    EQUIVOCATION = 7
    SUCCESSION = 8


WITH_RECORDS: Final = frozenset({Kind.ENTRIES, Kind.PARDON})
"""Kinds whose body is records."""
_LIFETIMES: Final[dict[int, int]] = {
    Kind.CERTIFICATE: MAX_CERTIFICATE_LIFE + CARRIED_AFTER,
    Kind.REVOCATION: REVOCATION_LIFE,
    Kind.VOUCH: 90 * DAY,
    Kind.CHARTER: 400 * DAY,
    Kind.SUCCESSION: 400 * DAY,
}


def lifetime(kind: int) -> int:
    """Most seconds from creation to expiry that a kind may live: 30 days unless it has its own limit."""
    return _LIFETIMES.get(kind, MAX_LIFETIME)


def dated_by_owner(kind: int) -> bool:
    """True where expiry counts from a time that the owner's clock stated, which may be ahead of the origin's."""
    return kind in (Kind.CERTIFICATE, Kind.REVOCATION, Kind.VOUCH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the origin signed. `epoch` and `created_ms` are Unix milliseconds, `expires` Unix seconds (exclusive)."""

    version: int = VERSION
    network: bytes
    """The first 8 bytes of the network id."""
    kind: int
    origin: NodeId
    epoch: int
    seq: int
    created_ms: int
    expires: int
    basis: int
    """0: first-hand; else the hash of the feed that the entries came from."""
    n4: int
    n6: int
    body_len: int
    body_hash: bytes

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise MalformedError(f"announcement of version {self.version}; known is {VERSION}")
        if len(self.network) != NETWORK_BYTES or len(self.origin) != KEY_BYTES or len(self.body_hash) != HASH_BYTES:
            raise MalformedError("network, origin or body hash of another length")
        if not (0 <= self.epoch <= MAX_COUNTER and 0 <= self.seq <= MAX_COUNTER and 0 <= self.basis <= MAX_COUNTER):
            raise MalformedError("epoch, seq or basis out of range")
        if not (0 <= self.created_ms <= MAX_TIME * MILLISECONDS and 0 <= self.expires <= MAX_TIME):
            raise MalformedError("created or expires out of range")
        if not 0 <= self.kind <= MAX_KIND:
            raise MalformedError(f"kind {self.kind} is not within 0..{MAX_KIND}")
        self._check_body_size()

    def _check_body_size(self) -> None:
        if not (0 <= self.n4 <= MAX_ENTRIES and 0 <= self.n6 <= MAX_ENTRIES and 0 <= self.body_len <= MAX_BODY):
            raise MalformedError("more entries or bytes than an announcement may have")
        if self.kind in WITH_RECORDS:
            if not 1 <= self.n4 + self.n6 <= MAX_ENTRIES or self.body_len != body_bytes(self.n4, self.n6):
                raise MalformedError("its body cannot hold the entries that it counts")
        elif self.n4 or self.n6:
            raise MalformedError("a count of entries in a kind that has none")
        if self.basis and self.kind != Kind.ENTRIES:
            raise MalformedError("a basis in a kind that has none")

    @property
    def created(self) -> int:
        """Unix seconds, rounded down: what a record's ttl and age count from."""
        return self.created_ms // MILLISECONDS

    @property
    def order(self) -> tuple[int, int]:
        """(epoch, seq): of one origin's statements, the highest holds."""
        return self.epoch, self.seq

    def encode(self) -> bytes:
        """The canonical bytes, which are what is signed and hashed."""
        return pack(
            (
                self.version, self.network, self.kind, self.origin, self.epoch, self.seq, self.created_ms,
                self.expires, self.basis, self.n4, self.n6, self.body_len, self.body_hash,
            )
        )  # fmt: skip

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """From canonical bytes; MalformedError, NotCanonicalError."""
        version, network, kind, origin, epoch, seq, created_ms, expires, basis, n4, n6, body_len, body_hash = unpack(
            data, _SHAPE, MAX_HEADER
        )
        return cls(
            version=version,
            network=network,
            kind=kind,
            origin=NodeId(origin),
            epoch=epoch,
            seq=seq,
            created_ms=created_ms,
            expires=expires,
            basis=basis,
            n4=n4,
            n6=n6,
            body_len=body_len,
            body_hash=body_hash,
        )


@dataclass(frozen=True, slots=True)
class RawAnnouncement:
    """The exact bytes, as they travel and are stored. Nothing about them is checked."""

    header: bytes
    signature: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Announcement:
    """A parsed announcement. Parsed is not verified: see the order of checks in announcement."""

    raw: RawAnnouncement
    header: Header
    id: AnnouncementId

    @property
    def kind(self) -> int:
        """A `Kind`, or a number of a later version."""
        return self.header.kind

    @property
    def origin(self) -> NodeId:
        """The node that signed it; may be many hops away."""
        return self.header.origin

    @property
    def order(self) -> tuple[int, int]:
        """(epoch, seq)."""
        return self.header.order

    @property
    def created(self) -> int:
        """Unix seconds, rounded down."""
        return self.header.created

    @property
    def expires(self) -> int:
        """Unix seconds; dead from then on."""
        return self.header.expires


def announcement_id(header: bytes) -> AnnouncementId:
    """BLAKE2b-256 of the header's bytes. The signature is no part of it."""
    return AnnouncementId(content_hash(header))


def content_hash(data: bytes) -> bytes:
    """BLAKE2b-256."""
    return blake2b(data, digest_size=HASH_BYTES).digest()
