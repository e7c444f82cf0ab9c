"""Who signs: keys, owners' certificates for node keys, and revocations (protocol 7).

Everything signed is signed as context | 0 | message, so that a signature of one kind is never one of another.
Signatures are verified by libsodium alone, which refuses small-order and non-canonical keys and malleated signatures. A
value that decodes here is well-formed and within its limits; whether its signature is good is asked apart
(`check_signature`), because verification is what costs. Which certificate counts for a node is directory's business.
"""

import re
from dataclasses import dataclass
from enum import IntFlag
from hashlib import blake2b
from typing import Final, NewType, Protocol, Self

from nacl import bindings
from nacl.exceptions import CryptoError

from p2pfw.core.canonical import MAX_COUNTER, MAX_TIME, pack, unpack
from p2pfw.core.idtext import encode_id
from p2pfw.errors import CertificateError, InputError, MalformedError, SignatureError

NodeId = NewType("NodeId", bytes)
"""A node's Ed25519 public key, 32 bytes: the origin of announcements."""
OwnerId = NewType("OwnerId", bytes)
"""An owner's Ed25519 public key, 32 bytes: what trust is given to."""
NetworkId = NewType("NetworkId", bytes)
"""BLAKE2b-256 of a network's name or first charter, 32 bytes."""

# Changing anything down to VERSION breaks peers.
KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
DAY: Final = 86_400
MAX_CERTIFICATE_LIFE: Final = 90 * DAY
CARRIED_AFTER: Final = 30 * DAY
"""What a node said is carried this long past the end of its certificate (protocol 7.1)."""
CLOCK_SLACK: Final = 120
"""Honest clocks differ by at most this many seconds."""
MAX_CERTIFICATE_BYTES: Final = 256
MAX_USES: Final = 0xFFFF
CERTIFICATE_CONTEXT: Final = "p2pfw/certificate/1"
REVOCATION_CONTEXT: Final = "p2pfw/revocation/1"
VERSION: Final = 1

_NETWORK_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_CERTIFICATE_SHAPE: Final = (int, bytes, bytes, int, int, int, int, bytes)
_REVOCATION_SHAPE: Final = (int, bytes, bytes, int, int, bytes)


def network_id(name: str) -> NetworkId:
    """The id of a network that is known by name (protocol 7.3). InputError unless 1..64 of a-z 0-9 . _ - ."""
    if not _NETWORK_NAME.fullmatch(name):
        raise InputError(
            f"{name[:80]!r} is not a network name",
            field="network",
            hint="1 to 64 of the characters a-z 0-9 . _ -, with a letter or digit first and last",
        )
    return NetworkId(blake2b(b"p2pfw/network/1\0" + name.encode(), digest_size=32).digest())


class Signer(Protocol):
    """What signs for one key. In production a key in memory; in the simulator a stub."""

    @property
    def public_key(self) -> bytes:
        """The 32 bytes that the signatures verify under."""
        ...

    def sign(self, context: str, message: bytes) -> bytes:
        """64 bytes: the signature over context | 0 | message."""
        ...


class SigningKey:
    """An Ed25519 key in memory. Its text and repr show the public id only."""

    __slots__ = ("_secret", "public_key")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != KEY_BYTES:
            raise InputError(f"a seed has {KEY_BYTES} bytes, not {len(seed)}", field="seed")
        public_key, secret = bindings.crypto_sign_seed_keypair(seed)
        self.public_key: bytes = public_key
        self._secret: bytes = secret

    def sign(self, context: str, message: bytes) -> bytes:
        """64 bytes: the signature over context | 0 | message."""
        return bindings.crypto_sign(_signed(context, message), self._secret)[:SIGNATURE_BYTES]

    def seed(self) -> bytes:
        """The secret itself, 32 bytes: for a copy of the key, and nothing else."""
        return self._secret[:KEY_BYTES]

    def __repr__(self) -> str:
        return f"SigningKey({encode_id(self.public_key)})"


