"""Lists by the hundred thousand: sifted with reasons, whole or nothing, and told how far they are."""

import pytest

from p2pfw import schema
from p2pfw.core.prefix import PrefixKey, v4_key
from p2pfw.errors import DiskFullError, FirewallError, InputError, NotAcceptableError
from p2pfw.ports import Neighbour
from p2pfw.rows import IntentionRow, LocalRow, PutAnnouncement
from tests.app.fakes import START
from tests.app.world import CALLER, Running, World, key


def hosts(count: int, first: int = 45 << 24) -> list[PrefixKey]:
    """So many public addresses."""
    return [v4_key(first + number, 32) for number in range(count)]


async def load(one: Running, keys: list[PrefixKey], **terms) -> list[schema.ImportProgress]:
    """Import, with judgement and kernel at work beside."""

    async def drain() -> list[schema.ImportProgress]:
        request = schema.BlockRequest(**{"ttl": "1h", **terms})
        return [step async for step in one.app.import_blocks(keys, request, CALLER)]

    return await one.beside(drain())


async def test_a_list_becomes_full_announcements():
    """1,024 an announcement, in order; adopted here and on the neighbour."""
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b", owner=1)
    await world.meet(a, b)
    steps = await load(a, list(reversed(hosts(2_500))))
    await world.settle()

    assert [(step.stage, step.entries, step.announcements) for step in steps] == [
        ("parsed", 2_500, 0),
        ("recorded", 2_500, 3),
    ]
    puts = [write for write in a.store.log if isinstance(write, PutAnnouncement) and write.kind == 0]
    assert [len(put.raw.body) // 12 for put in puts] == [1_024, 1_024, 452]
    assert sum(1 for _ in a.node.domain.adoption.adopted()) == 2_500
    assert sum(1 for _ in b.node.domain.adoption.adopted()) == 2_500


async def test_in_enforce_mode_it_ends_when_the_kernel_has_it():
    """The last step says installed, and it is."""
    world = World()
    a = await world.node("a", enforce=True)
    steps = await load(a, hosts(2_000))

    assert [step.stage for step in steps] == ["parsed", "recorded", "installed"]
    assert len(a.firewall.held()) == 2_000


async def test_a_kernel_that_fails_is_the_last_word():
    """Kept and announced, and the problem is told as one."""
    world = World()
    a = await world.node("a", enforce=True)
    a.judge()
    await a.node.enforcing.step()
    a.firewall.fail(*[FirewallError("ipset: no luck")] * 40)
    steps = await load(a, hosts(10))

    assert [step.stage for step in steps] == ["parsed", "recorded", "failed"]
    assert steps[-1].problem is not None
    assert steps[-1].problem.detail == "ipset: no luck"
    assert a.adopts("45.0.0.3")


async def test_what_may_not_be_blocked_is_skipped_and_counted():
    """Each reason by its word; what stands for as long already is known."""
    world = World()
    a = await world.node("a", start=False)
    a.machine.near = [Neighbour(key=key("45.0.0.1"), reason="gateway on eth0")]
    await a.start()
    await a.beside(a.allow("45.0.0.2"))
    await a.block("45.0.0.3", ttl="1d")
    world.wait(1)
    keys = [*hosts(6), key("127.0.0.1"), key("10.0.0.1")]
    steps = await load(a, keys)

    assert steps[0].skipped == {"soft": 1, "whitelist": 1, "known": 1, "hard": 1, "private": 1}
    assert steps[0].entries == 3
    assert a.until("45.0.0.3") == START + 86_400


async def test_nothing_left_to_block_is_no_error():
    """The same list twice: the second is known, and announces nothing."""
    world = World()
    a = await world.node("a")
    await load(a, hosts(5))
    steps = await load(a, hosts(5))

    assert [(step.stage, step.entries, step.announcements) for step in steps] == [("parsed", 0, 0), ("recorded", 0, 0)]


async def test_on_a_full_disk_nothing_of_it_is_blocked():
    """Whole or nothing: no announcement, no verdict, no intention that a renewal would bring up later."""
    world = World()
    a = await world.node("a")
    a.store.fill_up()
    with pytest.raises(DiskFullError):
        await load(a, hosts(2_000), ttl="forever")
    a.store.repair()
    await world.advance(hours=13)

    assert a.store.rows(IntentionRow) == []
    assert a.node.domain.standing == {}
    assert not list(a.node.domain.adoption.adopted())


async def test_a_standing_list_is_meant_for_ever():
    """Every prefix is an intention; all of it is renewed."""
    world = World()
    a, c = await world.node("a", owner=1), await world.node("c", owner=2)
    await world.meet(a, c, trust=0.9)
    await load(a, [key("45.0.0.1"), key("46.0.0.1")], ttl="forever")
    assert len(a.store.rows(IntentionRow)) == 2
    await world.advance(hours=30)

    assert c.adopts("45.0.0.1")
    assert c.adopts("46.0.0.1")


async def test_a_standing_list_after_a_pardon_is_still_meant_after_a_restart():
    """Imported in the second of the pardon, it is dated after it: what the start reads is later than the pardon."""
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b", owner=1)
    await world.meet(a, b)
    await b.block("45.0.0.1", ttl="1h")
    await world.settle()
    await a.unblock("45.0.0.1")
    await load(a, [key("45.0.0.1"), key("46.0.0.1")], ttl="forever")
    await a.restart()
    await world.settle()

    assert a.node.domain.standing.keys() == {key("45.0.0.1"), key("46.0.0.1")}
    assert a.adopts("45.0.0.1")


async def test_a_local_list_is_not_announced():
    """It is on disk and adopted, and nobody else's business."""
    world = World()
    a = await world.node("a")
    steps = await load(a, hosts(300), local_only=True)
    assert steps[-1].announcements == 0
    assert len(a.store.rows(LocalRow)) == 300
    await a.restart(crash=True)
    a.judge()

    assert sum(1 for _ in a.node.domain.adoption.adopted()) == 300
    assert a.store.held == {}


async def test_a_shorter_wish_that_waits_gives_way():
    """A list that blocks longer what waits already is the last word about it."""
    world = World()
    a = await world.node("a")
    await a.block("46.0.0.1")
    await a.block("45.0.0.1", ttl="1h")
    await load(a, hosts(3), ttl="10h")
    await a.node.announcing.flush()

    assert a.until("45.0.0.1") == START + 36_000


async def test_more_than_this_nodes_share_is_refused_before_anything_is_kept(monkeypatch):
    """A node has half of its owner's share of every store: a list beyond it would be dropped by all others."""
    monkeypatch.setattr("p2pfw.app.domain.SHARE", 200)
    world = World()
    a = await world.node("a")
    with pytest.raises(NotAcceptableError):
        await load(a, hosts(150))

    assert a.store.held == {}


async def test_a_silent_node_refuses_a_list():
    """What cannot be announced now is not half accepted."""
    world = World()
    a = await world.node("a")
    a.node.originator.hold("test", "it is a test")
    with pytest.raises(NotAcceptableError, match="it is a test"):
        await load(a, hosts(3), ttl="forever")

    assert a.node.domain.standing == {}
    assert a.store.rows(IntentionRow) == []


async def test_terms_are_checked_first():
    """A bad ttl is the caller's, before the list is looked at."""
    world = World()
    a = await world.node("a")
    with pytest.raises(InputError) as caught:
        await load(a, hosts(3), ttl="soon")

    assert caught.value.field == "ttl"
