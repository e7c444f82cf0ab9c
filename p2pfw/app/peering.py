"""Between the sessions and the gossip core: lets peers in or not, hands frames over, carries out what gossip wants.

Admission is closed by default (protocol 2.4): own fleet, named by the operator, or holding an invitation's secret. A
session that showed a secret may do nothing but join. Decides nothing about announcements: those go through gossip into
intake, and what was recorded comes out as an effect.
"""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from p2pfw.app.counters import Refusals
from p2pfw.app.events import Events
from p2pfw.app.joining import Invitations
from p2pfw.app.peerbook import PeerBook
from p2pfw.core.directory import Directory
from p2pfw.core.gossip.events import (
    CarriedChanged,
    CaughtUp,
    Drop,
    Effect,
    Event,
    Moment,
    Overtaken,
    PeerDown,
    PeerUp,
    Published,
    Received,
    Recorded,
    Refused,
    Send,
    Tick,
    Unhandled,
)
from p2pfw.core.identity import Certificate, NodeId, OwnerId
from p2pfw.core.token import Token, key_hash
from p2pfw.core.wire import (
    Bye,
    Frame,
    Hello,
    JoinAnswer,
    JoinRefusal,
    JoinRequest,
    UnknownFrame,
    decode_frame,
    encode_frame,
)
from p2pfw.errors import AdmissionError, FrameError, NotAcceptableError, NotCarriedError, PeerError
from p2pfw.ports import Clock, DialTarget, PeerProof, PeerSession, SendClass, Transport

log = logging.getLogger(__name__)

BAN_SECONDS: Final = 3_600
"""For what a peer answers for: a bad signature, body hash or frame (protocol 6)."""
JOIN_SECONDS: Final = 15.0
"""A session that showed an invitation's secret is closed after this long."""
UNREADABLE: Final = frozenset({"not-authentic", "bad-message"})
"""Ends of sessions by a message that held no frame; every other fault that ends one is counted where it is found."""
REFUSED_EVERY: Final = 1.0
"""Seconds between two events about refused connections: strangers must not push the operator's out of the ring."""
LONGEST_NAP: Final = 1.0
"""Seconds between two looks at gossip's deadline at the most."""


class Core(Protocol):
    """The gossip state machine."""

    def handle(self, now: Moment, event: Event) -> list[Effect]:
        """What is to be done about one event."""
        ...

    def next_deadline(self) -> float | None:
        """Monotonic second at which it wants a Tick; None: not before something happens."""
        ...


class Sink(Protocol):
    """What peering tells the rest of the node."""

    def recorded(self, effect: Recorded) -> None:
        """An announcement was verified and is in the ledger."""
        ...

    def identified(self, session: PeerSession) -> None:
        """A peer proved its identity, with the certificate it showed."""
        ...

    def overtaken(self, epoch: int, seq: int) -> None:
        """We said something newer once than we know of."""
        ...

    def caught_up(self, node: NodeId, *, own: bool) -> None:
        """All that a peer held has come."""
        ...


@dataclass(slots=True)
class _Asking:
    """Our own request to an inviter, in flight."""

    target: DialTarget
    answer: "asyncio.Future[JoinAnswer | JoinRefusal]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where peering notes what happens, and how open this node is."""

    clock: Clock
    events: Events
    refusals: Refusals
    store_id: bytes
    is_open: bool


