"""One open session on one websocket: a reader, a writer, two timers, and one end.

Whoever ends it (the peer, the owner of the transport, a fault, a timer) does so through `end`, once; what waits in the
queues is dropped then, except for control frames, and a BYE says why. Sending never waits: it fills a bounded queue,
and a peer that does not empty it is too slow (protocol 6). Receiving pauses when one peer sends more than its share.
"""

import asyncio
import logging
from typing import Any, Final

from aiohttp import WSMessage, WSMsgType

from p2pfw.core.proof import reason_of
from p2pfw.core.session import Session
from p2pfw.core.wire import Bye, encode_frame
from p2pfw.errors import FrameError, PeerError
from p2pfw.net.greeting import as_bye, bye_for, bye_word
from p2pfw.net.limits import TokenBucket
from p2pfw.net.queues import SendQueue
from p2pfw.net.registry import Registry
from p2pfw.net.sockets import Socket
from p2pfw.ports import PeerSession, SendClass, SessionStats

log = logging.getLogger(__name__)

_SLICE_S: Final = 0.005
"""A reader or writer that has work gives way to the others after this."""
_MAX_RETRY_S: Final = 3_600
_OVERHEAD: Final = 64
"""Bytes that a message counts for beside its own, so that many tiny ones are not free."""


class Link:
    """A session with its websocket. `over` holds the stable word for the end, once it came."""

    def __init__(self, peer: PeerSession, session: Session, socket: Socket, registry: Registry) -> None:
        self.peer = peer
        self._session, self._socket, self._registry = session, socket, registry
        self._limits, self._clock = registry.limits, registry.clock
        now = self._clock.monotonic()
        self.opened_at = now
        self._opened = self._clock.now()
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.retry_after = 0
        """Seconds that the peer asked to wait before it is called again."""
        self._queue = SendQueue(self._limits.queue_bytes)
        self._pace = TokenBucket(self._limits.read_bytes_s, self._limits.read_burst, now)
        self._bye: Bye | None = None
        self._finished = False
        self._sending_since: float | None = None
        self._in = self._out = self._frames_in = self._frames_out = 0

    def send(self, frame: bytes, send_class: SendClass) -> bool:
        """Queue a frame; False when the link is over, or ends now for being slow."""
        if self.over.done():
            return False
        if self._queue.push(frame, send_class):
            return True
        self.end("slow")
        return False

    def end(self, reason: str, *, tell: bool = True, retry_after: int = 0) -> None:
        """End it for this word, soon. `tell`: with a BYE. Later calls change nothing."""
        if self.over.done():
            return
        self._bye = bye_for(reason, retry_after=retry_after) if tell else None
        self.over.set_result(reason)

    def finish(self) -> None:
        """Take it off the register and tell the listener, once. `end` was called before."""
        if self._finished:
            return
        self._finished = True
        self._registry.remove(self)
        self._registry.listener.closed(self.peer, self.over.result())

    def stats(self) -> SessionStats:
        """What went through it so far."""
        return SessionStats(
            opened=self._opened,
            bytes_in=self._in,
            bytes_out=self._out,
            frames_in=self._frames_in,
            frames_out=self._frames_out,
            queued=self._queue.bytes,
        )

    def open(self) -> None:
        """It is on the register from now on; `run` follows at once."""
        self._registry.add(self)
        self._registry.listener.opened(self.peer)

    async def run(self, first: bytes = b"") -> str:
        """Live and end; returns why it ended. `first`: a frame that came with the handshake."""
        loop = asyncio.get_running_loop()
        life = self._registry.chance.uniform(0.9, 1.1) * self._limits.session_s
        renewal = loop.call_later(life, self.end, "renew")
        tasks = [asyncio.create_task(work) for work in (self._read(first), self._write(), self._watch())]
        try:
            signals: list[asyncio.Future[Any]] = [self.over, *tasks]
            await asyncio.wait(signals, return_when=asyncio.FIRST_COMPLETED)
        finally:
            renewal.cancel()
            await self._stop(tasks)
            self.finish()
            await self._goodbye()
        return self.over.result()

    async def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        for problem in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(problem, Exception):
                log.error("session failed", exc_info=problem, extra={"peer": self.peer.number})
                self.end("internal-error")
        self.end("stopping")

    async def _goodbye(self) -> None:
        """What is still due, within its time; then the connection is gone whether or not the peer listened."""
        try:
            async with asyncio.timeout(self._limits.goodbye_s):
                if self._bye is not None and not self._session.ended:
                    self._queue.keep_only(SendClass.CONTROL)
                    while (frame := self._queue.pop()) is not None:
                        await self._send(frame)
                    await self._send(encode_frame(self._bye))
                await self._socket.close()
        except (TimeoutError, ConnectionError, FrameError):
            log.debug("no goodbye", extra={"peer": self.peer.number})
        finally:
            self._socket.abort()

    # --- sending -------------------------------------------------------------------------------------------------

    async def _write(self) -> None:
        began = self._clock.monotonic()
        while not self.over.done():
            frame = self._queue.pop()
            if frame is None:
                await self._queue.wait()
                began = self._clock.monotonic()
                continue
            self._sending_since = now = self._clock.monotonic()
            try:
                await self._send(frame)
            except ConnectionError:
                self.end("lost", tell=False)
                return
            self._sending_since = None
            if now - began > _SLICE_S:
                await asyncio.sleep(0)
                began = self._clock.monotonic()

    async def _send(self, frame: bytes) -> None:
        message = self._session.seal(frame)
        self._out += len(message)
        self._frames_out += 1
        await self._socket.send_bytes(message)

    async def _watch(self) -> None:
        """Ends the link when one message has waited too long for the peer to read (protocol 6)."""
        while True:
            await asyncio.sleep(self._limits.stall_s / 8)
            since = self._sending_since
            if since is not None and self._clock.monotonic() - since >= self._limits.stall_s:
                self.end("slow")

    # --- receiving -----------------------------------------------------------------------------------------------

    async def _read(self, first: bytes) -> None:
        if first:
            self._deliver(first)
        try:
            await self._read_on()
        except ConnectionError:
            self.end("lost", tell=False)

    async def _read_on(self) -> None:
        began = self._clock.monotonic()
        while not self.over.done():
            message = await self._socket.receive()
            if self.over.done():
                return
            await self._take(message)
            now = self._clock.monotonic()
            if not self._pace.has(0, now):
                await asyncio.sleep(self._pace.wait())
            elif now - began > _SLICE_S:
                await asyncio.sleep(0)
            else:
                continue
            began = self._clock.monotonic()

    async def _take(self, message: WSMessage) -> None:
        match message.type:
            case WSMsgType.BINARY:
                self._open(message.data)
            case WSMsgType.PING:
                self._pace.take(len(message.data) + _OVERHEAD)
                await self._socket.pong(message.data)
            case WSMsgType.PONG:
                self._pace.take(len(message.data) + _OVERHEAD)
            case WSMsgType.CLOSE | WSMsgType.CLOSING | WSMsgType.CLOSED:
                self.end("lost", tell=False)
            case _:
                # Text, or more than aiohttp takes: outside the encryption, so nobody can be blamed.
                self.end("bad-message")

    def _open(self, message: bytes) -> None:
        self._pace.take(len(message) + _OVERHEAD)
        self._in += len(message)
        self._frames_in += 1
        try:
            frame = self._session.open(message)
        except FrameError:
            # Anybody on the way can do that to an honest peer: the session ends, nobody is banned.
            self.end("not-authentic", tell=False)
            return
        self._deliver(frame)

    def _deliver(self, frame: bytes) -> None:
        try:
            bye = as_bye(frame)
            if bye is None:
                self._registry.listener.received(self.peer, frame)
                return
        except PeerError as error:
            reason = reason_of(error)
            log.warning("peer at fault", extra={"peer": self.peer.number, "reason": reason, "detail": str(error)})
            if error.blame:
                self._registry.ban(self.peer.node, self._limits.ban_s, reason)
            self.end(reason)
            return
        self.retry_after = min(bye.retry_after, _MAX_RETRY_S)
        self.end(bye_word(bye), tell=False)
