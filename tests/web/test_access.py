"""Who may do what: every route by method, door, host, origin and token, against a slow obvious twin of the rule.

The rule is in words in docs/api.md, "Access". A new route without a row here fails.
"""

import json
from dataclasses import dataclass
from itertools import islice, product

import pytest

from p2pfw.app.events import Events
from p2pfw.app.tokens import Tokens, hash_of
from p2pfw.rows import TokenRow
from p2pfw.web import access
from p2pfw.web.access import FAILURES, WINDOW, Gate, Rules
from p2pfw.web.bouncerroutes import BOUNCER_ROUTES
from p2pfw.web.routes import ROUTES
from tests.app.fakes import FakeStore
from tests.app.world import CALLER
from tests.scale import trials
from tests.web.fake_operations import RATE
from tests.web.serving import ADMIN, Served, serving
from tests.web.wire import FOREIGN, HERE, OWN, THERE, answer_to

# What each route needs. Of `key` and `up` the conventions are CrowdSec's: a key of the scope feeds, or nothing at all.
TABLE = """
open   GET /healthz                    open   GET /readyz
read   GET /metrics                    read   GET /v1/openapi.json
read   GET /v1/status                  read   GET /v1/doctor
read   GET /v1/blocklist               read   GET /v1/blocklist/{prefix}
read   GET /v1/list                    read   GET /v1/why/{prefix}
read   GET /v1/allow                   read   GET /v1/allow/{prefix}
read   GET /v1/peers                   read   GET /v1/peers/{id}
read   GET /v1/scorecards              read   GET /v1/scorecards/{id}
read   GET /v1/feeds                   read   GET /v1/feeds/{id}
read   GET /v1/owner                   read   GET /v1/vouches
read   GET /v1/charter                 read   GET /v1/events
write  POST /v1/blocks                 write  DELETE /v1/blocks/{prefix}
write  POST /v1/import                 write  POST /v1/sightings
write  PUT /v1/allow/{prefix}          write  DELETE /v1/allow/{prefix}
admin  PUT /v1/peers/{id}              admin  DELETE /v1/peers/{id}
admin  POST /v1/try                    admin  POST /v1/forgive
admin  POST /v1/feeds                  admin  POST /v1/feeds/{id}
admin  DELETE /v1/feeds/{id}           admin  POST /v1/test-feed
admin  POST /v1/vouches                admin  DELETE /v1/vouches/{id}
admin  POST /v1/charter                admin  POST /v1/charter/sign
admin  POST /v1/owner/renew            admin  POST /v1/owner/revoke
admin  POST /v1/owner/succeed          admin  POST /v1/invites
admin  POST /v1/join                   admin  PUT /v1/mode
admin  POST /v1/confirm                admin  POST /v1/panic
admin  POST /v1/retract                admin  POST /v1/reload
admin  GET /v1/tokens                  admin  POST /v1/tokens
admin  DELETE /v1/tokens/{id}
key    GET /v1/decisions               key    GET /v1/decisions/stream
key    POST /v1/usage-metrics          up     GET /health
"""
WORDS = TABLE.split()
NEEDS = {(method, path): need for need, method, path in zip(WORDS[::3], WORDS[1::3], WORDS[2::3], strict=True)}
PATHS = sorted({path for _, path in NEEDS})
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND")
# An HTTP/1.1 request with none or two is no HTTP at all; in HTTP/1.0 (`old`) Host need not be.
HOSTS = {
    "name": "localhost", "named": "Node.Example:7788", "address": "127.0.0.1:7788", "v6": "[2001:db8::7]",
    "foreign": "evil.example", "twice": "localhost", "missing": None, "old": None,
}  # fmt: skip
ORIGINS = {"absent": None, "same": "http://{}", "cross": "https://evil.example", "null": "null", "nested": "nested"}
SCOPES = ("read", "feeds", "write", "admin")
TOKENS = ("none", *SCOPES, "ended", "revoked", "garbage")
ENDS = {"loopback": HERE, "beyond": THERE, "own": OWN, "foreign": FOREIGN}
BODIES = {
    "/v1/blocks": {"prefix": "203.0.113.9"},
    "/v1/sightings": {"prefix": "203.0.113.9"},
    "/v1/peers/{id}": {"trust": 0.5},
    "/v1/owner/revoke": {"node": "x"},
    "/v1/tokens": {"name": "grafana"},
    "/v1/join": {"token": "t"},
    "/v1/mode": {"mode": "observe"},
    "/v1/forgive": {"id": "juno"},
    "/v1/vouches": {"id": "juno"},
    "/v1/charter": {"charter": "00"},
    "/v1/charter/sign": {"hash": "00"},
    "/v1/owner/succeed": {"succession": "00"},
    "/v1/try": {"id": "juno", "trust": "pair"},
    "/v1/feeds": {"name": "drop", "url": "https://lists.example.net/"},
    "/v1/test-feed": {"name": "test", "url": "https://lists.example.net/"},
}
SAMPLE = trials(11, 1)
"""Of so many questions one is asked; none of the dimensions has a length that this is a multiple of."""


