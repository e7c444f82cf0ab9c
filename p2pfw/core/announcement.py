"""The unit of gossip: a signed, immutable, expiring batch of one origin (protocol 1).

Every acceptance rule that needs only the bytes and the clock, one function a step. Call them in this order, so that a
signature is checked only for what a comparison could not refuse (protocol 1.4):

    parse             sizes; canonical header; limits
    (intake: is the id known already?)
    check_time        network, clock, lifetime
    (intake: is the origin's owner carried, and within its share?)
    check_signature
    check_body        its hash, then what its kind demands

Nothing is stored, forwarded or marked as seen before the signature is good. The bytes that were signed are the bytes
that are stored and sent on: nothing here re-encodes them. Order between announcements is the ledger's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from p2pfw.core import records as body_records
from p2pfw.core.canonical import MAX_COUNTER, MAX_TIME
from p2pfw.core.checkpoint import AnnouncementId, Checkpoint
from p2pfw.core.header import (
    FUTURE,
    HASH_BYTES,
    MAX_BODY,
    MAX_HEADER,
    MILLISECONDS,
    NETWORK_BYTES,
    REVOCATION_LIFE,
    Header,
    Kind,
    lifetime,
)
from p2pfw.core.identity import (
    CARRIED_AFTER,
    SIGNATURE_BYTES,
    Certificate,
    NetworkId,
    NodeId,
    Revocation,
    Signer,
    verify,
)
from p2pfw.core.records import MAX_ENTRIES, MAX_LIFETIME, Action, Category, Entry, code, split_code
from p2pfw.errors import (
    BodyHashError,
    CertificateError,
    ExpiredError,
    FutureError,
    InputError,
    LifetimeError,
    MalformedError,
    NotCanonicalError,
    SignatureError,
    WrongNetworkError,
)

__all__ = [
    "FUTURE", "MAX_BODY", "MAX_ENTRIES", "MAX_HEADER", "MAX_LIFETIME", "CONTEXT",
    "Kind", "Action", "Category", "Entry", "code", "split_code", "lifetime", "feed_basis",
    "Header", "AnnouncementId", "RawAnnouncement", "Announcement", "Stamp",
    "parse", "check_time", "check_signature", "check_body",
    "records", "certificate_of", "revocation_of", "checkpoint_of",
    "build_entries", "build_certificate", "build_revocation", "build_checkpoint", "build_other",
]  # fmt: skip

CONTEXT: Final = "p2pfw/announcement/1"
"""What a header's signature begins with. Changing this breaks peers."""


@dataclass(frozen=True, slots=True)
class RawAnnouncement:
    """The exact bytes, as they travel and are stored. Nothing about them is checked."""

    header: bytes
    signature: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Announcement:
    """A parsed announcement. Parsed is not verified: see the order of checks above."""

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


def parse(raw: RawAnnouncement) -> Announcement:
    """Sizes and header. MalformedError, NotCanonicalError."""
    if len(raw.header) > MAX_HEADER or len(raw.signature) != SIGNATURE_BYTES or len(raw.body) > MAX_BODY:
        raise MalformedError("a header, signature or body of a size that none has")
    header = Header.decode(raw.header)
    if header.body_len != len(raw.body):
        raise MalformedError(f"a body of {len(raw.body)} bytes where the header says {header.body_len}")
    return Announcement(raw, header, AnnouncementId(_hash(raw.header)))


def check_time(header: Header, network: NetworkId, now: float) -> None:
    """WrongNetworkError, FutureError, LifetimeError, ExpiredError. `now`: Unix seconds."""
    if header.network != network[:NETWORK_BYTES]:
        raise WrongNetworkError("made for another network")
    if max(header.created_ms, header.epoch) > (now + FUTURE) * MILLISECONDS:
        raise FutureError(f"created or begun more than {FUTURE} s after now")
    if not 0 < header.expires - header.created <= lifetime(header.kind):
        raise LifetimeError(f"lives {header.expires - header.created} s, of at most {lifetime(header.kind)}")
    if header.expires <= now:
        raise ExpiredError("its time has passed")


def check_signature(announcement: Announcement) -> None:
    """SignatureError unless the origin signed this header. This is what costs: about 50 microseconds."""
    if not verify(announcement.origin, CONTEXT, announcement.raw.header, announcement.raw.signature):
        raise SignatureError("header not signed by its origin")


def check_body(announcement: Announcement) -> None:
    """BodyHashError, then what the kind demands: MalformedError, NotCanonicalError, LifetimeError, CertificateError,
    SignatureError. Bodies of kinds that are reserved or unknown are not looked into.
    """
    if _hash(announcement.raw.body) != announcement.header.body_hash:
        raise BodyHashError("not the body that the header names")
    _check_expires(announcement, _required_expires(announcement))


def records(announcement: Announcement) -> Iterator[tuple[int, int, int, int]]:
    """(prefix key, ttl, age, code) of each record of entries or a pardon, ascending by key; see `split_code`."""
    return body_records.iterate(announcement.header.n4, announcement.raw.body)


def certificate_of(announcement: Announcement) -> Certificate:
    """The certificate in an announcement of that kind. Checked by `check_body`, its node's consent included."""
    return Certificate.decode(announcement.raw.body)


def revocation_of(announcement: Announcement) -> Revocation:
    """The revocation in an announcement of that kind."""
    return Revocation.decode(announcement.raw.body)


def checkpoint_of(announcement: Announcement) -> Checkpoint:
    """The checkpoint in an announcement of that kind."""
    return Checkpoint.decode(announcement.raw.body)


