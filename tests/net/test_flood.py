"""A flood of half-open connections from many addresses: bounded memory, and honest nodes get through (protocol 2.6)."""

import asyncio
import contextlib
import os
import resource
import socket

from p2pfw.errors import HandshakeError
from p2pfw.net.limits import Limits
from tests.net.harness import Node

CONNECTIONS = 10_000 if os.environ.get("P2PFW_SOAK") else 700
PACE = 25
"""Connections between two pauses of the flood, so that accepting keeps up with it."""


def resident():
    """Bytes of memory that this process has now."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def half_open(number, port):
    """A connection from one of very many loopback addresses, with half a header sent."""
    stream = socket.socket()
    stream.bind((f"127.{1 + number % 200}.{number // 200 % 250}.{2 + number % 250}", 0))
    stream.setblocking(False)
    stream.connect_ex(("127.0.0.1", port))
    return stream


async def flood(port, held):
    """All of them, as fast as they are accepted."""
    for number in range(CONNECTIONS):
        held.append(half_open(number, port))
        if number % PACE == 0:
            await asyncio.sleep(0.02)
            for stream in held[-PACE:]:
                with contextlib.suppress(OSError):
                    stream.send(b"GET /p2p HTTP/1.1\r\nX: ")


async def call_until_let_in(victim):
    """An honest node's dialler: calls again when it was crowded out. Returns how many calls it took."""
    async with Node("honest", limits=Limits()) as honest:
        for attempt in range(1, 200):
            try:
                await honest.transport.dial_once(victim.target())
            except HandshakeError:
                await asyncio.sleep(0.05)
            else:
                return attempt
    return 0


async def test_half_open_connections_cost_little_and_keep_nobody_out():
    """With the protocol's own limits; nothing here depends on how fast the machine is."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, CONNECTIONS * 3 + 1_000), most))
    held = []
    async with Node("b", limits=Limits()) as b:
        before = resident()
        attack = asyncio.create_task(flood(b.port, held))
        calls = await call_until_let_in(b)
        await attack
        growth = resident() - before
        waiting = b.transport.in_flight
        for stream in held:
            stream.close()

        assert calls > 0
        assert waiting <= 48
        assert growth < 64 << 20
        assert {"gave-way", "busy"} & set(b.listener.reasons)
