"""Discovery on the LAN: real mDNS on loopback between discoveries of one process, and the rules on what is believed."""

import asyncio
import ipaddress
import secrets
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from p2pfw.core.identity import network_id
from p2pfw.net import discovery
from p2pfw.net.discovery import (
    MOST,
    SERVICE,
    LanDiscovery,
    Link,
    Rumours,
    network_mark,
    own_links,
    places_to_look,
    said_addresses,
    urls_of,
)
from p2pfw.ports import DialTarget
from tests.net.harness import FAST, Node, eventually


def link(text, name="eth0"):
    """An own address with its network."""
    return Link(name=name, at=ipaddress.ip_interface(text))


LAN = [link("192.0.2.5/24"), link("2001:db8::5/64"), link("198.51.100.1/26", "eth1")]
LOOPBACK = [link("127.0.0.1/8", "lo")]


# --- what is said ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bound, said",
    [
        ("0.0.0.0:7787", ["192.0.2.5", "198.51.100.1"]),
        ("[::]:7787", ["2001:db8::5"]),
        ("198.51.100.1:7787", ["198.51.100.1"]),
        ("203.0.113.1:7787", []),
        ("127.0.0.1:7787", []),
        ("somewhere:7787", []),
        ("", []),
    ],
)
def test_only_addresses_that_are_listened_on_are_said(bound, said):
    """All of the family for a wildcard, the one that was named, nothing for who only calls others."""
    assert [str(address) for address in said_addresses(bound, LAN)] == said


def test_what_is_said_fits_a_packet():
    """A machine of a thousand addresses names eight."""
    many = [link(f"10.0.{n // 250}.{n % 250 + 1}/16") for n in range(1_000)]

    assert len(said_addresses("0.0.0.0:1", many)) == 8


def test_one_address_of_each_interface_and_family_is_looked_from():
    """The first: every place costs a socket."""
    more = [*LAN, link("192.0.2.6/24"), link("2001:db8::6/64")]

    assert sorted(places_to_look(more)) == ["192.0.2.5", "198.51.100.1", "2001:db8::5"]


def test_own_links_are_neither_loopback_nor_beyond_a_url():
    """A zone cannot be written into a peer's URL, and nobody else can call loopback."""
    for one in own_links():
        assert not one.at.is_loopback
        assert one.at.version == 4 or not one.at.is_link_local


def test_networks_are_told_apart_by_sixteen_hex_digits():
    """8 bytes of the id: no more than is needed not to call others' nodes."""
    mark = network_mark(network_id("a"))

    assert len(mark) == 16
    assert bytes.fromhex(mark.decode()) == network_id("a")[:8]
    assert mark != network_mark(network_id("b"))


# --- what is believed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "addresses, port, urls",
    [
        (["192.0.2.9"], 7787, ("ws://192.0.2.9:7787",)),
        (["2001:db8::9"], 7787, ("ws://[2001:db8::9]:7787",)),
        (["2001:db8::9", "192.0.2.9", "192.0.2.10"], 1, ("ws://192.0.2.9:1", "ws://[2001:db8::9]:1")),
        (["203.0.113.9", "2001:db8:1::9", "127.0.0.1", "::1", "0.0.0.0", "224.0.0.251"], 7787, ()),
        (["198.51.100.70"], 7787, ()),
        (["fe80::1%2"], 7787, ()),
        (["192.0.2.5"], 7787, ()),
        (["192.0.2.5"], 7788, ("ws://192.0.2.5:7788",)),
        (["192.0.2.9"], 0, ()),
        ([], 7787, ()),
    ],
    ids=["v4", "v6", "one-a-family", "off-link", "next-subnet", "zone", "ourselves", "same-host", "no-port", "nothing"],
)
def test_only_addresses_of_own_links_are_called(addresses, port, urls):
    """A rumour must not make this node knock at doors beyond the LAN, nor at its own."""
    assert urls_of(addresses, port, LAN, "0.0.0.0:7787") == urls


def test_who_does_not_listen_has_no_door_of_its_own():
    """Another node on the same machine is called."""
    assert urls_of(["192.0.2.5"], 7787, LAN, "") == ("ws://192.0.2.5:7787",)


NAMES = st.sampled_from("abcdefgh")
URLS = st.lists(st.sampled_from([f"ws://{n}" for n in range(6)]), max_size=2, unique=True).map(tuple)


