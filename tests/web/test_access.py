"""Who may do what: the whole table of routes, hosts, origins and tokens. A new route without a row fails."""

import aiohttp
import pytest

from p2pfw.web import access
from p2pfw.web.access import FAILURES, WINDOW, Gate, Rules, Scope
from p2pfw.web.routes import ROUTES, Route
from tests.web.serving import ADMIN, Served, serving

OPEN = {"healthz", "readyz"}
WRITING = {"block", "unblock", "import_list", "sighting", "allow", "disallow"}
ADMINISTRATING = {
    "retract_all", "put_peer", "forget_peer", "renew_owner", "revoke_node", "invite", "join", "set_mode", "confirm",
    "panic", "reload", "tokens", "add_token", "revoke_token",
    "forgive", "vouch", "unvouch", "submit_charter", "sign_charter",
    "succeed", "try_trust",
    "add_feed", "refresh_feed", "remove_feed", "test_feed",
}  # fmt: skip
READING = {
    "status", "blocklist", "covering", "why", "listing", "allow_list", "allow_check", "peers", "peer", "owner",
    "events", "doctor", "openapi", "metrics", "scorecards", "scorecard", "vouches", "charter",
    "feeds", "feed",
}  # fmt: skip
NEEDED = {
    **dict.fromkeys(OPEN, Scope.NONE),
    **dict.fromkeys(READING, Scope.READ),
    **dict.fromkeys(WRITING, Scope.WRITE),
    **dict.fromkeys(ADMINISTRATING, Scope.ADMIN),
}
BODIES = {
    "block": {"prefix": "203.0.113.9"},
    "sighting": {"prefix": "203.0.113.9"},
    "allow": {},
    "put_peer": {"trust": 0.5},
    "revoke_node": {"node": "x"},
    "invite": {},
    "add_token": {"name": "grafana"},
    "join": {"token": "t"},
    "set_mode": {"mode": "observe"},
    "forgive": {"id": "juno"},
    "vouch": {"id": "juno"},
    "submit_charter": {"charter": "00"},
    "sign_charter": {"hash": "00"},
    "succeed": {"succession": "00"},
    "try_trust": {"id": "juno", "trust": "pair"},
    "add_feed": {"name": "drop", "url": "https://lists.example.net/"},
    "refresh_feed": {"accept": True},
    "test_feed": {"name": "test", "url": "https://lists.example.net/"},
}
GRANTED = {"read": Scope.READ, "feeds": Scope.FEEDS, "write": Scope.WRITE, "admin": Scope.ADMIN}

every_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)


async def ask(session: aiohttp.ClientSession, route: Route, **headers: str) -> int:
    """The status of one well-formed request to it."""
    path = route.path.replace("{prefix}", "203.0.113.9").replace("{id}", "juno")
    body = {"data": b"198.51.100.1\n"} if route.name == "import_list" else {"json": BODIES.get(route.name)}
    query = {"follow": "0"} if route.name == "events" else {}
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    async with session.request(
        route.method, path, params=query, headers=headers, **(body if route.method in ("POST", "PUT") else {})
    ) as answer:
        if answer.status >= 400:
            assert answer.content_type == "application/problem+json"
        return answer.status


def test_every_route_has_a_row():
    """The table below is complete."""
    assert {route.name: route.scope for route in ROUTES} == NEEDED


def test_nothing_that_changes_is_a_get():
    """No state change on GET, ever: what needs more than reading has another method, and the reverse."""
    for route in ROUTES:
        assert (route.method == "GET") == (route.scope <= Scope.READ or route.name == "tokens"), route.name


@every_route
async def test_without_a_token_loopback_reads_and_nothing_else(served: Served, route: Route):
    """Reads from loopback need no token; every change on TCP does."""
    async with served.client() as session:
        status = await ask(session, route)

    assert (status == 401) == (route.scope > Scope.READ)
    assert served.operations.callers == []


