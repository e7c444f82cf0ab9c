"""Every change reaches the operations as it was asked for, with its caller, and its answer comes back."""

import pytest

from tests.web.fake_operations import NOW
from tests.web.serving import Served


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "found"),
    [
        ("POST", "/v1/blocks", {"prefix": "203.0.113.9", "ttl": 60}, 201, {"prefix": "203.0.113.9/32"}),
        ("POST", "/v1/blocks", {"prefixes": ["2001:DB8::/48", "203.0.113.9"]}, 201, {"prefix": "2001:db8::/48"}),
        ("POST", "/v1/blocks", {"prefix": "203.0.113.9", "ttl": "forever"}, 201, {"expires": None}),
        ("POST", "/v1/sightings", {"prefix": "203.0.113.9"}, 201, {"state": "observed"}),
        ("PUT", "/v1/allow/203.0.113.0%2F24", {"comment": "office"}, 200, {"released": []}),
        ("PUT", "/v1/allow/203.0.113.0/24", None, 200, {"released": []}),
        ("PUT", "/v1/peers/juno", {"trust": 0.4, "name": "Juno"}, 200, {"trust": 0.4, "name": "Juno"}),
        ("POST", "/v1/invites", {"uses": 2}, 201, {"uses": 2}),
        ("POST", "/v1/invites", None, 201, {"uses": 1}),
        ("POST", "/v1/join", {"token": "t"}, 200, {"text": "welcome"}),
        ("PUT", "/v1/mode", {"mode": "enforce", "confirm": 60}, 200, {"mode": "enforce", "enforcing": True}),
        ("POST", "/v1/panic", None, 200, {"mode": "observe"}),
        ("POST", "/v1/reload", None, 200, {"changed": ["policy.allow"]}),
        ("POST", "/v1/retract", None, 200, {"prefixes": 0}),
        ("POST", "/v1/owner/renew", None, 200, {"text": "renewed"}),
        ("POST", "/v1/owner/revoke", {"node": "juno"}, 200, {"text": "revoked juno"}),
    ],
)
async def test_a_change_is_made_and_answered(served: Served, method: str, path: str, body, status: int, found: dict):
    """An empty body is an empty object: what has defaults needs none."""
    async with served.client(socket=True) as session, session.request(method, path, json=body) as answer:
        got = await answer.json()

    assert answer.status == status
    assert {name: got[name] for name in found} == found


async def test_a_block_can_be_taken_back_once(served: Served):
    """The second time there is none."""
    async with served.client(socket=True) as session:
        await session.post("/v1/blocks", json={"prefix": "203.0.113.0/24", "ttl": 60})
        assert [block.until for block in served.operations.blocks.values()] == [NOW + 60]
        async with session.delete("/v1/blocks/203.0.113.0%2F24?scope=own") as answer:
            assert (await answer.json())["pardoned"] is False
        async with session.delete("/v1/blocks/203.0.113.0/24") as answer:
            assert answer.status == 404
        async with session.delete("/v1/blocks/203.0.113.0/24?scope=all") as answer:
            assert (answer.status, (await answer.json(content_type=None))["field"]) == (400, "scope")

    assert {caller.name.partition(":")[0] for caller in served.operations.callers} == {"socket"}


async def test_the_whitelist_wins_and_says_so(served: Served):
    """409 names the range in the way; 422 what policy does not accept."""
    async with served.client(socket=True) as session:
        await session.put("/v1/allow/203.0.113.0/24", json={})
        async with session.post("/v1/blocks", json={"prefix": "203.0.113.9"}) as answer:
            assert (answer.status, (await answer.json(content_type=None))["overlap"]) == (409, "203.0.113.0/24")
        async with session.post("/v1/blocks", json={"prefix": "0.0.0.0/0"}) as answer:
            assert answer.status in (409, 422)
        async with session.get("/v1/allow/203.0.113.9") as answer:
            assert (await answer.json())["allowed"] is True
        async with session.get("/v1/allow?protected=1") as answer:
            assert len((await answer.json())["entries"]) == 2
        async with session.delete("/v1/allow/203.0.113.0/24") as answer:
            assert answer.status == 200
        async with session.delete("/v1/allow/203.0.113.0/24") as answer:
            assert answer.status == 404


async def test_a_peer_comes_and_goes(served: Served):
    """204 has no body; a name may be any text without control characters."""
    async with served.client(socket=True) as session:
        assert (await session.put("/v1/peers/J%C3%BCno%20%2F%202", json={"trust": 0.1})).status == 200
        async with session.get("/v1/peers/J%C3%BCno%20%2F%202") as answer:
            assert (await answer.json())["id"] == "Jüno / 2"
        async with session.delete("/v1/peers/J%C3%BCno%20%2F%202") as answer:
            assert (answer.status, await answer.read()) == (204, b"")
        async with session.get("/v1/peers") as answer:
            assert (await answer.json())["peers"] == []


async def test_a_commit_is_confirmed_once(served: Served):
    """404 when nothing waits."""
    async with served.client(socket=True) as session:
        await session.put("/v1/mode", json={"mode": "enforce", "confirm": 60})
        async with session.post("/v1/confirm") as answer:
            assert (answer.status, (await answer.json())["confirming"]) == (200, None)
        async with session.post("/v1/confirm") as answer:
            assert answer.status == 404


async def test_verdicts_come_page_by_page(served: Served):
    """limit and cursor are handed on."""
    served.operations.fill(5)
    seen, cursor = [], ""
    async with served.client() as session:
        while True:
            async with session.get("/v1/list", params={"limit": "2", "cursor": cursor}) as answer:
                page = await answer.json()
            seen += [entry["prefix"] for entry in page["entries"]]
            if not (cursor := page["cursor"]):
                break
        async with session.get("/v1/list", params={"contains": "10.0.0.3"}) as answer:
            assert [entry["prefix"] for entry in (await answer.json())["entries"]] == ["10.0.0.3/32"]

    assert seen == [f"10.0.0.{number}/32" for number in range(5)]
