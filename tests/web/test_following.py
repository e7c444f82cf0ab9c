"""GET /v1/events: replay, follow, and what becomes of followers that do not read or are gone."""

import asyncio
import json

import pytest

from p2pfw.web import following, server
from tests.web.serving import Served, eventually, serving

SSE = b"GET /v1/events%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
LINES = {"Accept": "application/x-ndjson"}


def handler_of(served: Served) -> following.Following:
    """To look at its count."""
    return served.api._dispatcher._fixed["/v1/events"]["GET"].handler.__self__


async def test_without_following_the_ring_is_given_and_the_answer_ends(served: Served):
    """As NDJSON this is the default, as scripts want it."""
    for number in range(3):
        served.operations.tell("block", f"203.0.113.{number}/32")
    async with served.client() as session, session.get("/v1/events", headers=LINES) as answer:
        events = [json.loads(line) for line in (await answer.text()).splitlines()]

    assert answer.content_type == "application/x-ndjson"
    assert [(event["id"], event["prefix"]) for event in events] == [
        (1, "203.0.113.0/32"), (2, "203.0.113.1/32"), (3, "203.0.113.2/32")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "header", "ids"),
    [
        (b"", b"Last-Event-ID: 2\r\n", [3, 4]),
        (b"?after=2", b"", [3, 4]),
        (b"?after=1", b"Last-Event-ID: 3\r\n", [4]),
        (b"?since=1", b"", [1, 2, 3, 4]),
        (b"?since=1&after=3", b"", [4]),
        (b"", b"", []),
    ],
)
async def test_a_follower_gets_what_it_missed_and_then_the_news(served: Served, query: bytes, header: bytes, ids: list):
    """Server-sent events; the id of the last one seen is enough to miss none. Who names no beginning wants news."""
    for _ in range(4):
        served.operations.tell("block")
    reader, writer = await served.connect()
    writer.write(SSE % (query, header))
    await reader.readuntil(b"\r\n\r\n")
    await eventually(lambda: served.operations.following == 1)
    served.operations.tell("unblock")

    received = b""
    while b"id: 5\n" not in received or not received.endswith(b"\n\n\r\n"):
        received += await reader.read(4_096)
    writer.close()
    blocks = [part for part in received.split(b"\r\n") if part.startswith(b"id: ")]
    assert [int(block.partition(b"\n")[0][4:]) for block in blocks] == [*ids, 5]
    assert blocks[-1].startswith(b"id: 5\nevent: unblock\ndata: {")
    assert json.loads(blocks[-1].split(b"data: ")[1])["kind"] == "unblock"


@pytest.mark.parametrize(
    ("query", "header", "field"),
    [
        (b"", b"Last-Event-ID: x\r\n", "Last-Event-ID"),
        (b"", b"Last-Event-ID: -1\r\n", "Last-Event-ID"),
        (b"", b"Last-Event-ID: 9999999999999\r\n", "Last-Event-ID"),
        (b"?after=1.5", b"", "after"),
    ],
)
async def test_a_wrong_beginning_is_an_ordinary_problem(served: Served, query: bytes, header: bytes, field: str):
    """Before the stream begins, or it would have to be broken off."""
    answer = await served.raw(SSE % (query, header + b"Connection: close\r\n"))

    assert (answer.status, answer.problem["field"]) == (400, field)


@pytest.mark.parametrize("headers", [{}, LINES])
async def test_a_quiet_stream_shows_signs_of_life(served: Served, headers: dict[str, str]):
    """A comment, or an empty line: readers skip both."""
    handler_of(served).beat_seconds = 0.01
    async with served.client() as session, session.get("/v1/events?follow=1", headers=headers) as answer:
        beats = [await answer.content.readline() for _ in range(4)]

    assert set(beats) == ({b"\n"} if headers else {b":\n", b"\n"})


async def test_a_follower_that_is_gone_is_noticed(served: Served, caplog):
    """At the next beat, though nothing happens: its place is free again, and nothing of it is left."""
    handler_of(served).beat_seconds = 0.01
    reader, writer = await served.connect()
    writer.write(SSE % (b"", b""))
    await reader.readuntil(b"\r\n\r\n")
    await eventually(lambda: served.operations.following == 1)
    writer.transport.abort()

    await eventually(lambda: handler_of(served).followers == 0 and served.operations.following == 0)
    assert "request failed" not in caplog.text


async def test_followers_are_bounded(served: Served, monkeypatch):
    """One too many is told when to come again; who only asks for the header takes no place."""
    monkeypatch.setattr(following, "MAX_FOLLOWERS", 1)
    reader, writer = await served.connect()
    writer.write(SSE % (b"", b""))
    await reader.readuntil(b"\r\n\r\n")

    async with served.client() as session:
        async with session.get("/v1/events") as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
        async with session.head("/v1/events") as answer:
            assert answer.status == 200
    writer.close()


async def test_a_follower_that_does_not_read_is_cut_off(served: Served, monkeypatch, caplog):
    """Its events are not kept for it."""
    monkeypatch.setattr(server, "STALL_SECONDS", 0.05)
    _, writer = await served.connect()
    writer.transport.pause_reading()
    writer.write(SSE % (b"", b""))
    await eventually(lambda: served.operations.following == 1)

    async def flood() -> None:
        while "client stalled" not in caplog.text:
            for _ in range(500):
                served.operations.tell("block" * 200)
            await asyncio.sleep(0.01)

    await flood()
    await eventually(lambda: handler_of(served).followers == 0 and served.operations.following == 0)
    writer.close()


async def test_a_stop_ends_the_followers(tmp_path):
    """A node that stops does not wait for those who never leave."""
    async with serving(tmp_path) as served:
        reader, writer = await served.connect()
        writer.write(SSE % (b"", b""))
        await reader.readuntil(b"\r\n\r\n")
        await eventually(lambda: served.operations.following == 1)

    assert served.operations.following == 0
    writer.close()
