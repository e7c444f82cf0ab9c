"""From a request to its route: paths, methods, arguments, parameters, and what becomes of failures."""

import pytest
from aiohttp import web

from p2pfw.errors import (
    ConfigError,
    ConflictError,
    DiskFullError,
    FirewallError,
    HandshakeError,
    InputError,
    KeyFileError,
    NotAcceptableError,
    NotFoundError,
    StoreError,
)
from p2pfw.web.access import Gate, Rules
from p2pfw.web.api import handlers_of
from p2pfw.web.dispatch import Dispatcher
from p2pfw.web.rendering import FORMS
from p2pfw.web.routes import ROUTES
from tests.web.fake_operations import FakeOperations
from tests.web.serving import ADMIN, Served


def dispatcher(handlers) -> Dispatcher:
    """With no tokens at all."""
    rules = Rules(require_token=False, hosts=frozenset(), check_token=lambda _: None)
    return Dispatcher(ROUTES, handlers, Gate(rules, lambda: 0.0), monotonic=lambda: 0.0)


def test_every_route_has_a_handler_and_every_handler_a_route():
    """A route without one is found when the server is made, not when it is asked."""
    handlers = handlers_of(FakeOperations(), lambda: 0.0)

    assert set(handlers) == {route.name for route in ROUTES}
    dispatcher(handlers)
    del handlers["why"]
    with pytest.raises(KeyError, match="why"):
        dispatcher(handlers)


@pytest.mark.parametrize("prefix", ["203.0.113.0/24", "2001:db8::/48", "203.0.113.9", "::/0"])
@pytest.mark.parametrize("spelling", ["raw", "slash", "all"])
async def test_a_prefix_in_a_path_has_its_slash_in_any_spelling(served: Served, prefix: str, spelling: str):
    """As it is, as %2F, or with every character encoded."""
    path = {
        "raw": prefix,
        "slash": prefix.replace("/", "%2F"),
        "all": "".join(f"%{ord(char):02x}" for char in prefix),
    }[spelling]
    answer = await served.raw(f"GET /v1/why/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())

    assert answer.status == 200
    assert f'"prefix":"{prefix if "/" in prefix else prefix + "/32"}"'.encode() in answer.body


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("203.0.113.0%252F24", 400, "prefix"),
        ("203.0.113.1/24", 400, "prefix"),
        ("203.0.113.0/33", 400, "prefix"),
        ("203.0.113.0/24/", 400, "prefix"),
        ("fe80::1%25eth0", 400, "prefix"),
        ("010.0.0.1", 400, "prefix"),
        ("%00", 400, "prefix"),
        ("%ff%fe", 400, "prefix"),
        ("%1b[31m", 400, "prefix"),
        ("../status", 400, "prefix"),
        ("a" * 300, 404, ""),
        ("", 404, ""),
    ],
)
async def test_what_is_no_prefix_says_so(served: Served, path: str, status: int, field: str):
    """400 names the field; nothing of it is a path of ours."""
    answer = await served.raw(f"GET /v1/why/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())

    assert answer.status == status
    assert answer.problem["field"] == field
    assert answer.problem["detail"].isprintable()


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/",
        "/v1/status/",
        "/V1/status",
        "//v1/status",
        "/v1/peers/",
        "/x%0d%0aSet-Cookie:a",
        "/v1%2Fstatus",
        "/v1/%73tatus",
        "/v1/why%2F203.0.113.9",
        "/v1%2fdecisions",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "BREW"])
async def test_there_is_nothing_elsewhere(served: Served, method: str, path: str):
    """The router's own 404 is a problem too, and repeats nothing that could split a header."""
    answer = await served.raw(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())

    assert answer.status in (400, 404)
    assert answer.problem["status"] == answer.status
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("route", [route for route in ROUTES if route.method == "GET"], ids=lambda route: route.name)
async def test_head_is_get_without_the_body(served: Served, route):
    """Same status, same headers but the length of streams, nothing behind them; the stream of events ends at once."""
    served.operations.fill(30_000)
    path = route.path.replace("{prefix}", "10.0.0.1").replace("{id}", "juno")
    head = await served.raw(f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    if route.name == "events":
        path += "?follow=0"
    got = await served.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())

    assert head.status == got.status
    assert head.body == b""
    assert head.headers["content-type"] == got.headers["content-type"]
    assert head.headers.get("content-length") == got.headers.get("content-length") or route.name == "metrics"


@pytest.mark.parametrize(
    ("path", "field", "hint"),
    [
        ("/v1/status?verbose=1", "verbose", "there are none here"),
        ("/v1/blocklist?fromat=plain", "fromat", "known: format, family, aggregate, limit, cursor, token"),
        ("/v1/blocklist?limit=1&limit=2", "limit", ""),
        ("/v1/blocklist?limit=0", "limit", ""),
        ("/v1/blocklist?limit=-1", "limit", ""),
        ("/v1/blocklist?limit=1e3", "limit", ""),
        ("/v1/blocklist?limit=%D9%A1", "limit", ""),
        ("/v1/blocklist?limit=9999999999999", "limit", ""),
        ("/v1/blocklist?limit=", "limit", ""),
        ("/v1/blocklist?family=5", "family", "4 or 6"),
        ("/v1/blocklist?family=0", "family", ""),
        ("/v1/blocklist?format=xml", "format", f"one of {', '.join(FORMS)}"),
        ("/v1/blocklist?aggregate=yes&format=plain", "aggregate", "1 or 0"),
        ("/v1/blocklist?cursor=-1", "cursor", "leave it out for the first page"),
        ("/v1/blocklist?cursor=0x10", "cursor", "leave it out for the first page"),
        ("/v1/blocklist?cursor=1_0", "cursor", "leave it out for the first page"),
        ("/v1/list?view=none", "view", ""),
        ("/v1/list?contains=x", "prefix", "write it like 203.0.113.9 or 2001:db8::1"),
        ("/v1/list?contains=", "prefix", "write it like 203.0.113.9 or 2001:db8::1"),
        ("/v1/list?origin=%1b[31m", "origin", ""),
        (f"/v1/list?origin={'a' * 257}", "origin", ""),
        ("/v1/blocklist?format=", "format", f"one of {', '.join(FORMS)}"),
        ("/v1/why/203.0.113.9?counters=2", "counters", "1 or 0"),
        ("/v1/peers/%1b%5b2J", "id", ""),
        ("/v1/events?since=yesterday", "since", ""),
        ("/v1/events?follow=maybe", "follow", "1 or 0"),
    ],
)
async def test_a_slip_in_the_query_is_an_answer(served: Served, path: str, field: str, hint: str):
    """Nothing unknown is ignored, nothing is guessed: 400 names the field."""
    async with served.client() as session, session.get(path) as answer:
        problem = await answer.json(content_type="application/problem+json")

    assert answer.status == 400
    assert (problem["field"], problem["hint"]) == (field, hint)
    assert problem["detail"].isprintable()


