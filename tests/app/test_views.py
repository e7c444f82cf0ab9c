"""State as answers: true at the instant, in pages, for whoever asks."""

import asyncio

import pytest

from p2pfw import schema
from p2pfw.core.prefix import Prefix, PrefixKey, key_text
from p2pfw.errors import InputError
from tests.app.test_importing import hosts, load
from tests.app.world import CALLER, Running, World, key, peer_id

BAD = "203.0.113.9"


async def network(world: World) -> tuple[Running, Running]:
    """A adopts a block of its own and holds one of C, whom it trusts a little."""
    a, c = await world.node("a", owner=1, enforce=True), await world.node("c", owner=2)
    await world.meet(a, c, trust=0.3)
    await world.advance(seconds=2)
    await a.beside(a.block(BAD, ttl="4h", category="ssh", wait=True))
    await c.block("203.0.113.10")
    await world.settle()
    return a, c


async def test_status_counts_what_there_is():
    """Every number from where it lives."""
    world = World()
    a, _ = await network(world)
    await a.beside(a.allow("198.51.100.0/24"))
    await world.advance(seconds=1)
    status = a.app.status()

    assert (status.name, status.network, status.mode, status.enforcing) == ("a", "example", "enforce", True)
    assert (status.adopted, status.held, status.refused, status.installed) == (1, 1, 0, 1)
    assert (status.peers, status.whitelist, status.fleet, status.pending) == (1, 1, 1, 0)
    assert status.entries == 2
    assert status.node_id == peer_id(a)
    assert status.uptime == 3
    assert status.memory_bytes == 1 << 20
    assert status.confirming is None


async def test_the_listing_has_views_and_origins():
    """adopted, held, refused, installed, all; by origin's name or id; what contains an address."""
    world = World()
    a, c = await network(world)

    async def prefixes(view: str, origin: str = "", contains: str = "") -> list[str]:
        inside = Prefix.parse(contains) if contains else None
        return [one.prefix for one in (await a.app.listing(view, origin, inside, 100, "")).entries]

    assert await prefixes("adopted") == await prefixes("installed") == [f"{BAD}/32"]
    assert await prefixes("held") == ["203.0.113.10/32"]
    assert await prefixes("refused") == []
    assert await prefixes("all") == [f"{BAD}/32", "203.0.113.10/32"]
    assert await prefixes("all", origin="c") == await prefixes("all", origin=peer_id(c)) == ["203.0.113.10/32"]
    assert await prefixes("all", contains=BAD) == [f"{BAD}/32"]
    (entry,) = (await a.app.listing("adopted", "", None, 10, "")).entries
    assert (entry.installed, entry.category, entry.origins[0], entry.reason) == (True, "ssh", "this node", "operator")


async def test_pages_hold_everything_once():
    """By cursors, each entry on exactly one page, with the total on all."""
    world = World()
    a = await world.node("a")
    for number in range(25):
        await a.block(f"45.0.0.{number}")
    seen, cursor = [], ""
    while True:
        page = await a.app.listing("all", "", None, 10, cursor)
        seen += [entry.prefix for entry in page.entries]
        assert page.total == 25
        cursor = page.cursor
        if not cursor:
            break

    assert seen == [f"45.0.0.{number}/32" for number in range(25)]


async def test_the_top_is_what_dropped_most():
    """Packets and bytes of each, the most first; what dropped nothing is not shown."""
    world = World()
    a = await world.node("a", enforce=True)
    await load(a, hosts(5))
    first, second, third, *_ = hosts(5)
    a.firewall.packets = {first: (3, 180), second: (41, 2_460), third: (0, 0), key("203.0.113.77"): (9, 9)}
    top = await a.app.listing("top", "", None, 10, "")

    assert [(one.prefix, one.packets, one.bytes) for one in top.entries] == [
        (key_text(second), 41, 2_460),
        (key_text(first), 3, 180),
    ]
    assert top.cursor == ""
    assert len((await a.app.listing("top", "", None, 1, "")).entries) == 1
    assert (await a.app.listing("top", "nobody", None, 10, "")).entries == []
    assert (await a.app.listing("top", "", Prefix.parse("198.51.100.1"), 10, "")).entries == []
    await a.beside(a.app.set_mode(schema.ModeRequest(mode="observe"), CALLER))
    assert (await a.app.listing("top", "", None, 10, "")).entries == []


