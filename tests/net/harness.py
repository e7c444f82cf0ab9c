"""Real sockets on loopback: nodes with recording listeners, hostile callers that keep only the rules they want to."""

import asyncio
import random
import socket
import time
from dataclasses import dataclass, field

import aiohttp

from p2pfw.core.handshake import VERSIONS, Terms
from p2pfw.core.identity import SigningKey, Uses, certify, network_id
from p2pfw.core.noise import XX, KeyPair, Keys, NoiseHandshake
from p2pfw.core.proof import Identity, Role, prove
from p2pfw.core.session import Session
from p2pfw.errors import AdmissionError
from p2pfw.net.limits import Limits
from p2pfw.net.transport import WebsocketTransport
from p2pfw.ports import DialTarget, SendClass

NETWORK = network_id("net-tests")
OWNER = SigningKey(b"owner".ljust(32, b"."))
FAST = Limits(retry_first_s=0.02, retry_most_s=0.1, group_burst=1_000, per_group=64)
"""Quick retries, and room for tests that make many connections from one address."""


async def eventually(condition):
    """Wait for what no event announces; the suite's own time limit ends a wait in vain."""
    while not condition():  # noqa: ASYNC110 - there is nothing to wait on
        await asyncio.sleep(0.001)


class Clock:
    """The system's."""

    def now(self):
        return time.time()

    def monotonic(self):
        return time.monotonic()


@dataclass
class FixedCredentials:
    """A node's own, which a test may change."""

    signer: SigningKey
    certificate: bytes = b""
    network: bytes = NETWORK
    features: int = 0


def key(name):
    """The node key that a test calls by this name."""
    return SigningKey(name.encode().ljust(32, b"."))


def ordered(*names):
    """The names sorted by their node ids: who is "smaller" decides about duplicate sessions."""
    return sorted(names, key=lambda name: key(name).public_key)


def certificate_for(signer, *, begin=-1_000, end=1_000, uses=Uses.ALL, owner=OWNER):
    """Encoded; times relative to now."""
    now = int(time.time())
    return certify(owner, signer.public_key, serial=1, not_before=now + begin, not_after=now + end, uses=uses).encode()


@dataclass
class Recorder:
    """A SessionListener that greets, remembers everything, and lets tests wait for what must come."""

    greeting: bytes = b"hello"
    refuse: str = ""
    transport: WebsocketTransport | None = None
    proofs: list = field(default_factory=list)
    open: dict = field(default_factory=dict)
    opens: list = field(default_factory=list)
    frames: list = field(default_factory=list)
    ends: list = field(default_factory=list)
    refusals: list = field(default_factory=list)
    on_frame: object = None
    on_admit: object = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def admit(self, proof):
        self.proofs.append(proof)
        if self.on_admit is not None:
            self.on_admit(proof)
        if self.refuse:
            raise AdmissionError(self.refuse)

    def opened(self, session):
        self.open[session.node] = session
        self.opens.append(session)
        self.transport.send(session, self.greeting, SendClass.CONTROL)
        self._news.set()

    def received(self, session, frame):
        self._news.set()
        if frame == self.greeting:
            return
        self.frames.append((session.node, frame))
        if self.on_frame is not None:
            self.on_frame(session, frame)

    def closed(self, session, reason):
        if self.open.get(session.node) is session:
            del self.open[session.node]
        self.ends.append((session.node, reason))
        self._news.set()

    def refused(self, address, node, reason):
        self.refusals.append((address, node, reason))
        self._news.set()

    @property
    def reasons(self):
        """Of all refusals."""
        return [reason for _, _, reason in self.refusals]

    async def until(self, condition):
        """Wait until the condition holds after some event; the suite's own time limit ends a wait in vain."""
        while not condition():
            self._news.clear()
            await self._news.wait()


