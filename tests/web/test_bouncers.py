"""The paths, keys and errors that CrowdSec's bouncers know."""

import gzip
import io

import pytest

from p2pfw.operations import Granted
from p2pfw.web.bouncers import MOST_METRICS
from tests.web.fake_bouncing import FakeBouncing
from tests.web.serving import Served

KEY = {"X-Api-Key": "feeds-secret"}
PACKED = gzip.compress(b"{}", mtime=0)
ASKED = ("/v1/decisions", "/v1/decisions/stream")


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("headers", [{}, {"X-Api-Key": ""}, {"X-Api-Key": "wrong"}, {"X-Api-Key": "reader-secret"}])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_without_a_right_key_access_is_forbidden(served: Served, method: str, path: str, headers: dict):
    """403 in their words, as often as it is tried: some end at anything else. A token of a lesser scope is none."""
    async with served.client() as session:
        for _ in range(12):
            async with session.request(method, path, headers=headers) as answer:
                assert answer.status == 403
                if method == "GET":
                    assert await answer.json() == {"message": "access forbidden"}


@pytest.mark.parametrize("name", ["X-Api-Key", "x-api-key", "X-API-KEY"])
async def test_the_key_is_a_token_of_the_scope_feeds(served: Served, name: str):
    """In any case of letters; who has one is welcome."""
    async with served.client() as session:
        for path in ASKED:
            async with session.get(path, headers={name: "feeds-secret"}) as answer:
                assert answer.status == 200
                assert answer.content_type == "application/json"

    assert {caller.name for caller in served.operations.welcomed} == {"token:feeds"}


async def test_a_key_has_its_rate(served: Served):
    """429 in their words too."""
    served.operations.granted["slow"] = Granted("slow", "feeds", 1)
    async with served.client() as session:
        statuses = []
        for _ in range(2):
            async with session.get("/v1/decisions", headers={"X-Api-Key": "slow"}) as answer:
                statuses.append(answer.status)
                body = await answer.json()

    assert statuses == [200, 429]
    assert "slow" in body["message"]


async def test_health_needs_no_key(served: Served):
    """A load balancer asks it."""
    async with served.client() as session:
        async with session.get("/health") as answer:
            assert await answer.json() == {"status": "up"}
        async with session.head("/health") as answer:
            assert answer.status == 200


@pytest.mark.parametrize("body", [b"", b'{"remediation_components":[]}', PACKED])
async def test_usage_metrics_are_taken_and_nothing_is_answered(served: Served, body: bytes):
    """201, empty; packed or not."""
    headers = {**KEY, "Content-Encoding": "gzip"} if body is PACKED else KEY
    async with served.client() as session, session.post("/v1/usage-metrics", data=body, headers=headers) as answer:
        assert answer.status == 201
        assert await answer.read() == b""


async def test_usage_metrics_have_a_bound_and_need_a_key(served: Served):
    """Nobody fills the memory with them."""
    async with served.client() as session:
        async with session.post("/v1/usage-metrics", data=io.BytesIO(b"x" * (MOST_METRICS + 1)), headers=KEY) as answer:
            assert answer.status == 413
            assert "1024 KiB" in (await answer.json())["message"]
        async with session.post("/v1/usage-metrics", data=b"{}") as answer:
            assert answer.status == 403


@pytest.mark.parametrize("query", ["?", "?a=1&b=%ff&startup=true&dedup=false", "?startup=true&startup=false"])
async def test_unknown_parameters_and_a_bare_question_mark_are_accepted(served: Served, query: str):
    """Later versions of that API know more."""
    head = "Host: localhost\r\nX-Api-Key: feeds-secret\r\nConnection: close\r\n\r\n"
    for path in ASKED:
        answer = await served.raw(f"GET {path}{query} HTTP/1.1\r\n{head}".encode())
        assert answer.status == 200


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("ip=300.0.0.1", "300.0.0.1"),
        ("range=203.0.113.9/24", "203.0.113.0/24"),
        ("limit=many", "many"),
        ("contains=perhaps", "contains: 'perhaps'"),
        ("startup=perhaps", "startup: 'perhaps'"),
    ],
)
async def test_what_cannot_be_read_is_named(served: Served, query: str, said: str):
    """400, for GET and HEAD."""
    async with served.client() as session:
        async with session.get(f"/v1/decisions?{query}", headers=KEY) as answer:
            assert answer.status == 400
            assert said in (await answer.json())["message"]
        async with session.head(f"/v1/decisions/stream?{query}", headers=KEY) as answer:
            assert answer.status == 400


async def test_an_error_of_ours_is_told_without_its_inside(served: Served, monkeypatch: pytest.MonkeyPatch):
    """500 in their form; the log has it."""
    monkeypatch.delattr(FakeBouncing, "covering")
    async with served.client() as session, session.get("/v1/decisions?ip=203.0.113.9", headers=KEY) as answer:
        assert answer.status == 500
        assert await answer.json() == {"message": "an error of ours; the log has it"}