async def test_counters_are_read_when_asked_for(served: Served):
    """The kernel's counters cost up to 0.3 s in a large set."""
    async with served.client() as session:
        for query in ("", "?counters=0", "?counters=1", "?counters=true"):
            await (await session.get(f"/v1/why/203.0.113.9{query}")).read()

    assert served.operations.counters_asked == [False, False, True, True]


@pytest.mark.parametrize(
    ("error", "status", "more"),
    [
        (InputError("bad", field="ttl", hint="so"), 400, {"field": "ttl", "hint": "so", "detail": "bad"}),
        (InputError("bad", field="prefixes[17]"), 400, {"field": "prefixes[17]", "index": 17}),
        (ConflictError("in the way", overlap="10.0.0.0/8"), 409, {"overlap": "10.0.0.0/8", "field": "prefix"}),
        (NotFoundError("none"), 404, {"detail": "none"}),
        (NotAcceptableError("too wide"), 422, {"detail": "too wide"}),
        (ConfigError("bad line", where="f:3"), 400, {"detail": "f:3: bad line"}),
        (StoreError("disk"), 503, {"detail": "disk"}),
        (DiskFullError("full"), 507, {"detail": "full"}),
        (FirewallError("no rule"), 503, {"detail": "no rule"}),
        (KeyFileError("key"), 503, {"detail": "key"}),
        (HandshakeError("code", "other end"), 502, {"detail": "other end"}),
        (InputError("es\x1bcape\u202e"), 400, {"detail": "es\ufffdcape\ufffd"}),
        (RuntimeError("secret of ours"), 500, {"detail": "an error of ours; the log has it"}),
    ],
)
async def test_errors_are_problems_by_whose_fault_they_are(served: Served, caplog, error, status: int, more: dict):
    """One table from the tree of errors to statuses; what is unexpected is logged and not told."""
    served.operations.trouble = error
    body = {"prefix": "203.0.113.9"}
    async with served.client(socket=True) as session, session.post("/v1/blocks", json=body, headers=ADMIN) as answer:
        problem = await answer.json(content_type="application/problem+json")

    assert answer.status == problem["status"] == status
    assert problem["type"] == "about:blank"
    assert {name: problem[name] for name in more} == more
    assert ("secret of ours" in caplog.text) == (status == 500)


@pytest.mark.parametrize("failing", ["healthz", "readyz"])
async def test_an_answer_that_breaks_in_the_middle_is_cut_off(served: Served, caplog, failing: str):
    """A stream that fails must not end like a whole one: no last chunk, no second header."""

    async def half(call) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(call.request)
        await response.write(b"half")
        raise RuntimeError("in the middle")

    broken = dispatcher({**handlers_of(served.operations, lambda: 0.0), failing: half})
    answer = await _with(served, broken, f"/{failing}")

    assert answer.count(b"HTTP/1.1") == 1
    assert b"half" in answer
    assert not answer.endswith(b"0\r\n\r\n")
    assert "in the middle" in caplog.text


async def test_ready_is_a_problem_until_it_is_true(served: Served):
    """503 says what is missing."""
    served.operations.unready = "12 changes are not in the kernel yet"
    async with served.client() as session:
        async with session.get("/readyz") as answer:
            assert answer.status == 503
            problem = await answer.json(content_type="application/problem+json")
        served.operations.unready = ""
        async with session.get("/readyz") as answer:
            assert (answer.status, await answer.text()) == (200, "ready\n")

    assert problem["detail"] == "12 changes are not in the kernel yet"


@pytest.mark.parametrize(
    "path", ["/v1/status", "/nope", "/healthz", "/v1/blocklist", "/metrics", "/v1/events?follow=0"]
)
async def test_every_answer_carries_the_safe_headers(served: Served, path: str):
    """No sniffing, no caching of what changes, no word of which program and version this is."""
    async with served.client() as session, session.get(path) as answer:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Server"] == "p2pfw"
        assert answer.headers["Cache-Control"] in ("no-store", "no-cache")


async def _with(served: Served, broken: Dispatcher, path: str) -> bytes:
    """What a new server with that dispatcher sends until it hangs up."""
    import asyncio

    from p2pfw.web.server import Server

    listener = await asyncio.get_running_loop().create_server(Server(broken.serve), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname()[:2])
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    received = b""
    try:
        while part := await reader.read(1_000):
            received += part
    except ConnectionError:
        pass
    writer.close()
    listener.close()
    return received
