"""Tokens on the wire: scopes, rate, the address, and what is asked twice."""

import asyncio

import pytest
from aiohttp import web

from p2pfw.errors import DiskFullError
from p2pfw.operations import Granted
from p2pfw.web import repeats
from p2pfw.web.repeats import KEPT_SECONDS
from tests.web.serving import ADMIN, Served

BLOCK = {"prefix": "203.0.113.9"}


async def test_tokens_are_made_listed_and_revoked(served: Served):
    """Its secret is in the first answer and in no other; a revoked one opens nothing."""
    async with served.client(socket=True) as session:
        async with session.post("/v1/tokens", json={"name": "grafana", "scope": "write"}) as answer:
            made = await answer.json()
            assert answer.status == 201
        async with session.get("/v1/tokens") as answer:
            listed = await answer.text()
        used = {"Authorization": f"Bearer {made['token']}"}
        async with served.client() as other, other.post("/v1/blocks", json=BLOCK, headers=used) as answer:
            assert answer.status == 201
        async with session.delete("/v1/tokens/grafana") as answer:
            assert answer.status == 204
        async with served.client() as other, other.post("/v1/blocks", json=BLOCK, headers=used) as answer:
            assert answer.status == 401

    assert made["token"] not in listed
    assert "grafana" in listed


@pytest.mark.parametrize("name", ["", "a b", "-x", "x" * 65, "\x1b[31m", "a/b", "ä"])
async def test_names_are_plain(served: Served, name: str):
    """They stand in lists, logs and refusals."""
    async with served.client(socket=True) as session, session.post("/v1/tokens", json={"name": name}) as answer:
        assert answer.status == 400
        assert (await answer.json())["field"] == "name"


async def test_a_list_may_be_fetched_with_its_token_in_the_address(served: Served):
    """For firewalls that send no headers: tokens of the scope feeds, and no greater ones, and only for lists."""
    served.operations.granted["reader-secret"] = Granted("r", "read", 1)
    async with served.client() as session:

        async def ask(path: str, **query: str) -> int:
            async with session.get(path, params=query) as answer:
                text = await answer.text()
                assert all(value not in text for value in query.values() if value.endswith("-secret"))
                return answer.status

        assert await ask("/v1/blocklist", format="plain", token="feeds-secret") == 200
        assert await ask("/v1/blocklist", format="plain", token="read-secret") == 200
        assert await ask("/v1/blocklist", format="plain", token="admin-secret") == 403
        assert await ask("/v1/blocklist", format="plain", token="wrong-secret") == 401
        assert await ask("/v1/status", token="feeds-secret") == 400


async def test_a_token_has_a_rate(served: Served):
    """A second's worth at once, then one after another; others do not wait for it."""
    served.operations.granted["slow"] = Granted("slow", "read", 3)
    statuses = []
    async with served.client() as session:

        async def ask(secret: str) -> int:
            async with session.get("/v1/status", headers={"Authorization": f"Bearer {secret}"}) as answer:
                if answer.status == 429:
                    assert answer.headers["Retry-After"] == "1"
                return answer.status

        statuses = [await ask("slow") for _ in range(5)]
        assert await ask("read-secret") == 200
        served.clock.running += 0.4
        later = [await ask("slow") for _ in range(2)]

    assert statuses == [200, 200, 200, 429, 429]
    assert later == [200, 429]


# --- Idempotency-Key -------------------------------------------------------------------------------------------------


async def test_what_is_asked_twice_with_a_key_is_done_once(served: Served):
    """The same answer, marked as a repetition; also for whoever asks while the first is under way."""
    headers = {**ADMIN, "Idempotency-Key": "one"}
    async with served.client() as session:

        async def ask() -> tuple[int, bytes, str]:
            async with session.post("/v1/blocks", json=BLOCK, headers=headers) as answer:
                return answer.status, await answer.read(), answer.headers.get("Idempotency-Replayed", "")

        answers = await asyncio.gather(*(ask() for _ in range(5)))
        again = await ask()

    assert len(served.operations.callers) == 1
    assert {(status, body) for status, body, _ in answers} == {answers[0][:2]}
    assert sorted(replayed for *_, replayed in answers) == ["", "true", "true", "true", "true"]
    assert again == (201, answers[0][1], "true")


