"""The operator's whitelist: in the kernel before the answer, and lost by nothing."""

import asyncio

import pytest

from p2pfw import schema
from p2pfw.core.prefix import Prefix
from p2pfw.core.whitelist import WhitelistEntry
from p2pfw.errors import ConflictError, DiskFullError, FirewallError, NotFoundError
from p2pfw.operations import Caller
from p2pfw.ports import Neighbour
from p2pfw.rows import AllowRow
from tests.app.fakes import START
from tests.app.world import CALLER, World, key

BAD = "203.0.113.9"


async def test_an_entry_is_in_the_kernel_before_the_answer():
    """The allow set first, then the block is gone; the answer names what it released."""
    world = World()
    a = await world.node("a", enforce=True)
    await a.beside(a.block(BAD, wait=True))
    a.firewall.calls.clear()
    answer = await a.beside(a.allow("203.0.113.0/24", comment="partners"))

    assert answer.released == ["203.0.113.9/32"]
    assert key("203.0.113.0/24") in a.firewall.allowed
    assert key(BAD) not in a.firewall.held()
    assert a.firewall.calls.index("allow") < a.firewall.calls.index("apply")


async def test_a_wide_block_that_contains_a_whitelisted_host_is_refused_whole():
    """Either way: no block that touches the whitelist."""
    world = World()
    a = await world.node("a")
    await a.block("203.0.113.0/28")
    answer = await a.beside(a.allow("203.0.113.3"))

    assert answer.released == ["203.0.113.0/28"]
    assert not a.adopts("203.0.113.0/28")


async def test_a_kernel_that_does_not_follow_is_told():
    """Kept, and an error: who believed the answer would be locked out."""
    world = World()
    a = await world.node("a", enforce=True)
    a.judge()
    await a.node.enforcing.step()
    a.firewall.fail(*[FirewallError("ipset: no luck")] * 40)
    with pytest.raises(FirewallError, match="kept, but the kernel does not follow"):
        await a.beside(a.allow(BAD))

    assert a.store.rows(AllowRow)
    a.firewall.errors.clear()
    await a.node.enforcing.step()
    assert key(BAD) in a.firewall.allowed


async def test_an_entry_survives_a_crash():
    """Acknowledged is synced: whitelisted after power loss, in policy and kernel."""
    world = World()
    a = await world.node("a", enforce=True)
    await a.beside(a.allow(BAD, comment="me"))
    await a.restart(crash=True)
    a.judge()
    await a.node.enforcing.step()

    assert key(BAD) in a.firewall.allowed
    with pytest.raises(ConflictError, match="me"):
        await a.block(BAD)


async def test_on_a_full_disk_nothing_is_whitelisted():
    """507, and no entry that the next start would not know."""
    world = World()
    a = await world.node("a")
    a.store.fill_up()
    with pytest.raises(DiskFullError):
        await a.allow(BAD)

    assert len(a.node.domain.whitelist) == 0


async def test_an_entry_with_an_end_ends():
    """In memory, on disk and in the kernel; what it kept open is judged again."""
    world = World()
    a = await world.node("a", enforce=True)
    await a.beside(a.block(BAD, ttl="1d", wait=True))
    await a.beside(a.allow(BAD, ttl="1h"))
    await world.advance(hours=2)

    assert a.drops(BAD)
    assert a.store.rows(AllowRow) == []
    assert key(BAD) not in a.firewall.allowed


async def test_an_entry_that_is_renewed_when_it_ends_stays():
    """Renewed at the very moment of its end: the old row's removal does not take the new one along."""
    world = World()
    a = await world.node("a")
    await a.beside(a.allow(BAD, ttl="1h"))
    world.clock.pass_time(3_600)
    a.store.gate = asyncio.Event()
    renewing = asyncio.create_task(a.allow(BAD, ttl="2h"))
    await asyncio.sleep(0)
    ticking = asyncio.create_task(a.housekeeping.tick())
    await asyncio.sleep(0)
    a.store.gate.set()
    await ticking
    await a.beside(asyncio.wait_for(renewing, 5))
    a.store.gate = None
    assert len(a.node.domain.whitelist) == 1
    await a.restart()

    assert len(a.node.domain.whitelist) == 1


async def test_removing_an_entry_judges_what_it_kept_open():
    """The block that it overrode holds again."""
    world = World()
    a = await world.node("a")
    await a.beside(a.allow(BAD))
    a.node.domain.whitelist.remove(key(BAD))
    await a.block(BAD)
    await a.beside(a.allow(BAD))
    assert not a.adopts(BAD)
    await a.beside(a.app.disallow(Prefix.parse(BAD), CALLER))

    assert a.adopts(BAD)
    assert a.store.rows(AllowRow) == []
    assert [event.kind for event in a.node.events.after(0) if event.kind.endswith("allow")] == [
        "allow",
        "allow",
        "disallow",
    ]


async def test_an_entry_of_the_configuration_is_the_files():
    """Removing it here would come back at the next reload: the error names the file. Unknown ones: 404."""
    world = World()
    a = await world.node("a")
    a.node.domain.whitelist.put(WhitelistEntry(key=key(BAD), source="/etc/p2pfw/p2pfw.toml:12"))
    with pytest.raises(ConflictError, match=r"p2pfw\.toml:12"):
        await a.app.disallow(Prefix.parse(BAD), CALLER)
    with pytest.raises(NotFoundError):
        await a.app.disallow(Prefix.parse("198.51.100.1"), CALLER)


async def test_listing_shows_protection_only_when_asked():
    """The operator's list; with `protected` what keeps the machine alive, with reasons."""
    world = World()
    a = await world.node("a", start=False)
    a.machine.near = [Neighbour(key=key("192.0.2.1"), reason="gateway on eth0")]
    await a.start()
    await a.beside(a.allow(BAD, ttl="1h", comment="me"))

    (entry,) = a.app.allow_list(protected=False).entries
    assert (entry.prefix, entry.comment, entry.source) == ("203.0.113.9/32", "me", "command")
    assert entry.expires == "2027-01-15T09:00:00Z"
    both = {one.prefix: one for one in a.app.allow_list(protected=True).entries}
    assert both["192.0.2.1/32"].source == "protected:soft"
    assert both["192.0.2.1/32"].comment == "gateway on eth0"


async def test_a_check_names_every_overlap_in_both_directions():
    """Wider and narrower entries alike; ended ones do not count."""
    world = World()
    a = await world.node("a", start=False)
    a.machine.near = [Neighbour(key=key("192.0.2.1"), reason="gateway on eth0")]
    await a.start()
    a.node.domain.whitelist.put(WhitelistEntry(key=key("203.0.113.0/24"), until=0, comment="wide"))
    a.node.domain.whitelist.put(WhitelistEntry(key=key("203.0.113.77"), until=START - 1, comment="ended"))
    check = a.app.allow_check(Prefix.parse(BAD))
    assert [one.comment for one in check.overlaps] == ["wide"]
    assert check.allowed
    assert not a.app.allow_check(Prefix.parse("198.51.100.1")).allowed

    wide = a.app.allow_check(Prefix.parse("192.0.0.0/16"))
    assert [one.source for one in wide.overlaps] == ["protected:soft"]


async def test_the_caller_of_an_edit_is_protected():
    """Whoever edits the whitelist from afar must not be cut off by the next block."""
    world = World()
    a = await world.node("a")
    remote = Caller(name="token:ops", address="198.51.100.20")
    await a.beside(a.app.allow(Prefix.parse(BAD), schema.AllowRequest(), remote))

    assert a.app.allow_check(Prefix.parse("198.51.100.20")).allowed
