"""One link on a socket of the test's own: what breaks where, and that the end always comes."""

import asyncio
import random
from dataclasses import replace

import aiohttp
import pytest

from p2pfw.core.noise import Cipher
from p2pfw.core.session import Session
from p2pfw.net.limits import Limits
from p2pfw.net.link import Link
from p2pfw.net.registry import Registry
from p2pfw.ports import PeerSession, SendClass
from tests.net.harness import Clock, FixedCredentials, Recorder, key

PEER = key("peer").public_key
LIMITS = Limits(goodbye_s=0.05, stall_s=0.1)


class FakeSocket:
    """Delivers what the test puts into `inbox`; `sent` is what left; `broken` and `stuck` are what networks do."""

    def __init__(self):
        self.inbox = asyncio.Queue()
        self.sent = []
        self.broken = self.stuck = self.aborted = self.closed = False

    async def receive(self):
        return await self.inbox.get()

    async def send_bytes(self, data):
        if self.broken:
            raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")
        if self.stuck:
            await asyncio.Event().wait()
        self.sent.append(data)

    async def pong(self, message=b""):
        await self.send_bytes(message)

    async def close(self, *, code=1000):
        self.closed = True
        return True

    def abort(self):
        self.aborted = True


class SlowMachinesClock(Clock):
    """A millisecond passes with every look: work takes time, however fast this machine is."""

    def __init__(self):
        self.time = 0.0

    def monotonic(self):
        self.time += 0.001
        return self.time


class Bench:
    """A link under test, its socket, its listener, and the far end's ciphers."""

    def __init__(self, limits=LIMITS, clock=None):
        self.listener = Recorder()
        registry = Registry(
            FixedCredentials(key("me")), self.listener, clock=clock or Clock(), chance=random.Random(1), limits=limits
        )
        self.listener.transport = self
        peer = PeerSession(number=1, node=PEER, certificate=None, inbound=True, address="192.0.2.1", url="", token=b"")
        self.socket = FakeSocket()
        self.far = Session(Cipher(bytes(32)), Cipher(bytes(range(32))), b"")
        self.link = Link(peer, Session(Cipher(bytes(range(32))), Cipher(bytes(32)), b""), self.socket, registry)

    def send(self, _session, frame, send_class):
        return self.link.send(frame, send_class)

    async def run(self):
        """Open, and live until the end; the reason."""
        self.link.open()
        return await self.link.run()

    def deliver(self, kind, data=b""):
        self.socket.inbox.put_nowait(aiohttp.WSMessage(kind, data, None))


async def test_connection_that_breaks_while_sending_is_lost():
    """The writer notices first."""
    bench = Bench()
    bench.socket.broken = True

    assert await bench.run() == "lost"
    assert bench.listener.ends == [(PEER, "lost")]
    assert bench.socket.aborted


async def test_connection_that_breaks_while_answering_a_ping_is_lost():
    """The reader notices first."""
    bench = Bench()
    bench.link.open()
    bench.link._queue.pop()
    bench.socket.broken = True
    bench.deliver(aiohttp.WSMsgType.PING, b"proxy")

    assert await bench.link.run() == "lost"


async def test_stuck_peer_is_dropped_and_its_goodbye_does_not_hold_us_up():
    """30 s without progress (here: less), then at most a second for what is still due."""
    bench = Bench()
    bench.socket.stuck = True

    assert await bench.run() == "slow"
    assert bench.socket.aborted
    assert not bench.socket.closed


async def test_idle_peer_is_not_slow():
    """Nothing to send is no lack of progress; liveness is gossip's."""
    bench = Bench(replace(LIMITS, session_s=0.3))

    assert await bench.run() == "renew"


async def test_cancelled_link_still_tells_its_listener():
    """A transport that stops impatiently leaves no open session in anybody's books."""
    bench = Bench()
    task = asyncio.create_task(bench.run())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert bench.listener.ends == [(PEER, "stopping")]
    assert bench.socket.aborted


async def test_frames_after_the_end_are_not_delivered():
    """Whatever was received in the same instant."""
    bench = Bench()
    bench.listener.on_frame = lambda *_: bench.link.end("revoked")
    for number in range(3):
        bench.deliver(aiohttp.WSMsgType.BINARY, bench.far.seal(bytes([number])))

    assert await bench.run() == "revoked"
    assert bench.listener.frames == [(PEER, b"\0")]


async def test_first_reason_holds():
    """An end is not ended again."""
    bench = Bench()
    bench.link.open()
    bench.link.end("revoked")
    bench.link.end("slow")

    assert await bench.link.run() == "revoked"
    assert bench.listener.ends == [(PEER, "revoked")]
    assert not bench.link.send(b"late", SendClass.CONTROL)
    bench.link.finish()
    assert len(bench.listener.ends) == 1


async def test_long_queue_lets_others_run():
    """Neither a full queue nor a flood of frames holds the loop for more than a slice."""
    bench = Bench(replace(LIMITS, session_s=3_600.0, stall_s=60.0), SlowMachinesClock())
    bench.link.open()
    for _ in range(60):
        assert bench.link.send(bytes(60_000), SendClass.BULK)
        bench.deliver(aiohttp.WSMsgType.BINARY, bench.far.seal(bytes(60_000)))
    running = asyncio.create_task(bench.link.run())
    turns = 0
    while len(bench.socket.sent) < 61 or len(bench.listener.frames) < 60:
        await asyncio.sleep(0)
        turns += 1
    bench.link.end("revoked")
    await running

    assert turns > 2
