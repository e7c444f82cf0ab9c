"""Addresses that were only heard of: called after the named ones, trusted with nothing, and no way around admission."""

import asyncio

import pytest

from p2pfw.core.token import Token, key_hash
from p2pfw.core.wire import JoinRequest
from p2pfw.errors import AdmissionError
from p2pfw.ports import DialTarget, PeerProof
from tests.app.world import World


class FakeDiscovery:
    """ports.Discovery that hears what a test says."""

    def __init__(self, *urls):
        self.urls, self.problem = list(urls), ""

    def found(self):
        return list(self.urls)

    async def run(self, changed):
        changed()


def proof_of(one):
    """What a node that was called has proven."""
    return PeerProof(
        node=one.id,
        certificate=one.transport.certificate,
        token=b"",
        inbound=False,
        address=one.transport.address,
        features=0,
    )


async def test_who_is_nearby_is_called_after_who_was_named():
    """Nobody is expected there, and it is not called for ever; an address that was named stays what it was."""
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b", owner=2)
    await world.know(a, b, trust=0.4)
    (named,) = a.transport.targets
    a.node.peers.discovery = heard = FakeDiscovery(b.transport.url, "ws://192.0.2.9:7787")
    await heard.run(a.node.peers.redial)

    assert a.transport.targets == [named, DialTarget(url="ws://192.0.2.9:7787", persistent=False)]
    assert named.persistent

    heard.urls.clear()
    await heard.run(a.node.peers.redial)
    assert a.transport.targets == [named]


async def test_a_fleet_meets_by_rumour_alone_and_a_stranger_is_refused():
    """The session says who it is; what was heard says nothing, and makes no peer of anybody."""
    world = World()
    a, b, stranger = await world.node("a", owner=1), await world.node("b", owner=1), await world.node("c", owner=2)
    a.node.peers.discovery = heard = FakeDiscovery(b.transport.url, stranger.transport.url)
    await heard.run(a.node.peers.redial)
    world.dial(a)
    await world.settle()

    assert [session.node for session in a.node.peering.sessions] == [b.id]
    assert not stranger.node.peering.sessions
    assert "neither its owner nor this node is configured" in a.transport.problems[stranger.transport.url]
    assert list(a.node.book.all()) == []
    assert a.node.domain.trust.given(stranger.owner) is None


async def test_what_is_heard_protects_nobody():
    """An address that anybody on the LAN can spread must not become one that is never blocked."""
    world = World()
    a = await world.node("a", owner=1)
    a.node.peers.discovery = FakeDiscovery("ws://192.0.2.9:7787")
    a.node.peers.redial()

    assert "192.0.2.9" not in a.node.peer_hosts()


async def test_health_says_what_keeps_it_from_looking():
    """A warning while there is a problem, nothing without one or without discovery."""
    world = World()
    peers = (await world.node("a", owner=1)).node.peers
    assert list(peers.discovery_lines()) == []

    peers.discovery = heard = FakeDiscovery()
    assert list(peers.discovery_lines()) == []

    heard.problem = "no network interface has an address"
    (line,) = peers.discovery_lines()
    assert (line.level, line.code, line.text) == ("warning", "discovery", heard.problem)


async def test_a_join_opens_the_door_to_the_inviter_only():
    """While an invitation is being redeemed, a stranger called beside it is as strange as ever (protocol 2.4)."""
    world = World()
    a, stranger = await world.node("a", owner=1), await world.node("c", owner=2)
    inviter = await world.node("b", owner=3)
    token = Token(
        key_hash=key_hash(inviter.id), secret=bytes(16), network="example", addresses=(inviter.transport.url,)
    )
    asking = asyncio.create_task(a.node.peering.ask(token, JoinRequest(guest=True, name="a", addresses=())))
    await asyncio.sleep(0)  # the request is under way now

    a.node.peering.admit(proof_of(inviter))
    with pytest.raises(AdmissionError) as refused:
        a.node.peering.admit(proof_of(stranger))
    assert refused.value.code == "stranger"
    asking.cancel()
    await asyncio.wait([asking])
