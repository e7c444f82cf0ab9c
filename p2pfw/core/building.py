"""Making announcements: the inverse of announcement's checks. What is built here is accepted there.

A builder signs at once, so the caller has the sequence number persisted before it asks. Values that no announcement may
have raise InputError: whoever asked for them is on this side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from p2pfw.core import records
from p2pfw.core.canonical import MAX_COUNTER, MAX_TIME
from p2pfw.core.checkpoint import Checkpoint
from p2pfw.core.header import (
    CONTEXT,
    HASH_BYTES,
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
    lifetime,
)
from p2pfw.core.identity import CARRIED_AFTER, Certificate, NetworkId, NodeId, Revocation, Signer
from p2pfw.core.prefix import PrefixKey
from p2pfw.core.records import Action, Entry
from p2pfw.errors import InputError, MalformedError


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


class Alike(NamedTuple):
    """First-hand BLOCKs that differ by prefix alone: ascending keys, seconds to live, the code byte, the basis."""

    keys: Sequence[PrefixKey]
    ttl: int
    code: int
    basis: int = 0


def build_entries(
    signer: Signer, stamp: Stamp, entries: Sequence[Entry], *, basis: int = 0, kind: Kind = Kind.ENTRIES
) -> Announcement:
    """Sign 1..1024 entries, in any order.

    InputError: one prefix twice, an action that the kind does not carry, a basis in a pardon.
    """
    if kind not in WITH_RECORDS or any(_wrong_action(kind, entry) for entry in entries):
        raise InputError("BLOCK and RETRACT travel as entries, PARDON as pardon", field="kind")
    n4, n6, body = records.encode(entries)
    expires = stamp.created_ms // MILLISECONDS + max(entry.ttl for entry in entries)
    return _build(signer, stamp, _Content(kind, body, expires, basis, n4, n6))


def build_blocks(signer: Signer, stamp: Stamp, alike: Alike) -> Announcement:
    """Sign 1..1024 BLOCKs that differ by prefix alone. InputError as `records.encode_alike`."""
    n4, n6, body = records.encode_alike(alike.keys, alike.ttl, alike.code)
    expires = stamp.created_ms // MILLISECONDS + alike.ttl
    return _build(signer, stamp, _Content(Kind.ENTRIES, body, expires, alike.basis, n4, n6))


def build_certificate(node: Signer, stamp: Stamp, certificate: Certificate) -> Announcement:
    """The node's own certificate under its own signature, which is its consent. InputError for another's."""
    if node.public_key != certificate.node:
        raise InputError("only the node itself can announce its certificate", field="certificate")
    return build_other(node, stamp, Kind.CERTIFICATE, certificate.encode(), certificate.not_after + CARRIED_AFTER)


def build_revocation(node: Signer, stamp: Stamp, revocation: Revocation) -> Announcement:
    """A revocation under any node's signature."""
    return build_other(node, stamp, Kind.REVOCATION, revocation.encode(), revocation.created + REVOCATION_LIFE)


def build_checkpoint(node: Signer, stamp: Stamp, checkpoint: Checkpoint) -> Announcement:
    """A checkpoint. InputError when it would void what comes after itself."""
    if (checkpoint.epoch, checkpoint.seq) > (stamp.epoch, stamp.seq):
        raise InputError("a checkpoint voids only what came before it", field="checkpoint")
    expires = stamp.created_ms // MILLISECONDS + lifetime(Kind.CHECKPOINT)
    return build_other(node, stamp, Kind.CHECKPOINT, checkpoint.encode(), expires)


def build_other(signer: Signer, stamp: Stamp, kind: int, body: bytes, expires: int) -> Announcement:
    """Sign any body that is not records, as it is. The caller answers for `check_body` and the kind's lifetime."""
    return _build(signer, stamp, _Content(kind, body, expires))


def feed_basis(name: str) -> int:
    """The basis of entries that repeat a feed: 63 bits of the hash of its canonical name, never 0 (protocol 1.1)."""
    return int.from_bytes(blake2b(b"p2pfw/feed/1\0" + name.encode(), digest_size=8).digest()) & MAX_COUNTER or 1


class _Content(NamedTuple):
    kind: int
    body: bytes
    expires: int
    basis: int = 0
    n4: int = 0
    n6: int = 0


def _wrong_action(kind: Kind, entry: Entry) -> bool:
    return (entry.action is Action.PARDON) != (kind == Kind.PARDON)


def _build(signer: Signer, stamp: Stamp, content: _Content) -> Announcement:
    try:
        header = Header(
            network=stamp.network[:NETWORK_BYTES],
            kind=content.kind,
            origin=NodeId(signer.public_key),
            epoch=stamp.epoch,
            seq=stamp.seq,
            created_ms=stamp.created_ms,
            expires=content.expires,
            basis=content.basis,
            n4=content.n4,
            n6=content.n6,
            body_len=len(content.body),
            body_hash=content_hash(content.body),
        )
    except MalformedError as error:
        raise InputError(f"no such announcement can be made: {error}", field="announcement") from None
    encoded = header.encode()
    raw = RawAnnouncement(encoded, signer.sign(CONTEXT, encoded), content.body)
    return Announcement(raw, header, announcement_id(encoded))
