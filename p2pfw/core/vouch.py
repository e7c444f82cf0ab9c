"""An owner vouches for another: a signed, expiring word that gives strangers a little trust (policy, Trust).

What it is worth is trust's business: never more than a quarter, never more than half of what the voucher is worth, and
voucher and vouched are one voice. Taking it back is a newer word of level 0 that lives as long as what it takes back.
"""

from dataclasses import dataclass
from typing import Final, Self

from p2pfw.core.canonical import MAX_TIME, pack, unpack
from p2pfw.core.identity import DAY, KEY_BYTES, SIGNATURE_BYTES, OwnerId, Signer, verify
from p2pfw.errors import CertificateError, InputError, MalformedError, SignatureError

# Changing anything down to _SHAPE breaks peers.
CONTEXT: Final = "p2pfw/vouch/1"
VERSION: Final = 1
MAX_LIFE: Final = 90 * DAY
MAX_LEVEL: Final = 100
"""Percent; 0 takes an earlier vouch back."""
MAX_BYTES: Final = 192
_SHAPE: Final = (int, bytes, bytes, int, int, int, bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouch:
    """`voucher` says that `subject` is worth `level` percent of what a vouch can give. Times in Unix seconds."""

    voucher: OwnerId
    subject: OwnerId
    level: int
    created: int
    expires: int
    signature: bytes

    def __post_init__(self) -> None:
        if any(len(key) != KEY_BYTES for key in (self.voucher, self.subject)) or len(self.signature) != SIGNATURE_BYTES:
            raise MalformedError("a key or signature of another length")
        if self.voucher == self.subject:
            raise CertificateError("nobody vouches for himself")
        if not 0 <= self.level <= MAX_LEVEL:
            raise CertificateError(f"a level of {self.level} percent")
        if not 0 <= self.created < self.expires <= MAX_TIME or self.expires - self.created > MAX_LIFE:
            raise CertificateError("it lives for more than 90 days, or not at all")

    def encode(self) -> bytes:
        """Canonical bytes (protocol 7.4)."""
        return pack((*self._signed_fields(), self.signature))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """From canonical bytes; MalformedError, NotCanonicalError, CertificateError. Does not verify."""
        version, voucher, subject, level, created, expires, signature = unpack(data, _SHAPE, MAX_BYTES)
        if version != VERSION:
            raise MalformedError(f"version {version} of a vouch, of which {VERSION} is known")
        return cls(
            voucher=OwnerId(voucher),
            subject=OwnerId(subject),
            level=level,
            created=created,
            expires=expires,
            signature=signature,
        )

    def check_signature(self) -> None:
        """SignatureError unless the voucher signed this."""
        if not verify(self.voucher, CONTEXT, pack(self._signed_fields()), self.signature):
            raise SignatureError("vouch not signed by the owner that it names")

    def lives(self, now: float) -> bool:
        """True until it ends. A vouch of the future counts already: its voucher's clock may be ahead."""
        return now < self.expires

    def _signed_fields(self) -> tuple[int | bytes, ...]:
        return VERSION, self.voucher, self.subject, self.level, self.created, self.expires


def vouch(voucher: Signer, subject: OwnerId, *, level: int = MAX_LEVEL, created: int, expires: int) -> Vouch:
    """Signed by `voucher`; InputError when the values are not allowed."""
    fields = (VERSION, voucher.public_key, subject, level, created, expires)
    try:
        return Vouch(
            voucher=OwnerId(voucher.public_key),
            subject=subject,
            level=level,
            created=created,
            expires=expires,
            signature=voucher.sign(CONTEXT, pack(fields)),
        )
    except (CertificateError, MalformedError, OverflowError) as error:
        raise InputError(f"no such vouch can be made: {error}", field="vouch") from None