async def test_a_key_belongs_to_its_request(served: Served):
    """Another body is a mistake; another path, method or caller is another request."""
    headers = {**ADMIN, "Idempotency-Key": "one"}
    async with served.client() as session, served.client(socket=True) as operator:
        async with session.post("/v1/blocks", json=BLOCK, headers=headers) as answer:
            assert answer.status == 201
        async with session.post("/v1/blocks", json={"prefix": "203.0.113.10"}, headers=headers) as answer:
            assert answer.status == 422
            assert (await answer.json())["field"] == "Idempotency-Key"
        async with session.post("/v1/sightings", json=BLOCK, headers=headers) as answer:
            assert "Idempotency-Replayed" not in answer.headers
        async with operator.post("/v1/blocks", json=BLOCK, headers=headers) as answer:
            assert "Idempotency-Replayed" not in answer.headers


async def test_what_was_refused_may_be_tried_again(served: Served):
    """Nothing was done, so there is nothing to repeat."""
    headers = {**ADMIN, "Idempotency-Key": "one"}
    served.operations.trouble = DiskFullError("full")
    async with served.client() as session:
        async with session.post("/v1/blocks", json=BLOCK, headers=headers) as answer:
            assert answer.status == 507
        served.operations.trouble = None
        async with session.post("/v1/blocks", json=BLOCK, headers=headers) as answer:
            assert answer.status == 201
            assert "Idempotency-Replayed" not in answer.headers


@pytest.mark.parametrize("bound", ["time", "number", "bytes"])
async def test_what_is_remembered_is_bounded(served: Served, monkeypatch: pytest.MonkeyPatch, bound: str):
    """An hour, a number, some megabytes: the oldest gives way."""
    if bound == "number":
        monkeypatch.setattr(repeats, "MAX_KEPT", 2)
    if bound == "bytes":
        monkeypatch.setattr(repeats, "MAX_BYTES", 600)

    async with served.client() as session:

        async def ask(key: str) -> bool:
            headers = {**ADMIN, "Idempotency-Key": key}
            async with session.post("/v1/blocks", json=BLOCK, headers=headers) as answer:
                assert answer.status == 201
                return "Idempotency-Replayed" in answer.headers

        await ask("first")
        if bound == "time":
            served.clock.running += KEPT_SECONDS
        else:
            for number in range(5):
                await ask(f"other-{number}")
        assert not await ask("first")
        assert await ask("first")


async def test_one_that_takes_long_keeps_no_other_answers_alive(monkeypatch: pytest.MonkeyPatch):
    """The bound is on what is over: an early request that is still being done does not suspend it."""
    monkeypatch.setattr(repeats, "MAX_KEPT", 2)
    kept, end, begun = repeats.Repeats(lambda: 0.0), asyncio.Event(), asyncio.Event()

    async def slow() -> web.Response:
        begun.set()
        await end.wait()
        return web.Response(body=b"slow")

    async def quick() -> web.Response:
        return web.Response(body=b"quick")

    waiting = asyncio.create_task(kept.once(("a", "POST", "/", "slow"), b"", slow))
    await begun.wait()
    for number in range(5):
        await kept.once(("a", "POST", "/", str(number)), b"", quick)

    assert [place[3] for place in kept._done] == ["3", "4"]
    assert kept._bytes == 10
    end.set()
    assert (await waiting).body == b"slow"
    assert not kept._doing


@pytest.mark.parametrize(
    ("path", "key"), [("/v1/blocks", "x" * 129), ("/v1/blocks", "a b"), ("/v1/import", "one"), ("/v1/blocks", "")]
)
async def test_a_key_that_is_none(served: Served, path: str, key: str):
    """Too long, empty, or for a stream of progress."""
    headers = {**ADMIN, "Idempotency-Key": key}
    async with served.client() as session, session.post(path, data=b"", headers=headers) as answer:
        assert answer.status == 400
        assert (await answer.json())["field"] == "Idempotency-Key"
