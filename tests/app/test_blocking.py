"""The operator's blocks: whole or not at all, never shortened, refused with the name of what stands in the way."""

import pytest

from p2pfw import schema
from p2pfw.core.prefix import Prefix
from p2pfw.core.whitelist import WhitelistEntry
from p2pfw.errors import ConflictError, DiskFullError, FirewallError, InputError, NotAcceptableError
from p2pfw.operations import Caller
from p2pfw.ports import Neighbour
from p2pfw.rows import LocalRow
from tests.app.fakes import START
from tests.app.world import CALLER, World, key

BAD, OTHER = "203.0.113.9", "203.0.113.10"
GATEWAY = "192.0.2.1"
SSH = schema.SightingRequest(prefix="192.0.2.9", category="ssh")


async def with_gateway(world: World, *, enforce: bool = False):
    """A node whose default gateway is softly protected, and whose own address is hard."""
    a = await world.node("a", enforce=enforce, start=False)
    a.machine.near = [Neighbour(key=key(GATEWAY), reason="gateway on eth0")]
    a.machine.own = [Neighbour(key=key("192.0.2.77"), reason="own address on eth0")]
    await a.start()
    a.judge()
    return a


async def test_an_answer_says_what_was_asked_for():
    """Canonical prefix, end, state; in observe mode nothing is said to be installed."""
    world = World()
    a = await world.node("a")
    answer = await a.block("203.0.113.9", ttl="1h", category="ssh", reason="brute force")

    assert (answer.prefix, answer.state, answer.not_installed) == ("203.0.113.9/32", "observed", "")
    assert answer.expires == "2027-01-15T09:00:00Z"
    (told,) = a.events("block")
    assert (told.reason, told.detail["by"]) == ("brute force", "socket:0")
    why = await a.app.why(Prefix.parse(BAD))
    assert why.evidence[0].note == "brute force"
    assert why.evidence[0].category == "ssh"


async def test_a_block_extends_and_never_shortens():
    """The later end holds, whatever the order; the same twice is said once."""
    world = World()
    a = await world.node("a")
    await a.block(BAD, ttl="2h")
    world.wait(1)
    shorter = await a.block(BAD, ttl="1h")
    assert shorter.results[0].extended
    assert shorter.announcement == ""
    assert a.until(BAD) == START + 7_200
    longer = await a.block(BAD, ttl="3h")

    assert longer.results[0].extended
    assert a.until(BAD) == START + 1 + 10_800


async def test_nothing_is_extended_that_had_ended():
    """A block after its end is a new one."""
    world = World()
    a = await world.node("a")
    await a.block(BAD, ttl="2d")
    await world.advance(hours=49)
    answer = await a.block(BAD, ttl="1h")

    assert not answer.results[0].extended
    assert answer.expires == "2027-01-17T10:00:00Z"


async def test_a_list_is_blocked_whole_or_not_at_all():
    """One bad element, named by its index, and nothing is blocked."""
    world = World()
    a = await with_gateway(world)
    for bad, error in (("300.1.1.1", InputError), (GATEWAY, ConflictError), ("10.1.2.3", NotAcceptableError)):
        with pytest.raises(error) as caught:
            await a.app.block(schema.BlockRequest(prefixes=[BAD, OTHER, bad]), CALLER)
        assert "prefixes[2]" in caught.value.field or "element 2" in caught.value.problem

    assert not a.adopts(BAD)
    assert a.store.held == {}


@pytest.mark.parametrize("request_", [{}, {"prefixes": []}, {"prefix": BAD, "prefixes": [OTHER]}])
async def test_one_prefix_or_a_list(request_: dict):
    """Neither both nor none."""
    world = World()
    a = await world.node("a")
    with pytest.raises(InputError, match="either prefix or prefixes"):
        await a.app.block(schema.BlockRequest(**request_), CALLER)


async def test_host_bits_and_times_are_refused_with_what_would_be_right():
    """The field is named."""
    world = World()
    a = await world.node("a")
    with pytest.raises(InputError) as caught:
        await a.block("203.0.113.9/24")
    assert (caught.value.field, "203.0.113.0/24" in str(caught.value)) == ("prefix", True)
    with pytest.raises(InputError) as caught:
        await a.block(BAD, ttl="soon")
    assert caught.value.field == "ttl"
    with pytest.raises(InputError) as caught:
        await a.block(BAD, ttl=0)
    assert caught.value.field == "ttl"


