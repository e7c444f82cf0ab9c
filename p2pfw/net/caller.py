"""The calling side: one call, from URL to open session or the reason why not (protocol 2.3)."""

import asyncio
from collections.abc import Callable
from typing import Final

import aiohttp
from yarl import URL

from p2pfw.core.handshake import VERSIONS, Initiator, Terms
from p2pfw.core.identity import NodeId
from p2pfw.core.noise import KeyPair, Keys
from p2pfw.core.proof import Identity, Proven
from p2pfw.core.session import Session
from p2pfw.core.token import key_hash
from p2pfw.errors import HandshakeError, InputError, PeerError
from p2pfw.net.addresses import plain
from p2pfw.net.greeting import call, hint_of
from p2pfw.net.keys import fresh_pair
from p2pfw.net.link import Link
from p2pfw.net.registry import Registry
from p2pfw.net.sockets import DialledSocket, client, connect
from p2pfw.ports import DialTarget, PeerProof, PeerSession

_SCHEMES: Final = {"ws", "wss"}
_PATH: Final = "/p2p"


def dial_url(text: str) -> URL:
    """The URL to call; /p2p where none is named. InputError unless it is ws:// or wss:// with a host."""
    try:
        url = URL(text)
    except ValueError:
        raise InputError(f"{text!r} is not a URL", field="url", hint="for example ws://203.0.113.5:7787") from None
    if url.scheme not in _SCHEMES or not url.host or url.user is not None:
        raise InputError(f"{text!r} is not a peer's address", field="url", hint="for example ws://203.0.113.5:7787")
    return url.with_path(_PATH) if url.path in {"", "/"} else url


def expectation(target: DialTarget) -> Callable[[NodeId], bool] | None:
    """Whether a node is the one that was called; None when anybody may answer."""
    if target.node is not None:
        return lambda node: node == target.node
    if target.key_hash:
        return lambda node: key_hash(node) == target.key_hash
    return None


class Caller:
    """Makes calls, one at a time each; whom to call and when is the dialer's."""

    def __init__(self, registry: Registry, static: KeyPair) -> None:
        self._registry, self._static = registry, static
        self._client: aiohttp.ClientSession | None = None
        self.answered: dict[str, NodeId] = {}
        """Which node answered at each URL last, also when no session came of it."""

    async def call(self, target: DialTarget) -> tuple[Link, bytes]:
        """A link that is ready to run, and its first frame.

        HandshakeError("unreachable") when nobody is there; other PeerErrors when somebody is, but not a session.
        """
        limits = self._registry.limits
        socket = await self._connect(target)
        try:
            async with asyncio.timeout(limits.handshake_s):
                return await self._greet(socket, target)
        except TimeoutError:
            error: PeerError = HandshakeError("slow-handshake", "the handshake took too long")
        except ConnectionError:
            error = HandshakeError("hung-up", "the connection broke during the handshake")
        except PeerError as problem:
            error = problem
        except asyncio.CancelledError:
            socket.abort()
            raise
        await self._hang_up(socket, error)
        raise error

    async def stop(self) -> None:
        """No calls any more."""
        if self._client is not None:
            await self._client.close()

    async def _connect(self, target: DialTarget) -> DialledSocket:
        if self._client is None:
            self._client = client()
        url = dial_url(target.url)
        try:
            async with asyncio.timeout(self._registry.limits.connect_s):
                socket = await connect(self._client, str(url), VERSIONS)
        except TimeoutError:
            raise HandshakeError("unreachable", f"{url.host}:{url.port} does not answer") from None
        except aiohttp.WSServerHandshakeError as error:
            raise HandshakeError("not-a-peer", f"{url} answered {error.status}, not a p2pfw node") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise HandshakeError("unreachable", f"cannot reach {url.host}:{url.port}: {error}") from None
        if socket.protocol not in VERSIONS:
            socket.abort()
            raise HandshakeError("version", f"{url} speaks no version of ours, or a proxy dropped our offer")
        return socket

    async def _greet(self, socket: DialledSocket, target: DialTarget) -> tuple[Link, bytes]:
        credentials = self._registry.credentials
        identity = Identity(
            signer=credentials.signer,
            certificate=credentials.certificate,
            features=credentials.features,
            token=target.token,
        )
        keys = Keys(ephemeral=fresh_pair(), static=self._static)
        terms = Terms(network=credentials.network, picked=socket.protocol or "")
        initiator = Initiator(identity, terms, keys, expects=expectation(target))
        address = _address_of(socket)
        proven, session, first = await call(
            socket, initiator, lambda proven: self._accept(proven, address, target), self._registry.clock
        )
        # Again: another session with the same node may have opened while this one waited for its answer.
        self._registry.make_room(proven.node, inbound=False)
        return self._link(socket, session, proven, target, address), first

    def _accept(self, proven: Proven, address: str, target: DialTarget) -> None:
        """Refuse before message 3, so that nobody learns our name whom we would not keep."""
        self.answered[target.url] = proven.node
        self._registry.admit(
            PeerProof(
                node=proven.node,
                certificate=proven.certificate,
                token=b"",
                inbound=False,
                address=address,
                features=proven.features,
            )
        )
        if self._registry.link_to(proven.node) is not None and not target.token:
            raise HandshakeError("duplicate", "there is a session with this node already")

    def _link(self, socket: DialledSocket, session: Session, proven: Proven, target: DialTarget, address: str) -> Link:
        peer = PeerSession(
            number=self._registry.next_number(),
            node=proven.node,
            certificate=proven.certificate,
            inbound=False,
            address=address,
            url=target.url,
            token=target.token,
            features=proven.features,
        )
        return Link(peer, session, socket, self._registry)

    async def _hang_up(self, socket: DialledSocket, error: PeerError) -> None:
        try:
            async with asyncio.timeout(self._registry.limits.goodbye_s):
                await socket.close(code=hint_of(error))
        except (TimeoutError, ConnectionError):
            return
        finally:
            socket.abort()


def _address_of(socket: DialledSocket) -> str:
    peer = socket.get_extra_info("peername")
    return plain(str(peer[0])) if peer else ""