async def test_a_long_listing_lets_the_loop_turn():
    """Ten thousand entries on a slow machine: others get their turn in between, and the page is the same."""
    world = World()
    a = await world.node("a")
    await load(a, hosts(10_000))
    tick = a.clock.monotonic
    a.clock.monotonic = lambda: (world.clock.pass_time(0.001), tick())[1]
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    page = await a.app.listing("all", "", None, 10, "")
    task.cancel()

    assert turns > 20
    assert (page.total, page.entries[9].prefix) == (10_000, "45.0.0.9/32")


SPELLINGS = ("zz", "-1", "0x10", "1_0", "\N{ARABIC-INDIC DIGIT ONE}", "f" * 36)


@pytest.mark.parametrize(
    ("view", "cursor", "field"), [("mine", "", "view"), *(("all", one, "cursor") for one in SPELLINGS)]
)
async def test_impossible_questions_are_refused(view: str, cursor: str, field: str):
    """With the field that is wrong."""
    world = World()
    a = await world.node("a")
    with pytest.raises(InputError) as caught:
        await a.app.listing(view, "", None, 10, cursor)

    assert caught.value.field == field


async def test_the_blocklist_is_in_order_and_names_reasons():
    """What renderers get: key, end, reason, category."""
    world = World()
    a, _ = await network(world)
    await a.block("2001:db8:9::/64", ttl="forever", local_only=True)
    rows = list(await a.app.adopted())

    assert [row.key for row in rows] == sorted(row.key for row in rows)
    assert [(row.key, row.reason, row.category) for row in rows] == [
        (key(BAD), "operator", 0),
        (key("2001:db8:9::/64"), "operator", 6),
    ]
    assert rows[1].until == 0


async def test_the_longest_covering_entry_answers_for_an_address():
    """None where nothing covers it."""
    world = World()
    a, _ = await network(world)
    await a.beside(a.block("203.0.113.0/28", wait=True))
    found = a.app.covering(Prefix.parse(BAD))
    wider = a.app.covering(Prefix.parse("203.0.113.3"))

    assert found is not None
    assert (found.prefix, found.installed, found.category) == (f"{BAD}/32", True, "ssh")
    assert wider is not None
    assert wider.prefix == "203.0.113.0/28"
    assert a.app.covering(Prefix.parse("198.51.100.1")) is None


async def test_the_generation_changes_with_what_is_adopted():
    """A strong validator: another one after each change, and in another process."""
    world = World()
    a = await world.node("a")
    first = a.app.generation()
    assert a.app.generation() == first
    await a.block(BAD)
    second = a.app.generation()
    assert second != first
    await a.unblock(BAD)

    assert a.app.generation() not in (first, second)


async def test_recent_events_are_filtered_by_id_and_time():
    """`p2pfw events --since`."""
    world = World()
    a = await world.node("a")
    await a.block(BAD)
    world.clock.pass_time(100)
    await a.block("203.0.113.10")
    late = a.app.recent_events(0, world.clock.wall - 50)

    assert {event.prefix for event in late} == {"203.0.113.10/32"}
    assert len(a.app.recent_events(0, 0)) > len(late)
    assert a.app.events(0) is not None


async def test_numbers_are_keys():
    """Keys that views give are the ones that the core knows."""
    world = World()
    a, _ = await network(world)

    assert all(isinstance(PrefixKey(row.key), int) for row in await a.app.adopted())