class Peering:
    """Listener of the transport, driver of the gossip core."""

    def __init__(
        self,
        core: Core,
        book: PeerBook,
        directory: Directory,
        invitations: Invitations,
        sink: Sink,
        desk: Desk,
    ) -> None:
        self._core, self._book, self._directory = core, book, directory
        self._invitations, self._sink, self._clock = invitations, sink, desk.clock
        self._events, self._refusals, self._store_id = desk.events, desk.refusals, desk.store_id
        self._is_open = desk.is_open
        self.transport: Transport | None = None
        self._sessions: dict[int, PeerSession] = {}
        self._joiners: set[int] = set()
        self._asking: _Asking | None = None
        self._refused_at = float("-inf")
        self.not_counted = 0
        """Announcements and other things of peers that did not count."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()

    # --- what others ask -------------------------------------------------------------------------------------------

    @property
    def sessions(self) -> list[PeerSession]:
        """Open sessions that gossip knows."""
        return [one for number, one in self._sessions.items() if number not in self._joiners]

    def session_with(self, node: NodeId) -> PeerSession | None:
        """The open session with a node."""
        return next((one for one in self.sessions if one.node == node), None)

    def handle(self, event: Event) -> None:
        """Tell gossip, and do what it wants."""
        self._perform(self._core.handle(self._moment(), event))
        self._wake.set()

    def published(self, announcements: Iterable[Any]) -> None:
        """This node said something; it is kept and in the ledger already."""
        self.handle(Published(announcements=list(announcements)))

    def carried_changed(self) -> None:
        """The set of carried owners is another now; sessions with whom nobody names any more end."""
        self.carried_told()
        self.close_strangers()

    def carried_told(self) -> None:
        """The same, and nobody is sent away yet: whoever left a charter still hears that it did."""
        self.handle(CarriedChanged())

    def close_strangers(self) -> None:
        """End the sessions with whom nobody names any more."""
        for session in self.sessions:
            if not self._is_open and not self._book.knows(session.node, owner_of(session)):
                self._close(session, "not-named")

    def drop_node(self, node: NodeId, reason: str) -> None:
        """End the session with a node whose key is dead."""
        session = self.session_with(node)
        if session is not None:
            self._close(session, reason)

    async def ask(self, token: Token, request: JoinRequest) -> tuple[NodeId, JoinAnswer | JoinRefusal]:
        """joining.Caller: try the token's addresses in turn."""
        problems = []
        for url in token.addresses:
            target = DialTarget(url=url, key_hash=token.key_hash, token=token.secret, persistent=False)
            try:
                return await self._ask_one(target, request)
            except PeerError as error:
                problems.append(f"{url}: {error}")
        raise NotAcceptableError("the inviter cannot be reached", field="token", hint="; ".join(problems))

    async def run(self) -> None:
        """Give gossip its ticks, for ever."""
        while True:
            deadline = self._core.next_deadline()
            nap = LONGEST_NAP if deadline is None else min(LONGEST_NAP, deadline - self._clock.monotonic())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, nap)):
                    await self._wake.wait()
            self._wake.clear()
            self.tick()

    def tick(self) -> bool:
        """Let gossip do what is due, however busy the sessions are. True when something was."""
        deadline = self._core.next_deadline()
        if deadline is None or deadline > self._clock.monotonic():
            return False
        self._perform(self._core.handle(self._moment(), Tick()))
        return True

    # --- SessionListener -------------------------------------------------------------------------------------------

    def admit(self, proof: PeerProof) -> None:
        """Closed admission; AdmissionError names why not."""
        owner = OwnerId(proof.certificate.owner) if proof.certificate is not None else OwnerId(proof.node)
        if self._directory.is_revoked(proof.node) or self._is_void(proof.certificate):
            raise AdmissionError("revoked", "its key was revoked by its owner")
        if proof.inbound and proof.token:
            if self._invitations.find(proof.token) is None:
                raise AdmissionError("bad-invitation", "its invitation is unknown, used up or expired")
            return
        if not proof.inbound and self._asking is not None and key_hash(proof.node) == self._asking.target.key_hash:
            return  # the inviter that the invitation names; other calls of the same moment get no further by it
        if self._book.knows(proof.node, owner) or (self._is_open and proof.inbound):
            return
        raise AdmissionError("stranger", "neither its owner nor this node is configured here, and it has no invitation")

    def _is_void(self, certificate: Certificate | None) -> bool:
        """True for a certificate that a revocation voids, seen here for the first time perhaps."""
        if certificate is None:
            return False
        about = (one for one in self._directory.revocations() if one.owner == certificate.owner)
        return any(one.node == certificate.node or certificate.serial < one.below_serial for one in about)

    def opened(self, session: PeerSession) -> None:
        """A proven and admitted session."""
        self._sessions[session.number] = session
        if session.inbound and session.token:
            self._greet_joiner(session)
            return
        asking = self._asking.target if self._asking is not None else None
        if asking is not None and (session.url, session.token) == (asking.url, asking.token):
            self._joiners.add(session.number)
            return
        self._sink.identified(session)
        self._events.tell("peer-up", peer=self._book.name_of(session.node), address=session.address)
        log.info("peer connected", extra={"peer": self._book.name_of(session.node), "address": session.address})
        self.handle(PeerUp(peer=session.number, node=session.node, outbound=not session.inbound))

    def received(self, session: PeerSession, frame: bytes) -> None:
        """One frame, decrypted."""
        try:
            decoded = decode_frame(frame)
            if session.number in self._joiners:
                self._join_frame(session, decoded)
                return
        except PeerError as error:
            self._refusals.add(error.reason)
            raise
        self.handle(Received(peer=session.number, frame=decoded))

    def closed(self, session: PeerSession, reason: str) -> None:
        """A session ended."""
        known = self._sessions.pop(session.number, None)
        if reason in UNREADABLE:
            self._refusals.add(reason)
        if session.number in self._joiners:
            self._joiners.discard(session.number)
            if self._asking is not None and not self._asking.answer.done():
                self._asking.answer.set_exception(AdmissionError("closed", f"the inviter ended the session: {reason}"))
            return
        if known is not None:
            self._events.tell("peer-down", peer=self._book.name_of(session.node), reason=reason)
            log.info("peer disconnected", extra={"peer": self._book.name_of(session.node), "reason": reason})
            self.handle(PeerDown(peer=session.number))

    def refused(self, address: str, node: NodeId | None, reason: str) -> None:
        """Somebody did not become a peer."""
        self._refusals.add(reason)
        now = self._clock.monotonic()
        if now - self._refused_at < REFUSED_EVERY:
            return
        self._refused_at = now
        self._events.tell("peer-refused", peer=self._book.name_of(node) if node else "", reason=reason, address=address)

    # --- effects ---------------------------------------------------------------------------------------------------

    def _perform(self, effects: Iterable[Effect]) -> None:
        encoded: tuple[Frame | None, bytes] = (None, b"")
        for effect in effects:
            if isinstance(effect, Send):
                if encoded[0] is not effect.frame:
                    encoded = (effect.frame, encode_frame(effect.frame))
                self._send(effect.peer, encoded[1], SendClass(effect.cls))
            else:
                self._act(effect)

    def _act(self, effect: Effect) -> None:
        match effect:
            case Recorded():
                self._sink.recorded(effect)
            case Refused():
                self._count(effect)
            case Drop():
                self._drop(effect)
            case Overtaken():
                self._sink.overtaken(effect.epoch, effect.seq)
            case CaughtUp():
                session = self._sessions.get(effect.peer)
                if session is not None:
                    self._sink.caught_up(session.node, own=effect.own)
            case Unhandled(frame=Bye()):
                self._bye(effect.peer)
            case _:
                return

    def _send(self, peer: int, data: bytes, send_class: SendClass) -> None:
        session = self._sessions.get(peer)
        if session is not None and self.transport is not None:
            self.transport.send(session, data, send_class)

    def _count(self, refused: Refused) -> None:
        self.not_counted += 1
        self._refusals.add(refused.error.reason)
        if isinstance(refused.error, NotCarriedError):
            self._refusals.add_stranger(refused.error.origin)
        if refused.error.blame:
            session = self._sessions.get(refused.peer)
            name = self._book.name_of(session.node) if session else ""
            log.warning(
                "peer at fault", extra={"peer": name, "reason": refused.error.reason, "what": str(refused.error)}
            )
            self._events.tell("peer-fault", peer=name, reason=refused.error.reason)

    def _drop(self, effect: Drop) -> None:
        session = self._sessions.get(effect.peer)
        if session is not None and self.transport is not None:
            self.transport.close(session, effect.reason, ban_s=BAN_SECONDS if effect.ban else 0)

    def _bye(self, peer: int) -> None:
        session = self._sessions.get(peer)
        if session is not None:
            self._close(session, "bye")

    def _close(self, session: PeerSession, reason: str) -> None:
        if self.transport is not None:
            self.transport.close(session, reason)

    # --- joining ---------------------------------------------------------------------------------------------------

    def _greet_joiner(self, session: PeerSession) -> None:
        self._joiners.add(session.number)
        self._send(session.number, self._hello(), SendClass.CONTROL)
        asyncio.get_running_loop().call_later(JOIN_SECONDS, self._close, session, "joined")

    def _join_frame(self, session: PeerSession, frame: Frame | UnknownFrame) -> None:
        match frame:
            case Hello() | UnknownFrame():
                return
            case Bye() if self._asking is not None and not session.inbound:
                self._close(session, "bye")
            case JoinRequest() if session.inbound:
                self._spawn(self._answer(session, frame))
            case JoinAnswer() | JoinRefusal() if self._asking is not None and not session.inbound:
                if not self._asking.answer.done():
                    self._asking.answer.set_result(frame)
            case _:
                raise FrameError("only joining is allowed in this session")

    async def _answer(self, session: PeerSession, request: JoinRequest) -> None:
        answer = await self._invitations.answer(session.token, session.node, session.certificate, request)
        self._send(session.number, encode_frame(answer), SendClass.CONTROL)
        word = answer.code if isinstance(answer, JoinRefusal) else "answered"
        self._events.tell("join", peer=request.name, reason=word, guest=request.guest)

    async def _ask_one(self, target: DialTarget, request: JoinRequest) -> tuple[NodeId, JoinAnswer | JoinRefusal]:
        if self.transport is None or self._asking is not None:
            raise NotAcceptableError("a join is under way already")
        self._asking = _Asking(target, asyncio.get_running_loop().create_future())
        try:
            session = await self.transport.dial_once(target)
            self._send(session.number, self._hello(), SendClass.CONTROL)
            self._send(session.number, encode_frame(request), SendClass.CONTROL)
            answer = await self._asking.answer
            self._close(session, "joined")
            return session.node, answer
        finally:
            self._asking = None

    def _hello(self) -> bytes:
        return encode_frame(Hello(versions=(1,), store_id=self._store_id, clock_ms=int(self._clock.now() * 1000)))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("joining failed", exc_info=task.exception())

    def _moment(self) -> Moment:
        return Moment(self._clock.now(), self._clock.monotonic())


def owner_of(session: PeerSession) -> OwnerId:
    """Whose node a session is with, by the certificate that it showed."""
    return OwnerId(session.certificate.owner) if session.certificate is not None else OwnerId(session.node)
