"""The three messages that open a session, as pure state: bytes in, bytes or proven identity out (protocol 2.2-2.4).

Order is the point. The responder proves itself first; the initiator shows its name, certificate and token only to a
responder that was accepted: `Initiator.answer` is a call of its own, so that the caller can refuse in between.
Any error ends the handshake: every later call is refused. Time limits and admission are the shell's.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from p2pfw.core.identity import NetworkId, NodeId
from p2pfw.core.noise import KEY_BYTES, XX, Keys, NoiseHandshake
from p2pfw.core.proof import Identity, Proven, Role, check, prove
from p2pfw.core.session import Session
from p2pfw.errors import HandshakeError

# Changing anything down to MAX_OFFER breaks peers.
VERSIONS: Final = ("p2pfw.1",)
"""Subprotocols that we speak, newest first."""
FIRST_BYTES: Final = KEY_BYTES
"""Message 1 is an ephemeral key and nothing else."""
MAX_HANDSHAKE_MESSAGE: Final = 1_024
MAX_OFFER: Final = 256


def parse_offer(header: str) -> tuple[str, ...]:
    """The versions in a Sec-WebSocket-Protocol header. HandshakeError when it is longer than anybody's."""
    if len(header) > MAX_OFFER:
        raise HandshakeError("version", "too long an offer of versions")
    return tuple(version for part in header.split(",") if (version := part.strip()))


def pick(offered: tuple[str, ...]) -> str:
    """Our newest version that was offered; HandshakeError when there is none."""
    for version in VERSIONS:
        if version in offered:
            return version
    raise HandshakeError("version", f"none of the offered versions is spoken here: {', '.join(VERSIONS)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What both sides must agree on without sending it: network, versions offered, version picked."""

    network: NetworkId
    offered: tuple[str, ...] = VERSIONS
    picked: str = VERSIONS[0]

    def prologue(self) -> bytes:
        """What Noise mixes in first (protocol 2.2): with another network, offer or version, message 2 does not open."""
        # Parsed and joined again: proxies change the spaces.
        parts = self.network, ",".join(self.offered).encode(), self.picked.encode()
        return b"p2pfw\x01" + b"".join(len(part).to_bytes(2, "big") + part for part in parts)


class _State(Enum):
    NEW = auto()
    OFFERED = auto()
    WAITING = auto()
    PROVEN = auto()
    AGREED = auto()
    ENDED = auto()


class _Step(Enum):
    SEND_1 = auto()
    SEND_2 = auto()
    SEND_3 = auto()
    READ_1 = auto()
    READ_2 = auto()
    READ_3 = auto()
    OPEN = auto()


_INITIATOR: Final = {
    (_State.NEW, _Step.SEND_1): _State.WAITING,
    (_State.WAITING, _Step.READ_2): _State.PROVEN,
    (_State.PROVEN, _Step.SEND_3): _State.AGREED,
    (_State.AGREED, _Step.OPEN): _State.ENDED,
}
_RESPONDER: Final = {
    (_State.NEW, _Step.READ_1): _State.OFFERED,
    (_State.OFFERED, _Step.SEND_2): _State.WAITING,
    (_State.WAITING, _Step.READ_3): _State.AGREED,
    (_State.AGREED, _Step.OPEN): _State.ENDED,
}


class _Progress:
    """Where a handshake stands. A step that its table does not have, or that fails, is its end."""

    __slots__ = ("_state", "_table")

    def __init__(self, table: dict[tuple[_State, _Step], _State]) -> None:
        self._table = table
        self._state = _State.NEW

    @contextmanager
    def step(self, step: _Step) -> Iterator[None]:
        """Do one step of the table."""
        following = self._table.get((self._state, step))
        self._state = _State.ENDED
        if following is None:
            raise HandshakeError("out-of-turn", "no such step at this point of the handshake")
        yield
        self._state = following


class Initiator:
    """The dialling side: `offer`, then `meet` message 2, then (accepted) `answer`, then `session`."""

    def __init__(
        self, identity: Identity, terms: Terms, keys: Keys, *, expects: Callable[[NodeId], bool] | None = None
    ) -> None:
        self._identity, self._expects = identity, expects
        self._noise = NoiseHandshake(XX, keys, initiator=True, prologue=terms.prologue())
        self._progress = _Progress(_INITIATOR)

    def offer(self) -> bytes:
        """Message 1."""
        with self._progress.step(_Step.SEND_1):
            return self._noise.write(lambda _: b"")

    def meet(self, message: bytes, now: float) -> Proven:
        """Who answered, from message 2. A PeerError here means: close, and do not send message 3.

        HandshakeError("not-authentic") is also what another network or a changed offer looks like.
        """
        with self._progress.step(_Step.READ_2):
            proven = _read_proof(self._noise, message, Role.RESPONDER, now)
            _refuse_self(proven, self._identity)
            if self._expects is not None and not self._expects(proven.node):
                raise HandshakeError("wrong-id", "another node answered than the one that was called")
            return proven

    def answer(self) -> bytes:
        """Message 3: our own proof, and the token."""
        with self._progress.step(_Step.SEND_3):
            return _write_proof(self._noise, self._identity, Role.INITIATOR)

    def session(self) -> Session:
        """What was agreed; once."""
        with self._progress.step(_Step.OPEN):
            return Session(*self._noise.split(), self._noise.hash)


class Responder:
    """The called side: `answer` message 1, then `meet` message 3, then `session`."""

    def __init__(self, identity: Identity, terms: Terms, keys: Keys) -> None:
        self._identity = identity
        self._noise = NoiseHandshake(XX, keys, initiator=False, prologue=terms.prologue())
        self._progress = _Progress(_RESPONDER)

    def answer(self, message: bytes) -> bytes:
        """Message 2 for message 1: our proof, sealed to whoever called."""
        with self._progress.step(_Step.READ_1):
            if len(message) != FIRST_BYTES:
                raise HandshakeError("malformed-message", f"message 1 of {len(message)} bytes")
            self._noise.read(message)
        with self._progress.step(_Step.SEND_2):
            return _write_proof(self._noise, self._identity, Role.RESPONDER)

    def meet(self, message: bytes, now: float) -> Proven:
        """Who called, from message 3. Whether it is let in is the caller's to decide."""
        with self._progress.step(_Step.READ_3):
            proven = _read_proof(self._noise, message, Role.INITIATOR, now)
            _refuse_self(proven, self._identity)
            return proven

    def session(self) -> Session:
        """What was agreed; once."""
        with self._progress.step(_Step.OPEN):
            return Session(*self._noise.split(), self._noise.hash)


def _write_proof(noise: NoiseHandshake, identity: Identity, role: Role) -> bytes:
    message = noise.write(lambda transcript: prove(identity, role, transcript))
    if len(message) > MAX_HANDSHAKE_MESSAGE:
        raise ValueError(f"own proof makes a handshake message of {len(message)} bytes")
    return message


def _read_proof(noise: NoiseHandshake, message: bytes, role: Role, now: float) -> Proven:
    if len(message) > MAX_HANDSHAKE_MESSAGE:
        raise HandshakeError("malformed-message", f"a handshake message of {len(message)} bytes")
    payload, transcript = noise.read(message)
    return check(payload, role, transcript, now)


def _refuse_self(proven: Proven, identity: Identity) -> None:
    """Our own proof, come back by a mirror or because we dialled ourselves (protocol 2.3)."""
    if proven.node == identity.signer.public_key:
        raise HandshakeError("own-id", "that is this node itself")
