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

from collections.abc import Iterator
from typing import Final

from p2pfw.core import records as body_records
from p2pfw.core.building import (
    Stamp,
    build_certificate,
    build_checkpoint,
    build_entries,
    build_other,
    build_revocation,
    feed_basis,
)
from p2pfw.core.charter import SignedCharter
from p2pfw.core.checkpoint import MAX_BODY, AnnouncementId, Checkpoint
from p2pfw.core.header import (
    CONTEXT,
    FUTURE,
    MAX_HEADER,
    MILLISECONDS,
    NETWORK_BYTES,
    REVOCATION_LIFE,
    WITH_RECORDS,
    Announcement,
    Header,
    Kind,
    RawAnnouncement,
    announcement_id,
    content_hash,
    dated_by_owner,
    lifetime,
)
from p2pfw.core.identity import CARRIED_AFTER, SIGNATURE_BYTES, Certificate, NetworkId, Revocation, verify
from p2pfw.core.records import MAX_ENTRIES, MAX_LIFETIME, Action, Category, Entry, code, split_code
from p2pfw.core.succession import Succession
from p2pfw.core.vouch import Vouch
from p2pfw.errors import (
    BodyHashError,
    CertificateError,
    ExpiredError,
    FutureError,
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
    "records", "certificate_of", "revocation_of", "checkpoint_of", "vouch_of", "charter_of", "succession_of",
    "build_entries", "build_certificate", "build_revocation", "build_checkpoint", "build_other",
]  # fmt: skip


def parse(raw: RawAnnouncement) -> Announcement:
    """Sizes and header. MalformedError, NotCanonicalError."""
    if len(raw.header) > MAX_HEADER or len(raw.signature) != SIGNATURE_BYTES or len(raw.body) > MAX_BODY:
        raise MalformedError("a header, signature or body of a size that none has")
    header = Header.decode(raw.header)
    if header.body_len != len(raw.body):
        raise MalformedError(f"a body of {len(raw.body)} bytes where the header says {header.body_len}")
    return Announcement(raw, header, announcement_id(raw.header))


def check_time(header: Header, network: NetworkId, now: float) -> None:
    """WrongNetworkError, FutureError, LifetimeError, ExpiredError. `now`: Unix seconds."""
    if header.network != network[:NETWORK_BYTES]:
        raise WrongNetworkError("made for another network")
    if max(header.created_ms, header.epoch) > (now + FUTURE) * MILLISECONDS:
        raise FutureError(f"created or begun more than {FUTURE} s after now")
    longest = lifetime(header.kind) + (FUTURE if dated_by_owner(header.kind) else 0)
    if not 0 < header.expires - header.created <= longest:
        raise LifetimeError(f"lives {header.expires - header.created} s, of at most {longest}")
    if header.expires <= now:
        raise ExpiredError("its time has passed")


def check_signature(announcement: Announcement) -> None:
    """SignatureError unless the origin signed this header. This is what costs: about 50 microseconds."""
    if not verify(announcement.origin, CONTEXT, announcement.raw.header, announcement.raw.signature):
        raise SignatureError("header not signed by its origin")


def check_body(announcement: Announcement) -> None:
    """The body's hash (BodyHashError), then what its kind demands.

    MalformedError, NotCanonicalError, LifetimeError, CertificateError, SignatureError. Bodies of kinds that are
    reserved or unknown are not looked into.
    """
    if content_hash(announcement.raw.body) != announcement.header.body_hash:
        raise BodyHashError("not the body that the header names")
    _check_expires(announcement, _required_expires(announcement))


def records(announcement: Announcement) -> Iterator[tuple[int, int, int, int]]:
    """(prefix key, ttl, age, code) of each record, ascending by key; none in kinds that have none. See `split_code`."""
    if announcement.kind not in WITH_RECORDS:
        return iter(())
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


def vouch_of(announcement: Announcement) -> Vouch:
    """The vouch in an announcement of that kind."""
    return Vouch.decode(announcement.raw.body)


def charter_of(announcement: Announcement) -> SignedCharter:
    """The charter, or proposal, in an announcement of that kind."""
    return SignedCharter.decode(announcement.raw.body)


def succession_of(announcement: Announcement) -> Succession:
    """The succession in an announcement of that kind."""
    return Succession.decode(announcement.raw.body)


_CODES: Final[dict[int, bytes]] = {Kind.ENTRIES: body_records.STATEMENT_CODES, Kind.PARDON: body_records.PARDON_CODES}


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
        case Kind.VOUCH:
            vouch = Vouch.decode(body)
            vouch.check_signature()
            return vouch.expires
        case Kind.SUCCESSION:
            Succession.decode(body).check_signatures()
            return None
        case Kind.CHARTER:
            SignedCharter.decode(body).check_signatures()
            return None
        case Kind.CHECKPOINT:
            checkpoint = Checkpoint.decode(body)
            if (checkpoint.epoch, checkpoint.seq) > header.order:
                raise MalformedError("a checkpoint that voids what comes after itself")
            return None
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
