"""This node's own blocks, for whoever lists them as rules."""

from p2pfw.core.prefix import key_text
from p2pfw.errors import FirewallError
from tests.app.world import World

MINE, LOCAL, THEIRS, FOREVER = "203.0.113.9", "203.0.113.10", "203.0.113.11", "203.0.113.12"


async def listed(node):
    """Prefix → (packets, bytes, installed)."""
    return {key_text(one.key): (one.packets, one.bytes, one.installed) for one in await node.app.own_blocks()}


async def test_own_blocks_are_listed_announced_or_not():
    """Also those without an end; what a peer said is not, though it is adopted here as well."""
    world = World()
    a, b = await world.node("a", owner=1, enforce=True), await world.node("b", owner=1)
    await world.meet(a, b)
    await world.advance(seconds=2)
    await a.beside(a.block(MINE))
    await a.beside(a.block(LOCAL, local_only=True))
    await a.beside(a.block(FOREVER, ttl="forever"))
    await b.block(THEIRS)
    await world.settle()

    assert a.adopts(THEIRS)
    assert await listed(a) == {f"{one}/32": (0, 0, True) for one in (MINE, LOCAL, FOREVER)}


async def test_what_ended_or_was_taken_back_is_not_listed():
    """At once, whether or not the kernel has been told."""
    world = World()
    a = await world.node("a", owner=1, enforce=True)
    await a.beside(a.block(MINE, ttl="60s"))
    await a.beside(a.block(LOCAL, ttl="60s", local_only=True))
    await a.beside(a.block(FOREVER, ttl="forever"))
    await a.beside(a.unblock(FOREVER))
    before = await listed(a)
    await world.advance(seconds=120)

    assert before.keys() == {f"{MINE}/32", f"{LOCAL}/32"}
    assert await listed(a) == {}


async def test_counters_are_the_kernels():
    """Of what dropped something."""
    world = World()
    a = await world.node("a", owner=1, enforce=True)
    await a.beside(a.block(MINE))
    await world.advance(seconds=1)
    (block,) = await a.app.own_blocks()
    a.firewall.packets[block.key] = (3, 252)

    assert await listed(a) == {f"{MINE}/32": (3, 252, True)}


async def test_in_observe_mode_nothing_is_installed():
    """And nothing is counted."""
    world = World()
    a = await world.node("a", owner=1)
    await a.block(MINE)

    assert await listed(a) == {f"{MINE}/32": (0, 0, False)}


async def test_a_kernel_that_cannot_be_read_still_gives_a_list():
    """Without counters; that it cannot be read is a health line elsewhere."""
    world = World()
    a = await world.node("a", owner=1, enforce=True)
    await a.beside(a.block(MINE))

    async def broken():
        raise FirewallError("cannot be read")

    a.firewall.tallies = broken

    assert (await listed(a)).keys() == {f"{MINE}/32"}