@dataclass(frozen=True)
class Question:
    """One point of the product."""

    method: str
    path: str
    end: str
    host: str
    origin: str
    token: str

    @property
    def need(self) -> str:
        """Whoever may GET may HEAD."""
        return NEEDS["GET" if self.method == "HEAD" else self.method, self.path]

    @property
    def allowed(self) -> str:
        """The methods of its path."""
        found = {method for method, path in NEEDS if path == self.path}
        return ", ".join(sorted(found | ({"HEAD"} if "GET" in found else set())))

    @property
    def bytes(self) -> bytes:
        """As it is sent; well-formed but for what is asked."""
        target = self.path.replace("{prefix}", "203.0.113.9").replace("{id}", "juno")
        if self.path == "/v1/events":
            target += "?follow=0"
        hosts = [HOSTS[self.host]] * {"missing": 0, "old": 0, "twice": 2}.get(self.host, 1)
        version = "1.0" if self.host == "old" else "1.1"
        lines = [f"{self.method} {target} HTTP/{version}", *(f"Host: {host}" for host in hosts), "Connection: close"]
        if self.origin == "nested":
            lines.append("Sec-Fetch-Site: same-site")
        elif (origin := ORIGINS[self.origin]) is not None:
            lines.append(f"Origin: {origin.format(HOSTS[self.host])}")
        if self.token != "none":
            theirs = NEEDS.get(("GET", self.path), NEEDS.get(("POST", self.path))) in ("key", "up")
            lines.append(f"X-Api-Key: {self.token}" if theirs else f"Authorization: Bearer {self.token}")
        body = b""
        if self.method in ("POST", "PUT"):
            body = b"198.51.100.1\n" if self.path == "/v1/import" else json.dumps(BODIES.get(self.path, {})).encode()
        lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode() + body


def expected(asked: Question, *, require_token: bool) -> int:
    """The status of a refusal; 200 stands for every answer of the route's own. The rule, in its order."""
    if asked.host in ("missing", "twice"):
        return 400
    if asked.method not in asked.allowed.split(", "):
        return 405
    if asked.end in ("own", "foreign"):
        return 200 if asked.end == "own" else 403
    if asked.host == "old":
        return 400
    if asked.host == "foreign" or asked.origin in ("cross", "null", "nested"):
        return 403
    if asked.need == "up":
        return 200
    if asked.need == "key":
        return 200 if asked.token in ("feeds", "write", "admin") else 403
    if asked.token == "none":
        is_open = asked.need == "open" or (asked.need == "read" and asked.end == "loopback" and not require_token)
        return 200 if is_open else 401
    if asked.token not in SCOPES:
        return 401
    needed = {"open": 0, "read": 0, "feeds": 1, "write": 2, "admin": 3}[asked.need]
    return 200 if SCOPES.index(asked.token) >= needed else 403


async def with_real_tokens(served: Served) -> None:
    """One of each scope, one that is over, one that was revoked; a secret is its own name."""
    tokens, now = Tokens(FakeStore(), served.clock, bytes, Events(served.clock)), int(served.clock.now())
    rows = [(scope, scope, 0) for scope in SCOPES] + [("ended", "admin", now), ("revoked", "admin", 0)]
    tokens.load(
        [
            TokenRow(
                secret_hash=hash_of(name), name=name, scope=scope, rate=RATE, created=now - 9, expires=end, used=now
            )
            for name, scope, end in rows
        ]
    )
    await tokens.revoke("revoked", CALLER)
    served.operations.check = tokens.check


