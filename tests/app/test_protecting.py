"""What must stay reachable: machine, operator, clients, peers; and nobody who merely connected."""

from dataclasses import replace

import pytest

from p2pfw import schema
from p2pfw.app.protecting import GUEST_TIME, MAX_GUESTS, REFRESH, Protecting
from p2pfw.config import Config
from p2pfw.core.prefix import Prefix
from p2pfw.core.protected import Protected, Strength
from p2pfw.errors import ConflictError
from p2pfw.ports import Neighbour
from tests.app.fakes import FakeClock, FakeMachine
from tests.app.world import CALLER, World, key

CLIENT = "198.51.100.20"


def bench(*peers: str) -> tuple[Protecting, Protected, FakeClock]:
    """A use case by itself."""
    protected, clock = Protected(), FakeClock()
    return Protecting(FakeMachine(), protected, clock, lambda: peers), protected, clock


def test_a_guest_is_protected_for_an_hour_after_its_last_command():
    """Then it may be blocked like anybody."""
    one, protected, clock = bench()
    assert one.welcome(CLIENT, "gave a command")
    assert one.refresh() == [key(CLIENT)]
    clock.pass_time(GUEST_TIME - 1)
    assert not one.welcome(CLIENT, "gave a command")
    clock.pass_time(GUEST_TIME - 1)
    assert one.refresh() == []
    clock.pass_time(2)

    assert one.refresh() == [key(CLIENT)]
    assert list(protected.entries()) == []


def test_guests_are_bounded_and_the_oldest_gives_way():
    """A thousand clients at most."""
    one, protected, clock = bench()
    for number in range(MAX_GUESTS + 10):
        one.welcome(f"45.0.{number // 256}.{number % 256}", "gave a command")
        clock.pass_time(0.01)
    one.refresh()

    assert len(protected) == MAX_GUESTS
    assert protected.find(key("45.0.0.0"), Strength.SOFT) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "", "localhost", "@", "/run/p2pfw.sock", "fe80::1%eth0"])
def test_what_is_no_address_or_never_blocked_protects_nothing(address: str):
    """Names, sockets, loopback, link-local."""
    one, _, _ = bench()

    assert not one.welcome(address, "gave a command")


def test_an_ipv4_client_of_a_dual_stack_listener_is_protected_as_ipv4():
    """::ffff:a.b.c.d is how the listener sees it; its packets are IPv4."""
    one, protected, _ = bench()
    one.welcome(f"::ffff:{CLIENT}", "gave a command")
    one.refresh()

    assert protected.find(key(CLIENT), Strength.SOFT) is not None
    assert one.kernel_keys(Strength.SOFT) == [key(CLIENT)]


def test_peers_are_not_in_the_kernels_allow_set():
    """They are protected against remote statements only: one's own operator may block a peer."""
    one, protected, _ = bench("192.0.2.9", "peer.example.net", "")
    one.refresh()

    assert protected.find(key("192.0.2.9"), Strength.PEER) is not None
    assert one.kernel_keys(Strength.HARD) == one.kernel_keys(Strength.SOFT) == []


async def test_a_remote_block_of_a_peer_is_refused_and_ones_own_is_not():
    """Mutual blocks must not split the network."""
    world = World()
    a, b, c = await world.node("a", owner=1), await world.node("b", owner=1), await world.node("c", owner=2)
    for number, one in enumerate((a, b, c)):
        one.transport.address = f"45.0.0.{number + 1}"
    await world.meet(a, b)
    await world.meet(a, c, trust=0.9)
    await world.advance(seconds=REFRESH + 1)
    await b.block("45.0.0.3")
    await world.settle()
    assert not a.adopts("45.0.0.3")
    why = await a.app.why(Prefix.parse("45.0.0.3"))
    assert (why.verdict, why.reason) == ("REFUSE", "protected")
    await a.block("45.0.0.3")

    assert a.adopts("45.0.0.3")


async def test_a_stranger_on_an_open_hub_is_not_protected():
    """Whoever merely connected must not become unblockable by it."""
    world = World()
    hub = await world.node("hub", owner=1, start=False)
    hub.who = replace(hub.who, config=replace(hub.who.config, listen=replace(hub.who.config.listen, open=True)))
    hub._build()
    hub.transport.address = "45.0.0.1"
    await hub.start()
    evil = await world.node("evil", owner=9)
    evil.transport.address = "45.6.6.6"
    await world.know(evil, hub, trust=0.3)
    world.dial(evil)
    await world.advance(seconds=REFRESH + 1)

    assert hub.node.peering.session_with(evil.id) is not None
    assert "45.6.6.6" not in hub.node.peer_hosts()


async def test_what_appears_later_is_protected_within_seconds():
    """A login, a new address: its block is dropped, the kernel lets it pass, and says so in `why`."""
    world = World()
    a = await world.node("a", enforce=True)
    await a.beside(a.block("203.0.113.0/28", wait=True))
    assert a.drops("203.0.113.0/28")
    a.machine.near = [Neighbour(key=key("203.0.113.7"), reason="login session of root")]
    await world.advance(seconds=2 * REFRESH, step=2)

    assert not a.drops("203.0.113.0/28")
    assert key("203.0.113.7") in a.firewall.allowed
    why = await a.app.why(Prefix.parse("203.0.113.0/28"))
    assert "login session of root" in why.overlap
    a.machine.near = []
    await world.advance(seconds=2 * REFRESH, step=2)
    assert a.drops("203.0.113.0/28")


async def test_a_command_protects_before_it_is_obeyed():
    """The caller's own supernet is refused by the very command that names it."""
    world = World()
    a = await world.node("a")
    with pytest.raises(ConflictError, match=r"SSH client|API client"):
        await a.app.block(schema.BlockRequest(prefix="198.51.100.0/28"), replace(CALLER, address="198.51.100.7"))


async def test_the_defaults_protect_nobody_else():
    """A fresh configuration has no hidden whitelist."""
    assert Config().policy.allow == ()


async def test_enforcing_from_an_ssh_session_never_drops_that_session():
    """What is adopted already and covers the client is gone before the first rule stands; `allow list` says why."""
    world = World()
    a = await world.node("a")
    await a.block("198.51.100.0/28")
    a.judge()
    assert a.adopts("198.51.100.0/28")
    samples: list[bool] = []
    a.firewall.watch = lambda _: samples.append(key("198.51.100.0/28") in a.firewall.block)
    caller = replace(CALLER, name="socket:0", address="198.51.100.7")
    await a.beside(a.app.set_mode(schema.ModeRequest(mode="enforce"), caller))

    assert a.firewall.ruled
    assert not any(samples)
    assert not a.adopts("198.51.100.0/28")
    assert key("198.51.100.7") in a.firewall.allowed
    (entry,) = [one for one in a.app.allow_list(protected=True).entries if one.prefix == "198.51.100.7/32"]
    assert (entry.source, "SSH client" in entry.comment) == ("protected:soft", True)


async def test_whoever_authenticates_is_protected_whatever_he_asks():
    """Looking counts as much as commanding; who did not authenticate has no address here."""
    world = World()
    a = await world.node("a")

    assert a.app.welcome(replace(CALLER, name="token:watch", address="198.51.100.7"))
    assert not a.app.welcome(replace(CALLER, name="token:watch", address="198.51.100.7"))
    assert not a.app.welcome(replace(CALLER, name="anonymous", address=""))
