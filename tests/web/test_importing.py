"""POST /v1/import: whole or nothing, told as it happens."""

import asyncio
import json

import pytest

from p2pfw.core.prefix import Prefix, key_text
from p2pfw.errors import DiskFullError, InputError
from p2pfw.web import importing
from tests.formats import shapes
from tests.web.serving import Served, eventually, serving

HEAD = b"POST /v1/import HTTP/1.1\r\nHost: localhost\r\n"


async def take(served: Served, body: bytes, **query: str) -> tuple[int, list[dict]]:
    """(status, lines of the answer)."""
    async with served.client(socket=True) as session, session.post("/v1/import", params=query, data=body) as answer:
        return answer.status, [json.loads(line) for line in (await answer.text()).splitlines()]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("plain", b"# ours\n203.0.113.9 ; why\n\n192.0.2.0/24\n198.51.100.0 - 198.51.100.1\r\n"),
        ("json", b'["203.0.113.9", "192.0.2.0/24", {"prefix": "198.51.100.0/31"}]'),
        ("ndjson", b'{"prefix": "203.0.113.9"}\n"192.0.2.0/24"\n{"ip": "198.51.100.0/31"}\n'),
        ("ipset", b"create x hash:net\nadd x 203.0.113.9\nadd x 192.0.2.0/24\nadd x 198.51.100.0/31\n"),
    ],
)
async def test_a_list_in_any_format(served: Served, kind: str, body: bytes):
    """All of it, on the terms that the query gives; progress line by line."""
    status, lines = await take(served, body, format=kind, ttl="7d", category="scan", reason="list")

    assert status == 200
    assert [(line["stage"], line["entries"]) for line in lines] == [("parsed", 3), ("recorded", 3)]
    assert sorted(map(key_text, served.operations.blocks)) == ["192.0.2.0/24", "198.51.100.0/31", "203.0.113.9/32"]
    assert {(block.category, block.reason) for block in served.operations.blocks.values()} == {("scan", "list")}
    assert served.operations.callers[0].name.startswith("socket:")


@pytest.mark.parametrize(
    ("body", "query", "field", "index"),
    [
        (b"203.0.113.9\nnonsense\n192.0.2.1/24\n", {}, "body[1]", 1),
        (b"", {}, "body", None),
        (b"# nothing but a comment\n", {}, "body", None),
        (b"sorry", {}, "body[0]", 0),
        (b"<html>error</html>", {}, "list", None),
        (b'{"cidr":"45.1.2.0/24"}\n{"type":"metadata","records":9}', {"format": "spamhaus"}, "list", None),
        (b'{"type":"cidr","list":["203.0.113.9"]}', {"format": "warninglist"}, "format", None),
        (b"\x1f\x8b\x08\x00", {}, "list", None),
        (b"203.0.113.9\n", {"format": "xml"}, "format", None),
        (b"203.0.113.9\n", {"format": "json"}, "list", None),
        (b"203.0.113.9\n", {"ttl": "soon"}, "ttl", None),
        (b"203.0.113.9\n", {"ttl": ""}, "ttl", None),
        (b"203.0.113.9\n", {"category": "x"}, "category", None),
        (b"203.0.113.9\n", {"reason": "r" * 257}, "reason", None),
        (b"203.0.113.9\n", {"reason": "\x1b[2J"}, "reason", None),
        (b"203.0.113.9\n", {"local_only": "perhaps"}, "local_only", None),
        (b"203.0.113.9\n", {"confidence": "1"}, "confidence", None),
    ],
)
async def test_one_wrong_thing_and_nothing_is_imported(served: Served, body: bytes, query: dict, field: str, index):
    """An ordinary problem that names the line, by its index from 0."""
    status, [problem] = await take(served, body, **query)

    assert (status, problem["status"]) == (400, 400)
    assert (problem["field"], problem["index"]) == (field, index)
    assert served.operations.blocks == {}


@pytest.mark.parametrize("name", ["spamhaus", "dshield", "abuseipdb", "crowdsec"])
async def test_formats_of_publishers_are_imported(served: Served, name: str):
    """The same as feeds read."""
    prefixes = shapes.nets(3) if name in {"spamhaus", "dshield"} else shapes.hosts(3)
    lines = (await take(served, getattr(shapes, name)(prefixes).encode(), format=name))[1]

    assert lines[0]["entries"] == 3
    assert {key_text(key).removesuffix("/32") for key in served.operations.blocks} == set(prefixes)


async def test_what_is_refused_before_the_first_step_is_an_ordinary_problem(served: Served):
    """The operations' own refusals keep their status."""
    served.operations.trouble = DiskFullError("no room")
    status, [problem] = await take(served, b"203.0.113.9\n")

    assert (status, problem["detail"]) == (507, "no room")


async def test_a_failure_after_the_first_step_is_the_last_line(served: Served):
    """The status is sent by then: the line says failed, with the problem, and nothing was kept."""
    served.operations.trouble_in_import = DiskFullError("no room")
    status, lines = await take(served, b"203.0.113.9\n")

    assert status == 200
    assert [line["stage"] for line in lines] == ["parsed", "failed"]
    assert (lines[1]["problem"]["status"], lines[1]["problem"]["detail"]) == (507, "no room")
    assert served.operations.blocks == {}


