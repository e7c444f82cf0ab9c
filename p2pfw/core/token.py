"""The line that one admin pastes on another server: who invites, a one-time secret, and where to call.

    p2pfw1.<hash of the inviting node's key>.<secret>.<network@address,address>

The hash lets the joiner check whom it reached before it sends the secret (identity.md "Joining"). No private key is
ever in it. Only characters that no shell touches; the fixed beginning is for secret scanners.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Final, Self

from p2pfw.core.identity import NodeId
from p2pfw.errors import InputError

PREFIX: Final = "p2pfw1"
HASH_BYTES: Final = 16
SECRET_BYTES: Final = 16
"""128 bit: not guessable within its hour, even unlimited by rate."""
MAX_ADDRESSES: Final = 8
MAX_TEXT: Final = 2_048


def key_hash(node: NodeId) -> bytes:
    """BLAKE2b-128 of a node's public key."""
    return hashlib.blake2b(node, digest_size=HASH_BYTES, person=b"p2pfw/token/1").digest()


def secret_hash(secret: bytes) -> bytes:
    """What the inviting node keeps of a secret: BLAKE2b-256."""
    return hashlib.blake2b(secret, digest_size=32, person=b"p2pfw/invite/1").digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A parsed invitation. `addresses` are websocket URLs of the inviting node, `network` its network's name."""

    key_hash: bytes
    secret: bytes
    network: str
    addresses: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.key_hash) != HASH_BYTES or len(self.secret) != SECRET_BYTES:
            raise InputError(
                "this token is damaged", field="token", hint="paste the whole line that p2pfw invite printed"
            )
        if not 1 <= len(self.addresses) <= MAX_ADDRESSES or "" in self.addresses:
            raise InputError(f"a token carries 1 to {MAX_ADDRESSES} addresses", field="token")

    @classmethod
    def parse(cls, text: str) -> Self:
        """From the pasted text; InputError says what is wrong with it."""
        parts = text.strip().split(".")
        if len(text) > MAX_TEXT or len(parts) != 4 or parts[0] != PREFIX:
            raise InputError(
                "this is not a p2pfw token", field="token", hint="it begins with p2pfw1. and has four parts"
            )
        try:
            hashed, secret, place = (_unpack(part) for part in parts[1:])
            network, _, addresses = place.decode("ascii").partition("@")
        except (binascii.Error, ValueError):
            raise InputError(
                "this token is damaged", field="token", hint="paste the whole line that p2pfw invite printed"
            ) from None
        return cls(key_hash=hashed, secret=secret, network=network, addresses=tuple(addresses.split(",")))

    def __str__(self) -> str:
        place = f"{self.network}@{','.join(self.addresses)}".encode("ascii")
        return ".".join([PREFIX, *map(_pack, (self.key_hash, self.secret, place))])


def _pack(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _unpack(text: str) -> bytes:
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _pack(data) != text:
        raise ValueError("not as we would have written it")
    return data
