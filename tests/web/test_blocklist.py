"""GET /v1/blocklist: formats, families, pages, validators; rendered once and sent whole."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.aggregate import aggregate
from p2pfw.core.prefix import Prefix, key_text
from p2pfw.formats import Merging
from p2pfw.web import answers, rendering, server
from p2pfw.web.reading import accepts_gzip, matches, preferred
from p2pfw.web.rendering import Renderer, Variant
from tests.web.fake_operations import NOW, Block, FakeOperations
from tests.web.serving import Served, eventually

SOME = ["10.0.0.0/8", "192.0.2.0/25", "192.0.2.128/25", "203.0.113.9/32", "2001:db8::/48", "2001:db8:1::1/128"]


def put(operations: FakeOperations, *texts: str, until: int = NOW + 60) -> None:
    """Block them, as one change."""
    operations.blocks.update({Prefix.parse(text).key: Block(until, "ssh") for text in texts})
    operations.changes += 1


@pytest.mark.parametrize(
    ("query", "accept", "media"),
    [
        ("", "", "application/json"),
        ("", "*/*", "application/json"),
        ("", "text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("", "text/plain", "text/plain; charset=utf-8"),
        ("", "application/x-ndjson, application/json;q=0.9", "application/x-ndjson"),
        ("", "text/plain;q=0.5, application/json", "application/json"),
        ("", "text/plain;q=x, application/x-ndjson;q=0.1", "application/x-ndjson"),
        ("", "text/plain;q=0, application/x-ndjson;q=0.1", "application/x-ndjson"),
        ("?format=json", "text/plain", "application/json"),
        ("?format=plain", "application/json", "text/plain; charset=utf-8"),
        ("?format=ndjson", "", "application/x-ndjson"),
    ],
)
async def test_the_format_is_asked_for_or_accepted(served: Served, query: str, accept: str, media: str):
    """?format= wins; else what Accept likes best; else JSON."""
    put(served.operations, *SOME)
    headers = {"Accept": accept}
    async with served.client() as session, session.get(f"/v1/blocklist{query}", headers=headers) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == media
        assert answer.headers["Vary"] == "Accept, Accept-Encoding"
        body = await answer.text()

    assert prefixes_of(body, media) == SOME


def prefixes_of(body: str, media: str) -> list[str]:
    """As canonical texts, in the order of the answer."""
    if media == "application/json":
        return [entry["prefix"] for entry in json.loads(body)]
    lines = body.splitlines()
    if media == "application/x-ndjson":
        return [json.loads(line)["prefix"] for line in lines]
    return [str(Prefix.parse(line)) for line in lines]


@given(st.text(max_size=80))
def test_any_accept_header_gives_one_of_our_formats(accept: str):
    """Whatever a client says."""
    assert preferred(accept) in rendering.FORMS


async def test_an_entry_says_what_is_true_for_the_whole_generation(served: Served):
    """Nothing that changes without a new generation; no end is null."""
    put(served.operations, "203.0.113.9", until=0)
    async with served.client() as session, session.get("/v1/blocklist") as answer:
        entries = await answer.json()

    assert entries == [{"prefix": "203.0.113.9/32", "reason": "operator", "expires": None, "category": "ssh"}]


@pytest.mark.parametrize(("kind", "empty"), [("json", "[]"), ("ndjson", ""), ("plain", "")])
async def test_an_empty_list_is_well_formed(served: Served, kind: str, empty: str):
    """No stray line, no half bracket."""
    async with served.client() as session, session.get("/v1/blocklist", params={"format": kind}) as answer:
        assert (answer.status, await answer.text()) == (200, empty)


@pytest.mark.parametrize(("family", "wanted"), [("4", SOME[:4]), ("6", SOME[4:])])
async def test_one_family_only(served: Served, family: str, wanted: list[str]):
    """?family=4|6."""
    put(served.operations, *SOME)
    async with served.client() as session, session.get("/v1/blocklist", params={"family": family}) as answer:
        assert prefixes_of(await answer.text(), "application/json") == wanted


async def test_the_fewest_prefixes(served: Served):
    """?aggregate=1 merges; the same addresses, family by family."""
    put(served.operations, *SOME, "10.1.0.0/16")
    async with served.client() as session:
        async with session.get("/v1/blocklist?format=plain&aggregate=1&family=4") as answer:
            assert await answer.text() == "10.0.0.0/8\n192.0.2.0/24\n203.0.113.9\n"
        async with session.get("/v1/blocklist?format=plain&aggregate=1&limit=2") as answer:
            assert await answer.text() == "10.0.0.0/8\n192.0.2.0/24\n"
            cursor = answer.headers["X-Next-Cursor"]
        async with session.get(f"/v1/blocklist?format=plain&aggregate=1&cursor={cursor}") as answer:
            assert await answer.text() == "203.0.113.9\n2001:db8::/48\n2001:db8:1::1\n"


@pytest.mark.parametrize("count", [0, 1, 2, 3, 499, 500, 501, 1_000, 1_001])
@pytest.mark.parametrize("limit", [1, 2, 499, 500, 501, 2_000])
async def test_pages_together_are_the_list(count: int, limit: int):
    """Each entry once, in order, whatever the limit; the last page has no cursor, full or not."""
    if count // limit > 50:
        limit *= 100
    operations = FakeOperations()
    operations.fill(count)
    renderer, cursor, seen, pages = Renderer(operations, lambda: NOW), "", [], 0
    while True:
        variant = Variant(format="plain", limit=limit, cursor=rendering.read_cursor(cursor))
        _, page = await renderer.page(variant)
        seen += b"".join(page.parts).decode().split()
        pages, cursor = pages + 1, page.cursor
        if not cursor:
            break

    assert seen == [key_text(key).removesuffix("/32") for key in sorted(operations.blocks)]
    assert pages == max(1, -(-count // limit))


async def test_a_cursor_outlives_changes(served: Served):
    """It names a place, not a page of some generation: what is still to come is not repeated nor left out."""
    put(served.operations, *SOME)
    async with served.client() as session:
        async with session.get("/v1/blocklist?limit=2") as answer:
            cursor = answer.headers["X-Next-Cursor"]
        del served.operations.blocks[Prefix.parse("192.0.2.0/25").key]
        put(served.operations, "8.8.8.8", "198.51.100.1")
        async with session.get(f"/v1/blocklist?limit=3&cursor={cursor}") as answer:
            found = prefixes_of(await answer.text(), "application/json")

    assert found == ["192.0.2.128/25", "198.51.100.1/32", "203.0.113.9/32"]


async def test_a_cursor_behind_the_end_gives_an_empty_page(served: Served):
    """Not an error: the entries that were there may be gone."""
    put(served.operations, *SOME)
    async with served.client() as session, session.get(f"/v1/blocklist?cursor={'f' * 35}") as answer:
        assert (await answer.text(), answer.headers.get("X-Next-Cursor")) == ("[]", None)


# --- validators ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "same"),
    [
        ('"a-1"', True),
        ('W/"a-1"', True),
        ('"x", "a-1"', True),
        ('"x",W/"y",  W/"a-1" , "z"', True),
        ("*", True),
        (" * ", True),
        ('"a,b","a-1"', True),
        ("", False),
        ("a-1", False),
        ('"a-11"', False),
        ('"a-1', False),
        ('"x, "a-1', False),
    ],
)
def test_if_none_match_is_a_list(header: str, same: bool):
    """RFC 9110 13.1.2: a list, weak comparison, or *."""
    assert matches(header, '"a-1"') is same


@pytest.mark.parametrize("query", ["", "?format=plain", "?limit=1", "?family=6", "?format=plain&aggregate=1"])
async def test_what_did_not_change_is_304(served: Served, query: str):
    """With the validator, without a body, without rendering anything."""
    put(served.operations, *SOME)
    async with served.client() as session:
        async with session.get(f"/v1/blocklist{query}") as answer:
            tag = answer.headers["ETag"]
        assert tag.startswith('"')
        async with session.get(f"/v1/blocklist{query}", headers={"If-None-Match": f'"other", W/{tag}'}) as answer:
            assert (answer.status, answer.headers["ETag"], await answer.read()) == (304, tag, b"")

        put(served.operations, "198.51.100.1")
        async with session.get(f"/v1/blocklist{query}", headers={"If-None-Match": tag}) as answer:
            assert answer.status == 200
            assert answer.headers["ETag"] != tag


def test_no_two_variants_share_a_validator():
    """A strong validator is of these very bytes."""
    tags = {
        Variant(format=kind, family=family, aggregate=merged, limit=limit, cursor=cursor).tag("g", gzip=gzip)
        for kind, form in rendering.FORMS.items()
        for family in (0, 4, 6)
        for merged in ((False, True) if form.merging is not Merging.NEVER else (False,))
        for limit in (0, 1, 12)
        for cursor in (-1, 0, 1, 0x12)
        for gzip in (False, True)
    }
    able = sum(form.merging is not Merging.NEVER for form in rendering.FORMS.values())

    assert len(tags) == (len(rendering.FORMS) + able) * 3 * 3 * 4 * 2


async def test_it_is_rendered_once_a_generation():
    """Who asks at the same time, or later, gets the same bytes."""
    operations = FakeOperations()
    operations.fill(5_000)
    renders = []
    real = operations.adopted
    operations.adopted = lambda: renders.append(1) or real()
    renderer = Renderer(operations, lambda: NOW)

    pages = await asyncio.gather(*(renderer.page(Variant(format="json")) for _ in range(5)))
    assert len(renders) == 1
    assert all(page is pages[0][1] for _, page in pages)

    operations.fill(5_001)
    await renderer.page(Variant(format="json"))
    assert len(renders) == 2


async def test_only_a_few_renderings_are_kept():
    """Clients that ask for ever new pages cost no memory."""
    operations = FakeOperations()
    operations.fill(100)
    renderer = Renderer(operations, lambda: NOW)
    for limit in range(1, 50):
        await renderer.page(Variant(format="plain", limit=limit))

    assert len(renderer._pages) == rendering.KEPT


async def test_what_changes_while_it_is_rendered_gets_no_validator(monkeypatch):
    """A mixture of two generations is a fair answer, and must not be kept or confirmed as either of them."""
    monkeypatch.setattr(rendering, "SLICE", 10)
    operations = FakeOperations()
    operations.fill(100)
    renderer = Renderer(operations, lambda: NOW)

    rendering_now = asyncio.create_task(renderer.page(Variant(format="plain")))
    await asyncio.sleep(0)
    operations.changes += 1
    tag, page = await rendering_now

    assert tag == ""
    assert len(b"".join(page.parts).split()) == 100
    assert renderer._pages == {}
    assert (await renderer.page(Variant(format="plain")))[0] != ""


async def test_others_get_their_turn_while_it_is_rendered():
    """Slices: between two of them the loop does other things."""
    operations = FakeOperations()
    operations.fill(rendering.SLICE * 10)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    await Renderer(operations, lambda: NOW).page(Variant(format="json"))
    beside.cancel()

    assert turns >= 10


@given(st.lists(st.integers(0, 255), max_size=40))
def test_the_merged_list_is_that_of_core(octets: list[int]):
    """The renderer adds nothing to p2pfw.core.aggregate."""
    operations = FakeOperations()
    put(operations, *(f"192.0.2.{octet}" for octet in octets))
    _, page = asyncio.run(Renderer(operations, lambda: NOW).page(Variant(format="plain", aggregate=True)))

    assert [Prefix.parse(line).key for line in b"".join(page.parts).decode().split()] == aggregate(
        list(operations.blocks)
    )


# --- compressed ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("", False),
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("*", True),
        ("*;q=0", False),
        ("deflate", False),
        ("gzip;q=x", False),
    ],
)
def test_gzip_is_for_who_takes_it(header: str, wanted: bool):
    """RFC 9110 12.5.3."""
    assert accepts_gzip(header) is wanted


@pytest.mark.parametrize("kind", sorted(rendering.FORMS))
async def test_every_format_goes_out_plain_and_compressed(served: Served, kind: str):
    """The same text; each has a strong validator of its own, and is confirmed by that alone."""
    served.operations.fill(3_000)
    target = f"/v1/blocklist?format={kind}"
    async with served.client() as session:
        async with session.get(target, headers={"Accept-Encoding": "identity"}) as answer:
            plain, tag = await answer.read(), answer.headers["ETag"]
            assert answer.status == 200
            assert "Content-Encoding" not in answer.headers
            assert answer.headers["Content-Type"] == rendering.FORMS[kind].media
        async with session.get(target, headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert await answer.read() == plain
            packed = answer.headers["ETag"]
        assert packed != tag
        for known, coding, status in ((packed, "gzip", 304), (tag, "gzip", 200), (packed, "identity", 200)):
            headers = {"Accept-Encoding": coding, "If-None-Match": known}
            async with session.get(target, headers=headers) as answer:
                assert answer.status == status


async def test_the_same_validator_means_the_same_bytes():
    """Also when it was rendered anew, later: the time in a list is that of its generation, and rises with each."""
    operations, clock = FakeOperations(), iter(range(NOW, NOW + 100))
    operations.fill(10)
    renderer = Renderer(operations, lambda: next(clock))
    seen = {}
    for _ in range(2):
        for kind in rendering.FORMS:
            tag, page = await renderer.page(Variant(format=kind), gzip=True)
            assert seen.setdefault(tag, page.parts) == page.parts
        renderer._pages.clear()
    _, before = await renderer.page(Variant(format="rpz"))
    operations.changes += 1
    _, after = await renderer.page(Variant(format="rpz"))

    serials = [int(b"".join(page.parts).split()[6]) for page in (before, after)]
    assert serials[0] < serials[1]


async def test_what_is_kept_has_a_bound_in_bytes(monkeypatch):
    """And nothing of an older generation stays."""
    operations = FakeOperations()
    operations.fill(1_000)
    renderer = Renderer(operations, lambda: NOW)
    monkeypatch.setattr(rendering, "KEPT_BYTES", 40_000)
    for kind in rendering.FORMS:
        await renderer.page(Variant(format=kind))
        assert len(renderer._pages) == 1 or sum(page.size for page in renderer._pages.values()) <= 40_000
    operations.changes += 1
    await renderer.page(Variant(format="plain"))

    assert len(renderer._pages) == 1


@pytest.mark.parametrize("kind", sorted(rendering.FORMS))
async def test_merging_is_for_formats_of_prefixes_alone(served: Served, kind: str):
    """Else the answer says which can."""
    put(served.operations, "192.0.2.0/25", "192.0.2.128/25")
    able = rendering.FORMS[kind].merging is not Merging.NEVER
    async with served.client() as session, session.get(f"/v1/blocklist?format={kind}&aggregate=1") as answer:
        text = await answer.text()

    assert answer.status == (200 if able else 422)
    assert ("plain" in text) if not able else ("192.0.2.0/25" not in text)


# --- sending -------------------------------------------------------------------------------------------------------


async def test_a_long_list_arrives_whole(served: Served):
    """In pieces, with its length told before."""
    served.operations.fill(20_000)
    as_it_is = {"Accept-Encoding": "identity"}
    async with served.client() as session, session.get("/v1/blocklist", headers=as_it_is) as answer:
        body = await answer.read()

    assert len(body) > answers.PIECE
    assert int(answer.headers["Content-Length"]) == len(body)
    assert len(json.loads(body)) == 20_000


async def test_a_client_that_does_not_read_is_cut_off(served: Served, monkeypatch, caplog):
    """It holds its connection and its buffer only for so long."""
    monkeypatch.setattr(server, "STALL_SECONDS", 0.05)
    served.operations.fill(100_000)
    reader, writer = await served.connect()
    writer.transport.pause_reading()
    writer.write(b"GET /v1/blocklist HTTP/1.1\r\nHost: localhost\r\n\r\n")

    await eventually(lambda: "client stalled" in caplog.text)
    writer.transport.resume_reading()
    received = b""
    try:
        while part := await reader.read(1 << 20):
            received += part
    except ConnectionError:
        pass
    writer.close()

    length = int(received.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
    assert len(received) < length
    assert "request failed" not in caplog.text


@pytest.mark.parametrize(
    ("asked", "status"), [("203.0.113.9", 200), ("192.0.2.1", 200), ("192.0.2.0/24", 404), ("8.8.8.8", 404)]
)
async def test_the_covering_entry(served: Served, asked: str, status: int):
    """The longest adopted one that covers all of it, else 404."""
    put(served.operations, *SOME)
    async with served.client() as session, session.get(f"/v1/blocklist/{asked}") as answer:
        assert answer.status == status
        found = await answer.json(content_type=None)

    assert found.get("installed") is (False if status == 200 else None)
