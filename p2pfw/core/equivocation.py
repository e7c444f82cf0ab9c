"""Equivocation: two different headers of one origin for the same (epoch, seq), and what follows (protocol 1.5).

The two signed headers are a proof that anybody can check and that nobody else could have made. What the origin said in
that epoch counts no longer, and comes back for nobody: the quarantine lasts as long as either header or any proof of it
lives, which all nodes that hold them compute alike. How a proof comes about, and what dies, is the ledger's.
"""

from dataclasses import dataclass
from typing import Final, Self

from p2pfw.core.announcement import CONTEXT, RawAnnouncement
from p2pfw.core.canonical import pack, unpack
from p2pfw.core.header import MAX_HEADER, Header
from p2pfw.core.identity import NodeId, verify
from p2pfw.errors import MalformedError, NotCanonicalError, SignatureError

# Changing anything here breaks peers.
_SHAPE: Final = (bytes, bytes, bytes, bytes)
_SIGNATURE_BYTES: Final = 64
MAX_PROOF: Final = 2 * (MAX_HEADER + _SIGNATURE_BYTES) + 16

Signed = tuple[bytes, bytes]
"""(header, signature), as they travelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivocation:
    """Two headers that contradict one another, the smaller bytes first: one pair has one spelling."""

    one: Signed
    other: Signed
    network: bytes
    """The first 8 bytes of the network id."""
    origin: NodeId
    epoch: int
    until: int
    """When both headers will have expired, in Unix seconds."""

    @classmethod
    def of(cls, one: Signed, other: Signed) -> Self:
        """From two signed headers. MalformedError unless they contradict one another; signatures are not checked."""
        one, other = sorted((one, other))
        first, second = Header.decode(one[0]), Header.decode(other[0])
        if len(one[1]) != _SIGNATURE_BYTES or len(other[1]) != _SIGNATURE_BYTES:
            raise MalformedError("a signature of another length")
        if one[0] == other[0] or _place(first) != _place(second):
            raise MalformedError("two headers that do not contradict one another")
        until = max(first.expires, second.expires)
        return cls(one=one, other=other, network=first.network, origin=first.origin, epoch=first.epoch, until=until)

    def encode(self) -> bytes:
        """The body of an announcement of kind equivocation."""
        return pack((*self.one, *self.other))

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """From such a body; MalformedError, NotCanonicalError."""
        header, signature, other_header, other_signature = unpack(body, _SHAPE, MAX_PROOF)
        proof = cls.of((header, signature), (other_header, other_signature))
        if proof.one[0] != header:
            raise NotCanonicalError("the greater header first")
        return proof

    def check_signatures(self) -> None:
        """SignatureError unless the origin signed both."""
        if not all(verify(self.origin, CONTEXT, header, signature) for header, signature in (self.one, self.other)):
            raise SignatureError("a proof of which its origin did not sign both headers")


class Quarantine:
    """Which epochs of which origins count no longer, and until when."""

    def __init__(self) -> None:
        self._until: dict[tuple[NodeId, int], int] = {}

    def add(self, origin: NodeId, epoch: int, until: int) -> bool:
        """At least until then. True when that epoch was not in quarantine."""
        known = self._until.get((origin, epoch))
        self._until[origin, epoch] = max(until, known or 0)
        return known is None

    def holds(self, origin: NodeId, epoch: int) -> bool:
        """True for what counts no longer."""
        return (origin, epoch) in self._until

    def expire(self, now: float) -> None:
        """Forget those whose time is over."""
        for place in [place for place, until in self._until.items() if until <= now]:
            del self._until[place]

    def next_deadline(self) -> int | None:
        """When one is over, in Unix seconds."""
        return min(self._until.values(), default=None)


def signed(raw: RawAnnouncement) -> Signed:
    """What a proof needs of an announcement."""
    return raw.header, raw.signature


def _place(header: Header) -> tuple[bytes, NodeId, int, int]:
    return header.network, header.origin, header.epoch, header.seq
