"""An owner takes another key: signed by the old one, which lets go, and by the new one, which takes over (identity).

What was given to the old key is the new one's from then on, and the two are one voice. Two different successors of one
key mean that more than one person has it: neither counts. Certificates, charters and revocations are not touched: nodes
are certified anew by the new key, and whoever fears a thief revokes what the old one certified.
"""

from collections.abc import Container
from dataclasses import dataclass
from typing import Final, Self

from p2pfw.core.canonical import MAX_TIME, pack, unpack
from p2pfw.core.identity import KEY_BYTES, SIGNATURE_BYTES, OwnerId, Signer, verify
from p2pfw.errors import CertificateError, InputError, MalformedError, ShareError, SignatureError

# Changing anything down to _SHAPE breaks peers.
CONTEXT: Final = "p2pfw/succession/1"
VERSION: Final = 1
MAX_BYTES: Final = 256
_SHAPE: Final = (int, bytes, bytes, int, bytes, bytes)
MOST: Final = 4_096
"""Owners whose succession is remembered."""
FURTHEST: Final = 8
"""Keys one after the other that are followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Succession:
    """`old` hands over to `new`. `created` in Unix seconds."""

    old: OwnerId
    new: OwnerId
    created: int
    old_signature: bytes
    new_signature: bytes

    def __post_init__(self) -> None:
        if any(len(key) != KEY_BYTES for key in (self.old, self.new)):
            raise MalformedError("a key of another length")
        if any(len(one) != SIGNATURE_BYTES for one in (self.old_signature, self.new_signature)):
            raise MalformedError("a signature of another length")
        if self.old == self.new or not 0 <= self.created <= MAX_TIME:
            raise CertificateError("no succession: one key twice, or a time that is none")

    def encode(self) -> bytes:
        """Canonical bytes (protocol 7.6)."""
        return pack((*_fields(self.old, self.new, self.created), self.old_signature, self.new_signature))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """From canonical bytes; MalformedError, NotCanonicalError, CertificateError. Does not verify."""
        version, old, new, created, old_signature, new_signature = unpack(data, _SHAPE, MAX_BYTES)
        if version != VERSION:
            raise MalformedError(f"version {version} of a succession, of which {VERSION} is known")
        return cls(
            old=OwnerId(old),
            new=OwnerId(new),
            created=created,
            old_signature=old_signature,
            new_signature=new_signature,
        )

    def check_signatures(self) -> None:
        """SignatureError unless both keys signed this."""
        signed = pack(_fields(self.old, self.new, self.created))
        if not verify(self.old, CONTEXT, signed, self.old_signature):
            raise SignatureError("a succession that the old key did not sign")
        if not verify(self.new, CONTEXT, signed, self.new_signature):
            raise SignatureError("a succession that the new key did not sign")


class Successions:
    """Who took over from whom: the same answer whatever the order in which they came."""

    def __init__(self) -> None:
        self._of: dict[OwnerId, set[OwnerId]] = {}

    def __len__(self) -> int:
        return len(self._of)

    def learn(self, one: Succession, named: Container[OwnerId] = ()) -> bool:
        """Take one whose signatures were checked. True when it is new. ShareError: no room.

        `named`: keys of owners who are named. When full, theirs takes the place of another's.
        """
        known = self._of.get(one.old)
        if known is None and len(self._of) >= MOST:
            other = min((old for old in self._of if old not in named), default=None) if one.old in named else None
            if other is None:
                raise ShareError("no room for the successions of more owners")
            del self._of[other]
        if known is not None and (one.new in known or len(known) > 1):
            return False
        self._of.setdefault(one.old, set()).add(one.new)
        return True

    def heirs(self, owner: OwnerId) -> frozenset[OwnerId]:
        """Everybody who says to have taken over from exactly this key."""
        return frozenset(self._of.get(owner, ()))

    def line(self, owner: OwnerId) -> list[OwnerId]:
        """The key itself, and those that took over one after the other, each the only one who did."""
        seen = [owner]
        while len(seen) <= FURTHEST:
            heirs = self._of.get(seen[-1], set())
            if len(heirs) != 1 or heirs & set(seen):
                break
            seen += heirs
        return seen

    def heir(self, owner: OwnerId) -> OwnerId:
        """The key that speaks for an owner now: itself, unless it was taken over."""
        return self.line(owner)[-1]

    def contested(self) -> frozenset[OwnerId]:
        """Keys with two successors: somebody else has them too."""
        return frozenset(old for old, heirs in self._of.items() if len(heirs) > 1)


def succeed(old: Signer, new: Signer, *, created: int) -> Succession:
    """Signed by both; InputError for one key twice."""
    signed = pack(_fields(OwnerId(old.public_key), OwnerId(new.public_key), created))
    try:
        return Succession(
            old=OwnerId(old.public_key),
            new=OwnerId(new.public_key),
            created=created,
            old_signature=old.sign(CONTEXT, signed),
            new_signature=new.sign(CONTEXT, signed),
        )
    except (CertificateError, MalformedError) as error:
        raise InputError(str(error), field="key") from None


def _fields(old: OwnerId, new: OwnerId, created: int) -> tuple[int | bytes, ...]:
    return VERSION, old, new, created
