"""The websockets of both directions as one shape: whole binary messages, a polite end and an abrupt one.

No compression, and messages below 64 KiB: aiohttp refuses larger ones before it keeps their bytes. Websocket pings are
answered by the session's reader, where they are counted, and not by aiohttp.
"""

from typing import Any, Final, Protocol

import aiohttp
from aiohttp import web

from p2pfw.core.noise import MAX_MESSAGE

MAX_MESSAGE_SIZE: Final = MAX_MESSAGE + 1
"""aiohttp refuses what is as large as this."""
CLOSE_S: Final = 1.0


class Socket(Protocol):
    """What a session needs of a websocket."""

    async def receive(self) -> aiohttp.WSMessage:
        """The next message of any type."""
        ...

    async def send_bytes(self, data: bytes) -> None:
        """Send one message; waits while the peer does not read."""
        ...

    async def pong(self, message: bytes = b"") -> None:
        """Answer a websocket ping."""
        ...

    async def close(self, *, code: int = 1000) -> bool:
        """Say goodbye and wait for the other's, for at most CLOSE_S."""
        ...

    def abort(self) -> None:
        """Drop the connection with whatever is unsent. Harmless when it is gone."""
        ...


class AcceptedSocket(web.WebSocketResponse):
    """The called side's."""

    def __init__(self, version: str) -> None:
        super().__init__(
            protocols=(version,), compress=False, max_msg_size=MAX_MESSAGE_SIZE, timeout=CLOSE_S, autoping=False
        )

    def abort(self) -> None:
        """Drop the connection."""
        transport = self._req.transport if self._req is not None else None
        if transport is not None:
            transport.abort()


class DialledSocket(aiohttp.ClientWebSocketResponse):
    """The calling side's; made by aiohttp's client session."""

    def abort(self) -> None:
        """Drop the connection, and give it back to aiohttp's books."""
        connection = self._response.connection
        transport = connection.transport if connection is not None else None
        if transport is not None:
            transport.abort()
        self._response.close()


async def _refuse_redirect(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Whoever we call does not get to choose whom we call next."""
    response = await handler(request)
    if response.status != 101:
        response.close()
        raise aiohttp.WSServerHandshakeError(
            response.request_info, response.history, message="no websocket there", status=response.status
        )
    return response


def client() -> aiohttp.ClientSession:
    """The HTTP client for calls: no cookies, redirects, proxies or pooling. TLS around a session is never relied on."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True, ssl=False),
        cookie_jar=aiohttp.DummyCookieJar(),
        ws_response_class=DialledSocket,
        middlewares=(_refuse_redirect,),
        skip_auto_headers=("User-Agent",),
        timeout=aiohttp.ClientTimeout(total=None),
    )


async def connect(session: aiohttp.ClientSession, url: str, versions: tuple[str, ...]) -> DialledSocket:
    """Call `url`, offering these versions."""
    options: dict[str, Any] = {
        "protocols": versions,
        "compress": 0,
        "max_msg_size": MAX_MESSAGE_SIZE,
        "autoping": False,
        "timeout": aiohttp.ClientWSTimeout(ws_receive=None, ws_close=CLOSE_S),
    }
    socket = await session.ws_connect(url, **options)
    assert isinstance(socket, DialledSocket)  # noqa: S101 - what ws_response_class makes; for the type checker
    return socket