class Node:
    """One transport with its listener."""

    def __init__(self, name, *, limits=FAST, seed=0, **options):
        self.key = key(name)
        self.id = self.key.public_key
        self.credentials = FixedCredentials(self.key)
        self.listener = Recorder()
        self.transport = WebsocketTransport(
            self.credentials, self.listener, Clock(), limits=limits, chance=random.Random(seed), **options
        )
        self.listener.transport = self.transport
        self.address = ""

    @property
    def url(self):
        return f"ws://{self.address}"

    @property
    def port(self):
        return int(self.address.rpartition(":")[2])

    async def __aenter__(self):
        self.address = await self.transport.listen("127.0.0.1:0")
        return self

    async def __aexit__(self, *_):
        await self.transport.stop()

    def target(self, **options):
        """How others call this node."""
        return DialTarget(url=self.url, node=self.id, **options)

    async def connected(self, other):
        """Wait for the session with another node."""
        await self.listener.until(lambda: other.id in self.listener.open)
        return self.listener.open[other.id]

    def send(self, other, frame, send_class=SendClass.CONTROL):
        return self.transport.send(self.listener.open[other.id], frame, send_class)


def noise(role, *, network=NETWORK, offered=VERSIONS, picked=VERSIONS[0], seed=None):
    """A bare handshake that says whatever the test writes into it."""
    chance = random.Random(seed)
    keys = Keys(ephemeral=KeyPair.of(chance.randbytes(32)), static=KeyPair.of(chance.randbytes(32)))
    terms = Terms(network=network, offered=offered, picked=picked)
    return NoiseHandshake(XX, keys, initiator=role is Role.INITIATOR, prologue=terms.prologue())


class RawCaller:
    """A hostile caller: a real websocket, real Noise, and its own idea of what to send."""

    def __init__(self, node, *, versions=VERSIONS, headers=None, **terms):
        self._node, self._versions, self._headers = node, versions, headers
        self.noise = noise(Role.INITIATOR, **terms)

    async def __aenter__(self):
        self.http = aiohttp.ClientSession()
        try:
            self.socket = await self.http.ws_connect(
                self._node.url + "/p2p", protocols=self._versions, headers=self._headers, autoclose=False
            )
        except aiohttp.ClientError:
            await self.http.close()
            raise
        return self

    async def __aexit__(self, *_):
        await self.socket.close()
        await self.http.close()

    async def greet(self, payload=None, *, signer=None, certificate=b"", token=b""):
        """The whole handshake; `payload` replaces the honest proof of `signer`."""
        identity = Identity(signer=signer or key("mallory"), certificate=certificate, token=token)
        await self.socket.send_bytes(self.noise.write(lambda _: b""))
        self.noise.read(await self.socket.receive_bytes())
        honest = lambda transcript: prove(identity, Role.INITIATOR, transcript)  # noqa: E731
        await self.socket.send_bytes(self.noise.write(payload or honest))
        return Session(*self.noise.split(), self.noise.hash)

    async def closing(self):
        """Read on until the other side hangs up; the close code."""
        while True:
            message = await self.socket.receive()
            if message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING}:
                return self.socket.close_code
            if message.type is aiohttp.WSMsgType.ERROR:
                return None


class RawResponder:
    """A hostile node to be called: answers every call with `script(socket, noise)`, and keeps what it received."""

    def __init__(self, script, *, versions=VERSIONS):
        self._script, self._versions = script, versions
        self.received = []
        self.done = asyncio.Event()

    async def __aenter__(self):
        runner = aiohttp.web.ServerRunner(aiohttp.web.Server(self._handle))
        await runner.setup()
        listening = socket.create_server(("127.0.0.1", 0))
        await aiohttp.web.SockSite(runner, listening).start()
        self._runner = runner
        self.url = f"ws://127.0.0.1:{listening.getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    async def _handle(self, request):
        self.socket = aiohttp.web.WebSocketResponse(protocols=self._versions)
        await self.socket.prepare(request)
        await self._script(self, noise(Role.RESPONDER))
        async for message in self.socket:
            self.received.append(message.data)
        self.done.set()
        return self.socket


async def raw_connection(node):
    """A plain TCP connection to a node."""
    return await asyncio.open_connection("127.0.0.1", node.port)


async def drop(*connections):
    """Close plain connections, and wait until they are."""
    for _, writer in connections:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for _, writer in connections), return_exceptions=True)
