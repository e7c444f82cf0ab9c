"""Calls that come to nothing, or are called off: said in words, and nothing left open."""

import asyncio
from dataclasses import replace

import pytest

from p2pfw.errors import HandshakeError
from p2pfw.ports import DialTarget
from tests.net.harness import FAST, Node, RawResponder, drop, eventually


async def test_host_that_accepts_and_never_answers_is_unreachable():
    """TCP answers, HTTP does not."""
    accepted = []
    server = await asyncio.start_server(lambda *streams: accepted.append(streams), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with Node("a", limits=replace(FAST, connect_s=0.1)) as a:
        with pytest.raises(HandshakeError, match=f"127.0.0.1:{port} does not answer") as caught:
            await a.transport.dial_once(DialTarget(url=f"ws://127.0.0.1:{port}"))
    server.close()
    await drop(*accepted)

    assert caught.value.code == "unreachable"


async def test_name_that_does_not_resolve_is_unreachable():
    """With the name in the text."""
    async with Node("a") as a:
        with pytest.raises(HandshakeError, match=r"nowhere\.invalid"):
            await a.transport.dial_once(DialTarget(url="ws://nowhere.invalid:7787"))


async def test_something_else_than_http_is_unreachable():
    """An SSH banner, say."""

    async def banner(_reader, writer):
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        writer.close()

    server = await asyncio.start_server(banner, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with Node("a") as a:
        with pytest.raises(HandshakeError) as caught:
            await a.transport.dial_once(DialTarget(url=f"ws://127.0.0.1:{port}"))
    server.close()

    assert caught.value.code in {"unreachable", "not-a-peer"}


async def test_connection_that_breaks_in_the_handshake_is_reported():
    """Without a close frame."""

    async def vanish(responder, _noise):
        await responder.socket.receive_bytes()
        responder.socket._req.transport.abort()

    async with Node("a") as a, RawResponder(vanish) as responder:
        with pytest.raises(HandshakeError) as caught:
            await a.transport.dial_once(DialTarget(url=responder.url))

        assert caught.value.code in {"hung-up", "malformed-message"}


async def test_call_that_is_called_off_leaves_nothing_open():
    """The target is no longer wanted while its handshake is under way: the connection is dropped at once."""
    begun = asyncio.Event()

    async def hear_once(responder, _noise):
        await responder.socket.receive_bytes()
        begun.set()

    async with Node("a") as a, RawResponder(hear_once) as responder:
        a.transport.dial([DialTarget(url=responder.url)])
        await begun.wait()
        a.transport.dial([])
        await responder.done.wait()

        assert responder.received == []
        assert a.transport.dialling() == []


async def test_call_under_way_goes_on_when_its_target_is_learned():
    """Who must answer became known while the handshake was under way: nobody sees a caller that hung up."""
    async with Node("a") as a, Node("b") as b:
        a.listener.on_admit = lambda _: a.transport.dial([b.target()])
        a.transport.dial([DialTarget(url=b.url)])
        await a.connected(b)
        await b.connected(a)

        assert [state.target for state in a.transport.dialling()] == [b.target()]
        assert len(a.listener.proofs) == 1
        assert b.listener.reasons + b.listener.ends == []


async def test_changed_target_is_called_anew():
    """Another expected node at the same URL is another target; the same one is left alone."""
    async with Node("a") as a, Node("b") as b:
        a.transport.dial([replace(b.target(), node=a.id)])
        await eventually(lambda: "another node answered" in a.transport.dialling()[0].problem)
        a.transport.dial([b.target()])
        await a.connected(b)
        kept = a.transport._dialer._kept[b.url]
        a.transport.dial([b.target()])

        assert a.transport._dialer._kept[b.url] is kept


async def test_target_that_called_us_is_not_called():
    """Whoever dialled: one session is enough. When it ends, the target is called."""
    async with Node("a") as a, Node("b") as b:
        await b.transport.dial_once(a.target())
        session = await a.connected(b)
        a.transport.dial([b.target(), DialTarget(url=b.url.replace("127.0.0.1", "localhost"), node=b.id)])
        await asyncio.sleep(0)
        assert [state.connected for state in a.transport.dialling()] == [True, True]
        assert len(b.listener.proofs) == 1
        a.transport.close(session, "renew")
        await a.listener.until(lambda: len(a.listener.opens) == 2)

        assert not a.listener.opens[1].inbound


async def test_peer_that_asked_to_wait_is_not_called_before():
    """BYE's retry-after holds, up to an hour."""
    async with Node("a") as a, Node("b") as b:
        a.transport.dial([b.target()])
        await a.connected(b)
        session = await b.connected(a)
        b.transport.close(session, "full", ban_s=500)
        await a.listener.until(lambda: a.listener.ends)
        await eventually(lambda: a.transport.dialling()[0].retry_in > 400)

        assert a.listener.ends == [(b.id, "bye-full")]
        assert a.transport.dialling()[0].problem == "the last session ended: bye-full"


async def test_session_that_lasted_starts_the_delays_again():
    """After a minute of session, the next call comes soon, whatever went before."""
    async with Node("a", limits=replace(FAST, steady_s=0.0, retry_first_s=0.001, retry_most_s=1_000.0)) as a:
        b = Node("b")
        address = await b.transport.listen("127.0.0.1:0")
        await b.transport.stop()
        a.transport.dial([DialTarget(url=f"ws://{address}", node=b.id)])
        await eventually(lambda: a.transport.dialling()[0].attempts >= 4)
        backoff = a.transport._dialer._kept[f"ws://{address}"].backoff
        again = Node("b")
        assert await again.transport.listen(address) == address
        await a.connected(again)
        a.transport.close(a.listener.open[b.id], "revoked")
        await eventually(lambda: "last session ended" in a.transport.dialling()[0].problem)
        await again.transport.stop()

        assert backoff._last <= 0.003
