"""The Noise protocol framework (revision 34) for 25519 and ChaChaPoly, on libsodium: how two keys agree on a session.

p2pfw speaks one handshake only, `Noise_XX_25519_ChaChaPoly_SHA256` (protocol 2). The other patterns and hashes are rows
of tables: they cost nothing here, and let every public vector of the suite check the same code.

Rules: an all-zero Diffie-Hellman result is refused; a failed decryption does not advance the counter and ends the
handshake; a counter never wraps. Who is speaking is not known here: see proof.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Self

from nacl.bindings import (
    crypto_aead_chacha20poly1305_ietf_decrypt,
    crypto_aead_chacha20poly1305_ietf_encrypt,
    crypto_scalarmult,
    crypto_scalarmult_base,
)
from nacl.exceptions import CryptoError

from p2pfw.errors import FrameError, HandshakeError

KEY_BYTES = 32
TAG_BYTES = 16
MAX_MESSAGE = 65_535
"""Noise's own limit on one message, tag included; changing this breaks peers."""
_LAST_COUNTER = 2**64 - 1
"""Reserved for rekeying: no message is ever sealed with it (Noise 5.1)."""


class Token(Enum):
    """What a handshake message does, in order."""

    E = auto()
    S = auto()
    EE = auto()
    ES = auto()
    SE = auto()
    SS = auto()
    PSK = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A row of Noise's tables. The initiator's message is first; `known`: it knew the responder's static key before."""

    name: str
    messages: tuple[tuple[Token, ...], ...]
    known: bool = False

    @property
    def psk(self) -> bool:
        """A pre-shared key is mixed in: then public ephemeral keys are mixed into the key too (Noise 9.2)."""
        return any(Token.PSK in message for message in self.messages)


_E, _S, _EE, _ES, _SE, _SS, _PSK = Token
NN = Pattern(name="NN", messages=((_E,), (_E, _EE)))
XX = Pattern(name="XX", messages=((_E,), (_E, _EE, _S, _ES), (_S, _SE)))
XK = Pattern(name="XK", messages=((_E, _ES), (_E, _EE), (_S, _SE)), known=True)
IK = Pattern(name="IK", messages=((_E, _ES, _S, _SS), (_E, _EE, _SE)), known=True)
NNPSK0 = Pattern(name="NNpsk0", messages=((_PSK, _E), (_E, _EE)))
XXPSK3 = Pattern(name="XXpsk3", messages=((_E,), (_E, _EE, _S, _ES), (_S, _SE, _PSK)))
PATTERNS = {pattern.name: pattern for pattern in (NN, XX, XK, IK, NNPSK0, XXPSK3)}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """An X25519 key pair. The secret is never printed, and lives no longer than the process."""

    secret: bytes = field(repr=False)
    public: bytes

    @classmethod
    def of(cls, secret: bytes) -> Self:
        """The pair of 32 secret random bytes."""
        return cls(secret=secret, public=crypto_scalarmult_base(secret))


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What one side brings to a handshake: fresh ephemeral pair, static pair, what it knew of the other side before."""

    ephemeral: KeyPair
    static: KeyPair | None = None
    remote: bytes = b""
    psk: bytes = field(default=b"", repr=False)


class Cipher:
    """One direction's key and counter (Noise 5.1, CipherState). Until it has a key, it passes bytes through."""

    __slots__ = ("_key", "counter")

    def __init__(self, key: bytes = b"") -> None:
        self._key = key
        self.counter = 0

    def __bool__(self) -> bool:
        return bool(self._key)

    def encrypt(self, plaintext: bytes, ad: bytes = b"") -> bytes:
        """Seal; FrameError when the counter is used up."""
        if not self._key:
            return plaintext
        sealed = crypto_aead_chacha20poly1305_ietf_encrypt(plaintext, ad, self._nonce(), self._key)
        self.counter += 1
        return sealed

    def decrypt(self, sealed: bytes, ad: bytes = b"") -> bytes:
        """Open, or FrameError with the counter where it was (protocol 2.5)."""
        if not self._key:
            return sealed
        nonce = self._nonce()
        try:
            plaintext = crypto_aead_chacha20poly1305_ietf_decrypt(sealed, ad, nonce, self._key)
        except (CryptoError, ValueError):
            raise FrameError("does not authenticate: tampered with, replayed or out of order") from None
        self.counter += 1
        return plaintext

    def rekey(self) -> None:
        """The next key, from which the former cannot be computed; the counter goes on (Noise 4.2 and 11.3)."""
        nonce = bytes(4) + _LAST_COUNTER.to_bytes(8, "little")
        self._key = crypto_aead_chacha20poly1305_ietf_encrypt(bytes(KEY_BYTES), b"", nonce, self._key)[:KEY_BYTES]

    def _nonce(self) -> bytes:
        if self.counter >= _LAST_COUNTER:
            raise FrameError("counter used up")
        return bytes(4) + self.counter.to_bytes(8, "little")