async def test_an_error_of_ours_in_the_middle_breaks_the_answer_off(served: Served, caplog):
    """No client takes half an account for a whole one."""
    served.operations.trouble_in_import = RuntimeError("unexpected")
    reader, writer = await served.connect(socket=True)
    writer.write(HEAD + b"Content-Length: 12\r\n\r\n203.0.113.9\n")
    received = b""
    try:
        while part := await reader.read(1_000):
            received += part
    except ConnectionError:
        pass
    writer.close()

    assert b'"parsed"' in received
    assert not received.endswith(b"0\r\n\r\n")
    assert "unexpected" in caplog.text


@pytest.mark.parametrize(
    "broken",
    [
        b"Content-Length: 1000\r\n\r\n203.0.113.9\n203.0.113.10\n",
        b"Transfer-Encoding: chunked\r\n\r\nc\r\n203.0.113.9\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nc\r\n203.0.113.9\n\r\nf",
    ],
)
async def test_a_client_that_goes_away_in_the_middle_changes_nothing(served: Served, caplog, broken: bytes):
    """Half a list is no list, even when it ends with a whole line."""
    _, writer = await served.connect(socket=True)
    writer.write(HEAD + broken)
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    handler = served.api._dispatcher._fixed["/v1/import"]["POST"].handler.__self__
    await take(served, b"192.0.2.1\n")
    await eventually(lambda: handler.running == 0)

    assert [key_text(key) for key in served.operations.blocks] == ["192.0.2.1/32"]
    assert "request failed" not in caplog.text


async def test_a_client_that_goes_away_later_stops_nothing(served: Served, caplog):
    """From the first step on it is the node's: all of it is kept."""
    served.operations.gate = asyncio.Event()
    reader, writer = await served.connect(socket=True)
    writer.write(HEAD + b"Content-Length: 24\r\n\r\n203.0.113.9\n203.0.113.8\n")
    assert b'"parsed"' in await reader.readuntil(b"\n\r\n") + await reader.readuntil(b"}\n")
    writer.transport.abort()
    # Answered by the same loop: what came before it, the end of the connection, has been seen.
    await served.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", socket=True)
    served.operations.gate.set()
    await eventually(lambda: served.operations.blocks)

    assert len(served.operations.blocks) == 2
    assert "request failed" not in caplog.text


async def test_imports_at_the_same_time_are_bounded(served: Served):
    """Each holds its list in memory; one too many is told when to come again."""
    waiting = []
    for _ in range(importing.MAX_IMPORTS):
        _, writer = await served.connect(socket=True)
        writer.write(HEAD + b"Content-Length: 12\r\n\r\n")
        waiting.append(writer)
    handler = served.api._dispatcher._fixed["/v1/import"]["POST"].handler.__self__
    await eventually(lambda: handler.running == importing.MAX_IMPORTS)

    async with served.client(socket=True) as session, session.post("/v1/import", data=b"192.0.2.1\n") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
    for writer in waiting:
        writer.close()
    await eventually(lambda: handler.running == 0)
    assert (await take(served, b"192.0.2.1\n"))[0] == 200


async def test_a_slow_upload_is_given_up(tmp_path, monkeypatch):
    """It would hold one of the few places."""
    monkeypatch.setattr(importing, "UPLOAD_SECONDS", 0.05)
    async with serving(tmp_path) as served:
        answer = await served.raw(HEAD + b"Connection: close\r\nContent-Length: 12\r\n\r\n203", socket=True)

    assert answer.status == 408
    assert served.operations.blocks == {}


async def test_too_large_a_list_is_refused(tmp_path, monkeypatch):
    """At once where its length is told, at the limit where it is not."""
    monkeypatch.setattr(importing, "MAX_IMPORT", 1_000)
    chunk = b"100\r\n" + b"#" * 0x100 + b"\r\n"
    async with serving(tmp_path) as served:
        told = await served.raw(HEAD + b"Connection: close\r\nContent-Length: 1001\r\n\r\n", socket=True)
        untold = await served.raw(
            HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 4, socket=True
        )

    assert (told.status, untold.status) == (413, 413)


async def test_a_long_list_is_parsed_beside_the_loop(served: Served, monkeypatch):
    """Parsing 100,000 lines takes a third of a second, in which the node has other things to do."""
    threads = []
    real = asyncio.to_thread

    async def noted(function, *arguments):
        threads.append(function)
        return await real(function, *arguments)

    monkeypatch.setattr(importing.asyncio, "to_thread", noted)
    body = b"".join(b"10.0.%d.%d\n" % divmod(number, 256) for number in range(5_000))
    assert len(body) > importing.PARSE_IN_THREAD
    status, lines = await take(served, body)

    assert (status, lines[-1]["entries"], lines[-1]["announcements"]) == (200, 5_000, 5)
    assert threads == [importing.parse_list]
    assert Prefix.parse("10.0.19.135").key in served.operations.blocks


async def test_errors_of_the_list_are_few_in_words(served: Served):
    """A wrong file has one a line: the first are named, all are counted."""
    status, [problem] = await take(served, b"nonsense\n" * 1_000)

    assert status == 400
    assert problem["hint"] == "lines that are no prefix: 1000"
    assert len(problem["detail"]) < 1_000
    with pytest.raises(InputError):
        Prefix.parse("nonsense")
