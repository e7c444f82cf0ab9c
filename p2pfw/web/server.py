"""aiohttp's server with bounds: connections, header sizes, idle time; and its own errors as problems.

The low-level server is used, without aiohttp's application: routes, methods, bodies and errors have one way through
p2pfw.web.dispatch. A connection that sends half a header, or nothing, is closed when it has been idle for too long.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import ClassVar, Final

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from p2pfw.web import problems

log = logging.getLogger(__name__)

MAX_CONNECTIONS: Final = 256
"""A door; each door counts for itself, so that a crowd on TCP does not close the operator's socket."""
IDLE_SECONDS: Final = 30.0
"""Until the header of a request has to be there, on a new connection and between requests."""
LINGER_SECONDS: Final = 2.0
"""For reading what a refused client still sends, so that it sees the refusal."""
MAX_LINE: Final = 8_190
"""Bytes of the request line, and of one header."""
MAX_HEADERS: Final = 64

RequestHandler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Protocol(web.RequestHandler):
    """One connection."""

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

    def __call__(self) -> Protocol:
        """Make a connection's protocol."""
        return self.protocol(
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

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Refuse one too many by closing it at once: an answer would cost what there is not."""
        super().connection_made(handler, transport)
        if len(self.connections) > MAX_CONNECTIONS:
            log.warning("connection refused", extra={"reason": f"{MAX_CONNECTIONS} are open"})
            transport.abort()
