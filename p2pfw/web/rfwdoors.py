"""The doors of the rfw-compatible API: HTTPS with a password for the clients in the list, HTTP for this machine.

A connection that says nothing, or that never begins TLS, costs a place for some seconds and stalls nobody: strangers
have places of their own, both for the handshake and after it, so that no crowd of theirs keeps a client out.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from p2pfw.config import Endpoint
from p2pfw.errors import ListenError
from p2pfw.web.rfwaccess import Clients
from p2pfw.web.server import Server

log = logging.getLogger(__name__)

HANDSHAKE_SECONDS: Final = 5.0
"""For TLS to be agreed."""
HANDSHAKES: Final = 64
"""At a time: of clients, and as many of strangers."""
BACKLOG: Final = 128
SHUTDOWN_SECONDS: Final = 0.5
"""For requests that run when the node stops."""
_PAUSE: Final = 0.5
"""Seconds without accepting when there are no descriptors left."""


class Door:
    """One listening address."""

    def __init__(self, listener: socket.socket, server: Server) -> None:
        self._listener, self._server = listener, server
        self.address: tuple[str, int] = listener.getsockname()[:2]

    async def open(self) -> None:
        """Serve."""
        self._serving = await asyncio.get_running_loop().create_server(self._server, sock=self._listener)

    async def close(self) -> None:
        """Stop listening; what is being answered has a moment."""
        self._serving.close()
        await _shut([self._server])


class TlsDoor:
    """The same with TLS, and with an order of precedence: clients before strangers."""

    def __init__(
        self, listener: socket.socket, servers: dict[bool, Server], clients: Clients, tls: ssl.SSLContext
    ) -> None:
        """`servers`: of clients (True), and of strangers. `greeting`: connections that have no TLS yet, likewise."""
        self._listener, self._servers, self._clients, self._tls = listener, servers, clients, tls
        self.address: tuple[str, int] = listener.getsockname()[:2]
        self.greeting: dict[bool, set[asyncio.Task[None]]] = {True: set(), False: set()}
        self._accepting: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Serve."""
        self._listener.settimeout(0)  # asyncio waits for it
        self._accepting = asyncio.create_task(self._accept(), name="rfw")

    async def close(self) -> None:
        """Stop listening; what is being answered has a moment."""
        tasks = [*self.greeting[True], *self.greeting[False], *([self._accepting] if self._accepting else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._listener.close()
        await _shut(self._servers.values())

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(self._listener)
            except OSError as error:  # no descriptors left, or it was gone before it was taken
                log.warning("connection not accepted", extra={"error": str(error), "api": "rfw"})
                await asyncio.sleep(_PAUSE)
                continue
            self._take(connection, self._clients.has(str(address[0])))

    def _take(self, connection: socket.socket, is_client: bool) -> None:  # noqa: FBT001
        greeting = self.greeting[is_client]
        if len(greeting) >= HANDSHAKES:
            connection.close()
            return
        task = asyncio.create_task(self._greet(connection, self._servers[is_client]))
        greeting.add(task)
        task.add_done_callback(greeting.discard)

    async def _greet(self, connection: socket.socket, server: Server) -> None:
        """Agree on TLS; from then on the connection is the server's."""
        loop = asyncio.get_running_loop()
        with suppress(OSError, ssl.SSLError):
            await loop.connect_accepted_socket(
                server, connection, ssl=self._tls, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
            return
        connection.close()


def listen(endpoint: Endpoint, key: str) -> socket.socket:
    """ListenError names the key of the configuration."""
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    try:
        return socket.create_server((endpoint.host, endpoint.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ListenError(f"cannot listen on {endpoint} ({key}): {error.strerror or error}") from None


async def _shut(servers: Iterable[Server]) -> None:
    for server in servers:
        server.pre_shutdown()
        await server.shutdown(SHUTDOWN_SECONDS)
