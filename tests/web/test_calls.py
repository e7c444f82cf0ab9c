"""Bodies: how large, how slow, how encoded, and what may stand in them."""

import asyncio
import gzip
import json

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2pfw.errors import InputError
from p2pfw.web import calls, problems
from p2pfw.web.calls import MAX_BODY, whole_number
from p2pfw.web.routes import ROUTES
from tests.web.serving import Served, serving

HEAD = b"POST /v1/blocks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
GOOD = b'{"prefix":"203.0.113.9"}'


def with_length(body: bytes, *headers: bytes) -> bytes:
    """A request to block."""
    return HEAD + b"".join(line + b"\r\n" for line in headers) + b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"prefix":', ""),
        (b"[]", ""),
        (b'"x"', ""),
        (b"null", ""),
        (b"\xff\xfe", ""),
        (b'{"prefix":"\xff"}', ""),
        (b'{"prefix":"203.0.113.9","tll":"4h"}', ""),
        (b'{"prefix":1}', "prefix"),
        (b'{"prefixes":["203.0.113.9",7]}', "prefixes[1]"),
        (b'{"prefix":"203.0.113.9","confidence":2}', "confidence"),
        (b'{"prefix":"203.0.113.9","confidence":NaN}', ""),
        (b'{"prefix":"203.0.113.9","category":"x"}', "category"),
        (b'{"prefix":"203.0.113.9","ttl":1e400}', "ttl"),
        (b'{"prefix":"203.0.113.9","ttl":99999999999999999999999999}', "ttl"),
        (b'{"prefix":"203.0.113.9","ttl":315360001}', "ttl"),
        (b'{"prefix":"203.0.113.9","ttl":0}', "ttl"),
        (b'{"prefix":"203.0.113.9","ttl":1.5}', "ttl"),
        (b'{"prefix":"203.0.113.9","ttl":-1}', "ttl"),
        (b'{"prefix":"203.0.113.9","reason":"\\u001b[31m"}', "reason"),
        (b'{"prefix":"203.0.113.9","reason":"a\\u202eb"}', "reason"),
        (b'{"prefix":"203.0.113.9","reason":"a\\nb"}', "reason"),
        (b'{"prefix":"203.0.113.9","\\u001b":1}', ""),
        (b'{"prefix":"203.0.113.9","reason":"' + b"a" * 257 + b'"}', "reason"),
        (b'{"prefixes":' + json.dumps(["203.0.113.9"] * 1_025).encode() + b"}", "prefixes"),
        (b"[" * 100_000, ""),
        (b'{"a":' * 30_000, ""),
        (b"", "prefix"),
    ],
)
async def test_a_wrong_body_is_400_and_names_the_field(served: Served, body: bytes, field: str):
    """Nothing of it is done; the answer repeats no control characters."""
    answer = await served.raw(with_length(body), socket=True)

    assert answer.status == 400
    assert answer.problem["field"] == field
    assert answer.problem["detail"].isprintable()
    assert served.operations.blocks == {}


async def test_a_whole_number_may_be_written_with_a_point(served: Served):
    """Some languages have one kind of number only, and JSON makes no difference."""
    body = b'{"prefix":"203.0.113.9","ttl":3600.0,"confidence":1}'
    answer = await served.raw(with_length(body), socket=True)

    assert answer.status == 201
    assert [request.ttl for request in served.operations.asked] == [3_600]


async def test_of_a_list_the_wrong_element_is_named(served: Served):
    """By its index from 0, and nothing of the list is kept."""
    body = json.dumps({"prefixes": ["203.0.113.9", "203.0.113.10", "nonsense"]}).encode()
    answer = await served.raw(with_length(body), socket=True)

    assert (answer.status, answer.problem["index"]) == (400, 2)
    assert served.operations.blocks == {}


@pytest.mark.parametrize("kind", [b"application/json", b"application/x-www-form-urlencoded", b"text/plain"])
async def test_the_content_type_does_not_matter(served: Served, kind: bytes):
    """`curl -d` says it is a form. A page cannot use that: it has neither the socket nor a token."""
    answer = await served.raw(with_length(GOOD, b"Content-Type: " + kind), socket=True)

    assert answer.status == 201


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate", b"br", b"zstd", b"gzip, identity"])
async def test_compressed_bodies_are_refused(served: Served, encoding: bytes):
    """A few bytes could become gigabytes."""
    answer = await served.raw(with_length(gzip.compress(GOOD), b"Content-Encoding: " + encoding), socket=True)

    assert answer.status == 415
    assert answer.problem["detail"] == "bodies are sent as they are, not compressed"


async def test_a_body_that_is_said_to_be_too_large_is_not_read(served: Served):
    """The refusal comes before the body does."""
    request = HEAD + b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1)
    answer = await served.raw(request, socket=True)

    assert answer.status == 413
    assert answer.problem["title"]


