"""Who is speaking: the identity proofs inside messages 2 and 3 of the handshake (protocol 2.3).

A proof is a signature by the node key over the handshake's transcript, so it is fresh, and worth nothing in another
session, role or network. The certificate that comes with it says whose node that is, with the node's consent.
Whether such a peer is let in is not decided here: see the listener's `admit`.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from p2pfw.core.canonical import pack, unpack
from p2pfw.core.identity import Certificate, NodeId, Signer, Uses, verify
from p2pfw.errors import CertificateError, HandshakeError, PeerError

# Changing anything down to MAX_PROOF_BYTES breaks peers.
CONTEXT: Final = "p2pfw/session/1"
VERSION: Final = 1
MAX_TOKEN_BYTES: Final = 64
MAX_PROOF_BYTES: Final = 900
MAX_FEATURES: Final = 2**32 - 1
_SHAPE: Final = (int, bytes, bytes, bytes, int)


class Role(Enum):
    """Which end of the handshake a proof is made for: one made for "R" is no proof for "I"."""

    INITIATOR = b"I"
    RESPONDER = b"R"

    @property
    def shape(self) -> tuple[type, ...]:
        """The types in its proof. The initiator's ends with a token: the responder has proven itself by then."""
        return (*_SHAPE, bytes) if self is Role.INITIATOR else _SHAPE


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What this node proves about itself. `certificate`: encoded, or empty; `features`: bits of optional abilities."""

    signer: Signer
    certificate: bytes = b""
    features: int = 0
    token: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What the far end has proven. `certificate`: valid now, or None; `token`: the join secret it showed, or empty."""

    node: NodeId
    certificate: Certificate | None
    features: int
    token: bytes = field(default=b"", repr=False)


def prove(identity: Identity, role: Role, transcript: bytes) -> bytes:
    """The payload of our message: [1, id, certificate, signature over role | transcript, features(, token)]."""
    signer = identity.signer
    signature = signer.sign(CONTEXT, role.value + transcript)
    fields = (VERSION, signer.public_key, identity.certificate, signature, identity.features)
    return pack((*fields, identity.token) if role is Role.INITIATOR else fields)


def check(payload: bytes, role: Role, transcript: bytes, now: float) -> Proven:
    """What `payload`, sent in `role`, proves at Unix second `now`.

    MalformedError, NotCanonicalError, HandshakeError("bad-proof"), CertificateError, SignatureError.
    """
    version, node, certificate, signature, features, *rest = unpack(payload, role.shape, MAX_PROOF_BYTES)
    token: bytes = rest[0] if rest else b""
    if version != VERSION or not 0 <= features <= MAX_FEATURES or len(token) > MAX_TOKEN_BYTES:
        raise HandshakeError("bad-proof", "fields out of range")
    if not verify(node, CONTEXT, role.value + transcript, signature):
        raise HandshakeError("bad-proof", "not signed by the node that it names")
    return Proven(
        node=node,
        certificate=_certificate(certificate, node, now) if certificate else None,
        features=features,
        token=token,
    )


def _certificate(encoded: bytes, node: NodeId, now: float) -> Certificate:
    """The decoded certificate when it counts for `node` in a session at `now`."""
    certificate = Certificate.decode(encoded)
    if certificate.node != node:
        raise CertificateError("the certificate is for another node")
    if not certificate.valid_at(now):
        raise CertificateError("the certificate is not valid now")
    if Uses.SESSION not in certificate.uses:
        raise CertificateError("the certificate is not for sessions")
    certificate.check_signature()
    return certificate


def reason_of(error: PeerError) -> str:
    """The stable word that a refused handshake is counted by: the error's code where it has one, else its reason."""
    code = getattr(error, "code", "")
    return code if isinstance(code, str) and code else error.reason