@given(st.lists(st.tuples(NAMES, st.none() | URLS)))
def test_rumours_are_bounded_and_changes_are_told(steps):
    """Whatever comes and goes: never more than the most, each URL once, and True exactly when a name's word changed."""
    rumours, told = Rumours(most=5), {}
    for name, urls in steps:
        before = told.get(name, ())
        changed = rumours.drop(name) if urls is None else rumours.put(name, urls)
        others = sum(len(kept) for other, kept in told.items() if other != name)
        told[name] = (urls or ())[: 5 - others]

        assert changed == (told[name] != before)
        assert set(rumours.urls()) == {url for kept in told.values() for url in kept}
        assert len(rumours.urls()) == len(set(rumours.urls())) <= 5


def test_what_finds_no_room_is_counted_until_there_is_room():
    """A limit says so when it is hit (design, promise 7)."""
    rumours = Rumours(most=1)
    rumours.put("a", ("ws://1",))
    assert not rumours.put("b", ("ws://2",))
    assert rumours.left_out == 1

    assert rumours.drop("a")
    assert rumours.left_out == 0
    assert rumours.put("b", ("ws://2",))


# --- real mDNS on loopback ---------------------------------------------------------------------------------------


@pytest.fixture
def network():
    """One that no other test on this machine is in."""
    return f"test-{secrets.token_hex(8)}"


class Looking:
    """A running discovery on loopback."""

    def __init__(self, network, bound, links=None):
        self.discovery = LanDiscovery(network_id(network), bound, links or (lambda: LOOPBACK))
        self.changes = 0
        self.on_change = lambda: None

    def changed(self):
        self.changes += 1
        self.on_change()

    @property
    def found(self):
        return self.discovery.found()


@asynccontextmanager
async def looking(network, bound="", links=None):
    """Look while the block runs; the end says goodbye."""
    made = Looking(network, bound, links)
    task = asyncio.create_task(made.discovery.run(made.changed))
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


async def test_two_of_a_network_find_one_another_and_lose_who_leaves(network):
    """Each hears the other's address and not its own; a goodbye takes it back."""
    async with looking(network, "127.0.0.1:7101") as a:
        async with looking(network, "127.0.0.1:7102") as b:
            await eventually(lambda: a.found and b.found)

            assert a.found == ["ws://127.0.0.1:7102"]
            assert b.found == ["ws://127.0.0.1:7101"]
            assert a.discovery.problem == b.discovery.problem == ""
        await eventually(lambda: not a.found)

        assert a.changes == 2


async def test_another_network_is_not_heard(network):
    """Its node is there, and is seen by who is of it; ours is found by the same ears afterwards."""
    other = network + "-other"
    async with looking(network) as ours, looking(other) as theirs, looking(other, "127.0.0.1:7111"):
        await eventually(lambda: theirs.found)
        async with looking(network, "127.0.0.1:7112"):
            await eventually(lambda: ours.found)

            assert ours.found == ["ws://127.0.0.1:7112"]
            assert theirs.found == ["ws://127.0.0.1:7111"]


async def test_what_is_said_names_nobody(network):
    """A made-up name, the network's mark, addresses: no node id, no host name (protocol 7)."""
    async with looking(network, "127.0.0.1:7121") as a, AsyncZeroconf(interfaces=["127.0.0.1"]) as ear:
        info = AsyncServiceInfo(SERVICE, a.discovery._name)
        while not await info.async_request(ear.zeroconf, 1_000):
            pass

        label = info.name.removesuffix(f".{SERVICE}")
        assert info.properties == {b"network": network_mark(network_id(network))}
        assert len(bytes.fromhex(label)) == 6
        assert info.server == f"{label}.local."
        assert (info.parsed_addresses(), info.port) == (["127.0.0.1"], 7121)
        assert socket.gethostname() not in info.server
        assert LanDiscovery(network_id(network), "")._name != a.discovery._name


async def test_a_liar_cannot_fill_the_memory_nor_send_us_away(network):
    """Names beyond the bound are left out and told; addresses beyond the link are never called."""
    async with looking(network) as a, AsyncZeroconf(interfaces=["127.0.0.1"]) as liar:
        a.discovery._rumours = Rumours(most=2)
        said = [("203.0.113.1", 80), *(("127.0.0.1", 7130 + n) for n in range(3))]
        for number, (address, port) in enumerate(said):
            name = f"{secrets.token_hex(4)}{number}"
            info = AsyncServiceInfo(
                SERVICE,
                f"{name}.{SERVICE}",
                port=port,
                addresses=[socket.inet_aton(address)],
                properties={b"network": network_mark(network_id(network))},
                server=f"{name}.local.",
            )
            await (await liar.async_register_service(info))
        await eventually(lambda: a.discovery.problem)

        assert len(a.found) == 2
        assert all(url.startswith("ws://127.0.0.1:713") for url in a.found)
        assert a.discovery.problem == f"more than {MOST} addresses were heard of: the others are not called"