class _Symmetric:
    """Chaining key, transcript hash and current cipher of a handshake (Noise 5.2)."""

    __slots__ = ("_chain", "_name", "cipher", "hash")

    def __init__(self, protocol: str, hash_name: str) -> None:
        self._name = hash_name.lower()
        name, size = protocol.encode(), hashlib.new(self._name).digest_size
        self.hash = name.ljust(size, b"\0") if len(name) <= size else self._digest(name)
        self._chain = self.hash
        self.cipher = Cipher()

    def mix_hash(self, data: bytes) -> None:
        self.hash = self._digest(self.hash + data)

    def mix_key(self, material: bytes) -> None:
        self._chain, key = self._expand(material, 2)
        self.cipher = Cipher(key[:KEY_BYTES])

    def mix_key_and_hash(self, material: bytes) -> None:
        self._chain, mixed, key = self._expand(material, 3)
        self.mix_hash(mixed)
        self.cipher = Cipher(key[:KEY_BYTES])

    def seal(self, plaintext: bytes) -> bytes:
        sealed = self.cipher.encrypt(plaintext, self.hash)
        self.mix_hash(sealed)
        return sealed

    def open(self, sealed: bytes) -> bytes:
        plaintext = self.cipher.decrypt(sealed, self.hash)
        self.mix_hash(sealed)
        return plaintext

    def split(self) -> tuple[Cipher, Cipher]:
        first, second = self._expand(b"", 2)
        return Cipher(first[:KEY_BYTES]), Cipher(second[:KEY_BYTES])

    def _digest(self, data: bytes) -> bytes:
        return hashlib.new(self._name, data).digest()

    def _expand(self, material: bytes, count: int) -> list[bytes]:
        secret = hmac.digest(self._chain, material, self._name)
        blocks = [b""]
        for number in range(1, count + 1):
            blocks.append(hmac.digest(secret, blocks[-1] + bytes([number]), self._name))
        return blocks[1:]


class NoiseHandshake:
    """One side of one handshake (Noise 5.3, HandshakeState): call write and read in turn, then split once."""

    __slots__ = ("_initiator", "_keys", "_left", "_pattern", "_remote_ephemeral", "_remote_static", "_state")

    def __init__(
        self, pattern: Pattern, keys: Keys, *, initiator: bool, prologue: bytes = b"", hash_name: str = "SHA256"
    ) -> None:
        self._pattern, self._keys, self._initiator = pattern, keys, initiator
        self._left = list(pattern.messages)
        self._remote_ephemeral, self._remote_static = b"", keys.remote
        self._state = _Symmetric(f"Noise_{pattern.name}_25519_ChaChaPoly_{hash_name}", hash_name)
        self._state.mix_hash(prologue)
        if pattern.known:
            self._state.mix_hash(keys.remote if initiator else _static(keys).public)

    @property
    def hash(self) -> bytes:
        """The transcript so far; once finished, unique to this session."""
        return self._state.hash

    def write(self, payload: Callable[[bytes], bytes]) -> bytes:
        """The next message. `payload` is given the transcript as it is after the message's keys: what a proof signs."""
        message = b"".join([self._write_token(token) for token in self._take(writing=True)])
        return message + self._state.seal(payload(self._state.hash))

    def read(self, message: bytes) -> tuple[bytes, bytes]:
        """(payload, transcript before it), or HandshakeError; after an error nothing more can be read or written."""
        tokens = self._take(writing=False)
        try:
            for token in tokens:
                message = self._read_token(token, message)
            bound = self._state.hash
            return self._state.open(message), bound
        except FrameError as error:
            self._left.clear()
            raise HandshakeError("not-authentic", str(error)) from None
        except HandshakeError:
            self._left.clear()
            raise

    def split(self) -> tuple[Cipher, Cipher]:
        """(sending, receiving) ciphers of a finished handshake."""
        first, second = self._state.split()
        return (first, second) if self._initiator else (second, first)

    def _take(self, *, writing: bool) -> tuple[Token, ...]:
        done = len(self._pattern.messages) - len(self._left)
        if not self._left or (done % 2 == 0) is not (self._initiator is writing):
            raise HandshakeError("out-of-turn", "no such message at this point of the handshake")
        return self._left.pop(0)

    def _write_token(self, token: Token) -> bytes:
        match token:
            case Token.E:
                return self._ephemeral(self._keys.ephemeral.public)
            case Token.S:
                return self._state.seal(_static(self._keys).public)
        self._mix(token)
        return b""

    def _read_token(self, token: Token, message: bytes) -> bytes:
        match token:
            case Token.E:
                key, rest = _cut(message, KEY_BYTES)
                self._remote_ephemeral = self._ephemeral(key)
                return rest
            case Token.S:
                key, rest = _cut(message, KEY_BYTES + (TAG_BYTES if self._state.cipher else 0))
                self._remote_static = self._state.open(key)
                return rest
        self._mix(token)
        return message

    def _ephemeral(self, public: bytes) -> bytes:
        self._state.mix_hash(public)
        if self._pattern.psk:
            self._state.mix_key(public)
        return public

    def _mix(self, token: Token) -> None:
        if token is Token.PSK:
            self._state.mix_key_and_hash(self._keys.psk)
            return
        ours = token is Token.SS or token is (Token.SE if self._initiator else Token.ES)
        theirs = token is Token.SS or token is (Token.ES if self._initiator else Token.SE)
        pair = _static(self._keys) if ours else self._keys.ephemeral
        self._state.mix_key(_shared(pair, self._remote_static if theirs else self._remote_ephemeral))


def _static(keys: Keys) -> KeyPair:
    if keys.static is None:
        raise ValueError("this pattern needs a static key pair")
    return keys.static


def _cut(message: bytes, size: int) -> tuple[bytes, bytes]:
    if len(message) < size:
        raise HandshakeError("malformed-message", "a handshake message is cut short")
    return message[:size], message[size:]


def _shared(pair: KeyPair, public: bytes) -> bytes:
    """X25519; libsodium fails on the all-zero result that a small-order key gives, so no such key is ever mixed in."""
    try:
        return crypto_scalarmult(pair.secret, public)
    except (CryptoError, RuntimeError):
        raise HandshakeError("weak-key", "a key of small order") from None
