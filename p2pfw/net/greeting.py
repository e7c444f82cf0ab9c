"""The handshake over a websocket, on both sides; and how each tells the other why it hangs up.

A refusal before the session is open can only be told by the websocket's close code. That is a hint for the operator,
readable by anybody on the way and forgeable by it: it is counted, and never acted upon.
"""

from collections.abc import Callable
from typing import Final

from aiohttp import WSMessage, WSMsgType

from p2pfw.core.handshake import Initiator, Responder
from p2pfw.core.proof import Proven, reason_of
from p2pfw.core.session import Session
from p2pfw.core.wire import Bye, ByeCode, decode_frame
from p2pfw.errors import AdmissionError, HandshakeError, PeerError
from p2pfw.net.sockets import Socket
from p2pfw.ports import Clock

# Close codes 4000 and up are the application's own (RFC 6455, 7.4.2). Changing these only confuses operators.
_HINTS: Final = {
    "handshake": 4000,
    "not-authentic": 4001,
    "wrong-id": 4002,
    "own-id": 4003,
    "bad-proof": 4004,
    "bad-certificate": 4005,
    "bad-signature": 4006,
    "not-admitted": 4007,
    "duplicate": 4008,
    "slow-handshake": 4009,
}
_HINTED: Final = {code: word for word, code in _HINTS.items()}
_BYES: Final = {
    "stopping": ByeCode.SHUTDOWN,
    "slow": ByeCode.SLOW,
    "silent": ByeCode.SILENT,
    "revoked": ByeCode.REVOKED,
    "duplicate": ByeCode.DUPLICATE,
    "full": ByeCode.FULL,
    "renew": ByeCode.RENEW,
    "banned": ByeCode.BANNED,
}
_ARRAY: Final = 9
"""The upper half of the first byte of every short msgpack array."""
_BYE_WORDS: Final = {code: code.name.lower().replace("_", "-") for code in ByeCode}


def hint_of(error: PeerError) -> int:
    """The close code that tells the far side why."""
    return _HINTS.get(reason_of(error), _HINTS["not-admitted" if isinstance(error, AdmissionError) else "handshake"])


def bye_for(reason: str, *, retry_after: int = 0) -> Bye:
    """The BYE that ends an open session for `reason`."""
    return Bye(code=_BYES.get(reason, ByeCode.FAULT), retry_after=retry_after)


def bye_for_refused(error: AdmissionError, *, retry_after: int = 0) -> Bye:
    """The BYE to a proven caller that is not let in; the words for it stay here."""
    return Bye(code=_BYES.get(error.code, ByeCode.NOT_ADMITTED), retry_after=retry_after)


def bye_word(bye: Bye) -> str:
    """The stable word for a BYE that we got: "bye-renew", "bye-37"."""
    return "bye-" + next((word for code, word in _BYE_WORDS.items() if code == bye.code), str(bye.code))


def as_bye(frame: bytes) -> Bye | None:
    """The BYE that `frame` is, if it is one; FrameError when it is a broken one."""
    if len(frame) < 2 or frame[0] >> 4 != _ARRAY or frame[1] != Bye.KIND:
        return None
    decoded = decode_frame(frame)
    return decoded if isinstance(decoded, Bye) else None


async def call(
    socket: Socket, initiator: Initiator, accept: Callable[[Proven], None], clock: Clock
) -> tuple[Proven, Session, bytes]:
    """Dial: who answered, the session, and the first frame, which is how the called side says that we are let in.

    `accept` refuses by raising, before the far side learns who we are. AdmissionError when the far side refused us.
    """
    await socket.send_bytes(initiator.offer())
    proven = initiator.meet(await _receive(socket), clock.now())
    accept(proven)
    await socket.send_bytes(initiator.answer())
    session = initiator.session()
    first = session.open(await _receive(socket))
    bye = as_bye(first)
    if bye is not None:
        raise AdmissionError(bye_word(bye), "the other side does not let us in")
    return proven, session, first


async def answer(socket: Socket, responder: Responder, clock: Clock) -> tuple[Proven, Session]:
    """Be called: who called, and the session. Whether it is let in is still to be decided."""
    await socket.send_bytes(responder.answer(await _receive(socket)))
    proven = responder.meet(await _receive(socket), clock.now())
    return proven, responder.session()


async def _receive(socket: Socket) -> bytes:
    message = await socket.receive()
    if message.type is WSMsgType.BINARY:
        data: bytes = message.data
        return data
    raise _interrupted(message)


def _interrupted(message: WSMessage) -> HandshakeError:
    """Something else than the next binary message: mostly, the far side hung up."""
    if message.type is WSMsgType.CLOSE and message.data in _HINTED:
        word = _HINTED[message.data]
        return HandshakeError(f"far-{word}", f"the other side hung up: {word}")
    if message.type in {WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED}:
        return HandshakeError("hung-up", "the other side hung up during the handshake")
    return HandshakeError("malformed-message", "not a binary message of a handshake's size")