async def test_what_stands_in_the_way_is_named():
    """Whitelist, hard and soft protection: the range, what it is, and what would help."""
    world = World()
    a = await with_gateway(world)
    await a.beside(a.allow("198.51.100.0/24", comment="our office"))
    expected = {
        "198.51.100.7": ("198.51.100.0/24", "our office", "off the whitelist"),
        "192.0.2.77": ("192.0.2.77/32", "own address", "nothing may"),
        "192.0.2.0/28": ("192.0.2.1/32", "gateway", "--force"),
        "127.0.0.1": ("127.0.0.0/8", "loopback", "nothing may"),
    }
    for text, (overlap, what, hint) in expected.items():
        with pytest.raises(ConflictError) as caught:
            await a.block(text)
        assert caught.value.overlap == overlap
        assert what in str(caught.value)
        assert hint in caught.value.hint


async def test_force_passes_soft_protection_only():
    """Not hard, not the whitelist, not private space."""
    world = World()
    a = await with_gateway(world)
    await a.beside(a.allow("198.51.100.7"))
    for text in ("192.0.2.77", "127.0.0.1", "198.51.100.7", "10.0.0.1"):
        with pytest.raises(InputError):
            await a.block(text, force=True)
    await a.block(GATEWAY, force=True)

    assert a.adopts(GATEWAY)


@pytest.mark.parametrize("local_only", [True, False])
@pytest.mark.parametrize("prefix", [GATEWAY, "192.0.2.0/28"])
async def test_a_forced_block_drops_packets_and_survives_a_restart(prefix: str, local_only: bool):
    """The kernel's allow set gives way to it, to nothing else, and takes the address back when it is unblocked."""
    world = World()
    a = await with_gateway(world, enforce=True)
    await a.beside(a.block(prefix, force=True, local_only=local_only, wait=True))
    assert key(prefix) in a.firewall.held()
    assert key(GATEWAY) not in a.firewall.allowed
    assert key("192.0.2.77") in a.firewall.allowed
    await a.restart(crash=True)
    a.judge()
    await a.node.enforcing.step()
    assert a.adopts(prefix)
    assert key(GATEWAY) not in a.firewall.allowed

    await a.beside(a.unblock(prefix))
    await a.node.enforcing.step()
    assert key(GATEWAY) in a.firewall.allowed


async def test_a_whitelist_entry_on_a_forced_prefix_is_in_the_kernel():
    """Force opens soft protection, never the whitelist: later whitelisted, the kernel lets it pass."""
    world = World()
    a = await with_gateway(world, enforce=True)
    await a.beside(a.block(GATEWAY, force=True, wait=True))
    await a.beside(a.allow(GATEWAY))

    assert key(GATEWAY) in a.firewall.allowed
    assert not a.adopts(GATEWAY)


async def test_a_forced_mark_ends_with_its_block():
    """When the block is over the gateway is protected again, in memory, on disk and in the kernel."""
    world = World()
    a = await with_gateway(world, enforce=True)
    await a.beside(a.block(GATEWAY, ttl="1h", force=True, reason="why not", wait=True))
    assert {row.source for row in a.store.rows(LocalRow)} == {"force", "note"}
    await world.advance(hours=2)

    assert a.store.rows(LocalRow) == []
    assert key(GATEWAY) in a.firewall.allowed
    with pytest.raises(ConflictError):
        await a.block(GATEWAY)


async def test_private_space_is_blocked_where_the_operator_allows_it():
    """`policy.allow_private`, named in the refusal."""
    world = World()
    a = await world.node("a")
    with pytest.raises(NotAcceptableError, match="allow_private"):
        await a.block("10.1.2.3")
    b = await world.node("b", allow_private=True)
    await b.block("10.1.2.3")

    assert b.adopts("10.1.2.3")


async def test_a_local_only_block_is_not_announced_and_survives():
    """On disk, adopted, and nobody else hears of it."""
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b", owner=1)
    await world.meet(a, b)
    answer = await a.block(BAD, ttl="forever", local_only=True, reason="mine alone")
    await world.settle()
    assert answer.announcement == ""
    assert answer.expires is None
    assert not b.adopts(BAD)
    await a.restart(crash=True)
    a.judge()

    assert a.adopts(BAD)
    why = await a.app.why(Prefix.parse(BAD))
    assert why.evidence[0].note == "mine alone"


