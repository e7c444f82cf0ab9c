"""The API's two doors: a unix socket for the operator, HTTP on loopback for local clients; one way in behind both."""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final

from aiohttp import web

from p2pfw.config import Api as Settings
from p2pfw.errors import ListenError
from p2pfw.local.socketfile import SocketFile
from p2pfw.operations import Operations
from p2pfw.ports import Clock
from p2pfw.web.access import Gate, Rules
from p2pfw.web.bouncers import PATHS, Bouncers
from p2pfw.web.changing import Changing
from p2pfw.web.dispatch import Dispatcher, Handler
from p2pfw.web.feeding import Feeding
from p2pfw.web.following import Following
from p2pfw.web.importing import Importing
from p2pfw.web.metrics import Metrics
from p2pfw.web.reading import Reading
from p2pfw.web.rendering import Renderer
from p2pfw.web.routes import ROUTES
from p2pfw.web.server import Server
from p2pfw.web.tls import Certificate
from p2pfw.web.trusting import Trusting

log = logging.getLogger(__name__)

SHUTDOWN_SECONDS: Final = 0.5
"""For requests that run when the node stops; followers of events never end by themselves."""
BACKLOG: Final = 128


class Api:
    """Start and stop of the local API. `addresses`: where it listens, the socket's path first."""

    def __init__(self, operations: Operations, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        hosts = frozenset(host.lower() for host in settings.hosts)
        gate = Gate(
            Rules(require_token=settings.require_token, hosts=hosts, check_token=operations.check_token),
            clock.monotonic,
        )
        self._dispatcher = Dispatcher(
            ROUTES, handlers_of(operations, clock.now), gate, operations.welcome, monotonic=clock.monotonic
        )
        self._bouncers = Bouncers(operations, gate, clock.monotonic)
        self._open = AsyncExitStack()
        self._certificate: Certificate | None = None
        self.addresses: list[str] = []

    async def start(self) -> None:
        """Open both doors, or none. ListenError, AlreadyRunningError, ConfigError."""
        try:
            await self._open_socket()
            await self._open_http()
        except BaseException:
            await self.stop()
            raise
        log.info("api opened", extra={"addresses": self.addresses})

    async def stop(self) -> None:
        """Close both doors; what was answered has left."""
        await self._open.aclose()
        self.addresses.clear()

    def renew(self) -> None:
        """Read the certificate again, for connections to come. ConfigError: the one in use goes on."""
        if self._certificate is not None:
            self._certificate.renew()

    async def _open_socket(self) -> None:
        file = SocketFile(self._settings.socket, "api.socket")
        self._open.callback(file.close)
        server = self._server()
        listener = await asyncio.get_running_loop().create_unix_server(server, sock=file.socket, backlog=BACKLOG)
        self._open.push_async_callback(_close, listener, server)
        self.addresses.append(str(self._settings.socket))

    async def _open_http(self) -> None:
        http = self._settings.http
        if http is None:
            return
        self._certificate, server = certificate_of(self._settings), self._server()
        tls = self._certificate.context if self._certificate is not None else None
        try:
            listener = await asyncio.get_running_loop().create_server(
                server, http.host, http.port, ssl=tls, reuse_address=True, backlog=BACKLOG
            )
        except OSError as error:
            raise ListenError(f"cannot listen on {http} (api.http): {_reason(error)}") from None
        self._open.push_async_callback(_close, listener, server)
        self.addresses += [_shown(sock.getsockname()) for sock in listener.sockets]

    def _server(self) -> Server:
        return Server(self._serve)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """CrowdSec's bouncers have paths, keys and errors of their own."""
        door = self._bouncers if request.rel_url.raw_path in PATHS else self._dispatcher
        return await door.serve(request)


def certificate_of(settings: Settings) -> Certificate | None:
    """Of the HTTP door; None where it speaks HTTP. ConfigError."""
    if settings.http is None or settings.tls_cert is None:
        return None
    return Certificate(settings.tls_cert, settings.tls_key, "api.tls_cert and api.tls_key")


def handlers_of(operations: Operations, now: Callable[[], float]) -> dict[str, Handler]:
    """By name of route."""
    groups = (
        Reading(operations, Renderer(operations, now), Metrics(operations)),
        Changing(operations),
        Trusting(operations.trusting),
        Feeding(operations.feeding),
        Importing(operations),
        Following(operations),
    )
    return {
        route.name: getattr(group, route.name) for route in ROUTES for group in groups if hasattr(group, route.name)
    }


async def _close(listener: asyncio.AbstractServer, server: web.Server) -> None:
    listener.close()
    server.pre_shutdown()
    await server.shutdown(SHUTDOWN_SECONDS)


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return 'another program listens there; choose another port, or api.http = ""'
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return 'this machine has no such address; use 127.0.0.1:7788, or api.http = ""'
    return error.strerror or str(error)


def _shown(address: tuple[str, int]) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
