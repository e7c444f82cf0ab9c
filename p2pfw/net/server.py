"""The called side: HTTP upgrade at /p2p, handshake within its time, admission, then a session (protocol 2.1 to 2.4)."""

import asyncio
import errno
import logging
import socket as sockets
from typing import Final, cast

from aiohttp import web
from aiohttp.web_request import BaseRequest

from p2pfw.core.handshake import Responder, Terms, parse_offer, pick
from p2pfw.core.identity import NodeId
from p2pfw.core.noise import KeyPair, Keys
from p2pfw.core.proof import Identity, Proven, reason_of
from p2pfw.core.session import Session
from p2pfw.core.wire import encode_frame
from p2pfw.errors import AdmissionError, HandshakeError, ListenError, PeerError
from p2pfw.net.addresses import join_address, split_address
from p2pfw.net.door import Door, GuardedHandler
from p2pfw.net.greeting import answer, bye_for_refused, hint_of
from p2pfw.net.keys import fresh_pair
from p2pfw.net.limits import Ticket
from p2pfw.net.link import Link
from p2pfw.net.registry import NO_REFUSAL, Registry
from p2pfw.net.sockets import AcceptedSocket
from p2pfw.net.tasks import Tasks
from p2pfw.ports import PeerProof, PeerSession

log = logging.getLogger(__name__)

PATH: Final = "/p2p"
_BACKLOG: Final = 512
_PROTOCOL_HEADER: Final = "Sec-WebSocket-Protocol"


