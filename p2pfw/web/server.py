"""aiohttp's server with bounds: connections, header sizes, idle time; and its own errors as problems.

The low-level server is used, without aiohttp's application: routes, methods, bodies and errors have one way through
p2pfw.web.dispatch. A connection that sends half a header, or nothing, is closed when it has been idle for too long; one
that does not take its answers is cut off, whoever writes them, and also when it was closed in between.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import ClassVar, Final, cast

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from p2pfw.web import problems

log = logging.getLogger(__name__)

MAX_CONNECTIONS: Final = 256
"""A door; each door counts for itself, so that a crowd on TCP does not close the operator's socket."""
IDLE_SECONDS: Final = 30.0
"""Until the header of a request has to be there, on a new connection and between requests."""
STALL_SECONDS: Final = 30.0
"""For a client to take what was written, before it is cut off."""
FULL_SECONDS: Final = 60.0
"""Between two lines in the log that connections are refused: a crowd must not fill the disk."""
LINGER_SECONDS: Final = 2.0
"""For reading what a refused client still sends, so that it sees the refusal."""
MAX_LINE: Final = 8_190
"""Bytes of the request line, and of one header."""
MAX_HEADERS: Final = 64

RequestHandler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Protocol(web.RequestHandler):
    """One connection."""

    door: "Server"
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Refuse one too many by closing it at once: an answer would cost what there is not."""
        out = cast("asyncio.Transport", transport)
        if not self.door.has_room():
            out.abort()
            return
        # So writing is paused as long as there is anything that the client has not taken.
        out.set_write_buffer_limits(high=1, low=0)
        super().connection_made(transport)

    def pause_writing(self) -> None:
        """The client has not taken all."""
        super().pause_writing()
        self._stalled = self._loop.call_later(STALL_SECONDS, self._cut_off)

    def resume_writing(self) -> None:
        """It has."""
        super().resume_writing()
        self._take_heart()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Also of one that was never let in."""
        super().connection_lost(exc)
        self._take_heart()

    def _take_heart(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _cut_off(self) -> None:
        if self.transport is not None:
            log.warning("client stalled", extra={"client": str(self.transport.get_extra_info("peername"))})
            self.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is no HTTP, or is too long a header, before there is a request. ConnectionError: nobody to answer to."""
        if isinstance(exc, ConnectionError):
            raise exc
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("request failed", exc_info=exc, extra={"client": request.remote})
            detail = "an error of ours; the log has it"
        elif isinstance(exc, LineTooLong):
            status, detail = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the header is too large"
        else:
            detail = f"this is no HTTP request: {(message or '').strip().partition(chr(10))[0]}"
        answer = self.unreadable(status, detail)
        answer.force_close()
        return answer

    def unreadable(self, status: int, detail: str) -> web.Response:
        """How that is told."""
        return problems.response(problems.problem(status, detail))


class Server(web.Server):
    """One door's connections."""

    protocol: ClassVar[type[Protocol]] = Protocol
    _told = float("-inf")

    def __call__(self) -> Protocol:
        """Make a connection's protocol."""
        made = self.protocol(
            self,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGER_SECONDS,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            max_headers=MAX_HEADERS,
            auto_decompress=False,
            access_log=None,  # type: ignore[arg-type]  # off; its own runner passes the same
        )
        made.door = self
        return made

    def has_room(self) -> bool:
        """For one connection more; says so in the log when there is none, but not each time."""
        if len(self.connections) < MAX_CONNECTIONS:
            return True
        now = asyncio.get_running_loop().time()
        if now >= self._told + FULL_SECONDS:
            self._told = now
            log.warning("connections refused", extra={"reason": f"{MAX_CONNECTIONS} are open"})
        return False
