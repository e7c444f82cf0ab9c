"""What aiohttp would answer by itself, and what bounds a connection."""

import asyncio
import gc

import pytest

from p2pfw.web import server
from tests.web.serving import Served, eventually, serving

ASK = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(60),
        b"GET\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"G\x00T /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ASK + b"no colon\r\n\r\n",
        ASK + b"X: a\x00b\r\n\r\n",
        ASK + b"X: a\r\n folded\r\n\r\n",
        ASK + b"Content-Length: -1\r\n\r\n",
        ASK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        ASK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ASK + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    ],
)
@pytest.mark.parametrize("socket", [True, False])
async def test_what_is_no_http_is_a_problem(served: Served, garbage: bytes, socket: bool):
    """The parser's own refusals are problems too, and end the connection (request smuggling ends there)."""
    answer = await served.raw(garbage, socket=socket)

    assert answer.status == 400
    assert answer.problem["title"] == "Bad Request"
    assert answer.headers["server"] == "p2pfw"


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ASK + b"X: " + b"a" * 10_000 + b"\r\n\r\n",
        ASK + b"X" * 10_000 + b": a\r\n\r\n",
    ],
)
async def test_long_header_lines_are_refused(served: Served, request_: bytes):
    """431 (RFC 6585), without waiting for their end."""
    answer = await served.raw(request_)

    assert answer.status == 431
    assert answer.problem["detail"] == "the header is too large"


async def test_many_headers_are_refused(served: Served):
    """Their number is bounded as well."""
    answer = await served.raw(ASK + b"".join(b"X-%d: a\r\n" % number for number in range(1_000)) + b"\r\n")

    assert answer.status in (400, 431)
    assert answer.problem["status"] == answer.status


@pytest.mark.parametrize("sent", [b"", b"GET /heal", ASK, ASK + b"X: 1", ASK + b"\r\n", ASK + b"\r\n" + ASK])
async def test_half_a_header_does_not_hold_a_connection(tmp_path, monkeypatch, sent: bytes):
    """Slow headers: what is idle for too long is closed, new or kept alive."""
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.05)
    async with serving(tmp_path) as served:
        reader, writer = await served.connect()
        writer.write(sent)
        answered = await reader.read()
        writer.close()

    assert answered.count(b"HTTP/1.1 200") == sent.count(b"\r\n\r\n")


async def test_short_answers_that_nobody_reads_hold_nothing(tmp_path, monkeypatch):
    """Asked for without end, one behind the other."""
    monkeypatch.setattr(server, "STALL_SECONDS", 0.05)
    async with serving(tmp_path) as served:
        _, writer = await served.connect()
        with pytest.raises(ConnectionError):
            await _ask_for_ever(writer)


@pytest.mark.parametrize("socket", [True, False])
async def test_connections_are_bounded_a_door(tmp_path, monkeypatch, caplog, socket: bool):
    """One too many is closed at once, with one line for all of them; the other door is not affected."""
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)
    async with serving(tmp_path) as served:
        crowd = [await served.connect(socket=socket) for _ in range(5)]
        ends = await asyncio.gather(*(asyncio.wait_for(_end(reader), 5) for reader, _ in crowd[3:]))
        other = await served.raw(ASK + b"Connection: close\r\n\r\n", socket=not socket)
        for _, writer in crowd:
            writer.close()

        assert ends == [True, True]
        assert other.status == 200
    gc.collect()  # a task that failed unseen says so when it goes
    assert [one.getMessage() for one in caplog.records if one.levelname != "INFO"] == ["connections refused"]


async def test_room_is_made_when_one_goes(tmp_path, monkeypatch):
    """The bound counts open connections, not all there ever were."""
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 1)
    async with serving(tmp_path) as served:
        for _ in range(3):
            answer = await _patiently(served)
            assert answer == 200


async def test_requests_in_a_row_are_answered_in_order(served: Served):
    """Pipelining: each request its own answer."""
    answer = await served.raw(ASK + b"\r\n" + b"GET /nope HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")

    assert answer.status == 200
    assert b"HTTP/1.1 404 Not Found" in answer.body


async def test_an_upgrade_is_ignored(served: Served):
    """There is no websocket here; the request is answered as it is."""
    answer = await served.raw(ASK + b"Connection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n")

    assert answer.status == 200


async def test_there_is_no_tunnel(served: Served):
    """CONNECT is nothing here, whatever it names."""
    answer = await served.raw(b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")

    assert answer.status in (400, 404)
    assert answer.problem["status"] == answer.status


async def test_a_handler_that_fails_in_aiohttp_itself_tells_nothing(served: Served, caplog):
    """An error behind our dispatcher is a problem without a word of what it was."""
    protocol = server.Server(served.api._dispatcher.serve)()

    class Request:
        remote = "127.0.0.1"

    answer = protocol.handle_error(Request(), 500, ValueError("secret"))

    assert answer.status == 500
    assert b"secret" not in answer.body
    assert "secret" in caplog.text


async def _ask_for_ever(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write((ASK + b"\r\n") * 1_000)
        await writer.drain()


async def _end(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


async def _patiently(served: Served) -> int:
    """The connection before may still be in the closing."""
    statuses: list[int] = []

    async def attempt() -> None:
        reader, writer = await served.connect()
        writer.write(ASK + b"Connection: close\r\n\r\n")
        try:
            first = await reader.readline()
        except ConnectionError:
            first = b""
        writer.close()
        if first:
            statuses.append(int(first.split()[1]))

    while not statuses:
        await attempt()
    await eventually(lambda: statuses)
    return statuses[0]