async def check(served: Served, asked: Question, *, require_token: bool) -> None:
    """One question. A refusal does nothing, and is told in the words of the path."""
    served.clock.running += WINDOW + 1  # so that wrong tokens are not counted together
    before, wanted = len(served.operations.callers), expected(asked, require_token=require_token)
    answer = await answer_to(served, ENDS[asked.end], asked.bytes)
    if wanted == 200:
        assert answer.status in (200, 201, 204, 404, 409, 422, 503), asked
        return
    assert answer.status == wanted, asked
    assert len(served.operations.callers) == before, asked
    assert answer.headers.get("allow") == (asked.allowed if wanted == 405 else None), asked
    assert answer.headers.get("www-authenticate") == ("Bearer" if wanted == 401 else None), asked
    assert not [name for name in answer.headers if name.startswith("access-control")], asked
    if asked.host in ("missing", "twice"):
        assert b"this is no HTTP request" in answer.body, asked
        return
    theirs = {need for (_, path), need in NEEDS.items() if path == asked.path} & {"key", "up"}
    assert answer.headers["content-type"] == ("application/json" if theirs else "application/problem+json"), asked
    told = json.loads(answer.body) if asked.method != "HEAD" else {}
    assert asked.method == "HEAD" or (told.keys() == {"message"} if theirs else told["status"] == wanted), asked


def test_every_route_has_a_row_and_every_row_a_route():
    """The table above is complete."""
    assert {(route.method, route.path) for route in (*ROUTES, *BOUNCER_ROUTES)} == NEEDS.keys()


def test_nothing_that_changes_is_a_get():
    """No state change on GET, ever: what needs more than reading has another method, and the reverse."""
    odd = ("/v1/tokens", "/v1/usage-metrics")  # for administrators' eyes; a report that is not kept
    for (method, path), need in NEEDS.items():
        assert (method == "GET") == (need in ("open", "read", "up", "key")) or path in odd


@pytest.mark.parametrize("require_token", [False, True])
@pytest.mark.parametrize("path", PATHS)
async def test_the_rule_holds_for_every_method_door_host_origin_and_token(tmp_path, path: str, require_token: bool):
    """A sample of the product; all of it in `make soak`."""
    async with serving(tmp_path, require_token=require_token, hosts=("node.example",)) as served:
        await with_real_tokens(served)
        begin = PATHS.index(path) % SAMPLE
        for point in islice(product(METHODS, ENDS, HOSTS, ORIGINS, TOKENS), begin, None, SAMPLE):
            method, *rest = point
            await check(served, Question(method, path, *rest), require_token=require_token)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil@127.0.0.1", "127.0.0.1@evil.example",
        "[::1", "::1", "[::1]evil", "localhost:80:80", "127.0.0.1:7788/", "", "[fe80::1%25eth0]", "2130706433",
        "0x7f.1", "localhost,evil.example", "löcalhost",
    ],
)  # fmt: skip
async def test_a_foreign_host_name_is_refused(served: Served, host: str):
    """DNS rebinding: the page's own name is in Host, and that is refused with any token."""
    request = f"POST /v1/panic HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer admin-secret\r\n"
    answer = await served.raw(request.encode() + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}")

    assert answer.status in (400, 403)
    assert answer.problem["status"] == answer.status
    assert served.operations.callers == []


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost:7788", "127.0.0.1", "127.0.0.1:7788", "[::1]", "[::1]:7788", "192.0.2.7", "[2001:db8::7]"],
)
async def test_local_names_and_addresses_are_hosts(served: Served, host: str):
    """An address cannot be rebound: only names can be pointed elsewhere."""
    answer = await served.raw(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())

    assert answer.status == 200