def verify(public_key: bytes, context: str, message: bytes, signature: bytes) -> bool:
    """True when `signature` is the key's over context | 0 | message. False, never an error, on bytes of any length."""
    if len(public_key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        bindings.crypto_sign_open(signature + _signed(context, message), public_key)
    except CryptoError:
        return False
    return True


def is_public_key(key: bytes) -> bool:
    """True for 32 bytes that are a canonical point of full order. To be asked of keys that enter a trust table."""
    return len(key) == KEY_BYTES and bindings.crypto_core_ed25519_is_valid_point(key)


class Uses(IntFlag):
    """What a certificate allows its node. Bits of later versions are kept and grant nothing here."""

    SESSION = 1
    ANNOUNCE = 2
    FLEET = 4
    """Nodes of the same owner adopt its announcements like the operator's own word."""
    PARDON = 8
    """It may take back what other nodes of the same owner stated."""
    ALL = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """An owner says: this node key is mine, from `not_before` until `not_after` (Unix seconds), for these uses.

    Counts only with the node's consent: its own signature in a session's proof, or in a header with it as origin.
    """

    owner: OwnerId
    node: NodeId
    serial: int
    not_before: int
    not_after: int
    uses: Uses
    signature: bytes

    def __post_init__(self) -> None:
        _check_lengths(self.owner, self.node, signature=self.signature)
        if self.owner == bytes(self.node):
            raise CertificateError("a key cannot certify itself")
        if not (1 <= self.serial <= MAX_COUNTER and 1 <= self.uses <= MAX_USES):
            raise CertificateError("serial or uses out of range")
        if not 0 <= self.not_before < self.not_after <= MAX_TIME:
            raise CertificateError("its end is not after its beginning")
        if self.not_after - self.not_before > MAX_CERTIFICATE_LIFE:
            raise CertificateError("valid for more than 90 days")

    def encode(self) -> bytes:
        """Canonical bytes, as presented in sessions and gossiped (protocol 7.1)."""
        return pack((*self._signed_fields(), self.signature))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """From canonical bytes; MalformedError, NotCanonicalError, CertificateError. Does not verify."""
        version, owner, node, serial, not_before, not_after, uses, signature = unpack(
            data, _CERTIFICATE_SHAPE, MAX_CERTIFICATE_BYTES
        )
        _check_version(version)
        return cls(
            owner=OwnerId(owner),
            node=NodeId(node),
            serial=serial,
            not_before=not_before,
            not_after=not_after,
            uses=_uses(uses),
            signature=signature,
        )

    def check_signature(self) -> None:
        """SignatureError unless the owner signed this."""
        if not verify(self.owner, CERTIFICATE_CONTEXT, pack(self._signed_fields()), self.signature):
            raise SignatureError("certificate not signed by the owner that it names")

    def valid_at(self, now: float) -> bool:
        """True between its beginning (less what clocks may differ) and its end."""
        return self.not_before - CLOCK_SLACK <= now < self.not_after

    def carried_at(self, now: float) -> bool:
        """True from its beginning until 30 days past its end: what the node said is kept and relayed (protocol 7.1)."""
        return self.not_before - CLOCK_SLACK <= now < self.not_after + CARRIED_AFTER

    def _signed_fields(self) -> tuple[int | bytes, ...]:
        return VERSION, self.owner, self.node, self.serial, self.not_before, self.not_after, int(self.uses)


def certify(
    owner: Signer, node: NodeId, *, serial: int, not_before: int, not_after: int, uses: Uses = Uses.ALL
) -> Certificate:
    """A certificate signed by `owner`; InputError when the values are not allowed."""
    fields = (VERSION, owner.public_key, node, serial, not_before, not_after, int(uses))
    try:
        return Certificate(
            owner=OwnerId(owner.public_key),
            node=node,
            serial=serial,
            not_before=not_before,
            not_after=not_after,
            uses=uses,
            signature=owner.sign(CERTIFICATE_CONTEXT, pack(fields)),
        )
    except (CertificateError, MalformedError, OverflowError) as error:
        raise InputError(f"no such certificate can be made: {error}", field="certificate") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """An owner voids its certificates: all for one node key, for ever, or all below a serial."""

    owner: OwnerId
    node: NodeId | None
    below_serial: int
    created: int
    signature: bytes

    def __post_init__(self) -> None:
        _check_lengths(self.owner, self.owner if self.node is None else self.node, signature=self.signature)
        if not (0 <= self.below_serial <= MAX_COUNTER and 0 <= self.created <= MAX_TIME):
            raise CertificateError("serial or time out of range")
        if (self.node is None) == (self.below_serial == 0):
            raise CertificateError("a revocation names either a node key or a serial")

    def encode(self) -> bytes:
        """Canonical bytes (protocol 7.2)."""
        return pack((*self._signed_fields(), self.signature))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """From canonical bytes; MalformedError, NotCanonicalError, CertificateError. Does not verify."""
        version, owner, node, below_serial, created, signature = unpack(data, _REVOCATION_SHAPE, MAX_CERTIFICATE_BYTES)
        _check_version(version)
        return cls(
            owner=OwnerId(owner),
            node=NodeId(node) if node else None,
            below_serial=below_serial,
            created=created,
            signature=signature,
        )

    def check_signature(self) -> None:
        """SignatureError unless the owner signed this."""
        if not verify(self.owner, REVOCATION_CONTEXT, pack(self._signed_fields()), self.signature):
            raise SignatureError("revocation not signed by the owner that it names")

    def _signed_fields(self) -> tuple[int | bytes, ...]:
        return VERSION, self.owner, self.node or b"", self.below_serial, self.created


def revoke(owner: Signer, *, node: NodeId | None = None, below_serial: int = 0, created: int) -> Revocation:
    """A revocation signed by `owner`; InputError unless it names exactly one of node and serial."""
    fields = (VERSION, owner.public_key, node or b"", below_serial, created)
    try:
        return Revocation(
            owner=OwnerId(owner.public_key),
            node=node,
            below_serial=below_serial,
            created=created,
            signature=owner.sign(REVOCATION_CONTEXT, pack(fields)),
        )
    except (CertificateError, MalformedError, OverflowError) as error:
        raise InputError(f"no such revocation can be made: {error}", field="revocation") from None


def _signed(context: str, message: bytes) -> bytes:
    return context.encode() + b"\0" + message


def _uses(bits: int) -> Uses:
    if not 1 <= bits <= MAX_USES:
        raise CertificateError("uses out of range")
    return Uses(bits)


def _check_version(version: int) -> None:
    if version != VERSION:
        raise MalformedError(f"version {version} of a format of which {VERSION} is known")


def _check_lengths(*keys: bytes, signature: bytes) -> None:
    if any(len(key) != KEY_BYTES for key in keys) or len(signature) != SIGNATURE_BYTES:
        raise MalformedError("a key or signature of another length")