async def test_a_body_that_turns_out_too_large_is_refused(served: Served):
    """Chunked bodies do not say how long they are."""
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    request = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * (MAX_BODY // 0x10000) + chunk
    answer = await served.raw(request, socket=True)

    assert answer.status == 413


async def test_a_body_of_the_largest_size_is_taken(served: Served):
    """The limit is the first that is too much."""
    answer = await served.raw(with_length(GOOD.ljust(MAX_BODY)), socket=True)

    assert answer.status == 201


async def test_a_slow_body_is_given_up(tmp_path, monkeypatch):
    """408; a client that sends a byte a minute holds nothing for long."""
    monkeypatch.setattr(calls, "BODY_SECONDS", 0.05)
    async with serving(tmp_path) as served:
        answer = await served.raw(HEAD + b"Content-Length: 100\r\n\r\n{", socket=True)

    assert answer.status == 408
    assert answer.problem["detail"] == "the body did not come in time"


@pytest.mark.parametrize(
    "broken",
    [
        HEAD + b"Content-Length: 100\r\n\r\n" + GOOD,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n18\r\n" + GOOD + b"\r\n",
    ],
)
async def test_a_body_that_breaks_off_is_not_acted_upon(served: Served, caplog, broken: bytes):
    """Even when what came is a whole request by itself."""
    _, writer = await served.connect(socket=True)
    writer.write(broken)
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    answer = await served.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", socket=True)

    assert answer.status == 200
    assert served.operations.blocks == {}
    assert "request failed" not in caplog.text


@pytest.mark.parametrize("chunks", [b"zz\r\n", b"5\r\nabc\r\n0\r\n\r\n", b"-1\r\n\r\n"])
async def test_a_malformed_chunked_body_is_the_clients_fault(served: Served, caplog, chunks: bytes):
    """400, not an error of ours."""
    answer = await served.raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks, socket=True)

    assert answer.status == 400
    assert answer.problem["status"] == 400
    assert served.operations.blocks == {}


async def test_a_body_that_goes_wrong_later_is_the_clients_fault(tmp_path, monkeypatch, caplog):
    """The handler is reading already when the first wrong byte comes: what follows does not count as body."""
    monkeypatch.setattr(calls, "BODY_SECONDS", 0.05)
    async with serving(tmp_path) as served:
        reader, writer = await served.connect(socket=True)
        writer.write(HEAD + b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"18\r\n" + GOOD + b"\r\nzz\r\n")
        status = int((await reader.readline()).split()[1])
        writer.close()

    assert status in (400, 408)
    assert served.operations.blocks == {}
    assert "request failed" not in caplog.text


def test_a_broken_body_is_the_clients_fault_however_it_is_told():
    """The parser that is written in Python raises it to the reader; the other one ends the connection."""
    assert problems.of_exception(web.RequestPayloadError()).status == 400


async def test_who_asks_before_sending_is_invited(served: Served):
    """Expect: 100-continue, as curl does for long bodies; the real answer follows."""
    reader, writer = await served.connect(socket=True)
    writer.write(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(GOOD))
    invited = await reader.readuntil(b"\r\n\r\n")
    writer.write(GOOD)
    answered = await reader.read()
    writer.close()

    assert invited == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answered.startswith(b"HTTP/1.1 201 ")


@pytest.mark.parametrize(("length", "status", "socket"), [(MAX_BODY + 1, 413, True), (len(GOOD), 401, False)])
async def test_who_asks_before_sending_may_be_refused_at_once(served: Served, length: int, status: int, socket: bool):
    """That is what asking is for."""
    request = HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % length
    answer = await served.raw(request, socket=socket)

    assert answer.status == status


async def test_after_an_invitation_a_problem_is_still_possible(served: Served):
    """The interim answer is none."""
    request = HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n[]"
    reader, writer = await served.connect(socket=True)
    writer.write(request)
    received = await reader.read()
    writer.close()

    assert received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 ")


WITH_BODY = [route for route in ROUTES if route.body is not None]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
FIELDS = sorted({name for route in WITH_BODY for name in route.body.__struct_fields__})
likely = st.dictionaries(st.sampled_from(FIELDS), json_values | st.just("203.0.113.9"), max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    route=st.sampled_from(WITH_BODY),
    body=st.binary(max_size=200) | json_values.map(json.dumps).map(str.encode) | likely.map(json.dumps).map(str.encode),
)
def test_no_body_is_an_error_of_ours(tmp_path_factory, route, body: bytes):
    """Garbage, other JSON, and JSON with the right names and wrong values: an answer below 500, always."""

    async def scene() -> int:
        async with serving(tmp_path_factory.mktemp("fuzz")) as served:
            path = route.path.replace("{prefix}", "203.0.113.9").replace("{id}", "juno")
            head = (
                f"{route.method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            answer = await served.raw(head.encode() + body, socket=True)
            if answer.status >= 400:
                assert answer.problem["status"] == answer.status
            return answer.status

    assert asyncio.run(scene()) < 500


@given(st.text(max_size=14))
def test_a_number_is_of_decimal_digits(text: str):
    """Not of any other script's digits, with no sign, space or underscore."""
    if text.isascii() and text.isdecimal() and len(text) <= 12:
        assert whole_number(text, "limit") == int(text)
    else:
        with pytest.raises(InputError) as refused:
            whole_number(text, "limit")
        assert refused.value.field == "limit"