def test_the_addresses_that_are_watched_are_bounded(monkeypatch):
    """The one whose last failure is longest ago gives way; one that goes on failing stays."""
    monkeypatch.setattr(access, "MAX_WATCHED", 3)
    gate = Gate(Rules(require_token=False, hosts=frozenset(), check_token=lambda _: None), lambda: 0.0)
    for remote in ("a", "b", "c", "a", "d", "a", "e"):
        gate._count_failure(remote)

    assert {remote: len(times) for remote, times in gate._failures.items()} == {"a": 3, "d": 1, "e": 1}


async def test_an_absolute_target_must_agree_with_host(served: Served):
    """RFC 9112 3.2.2: the target's host counts; it cannot be another one behind a harmless Host."""
    answer = await served.raw(
        b"GET http://evil.example/v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )

    assert answer.status == 400


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"])
async def test_behind_a_proxy_loopback_is_no_proof(served: Served, header: str):
    """A proxy on this machine makes everybody look local; what it adds gives it away."""
    async with served.client() as session:
        async with session.get("/v1/status", headers={header: "192.0.2.1"}) as answer:
            assert answer.status == 401
        async with session.get("/v1/status", headers={header: "192.0.2.1", **ADMIN}) as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    "value", ["Bearer", "Bearer ", "bearer wrong", "Basic YWRtaW46YWRtaW4=", "admin-secret", "Bearer admin-secret x"]
)
async def test_a_wrong_token_is_refused_even_for_reading(served: Served, value: str):
    """Whoever shows a token wants it checked."""
    async with served.client() as session, session.get("/v1/status", headers={"Authorization": value}) as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_two_tokens_are_refused(served: Served):
    """Which of the two was meant is not guessed."""
    answer = await served.raw(
        b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer admin-secret\r\n"
        b"Authorization: Bearer x\r\nConnection: close\r\n\r\n"
    )

    assert answer.status == 400


async def test_wrong_tokens_are_counted_and_time_heals(served: Served):
    """After ten in a minute 429 says how long to wait; a right token is let in all the same."""
    async with served.client() as session:

        async def attempt(secret: str) -> tuple[int, str]:
            async with session.get("/v1/status", headers={"Authorization": f"Bearer {secret}"}) as answer:
                return answer.status, answer.headers.get("Retry-After", "")

        assert [await attempt("guess") for _ in range(FAILURES)] == [(401, "")] * FAILURES
        assert await attempt("guess") == (429, str(int(WINDOW) + 1))
        assert await attempt("read-secret") == (200, "")

        served.clock.running += WINDOW + 1
        assert await attempt("guess") == (401, "")


@pytest.mark.parametrize(
    ("told", "believed"),
    [("198.51.100.7", "198.51.100.7"), ("2001:db8::7", "2001:db8::7"), ("evil", ""), ("", ""), ("fe80::1%eth0", "")],
)
async def test_the_ssh_client_is_believed_on_the_socket_only(served: Served, told: str, believed: str):
    """The CLI says where its user is logged in from; on TCP anybody could say so."""
    headers = {"X-P2pfw-Ssh-Client": told}
    for socket in (True, False):
        async with served.client(socket=socket) as session:
            body = {"prefix": "203.0.113.9"}
            async with session.post("/v1/blocks", json=body, headers={**headers, **ADMIN}) as answer:
                assert answer.status == 201

    by_socket, by_port = served.operations.callers
    assert by_socket.name.startswith("socket:")
    assert by_socket.address == believed
    assert (by_port.name, by_port.address) == ("token:admin", "127.0.0.1")


async def test_who_authenticates_is_welcomed_and_nobody_else(served: Served):
    """Whatever is asked: a look over the socket from SSH, a look with a token; who shows nothing has no address."""
    headers = {"X-P2pfw-Ssh-Client": "198.51.100.7"}
    async with served.client(socket=True) as session, session.get("/v1/status", headers=headers) as answer:
        assert answer.status == 200
    async with served.client(socket=False) as session:
        async with session.get("/v1/status", headers=headers) as answer:
            assert answer.status == 200
        async with session.get("/v1/status", headers={**headers, **ADMIN}) as answer:
            assert answer.status == 200

    assert [one.address for one in served.operations.welcomed] == ["198.51.100.7", "127.0.0.1"]
