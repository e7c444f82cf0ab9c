"""What bouncers are told: all, what changed, and what fits a question."""

import asyncio
import json
from collections import Counter

import pytest

from p2pfw.core.records import Category
from p2pfw.formats.crowdsec import Piece
from p2pfw.web import decisions
from p2pfw.web.decisions import RETOLD_SECONDS
from p2pfw.web.wholelists import ROWS
from tests.web.fake_bouncing import FakeBouncing
from tests.web.serving import FixedClock, Served, eventually

A, B, NET, SIX = "203.0.113.9", "203.0.113.10", "198.51.100.0/24", "2001:db8::9"


class Client:
    """One bouncer, by its key."""

    def __init__(self, served: Served, session, key: str = "feeds-secret"):
        self.served, self._session, self._headers = served, session, {"X-Api-Key": key}

    async def body(self, path: str) -> bytes:
        async with self._session.get(path, headers=self._headers) as answer:
            assert answer.status == 200
            return await answer.read()

    async def stream(self, query: str = "") -> tuple[list[str], list[str]]:
        """Values in new and in deleted, in order of text."""
        body = json.loads(await self.body(f"/v1/decisions/stream{query}"))
        assert body.keys() == {"new", "deleted"}
        assert all(not one["duration"].startswith(("-", "0s")) for one in body["new"])
        assert all(one["duration"].startswith("-") for one in body["deleted"])
        return tuple(sorted(one["value"] for one in body[part]) for part in ("new", "deleted"))

    async def find(self, query: str = "") -> list[str] | None:
        body = await self.body(f"/v1/decisions{query}")
        return None if body == b"null" else sorted(one["value"] for one in json.loads(body))

    async def head(self, path: str) -> bytes:
        async with self._session.head(path, headers=self._headers) as answer:
            assert answer.status == 200
            return await answer.read()


@pytest.fixture
async def client(served: Served):
    """With a key."""
    async with served.client() as session:
        yield Client(served, session)


@pytest.fixture
def node(served: Served) -> FakeBouncing:
    """What is blocked."""
    return served.operations.bouncing


@pytest.fixture
def clock(served: Served) -> FixedClock:
    """Of the API."""
    return served.clock


# --- what changed --------------------------------------------------------------------------------------------------


async def test_a_start_up_on_an_empty_list_is_told_so(client: Client):
    """An error would end a bouncer."""
    assert await client.body("/v1/decisions/stream?startup=true") == b'{"new":[],"deleted":[]}'


async def test_after_the_start_only_changes_are_told(client: Client, node: FakeBouncing):
    """Each once."""
    node.block(A)
    assert await client.stream("?startup=true") == ([A], [])
    assert await client.stream() == ([], [])
    node.block(NET)
    assert await client.stream() == ([NET], [])
    node.end(A)
    assert await client.stream() == ([], [A])
    assert await client.stream() == ([], [])


async def test_what_is_replaced_is_only_new(client: Client, node: FakeBouncing):
    """A value is never in both, however often it changed."""
    node.block(A)
    await client.stream("?startup=true")
    node.end(A)
    node.block(A)
    node.block(A, seconds=7_200)

    body = json.loads(await client.body("/v1/decisions/stream"))

    assert [one["duration"] for one in body["new"]] == ["2h0m0s"]
    assert body["deleted"] == []


async def test_what_came_and_went_between_two_questions_is_not_told(client: Client, node: FakeBouncing):
    """The client never knew of it; one that it did know of is told as ended, once."""
    node.block(A)
    await client.stream("?startup=true")
    node.block(B)
    node.end(B)
    node.end(A)
    node.block(A)
    node.end(A)

    assert await client.stream() == ([], [A])


async def test_without_a_start_up_an_unknown_client_gets_all(client: Client, node: FakeBouncing):
    """So it is after a restart of the node."""
    node.block(A)

    assert await client.stream() == ([A], [])
    assert await client.stream() == ([], [])


async def test_a_client_that_was_away_too_long_gets_all(client: Client, node: FakeBouncing):
    """Its changes are forgotten."""
    node.block(A)
    await client.stream()
    node.journal.first += 2

    assert await client.stream() == ([A], [])