class Server:
    """Accepts sessions on any number of addresses."""

    def __init__(self, registry: Registry, door: Door, static: KeyPair, tasks: Tasks) -> None:
        self._registry, self._door, self._static, self._tasks = registry, door, static, tasks
        self._manager = web.Server(self._handle)
        self._listening: list[asyncio.Server] = []

    async def listen(self, address: str) -> str:
        """Accept on "host:port"; the bound one. ListenError."""
        host, port = split_address(address)
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(
                lambda: GuardedHandler(self._manager, self._door), host, port, backlog=_BACKLOG
            )
        except OSError as error:
            raise ListenError(_what_to_do(address, error)) from None
        self._listening.append(server)
        return join_address(*server.sockets[0].getsockname()[:2])

    def deafen(self) -> None:
        """Accept no more."""
        for server in self._listening:
            server.close()
        self._listening.clear()

    async def stop(self) -> None:
        """Drop what has not become a session; sessions have ended before."""
        for connection in self._manager.connections:
            connection.force_close()
        await self._manager.shutdown(self._registry.limits.goodbye_s)

    async def _handle(self, request: BaseRequest) -> web.StreamResponse:
        handler = cast("GuardedHandler", request.protocol)
        ticket = handler.ticket
        try:
            ticket = handler.header_arrived(request)
            version, terms = self._terms(request)
        except PeerError as error:
            return self._refuse_http(ticket, error)
        socket = AcceptedSocket(version)
        try:
            await socket.prepare(request)
        except web.HTTPException as refusal:
            self._registry.listener.refused(ticket.address, None, "not-a-peer")
            refusal.force_close()
            raise
        except ConnectionError:
            self._count(ticket, HandshakeError("hung-up", "the connection broke before the handshake"))
            return socket
        await self._greet(socket, ticket, terms, handler.deadline)
        return socket

    def _terms(self, request: BaseRequest) -> tuple[str, Terms]:
        if request.path != PATH or request.method != "GET":
            raise HandshakeError("not-a-peer", "there is nothing else here")
        offered = parse_offer(",".join(request.headers.getall(_PROTOCOL_HEADER, [])))
        version = pick(offered)
        return version, Terms(network=self._registry.credentials.network, offered=offered, picked=version)

    def _refuse_http(self, ticket: Ticket | None, error: PeerError) -> web.Response:
        code = reason_of(error)
        self._registry.listener.refused(ticket.address if ticket is not None else "", None, code)
        status = {"not-a-peer": 404, "version": 400}.get(code, 429)
        response = web.Response(status=status, text=f"{error}\n")
        response.force_close()
        return response

    async def _greet(self, socket: AcceptedSocket, ticket: Ticket, terms: Terms, deadline: float) -> None:
        """The handshake, within the time for it; then admission, and the session until it ends."""
        try:
            async with asyncio.timeout_at(deadline):
                proven, session = await answer(socket, self._responder(terms), self._registry.clock)
        except TimeoutError:
            await self._hang_up(socket, ticket, HandshakeError("slow-handshake", "the handshake took too long"))
        except ConnectionError:
            self._count(ticket, HandshakeError("hung-up", "the connection broke during the handshake"))
        except PeerError as error:
            await self._hang_up(socket, ticket, error)
        else:
            await self._let_in(socket, ticket, proven, session)

    def _responder(self, terms: Terms) -> Responder:
        credentials = self._registry.credentials
        identity = Identity(
            signer=credentials.signer, certificate=credentials.certificate, features=credentials.features
        )
        return Responder(identity, terms, Keys(ephemeral=fresh_pair(), static=self._static))

    async def _let_in(self, socket: AcceptedSocket, ticket: Ticket, proven: Proven, session: Session) -> None:
        """The session of an admitted caller, to its end; another one is told why not, inside the encryption."""
        proof = PeerProof(
            node=proven.node,
            certificate=proven.certificate,
            token=proven.token,
            inbound=True,
            address=ticket.address,
            features=proven.features,
        )
        try:
            self._registry.admit(proof)
            self._registry.make_room(proven.node, inbound=True)
        except AdmissionError as error:
            self._count(ticket, error, proven.node)
            ban = self._registry.ban_of(proven.node)
            bye = bye_for_refused(error, retry_after=int(ban.seconds_left) + 1 if ban is not None else 0)
            await self._part(socket, 1000, session.seal(encode_frame(bye)))
            return
        self._door.leave(ticket)
        link = Link(self._peer(proof), session, socket, self._registry)
        link.open()
        await self._tasks.start(link.run())

    def _peer(self, proof: PeerProof) -> PeerSession:
        return PeerSession(
            number=self._registry.next_number(),
            node=proof.node,
            certificate=proof.certificate,
            inbound=True,
            address=proof.address,
            url="",
            token=proof.token,
            features=proof.features,
        )

    async def _hang_up(self, socket: AcceptedSocket, ticket: Ticket, error: PeerError) -> None:
        self._count(ticket, error)
        await self._part(socket, hint_of(error))

    def _count(self, ticket: Ticket, error: PeerError, node: NodeId | None = None) -> None:
        reason = reason_of(error)
        log.info("refused", extra={"address": ticket.address, "reason": reason, "detail": str(error)})
        if reason not in NO_REFUSAL:
            self._registry.listener.refused(ticket.address, node, reason)

    async def _part(self, socket: AcceptedSocket, code: int, last: bytes = b"") -> None:
        """A last message, and the end, whether or not the other side listens."""
        try:
            async with asyncio.timeout(self._registry.limits.goodbye_s):
                if last:
                    await socket.send_bytes(last)
                await socket.close(code=code)
        except (TimeoutError, ConnectionError):
            log.debug("no goodbye")
        finally:
            socket.abort()


def _what_to_do(address: str, error: OSError) -> str:
    """The operator's words for an address that cannot be listened on."""
    match error.errno:
        case errno.EADDRINUSE:
            hint = "another program (or another p2pfw) listens there: stop it, or set another address in [listen] peer"
        case errno.EADDRNOTAVAIL:
            hint = "no interface of this machine has that address: set another address in [listen] peer"
        case errno.EACCES:
            hint = "ports below 1024 need CAP_NET_BIND_SERVICE: set another address in [listen] peer"
        case _ if isinstance(error, sockets.gaierror):
            hint = "that host name cannot be resolved: use an IP address in [listen] peer"
        case _:
            hint = error.strerror or str(error)
    return f"cannot listen on {address}: {hint}"