async def test_rows_of_ended_local_blocks_leave_the_disk():
    """A year of blocks is not kept for ever."""
    world = World()
    a = await world.node("a")
    await a.block(BAD, ttl="1h", local_only=True)
    await a.app.sighting(Prefix.parse(OTHER), SSH, CALLER)
    assert len(a.store.rows(LocalRow)) == 2
    await world.advance(hours=25)

    assert a.store.rows(LocalRow) == []
    assert not a.adopts(BAD)


async def test_wait_answers_when_the_kernel_has_it():
    """`installed` is said of what the kernel holds, of nothing else."""
    world = World()
    a = await world.node("a", enforce=True)
    answer = await a.beside(a.block(BAD, wait=True))

    assert (answer.state, answer.not_installed) == ("installed", "")
    assert a.drops(BAD)
    quick = await a.beside(a.block(OTHER))
    assert quick.state == "recorded"


async def test_wait_says_why_the_kernel_has_it_not():
    """Kept, announced, and the error in the answer."""
    world = World()
    a = await world.node("a", enforce=True)
    a.judge()
    await a.node.enforcing.step()
    a.firewall.fail(*[FirewallError("ipset: no luck")] * 30)
    answer = await a.beside(a.block(BAD, wait=True))

    assert (answer.state, answer.not_installed) == ("recorded", "ipset: no luck")
    assert answer.announcement


async def test_wait_for_a_long_list_waits_for_all_of_it():
    """A list that is judged in slices is not said to be installed before its last one is."""
    world = World()
    a = await world.node("a", enforce=True)
    request = schema.BlockRequest(prefixes=[f"45.0.{n // 256}.{n % 256}" for n in range(1_000)], wait=True)
    answer = await a.beside(a.app.block(request, CALLER))

    assert {result.state for result in answer.results} == {"installed"}
    assert len(a.firewall.held()) == 1_000


async def test_wait_names_what_the_policy_refuses_meanwhile():
    """What is whitelisted between check and kernel is not installed, and the answer says so."""
    world = World()
    a = await world.node("a", enforce=True)
    a.judge()
    await a.node.enforcing.step()
    original = a.node.announcing.block

    async def whitelisted_meanwhile(wishes, *writes):
        a.node.domain.whitelist.put(WhitelistEntry(key=key(BAD)))
        return await original(wishes, *writes)

    a.node.announcing.block = whitelisted_meanwhile
    answer = await a.beside(a.block(BAD, wait=True))

    assert answer.state == "recorded"
    assert "whitelist" in answer.not_installed


async def test_the_caller_is_protected_from_its_own_command():
    """The address that a command came from is not blocked by it: 409 names it."""
    world = World()
    a = await world.node("a")
    remote = Caller(name="token:ops", address="198.51.100.20")
    with pytest.raises(ConflictError, match=r"SSH client|API client"):
        await a.app.block(schema.BlockRequest(prefix="198.51.100.0/24"), remote)
    await a.app.block(schema.BlockRequest(prefix=BAD), remote)

    assert a.adopts(BAD)


async def test_a_sighting_is_a_local_voice_for_a_day():
    """Adopted here by the voice `self`, not announced, not for longer."""
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b", owner=1)
    await world.meet(a, b)
    result = await a.app.sighting(Prefix.parse(BAD), SSH, CALLER)
    await world.settle()
    assert result.state == "observed"
    assert a.adopts(BAD)
    assert not b.adopts(BAD)
    await a.restart(crash=True)
    a.judge()
    assert a.adopts(BAD)
    await world.advance(hours=25)

    assert not a.adopts(BAD)


async def test_a_sighting_of_what_is_protected_is_refused():
    """Evidence against the gateway is a mistake, and named as one."""
    world = World()
    a = await with_gateway(world)
    with pytest.raises(ConflictError, match="gateway"):
        await a.app.sighting(Prefix.parse(GATEWAY), SSH, CALLER)


async def test_a_local_block_on_a_full_disk_is_not_adopted():
    """507, and no trace in memory."""
    world = World()
    a = await with_gateway(world)
    a.store.fill_up()
    with pytest.raises(DiskFullError):
        await a.block(GATEWAY, local_only=True, force=True)
    with pytest.raises(DiskFullError):
        await a.app.sighting(Prefix.parse(BAD), SSH, CALLER)

    assert not a.adopts(GATEWAY)
    assert not a.adopts(BAD)
    assert not a.node.domain.marks.is_forced(key(GATEWAY))