async def test_cursors_are_of_a_key(client: Client, served: Served, node: FakeBouncing):
    """Two bouncers on a machine, a key each."""
    async with served.client() as session:
        other = Client(served, session, key="admin-secret")
        await client.stream("?startup=true")
        await other.stream("?startup=true")
        node.block(A)

        assert await client.stream() == ([A], [])
        assert await other.stream() == ([A], [])


async def test_cursors_are_bounded(client: Client, node: FakeBouncing, monkeypatch: pytest.MonkeyPatch):
    """The one that was used longest ago gives way, and its client gets the whole list."""
    monkeypatch.setattr(decisions, "MOST_CURSORS", 1)
    node.block(A)
    await client.stream("?startup=true")
    await client.stream("?scopes=ip&startup=true")

    assert await client.stream() == ([A], [])


async def test_head_moves_no_cursor(client: Client, node: FakeBouncing):
    """And has no body."""
    await client.stream("?startup=true")
    node.block(A)
    assert await client.head("/v1/decisions/stream") == b""
    assert await client.head("/v1/decisions/stream?startup=true") == b""
    assert await client.head("/v1/decisions") == b""

    assert await client.stream() == ([A], [])


async def test_a_client_that_goes_before_its_answer_was_sent_is_told_again(
    client: Client, served: Served, node: FakeBouncing
):
    """The cursor moves after the body."""
    await client.stream("?startup=true")
    for number in range(20_000):
        node.block(f"10.1.{number >> 8}.{number & 255}")
    reader, writer = await served.connect()
    writer.write(b"GET /v1/decisions/stream HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: feeds-secret\r\n\r\n")
    await reader.readexactly(4_096)
    writer.transport.abort()

    new, _ = await client.stream()

    assert len(new) == 20_000
    assert await client.stream() == ([], [])


async def test_scopes_filter_the_stream(client: Client, node: FakeBouncing):
    """With a cursor of their own; by default hosts and ranges."""
    for text in (A, NET, SIX):
        node.block(text)
    assert await client.stream("?scopes=ip") == (sorted([SIX, A]), [])
    assert await client.stream("?scopes=range") == ([NET], [])
    node.end(NET)
    assert await client.stream("?scopes=ip") == ([], [])
    assert await client.stream("?scopes=range") == ([], [NET])
    assert await client.stream("?scopes=country") == ([], [])


async def test_what_no_longer_fits_the_filter_is_deleted(client: Client, node: FakeBouncing):
    """It is blocked for another reason now, which this bouncer does not want."""
    node.block(A, category=Category.SSH)
    assert await client.stream("?scenarios_containing=ssh") == ([A], [])
    node.block(A, category=Category.WEB)

    assert await client.stream("?scenarios_containing=ssh") == ([], [A])


async def test_after_a_week_all_is_told_again_and_ends_are_not_lost(
    client: Client, node: FakeBouncing, clock: FixedClock
):
    """The longest duration is 24 days; what ended in the meantime is in the next answer."""
    node.block(A, seconds=0)
    node.block(B)
    await client.stream("?startup=true")
    node.end(B)
    clock.running += RETOLD_SECONDS

    assert await client.stream() == ([A], [])
    assert await client.stream() == ([], [B])
    assert await client.stream() == ([], [])


async def test_what_ends_while_the_whole_list_is_made_is_told(client: Client, node: FakeBouncing):
    """It may have been in it: begun before the change, and sent after."""
    for number in range(2_000):
        node.block(f"10.1.{number >> 8}.{number & 255}")
    asked = asyncio.create_task(client.stream("?startup=true"))
    await eventually(lambda: node.walks)
    node.block(A)
    node.end("10.1.0.0")
    new, _ = await asked
    later, deleted = await client.stream()

    assert (set(new) | set(later)) - set(deleted) == {
        A, *(f"10.1.{number >> 8}.{number & 255}" for number in range(1, 2_000))
    }  # fmt: skip


