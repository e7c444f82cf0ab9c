"""A connection without a network, to a served Api: its other end is wherever, and whoever, the test says.

asyncio's Transport and a socket as far as the server asks them; all that is behind them is the real thing.
"""

import asyncio
import os
import socket
import struct
from dataclasses import dataclass

from tests.web.serving import RawAnswer, Served

PEERGROUPS = 59
LOOPBACK, BEYOND = "127.0.0.1", "198.51.100.7"


@dataclass(frozen=True)
class End:
    """Of a connection: an address, or a user of this machine on the unix socket."""

    address: str = ""
    uid: int = -1

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET if self.address else socket.AF_UNIX

    def setsockopt(self, *_: object) -> None:
        """Nothing to set."""

    def getsockopt(self, _: int, what: int, size: int) -> bytes:
        """As the kernel tells who connected."""
        return struct.pack("3i", 1, self.uid, 60_000) if what == socket.SO_PEERCRED else struct.pack("I", 60_001)


HERE, THERE = End(LOOPBACK), End(BEYOND)
OWN, FOREIGN = End(uid=os.geteuid()), End(uid=os.geteuid() + 4_711)


class Wire(asyncio.Transport):
    """What is written to it is kept until it is closed."""

    def __init__(self, end: End) -> None:
        peer = (end.address, 40_000) if end.address else ""
        super().__init__({"socket": end, "peername": peer, "sockname": peer})
        self.sent, self.over = bytearray(), asyncio.Event()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Whoever reads here reads all."""

    def is_closing(self) -> bool:
        return self.over.is_set()

    def close(self) -> None:
        self.over.set()

    abort = close

    def pause_reading(self) -> None:
        """What was sent is read already."""

    resume_reading = pause_reading


async def answer_to(served: Served, end: End, data: bytes) -> RawAnswer:
    """What comes back for these bytes from there, until the server hangs up."""
    protocol, wire = served.api._server()(), Wire(end)
    protocol.connection_made(wire)
    protocol.data_received(data)
    await wire.over.wait()
    protocol.connection_lost(None)
    return RawAnswer.read(bytes(wire.sent))
