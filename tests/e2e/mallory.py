"""A peer that keeps only the rules it wants to: its own host and address, real websockets, real Noise, any bytes.

Built from the parts that the product is built from: everything about it is right, except what a test makes wrong.
"""

import asyncio
import time
from dataclasses import replace

import aiohttp

from p2pfw.core.announcement import CONTEXT, Action, Category, Entry, Kind, RawAnnouncement, Stamp, build_entries
from p2pfw.core.handshake import VERSIONS
from p2pfw.core.identity import NodeId, SigningKey, Uses, certify, network_id
from p2pfw.core.prefix import Prefix
from p2pfw.core.wire import Bye, Hello, Ping, Pong, Push, Pushed, decode_frame, encode_frame
from p2pfw.store.keyfile import new_seed
from tests.e2e.fleet import PATIENCE, PORT
from tests.net.harness import RawCaller

NETWORK = network_id("demo")
STORE_ID = b"mallory's store!"
WEEK = 7 * 86_400


class Mallory(RawCaller):
    """A caller of one server, from an address of its own."""

    def __init__(self, host, source, victim, *, network=NETWORK, key=None):
        super().__init__(None, network=network)
        self.host, self.source, self.victim = host, source, victim
        self.key = key or SigningKey(new_seed())
        self.session = None
        self.number = 0

    async def __aenter__(self):
        self.http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=self._lent_socket))
        try:
            self.socket = await self.http.ws_connect(
                f"ws://{self.victim.host.address}:{PORT}/p2p", protocols=VERSIONS, autoclose=False
            )
        except BaseException:
            await self.http.close()
            raise
        return self

    def _lent_socket(self, info):
        family, kind, *_ = info
        lent = self.host.socket(family, kind)
        lent.setblocking(False)
        lent.bind((self.source, 0))
        return lent

    # --- sessions --------------------------------------------------------------------------------------------------

    async def join(self, certificate):
        """The whole handshake and HELLO: a session like an honest peer's."""
        self.session = await self.greet(signer=self.key, certificate=certificate)
        await self.say(Hello(versions=(1,), store_id=STORE_ID, clock_ms=int(time.time() * 1000)))
        await self.hears(Hello)

    async def say(self, frame):
        """Send a frame."""
        await self.socket.send_bytes(self.session.seal(encode_frame(frame)))

    async def push(self, *raws):
        """Send announcements."""
        items = tuple(Pushed(hop=0, header=raw.header, signature=raw.signature, body=raw.body) for raw in raws)
        await self.say(Push(items=items))

    async def hears(self, kind):
        """Read until a frame of that kind."""
        async with asyncio.timeout(PATIENCE):
            while not isinstance(frame := decode_frame(self.session.open(await self.socket.receive_bytes())), kind):
                assert not isinstance(frame, Bye), frame
            return frame

    async def is_served(self):
        """The session goes on: a PING gets its PONG, after all that was sent before it was dealt with."""
        self.number += 1
        await self.say(Ping(token=self.number, clock_ms=int(time.time() * 1000)))
        while (await self.hears(Pong)).token != self.number:
            pass

    async def is_hung_up_on(self):
        """The victim ends the session."""
        async with asyncio.timeout(PATIENCE):
            await self.closing()

    # --- announcements ---------------------------------------------------------------------------------------------

    def stamp(self, shift=0.0):
        """The next number, at a time shifted by so many seconds."""
        self.number += 1
        now_ms = int((time.time() + shift) * 1000)
        return Stamp(network=NETWORK, epoch=now_ms, seq=self.number, created_ms=now_ms)

    def says(self, prefix, *, action=Action.BLOCK, ttl=3_600, shift=0.0):
        """A perfectly good announcement about one prefix."""
        entry = Entry(key=Prefix.parse(prefix).key, action=action, category=Category.SSH, confidence=7, ttl=ttl)
        return build_entries(self.key, self.stamp(shift), [entry], kind=Kind.ENTRIES)

    def resigned(self, announcement, *, body=None, **changes):
        """The same with another header, signed properly."""
        header = replace(announcement.header, **changes).encode()
        return RawAnnouncement(header, self.key.sign(CONTEXT, header), announcement.raw.body if body is None else body)

    def signed(self, header, body):
        """Any bytes as a header, signed properly."""
        return RawAnnouncement(header, self.key.sign(CONTEXT, header), body)


def certificate_of(owner, node, *, begin=-60, end=WEEK, uses=Uses.ALL):
    """Encoded, by that owner; times relative to now."""
    now = int(time.time())
    return certify(
        owner.key, NodeId(node.public_key), serial=now, not_before=now + begin, not_after=now + end, uses=uses
    ).encode()