def feed_basis(name: str) -> int:
    """The basis of entries that repeat a feed: 63 bits of the hash of its canonical name, never 0 (protocol 1.1)."""
    return int.from_bytes(blake2b(b"p2pfw/feed/1\0" + name.encode(), digest_size=8).digest()) & MAX_COUNTER or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What the origin puts on a new announcement: its place in the order, and when. Milliseconds."""

    network: NetworkId
    epoch: int
    seq: int
    created_ms: int

    def __post_init__(self) -> None:
        if not (0 <= self.epoch <= MAX_COUNTER and 0 <= self.seq <= MAX_COUNTER):
            raise InputError("epoch or seq out of range", field="stamp")
        if not 0 <= self.created_ms <= (MAX_TIME - REVOCATION_LIFE) * MILLISECONDS or len(self.network) != HASH_BYTES:
            raise InputError("created or network out of range", field="stamp")


def build_entries(
    signer: Signer, stamp: Stamp, entries: Sequence[Entry], *, basis: int = 0, kind: Kind = Kind.ENTRIES
) -> Announcement:
    """Sign 1..1024 entries, in any order. InputError: a prefix twice, an action that the kind does not carry, a basis
    in a pardon.
    """
    if kind not in _CODES or any(_wrong_action(kind, entry) for entry in entries):
        raise InputError("BLOCK and RETRACT travel as entries, PARDON as pardon", field="kind")
    n4, n6, body = body_records.encode(entries)
    expires = stamp.created_ms // MILLISECONDS + max(entry.ttl for entry in entries)
    return _build(signer, stamp, kind, body, expires, basis=basis, n4=n4, n6=n6)


def build_certificate(node: Signer, stamp: Stamp, certificate: Certificate) -> Announcement:
    """The node's own certificate under its own signature, which is its consent. InputError for another's."""
    if node.public_key != certificate.node:
        raise InputError("only the node itself can announce its certificate", field="certificate")
    return _build(node, stamp, Kind.CERTIFICATE, certificate.encode(), certificate.not_after + CARRIED_AFTER)


def build_revocation(node: Signer, stamp: Stamp, revocation: Revocation) -> Announcement:
    """A revocation under any node's signature."""
    return _build(node, stamp, Kind.REVOCATION, revocation.encode(), revocation.created + REVOCATION_LIFE)


def build_checkpoint(node: Signer, stamp: Stamp, checkpoint: Checkpoint) -> Announcement:
    """A checkpoint. InputError when it would void what comes after itself."""
    if (checkpoint.epoch, checkpoint.seq) > (stamp.epoch, stamp.seq):
        raise InputError("a checkpoint voids only what came before it", field="checkpoint")
    expires = stamp.created_ms // MILLISECONDS + lifetime(Kind.CHECKPOINT)
    return _build(node, stamp, Kind.CHECKPOINT, checkpoint.encode(), expires)


def build_other(signer: Signer, stamp: Stamp, kind: int, body: bytes, expires: int) -> Announcement:
    """Sign any body that is not records, as it is. The caller answers for `check_body` and the kind's lifetime."""
    return _build(signer, stamp, kind, body, expires)


_CODES: Final[dict[int, bytes]] = {Kind.ENTRIES: body_records.STATEMENT_CODES, Kind.PARDON: body_records.PARDON_CODES}


def _wrong_action(kind: Kind, entry: Entry) -> bool:
    return (entry.action is Action.PARDON) != (kind is Kind.PARDON)


def _build(
    signer: Signer, stamp: Stamp, kind: int, body: bytes, expires: int, *, basis: int = 0, n4: int = 0, n6: int = 0
) -> Announcement:
    try:
        header = Header(
            network=stamp.network[:NETWORK_BYTES],
            kind=kind,
            origin=NodeId(signer.public_key),
            epoch=stamp.epoch,
            seq=stamp.seq,
            created_ms=stamp.created_ms,
            expires=expires,
            basis=basis,
            n4=n4,
            n6=n6,
            body_len=len(body),
            body_hash=_hash(body),
        )
    except MalformedError as error:
        raise InputError(f"no such announcement can be made: {error}", field="announcement") from None
    encoded = header.encode()
    raw = RawAnnouncement(encoded, signer.sign(CONTEXT, encoded), body)
    return Announcement(raw, header, AnnouncementId(_hash(encoded)))


def _required_expires(announcement: Announcement) -> int | None:
    """When a body of this kind makes its header expire; None where that is free. Checks the body on the way."""
    header, body = announcement.header, announcement.raw.body
    match header.kind:
        case Kind.ENTRIES | Kind.PARDON:
            return header.created + body_records.check_columns(header.n4, body, _CODES[header.kind])
        case Kind.CERTIFICATE:
            return _check_certificate(announcement) + CARRIED_AFTER
        case Kind.REVOCATION:
            revocation = Revocation.decode(body)
            revocation.check_signature()
            return revocation.created + REVOCATION_LIFE
        case Kind.CHECKPOINT:
            checkpoint = Checkpoint.decode(body)
            if (checkpoint.epoch, checkpoint.seq) > header.order:
                raise MalformedError("a checkpoint that voids what comes after itself")
            return header.created + lifetime(Kind.CHECKPOINT)
        case _:
            return None


def _check_certificate(announcement: Announcement) -> int:
    certificate = Certificate.decode(announcement.raw.body)
    # protocol 7.1: consent. Else a stranger could certify a node and inherit the trust given to it.
    if certificate.node != announcement.origin:
        raise CertificateError("a certificate that its node did not announce itself")
    certificate.check_signature()
    return certificate.not_after


def _check_expires(announcement: Announcement, required: int | None) -> None:
    if required is not None and announcement.expires != required:
        raise NotCanonicalError(f"expires at {announcement.expires} where its body says {required}")


def _hash(data: bytes) -> bytes:
    return blake2b(data, digest_size=HASH_BYTES).digest()
