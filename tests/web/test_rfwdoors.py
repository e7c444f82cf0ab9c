"""Connections that say nothing, or never begin TLS: one of them stalled all of rfw."""

import asyncio
import socket

import pytest

from p2pfw.core.prefix import Prefix
from p2pfw.web import rfwdoors, server
from tests.web.rfw_serving import serving_rfw
from tests.web.serving import eventually


async def silent(address, count):
    """Connections that say nothing."""
    pairs = [await asyncio.open_connection(*address) for _ in range(count)]
    return [writer for _, writer in pairs]


def close(writers):
    """All of them."""
    for writer in writers:
        writer.close()


async def test_idle_connections_stall_nobody():
    """On either door; rfw answered nobody until the idle one was gone."""
    async with serving_rfw() as served:
        idle = [*await silent(served.public, 20), *await silent(served.local, 20)]
        replies = [await served.ask("GET", "/list"), await served.ask("GET", "/list", local=True)]
        close(idle)

    assert [reply.status for reply in replies] == [200, 200]


async def test_eight_clients_at_once_are_all_answered():
    """Each with its own change."""
    async with serving_rfw() as served:
        paths = [f"/drop/input/any/198.51.100.{number}" for number in range(8)]
        replies = await asyncio.gather(*(served.ask("PUT", path) for path in paths))

    assert [reply.status for reply in replies] == [200] * 8
    assert len(served.operations.blocks) == 8


async def test_who_never_begins_tls_is_dropped(monkeypatch):
    """After the time for it."""
    monkeypatch.setattr(rfwdoors, "HANDSHAKE_SECONDS", 0.05)
    async with serving_rfw() as served:
        reader, writer = await asyncio.open_connection(*served.public)
        told = await reader.read()
        writer.close()

    assert told == b""


async def test_plain_http_on_the_tls_door_is_dropped():
    """And the door goes on."""
    async with serving_rfw() as served:
        reader, writer = await asyncio.open_connection(*served.public)
        writer.write(b"GET /list HTTP/1.1\r\nHost: x\r\n\r\n")
        told = await reader.read()
        writer.close()
        reply = await served.ask("GET", "/list")

    assert not told.startswith(b"HTTP/")
    assert reply.status == 200


async def test_a_crowd_of_strangers_keeps_no_client_out(monkeypatch):
    """They have places of their own for the handshake: one more of them is closed at once, a client is not."""
    monkeypatch.setattr(rfwdoors, "HANDSHAKES", 4)
    async with serving_rfw(clients=(Prefix.parse("127.0.0.1").key,)) as served:
        _, port = served.public
        crowd = [_from("127.0.0.2", port) for _ in range(4)]
        door = served.api.doors[0]
        await eventually(lambda: len(door.greeting[False]) == 4)
        late = _from("127.0.0.2", port)
        closed = await asyncio.get_running_loop().sock_recv(late, 1)
        reply = await served.ask("GET", "/list")
        for one in (*crowd, late):
            one.close()

    assert closed == b""
    assert reply.status == 200


async def test_strangers_have_places_of_their_own_after_the_handshake(monkeypatch):
    """What they hold open does not count against clients."""
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 1)
    async with serving_rfw(clients=(Prefix.parse("127.0.0.2").key,)) as served:
        refused = await served.ask("GET", "/list")

    assert refused.status == 403


@pytest.mark.parametrize("error", [OSError(24, "Too many open files"), ConnectionAbortedError()])
async def test_a_connection_that_cannot_be_taken_does_not_close_the_door(monkeypatch, error):
    """No descriptors left, or gone before it was taken: a pause, and on."""
    monkeypatch.setattr(rfwdoors, "_PAUSE", 0)
    async with serving_rfw() as served:
        loop = asyncio.get_running_loop()
        real, failed = loop.sock_accept, asyncio.Event()

        async def failing(listener):
            if not failed.is_set():
                failed.set()
                raise error
            return await real(listener)

        monkeypatch.setattr(loop, "sock_accept", failing)
        await served.ask("GET", "/list")
        await failed.wait()
        reply = await served.ask("GET", "/list")

    assert reply.status == 200


async def test_a_stop_ends_handshakes_and_listeners():
    """Nothing is left of them."""
    async with serving_rfw() as served:
        addresses = list(served.api.addresses)
        idle = await silent(served.public, 3)
        await served.api.stop()
        close(idle)

    for address in addresses:
        with socket.socket() as probe:
            assert probe.connect_ex(address) != 0


def _from(address, port):
    """A connection from another address of loopback, that says nothing."""
    one = socket.create_connection(("127.0.0.1", port), source_address=(address, 0))
    one.setblocking(False)
    return one