async def test_many_changes_are_told_whole(client: Client, node: FakeBouncing):
    """In pieces, of both kinds."""
    texts = [f"10.1.{number >> 8}.{number & 255}" for number in range(10_000)]
    await client.stream("?startup=true")
    for text in texts:
        node.block(text)
    assert await client.stream() == (sorted(texts), [])
    for text in texts:
        node.end(text)
    assert await client.stream() == ([], sorted(texts))


async def test_a_turn_of_the_loop_renders_one_piece_however_many_ask(
    client: Client, node: FakeBouncing, monkeypatch: pytest.MonkeyPatch
):
    """Else a hundred start-ups would stall everybody else for a hundred pieces."""
    for number in range(3 * ROWS):
        node.block(f"10.1.{number >> 8}.{number & 255}")
    await client.stream("?startup=true")
    turns, rendered, told = [0], [], Piece.told

    def counted(piece: Piece, spoken: object) -> bytes:
        rendered.append(turns[0])
        return told(piece, spoken)

    async def turning() -> None:
        while True:
            turns[0] += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(Piece, "told", counted)
    async with asyncio.TaskGroup() as group:
        loop = group.create_task(turning())
        await asyncio.gather(*(client.stream("?startup=true") for _ in range(20)))
        loop.cancel()

    assert len(rendered) == 60
    assert max(Counter(rendered).values()) <= 2


async def test_durations_are_of_the_time_of_sending(client: Client, node: FakeBouncing):
    """Also those of a list that was made before."""
    node.block(A, seconds=100)
    await client.stream("?startup=true")
    node.wall += 40.5

    body = json.loads(await client.body("/v1/decisions/stream?startup=true"))

    assert [one["duration"] for one in body["new"]] == ["59s"]
    assert node.walks == 1


# --- what is --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "?ip=192.0.2.1", "?range=192.0.2.0/24", "?type=captcha", "?value=nobody"])
async def test_nothing_is_exactly_null(client: Client, node: FakeBouncing, query: str):
    """Four bytes: some bouncers take [] for a decision."""
    if query:
        node.block(A)

    assert await client.body(f"/v1/decisions{query}") == b"null"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [NET, SIX, A, B]),
        (f"?ip={A}", [A]),
        ("?ip=198.51.100.77", [NET]),
        ("?ip=198.51.100.77&scopes=ip", None),
        ("?ip=198.51.100.77&scope=Range", [NET]),
        (f"?ip={SIX}", [SIX]),
        ("?range=198.51.100.128/25", [NET]),
        ("?range=203.0.113.0/24", None),
        ("?range=203.0.113.0/24&contains=false", [B, A]),
        ("?range=203.0.113.0/24&contains=false&limit=0&scopes=range", None),
        (f"?value={A}", [A]),
        (f"?value={NET}&scope=Range", [NET]),
        (f"?value={NET}&scope=Ip", None),
        ("?value=198.51.100.77", None),
        (f"?value={A}&ip={B}", None),
        ("?scopes=range", [NET]),
        ("?type=ban&origins=p2pfw", [NET, SIX, A, B]),
        ("?origins=lists", None),
        ("?scenarios_containing=web", [B]),
        ("?scenarios_not_containing=ssh", [B]),
        (f"?ip={B}&scenarios_containing=ssh", None),
    ],
)
async def test_what_fits_is_found(client: Client, node: FakeBouncing, query: str, found: list[str] | None):
    """Every filter by itself, and some together."""
    for text in (A, NET, SIX):
        node.block(text)
    node.block(B, category=Category.WEB)

    assert await client.find(query) == (found and sorted(found))


async def test_the_limit_cuts_the_answer(client: Client, node: FakeBouncing):
    """To so many."""
    for number in range(9):
        node.block(f"203.0.113.{number}")

    assert len(await client.find("?limit=4")) == 4
    assert len(await client.find("?range=203.0.113.0/24&contains=false&limit=2")) == 2


async def test_asking_what_is_moves_no_cursor(client: Client, node: FakeBouncing):
    """Only the stream has one."""
    await client.stream("?startup=true")
    node.block(A)
    await client.find()

    assert await client.stream() == ([A], [])