async def test_without_a_network_it_says_so_and_begins_when_there_is_one(network, monkeypatch):
    """No interface is state that is shown, never the end; a new address is looked from without a restart."""
    monkeypatch.setattr(discovery, "LOOK_S", 0.01)
    links = []
    async with looking(network, "127.0.0.1:7141") as a, looking(network, "127.0.0.1:7142", lambda: list(links)) as b:
        await eventually(lambda: b.discovery.problem)
        assert b.discovery.problem == "cannot look for peers on the LAN: no network interface has an address"

        links.extend(LOOPBACK)
        await eventually(lambda: a.found and b.found and not b.discovery.problem)

        links.clear()
        await eventually(lambda: b.discovery.problem)
        assert b.found == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it leaves a socket to the collector
async def test_a_failing_library_is_a_problem_and_no_end(network, monkeypatch):
    """An address that this machine does not have cannot be looked from."""
    monkeypatch.setattr(discovery, "LOOK_S", 0.01)
    links = [[link("192.0.2.77/24", "gone0")]]
    async with looking(network, "", lambda: links[0]) as a:
        await eventually(lambda: a.discovery.problem)
        assert "cannot look for peers on the LAN" in a.discovery.problem

        links[0] = LOOPBACK
        await eventually(lambda: not a.discovery.problem)


async def test_what_was_given_up_is_offered_again_now_and_then(network, monkeypatch):
    """A LAN that was cut for longer than attempts last heals by itself."""
    monkeypatch.setattr(discovery, "LOOK_S", 0.01)
    monkeypatch.setattr(discovery, "AGAIN_S", 0.02)
    async with looking(network) as a:
        await eventually(lambda: a.changes >= 3)

        assert a.found == []


def test_the_library_is_not_loaded_unless_discovery_runs():
    """It would cost memory that most nodes have no use for."""
    code = "import sys, p2pfw.node; sys.exit('zeroconf' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- from rumour to session --------------------------------------------------------------------------------------


def follow(looking, node):
    """Dial what is found, as the node does."""
    looking.on_change = lambda: node.transport.dial([DialTarget(url=url, persistent=False) for url in looking.found])


async def test_who_was_found_is_called_and_proves_itself(network):
    """The session knows who it is with; the rumour did not."""
    async with Node("a") as a, Node("b") as b, looking(network) as ours, looking(network, b.address):
        follow(ours, a)
        session = await a.connected(b)

        assert session.node == b.id
        assert session.url == b.url


async def test_a_stranger_that_was_found_never_learns_who_called(network):
    """Admission comes before our own name is shown (protocol 2.4)."""
    async with Node("a") as a, Node("b") as b, looking(network) as ours, looking(network, b.address):
        a.listener.refuse = "stranger"
        follow(ours, a)
        await a.listener.until(lambda: "stranger" in a.listener.reasons)
        await b.listener.until(lambda: b.listener.refusals)

        assert b.listener.proofs == []
        assert {node for _, node, _ in b.listener.refusals} == {None}
        assert not a.listener.open
        assert not b.listener.open


async def test_found_addresses_have_no_share_of_the_door(network):
    """The door keeps room for peers that the operator named, and for them only (protocol 2.6)."""
    async with Node("a") as a, Node("b") as b:
        a.transport.dial([DialTarget(url=b.url, persistent=False)])
        await a.connected(b)
        assert a.transport._dialer.addresses() == frozenset()

        a.transport.dial([DialTarget(url=b.url)])
        assert a.transport._dialer.addresses() == {"127.0.0.1"}


async def test_one_that_was_given_up_is_called_again_when_it_is_wanted_again():
    """Some attempts each time: no session for ever lost, no calls for ever."""
    limits = replace(FAST, attempts=2)
    async with Node("a", limits=limits) as a, Node("b") as b:
        target = b.target(persistent=False)
        a.listener.refuse = "stranger"
        a.transport.dial([target])
        (kept,) = a.transport._dialer._kept.values()
        await asyncio.wait([kept.task])
        assert kept.attempts == 2

        a.listener.refuse = ""
        a.transport.dial([target])
        await a.connected(b)