@every_route
async def test_require_token_closes_reading(tmp_path, route: Route):
    """With api.require_token only the probes of load balancers stay open."""
    async with serving(tmp_path, require_token=True) as served, served.client() as session:
        assert (await ask(session, route) == 401) == (route.scope > Scope.NONE)
        assert await ask(session, route, Authorization="Bearer admin-secret") not in (401, 403)


@every_route
@pytest.mark.parametrize("token", GRANTED)
async def test_a_token_opens_its_scope_and_the_smaller_ones(served: Served, route: Route, token: str):
    """read < feeds < write < admin; too small a scope is 403."""
    async with served.client() as session:
        status = await ask(session, route, Authorization=f"Bearer {token}-secret")

    assert (status == 403) == (route.scope > GRANTED[token])
    assert status != 401


@every_route
async def test_the_socket_may_do_everything(served: Served, route: Route):
    """Whoever may open the socket is an administrator, without a token."""
    async with served.client(socket=True) as session:
        assert await ask(session, route) not in (401, 403)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil@127.0.0.1", "127.0.0.1@evil.example",
        "[::1", "::1", "[::1]evil", "localhost:80:80", "127.0.0.1:7788/", "", "[fe80::1%25eth0]", "2130706433",
        "0x7f.1", "localhost,evil.example", "löcalhost",
    ],
)  # fmt: skip
async def test_a_foreign_host_name_is_refused(served: Served, host: str):
    """DNS rebinding: the page's own name is in Host, and that is refused on every route, with any token."""
    for route in ROUTES:
        path = route.path.replace("{prefix}", "203.0.113.9").replace("{id}", "juno")
        request = f"{route.method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer admin-secret\r\n"
        answer = await served.raw(request.encode() + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}")

        assert answer.status in (400, 403), route.name
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


async def test_configured_hosts_are_hosts(tmp_path):
    """api.hosts names more, in any case."""
    async with serving(tmp_path, hosts=("Node.Example",)) as served:
        answer = await served.raw(b"GET /v1/status HTTP/1.1\r\nHost: nODE.example:80\r\nConnection: close\r\n\r\n")

    assert answer.status == 200


@pytest.mark.parametrize("hosts", [b"", b"Host: localhost\r\nHost: localhost\r\n", b"Host: a\r\nhOST: localhost\r\n"])
async def test_exactly_one_host_header_is_needed(served: Served, hosts: bytes):
    """With two, whoever stands in front may have looked at the other one."""
    answer = await served.raw(b"GET /v1/status HTTP/1.1\r\n" + hosts + b"Connection: close\r\n\r\n")

    assert answer.status == 400
    assert answer.problem["status"] == 400


async def test_without_a_host_nothing_is_answered(served: Served):
    """HTTP/1.0 does not ask for one; this API does."""
    answer = await served.raw(b"GET /v1/status HTTP/1.0\r\n\r\n")

    assert (answer.status, answer.problem["detail"]) == (400, "exactly one Host header is needed")


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


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[::1"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_requests_from_other_sites_are_refused(served: Served, headers: dict[str, str]):
    """Cross-site requests do nothing, on any route, even with a token."""
    async with served.client() as session:
        assert {await ask(session, route, **{**headers, **ADMIN}) for route in ROUTES} == {403}

    assert served.operations.callers == []


async def test_the_own_origin_is_let_in(served: Served):
    """A page that this very port served may ask it."""
    async with served.client() as session:
        headers = {"Origin": served.url, "Sec-Fetch-Site": "same-origin"}
        async with session.get("/v1/status", headers=headers) as answer:
            assert answer.status == 200


@pytest.mark.parametrize("method", ["OPTIONS", "POST"])
async def test_no_answer_allows_another_site_anything(served: Served, method: str):
    """A preflight gets no Access-Control header."""
    async with served.client() as session:
        preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        async with session.request(method, "/v1/blocks", headers=preflight) as answer:
            assert answer.status in (403, 405)
            assert not [name for name in answer.headers if name.lower().startswith("access-control")]


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
