"""Between sessions and gossip: who is let in, what a fault costs, how a join is asked for."""

import asyncio

import pytest

from p2pfw import schema
from p2pfw.app.peering import JOIN_SECONDS
from p2pfw.core.announcement import Stamp, build_entries
from p2pfw.core.identity import NodeId
from p2pfw.core.token import Token, key_hash
from p2pfw.core.wire import Bye, ByeCode, JoinRequest, Push, Pushed, encode_frame
from p2pfw.errors import AdmissionError, InputError
from p2pfw.ports import DialTarget, PeerProof, SendClass
from p2pfw.rows import PeerRow
from tests.app.test_originating import draft
from tests.app.world import Running, World, node_key

BAD = "203.0.113.9"


async def pair(world: World) -> tuple[Running, Running]:
    """Two nodes of one fleet, connected."""
    a, b = await world.node("a", owner=1), await world.node("b", owner=1)
    await world.meet(a, b)
    return a, b


def proof(one: Running, *, inbound: bool = True, token: bytes = b"") -> PeerProof:
    """What a node proves in a handshake."""
    return PeerProof(
        node=one.id,
        certificate=one.transport.certificate,
        token=token,
        inbound=inbound,
        address="45.0.0.1",
        features=0,
    )


async def test_the_fleet_and_the_named_are_let_in():
    """Own fleet by certificate, named owners, named nodes; nobody else."""
    world = World()
    a, b = await pair(world)
    c, d = await world.node("c", owner=2), await world.node("d", owner=3)
    await world.know(a, c, trust=0.0)
    a.node.peering.admit(proof(b))
    a.node.peering.admit(proof(c))
    with pytest.raises(AdmissionError) as caught:
        a.node.peering.admit(proof(d))

    assert caught.value.code == "stranger"


async def test_a_bad_secret_opens_nothing():
    """Also for those who would be let in without one: they are told which door they took."""
    world = World()
    a, b = await pair(world)
    with pytest.raises(AdmissionError) as caught:
        a.node.peering.admit(proof(b, token=bytes(16)))

    assert caught.value.code == "bad-invitation"


async def test_sessions_come_and_go_with_events():
    """up, down, and the reason."""
    world = World()
    a, b = await pair(world)
    (session,) = a.node.peering.sessions
    a.transport.close(session, "restart")

    assert [event.reason for event in a.events("peer-down")] == ["restart"]
    assert [event.peer for event in b.events("peer-up")] == ["a"]
    assert a.node.peering.session_with(b.id) is None


async def test_bytes_that_are_no_frame_end_the_session_and_are_counted():
    """The peer is banned: it answers for its bytes."""
    world = World()
    a, b = await pair(world)
    (session,) = b.node.peering.sessions
    b.transport.send(session, b"\xc1", SendClass.CONTROL)
    world.wires.carry()

    assert a.node.peering.sessions == []
    assert b.id in a.transport.banned
    assert a.app.status().refusals["bad-frame"] == 1


async def test_a_forged_announcement_is_the_peers_fault():
    """A bad signature: told, counted, banned."""
    world = World()
    a, b = await pair(world)
    now = int(a.clock.now()) * 1_000
    stamp = Stamp(network=a.node.domain.me.network, epoch=now, seq=1, created_ms=now)
    raw = build_entries(node_key(2), stamp, draft(BAD).entries).raw
    forged = Push(items=(Pushed(hop=0, header=raw.header, signature=bytes(64), body=raw.body),))
    (session,) = b.node.peering.sessions
    b.transport.send(session, encode_frame(forged), SendClass.EAGER)
    world.wires.carry()

    assert [event.reason for event in a.events("peer-fault")] == ["bad-signature"]
    assert b.id in a.transport.banned
    assert not a.adopts(BAD)


async def test_goodbye_closes_without_a_ban():
    """Whoever says BYE may come back."""
    world = World()
    a, b = await pair(world)
    (session,) = b.node.peering.sessions
    b.transport.send(session, encode_frame(Bye(code=ByeCode.SHUTDOWN)), SendClass.CONTROL)
    world.wires.carry()

    assert a.node.peering.sessions == []
    assert a.transport.banned == {}


async def test_an_unreadable_session_end_is_counted():
    """What could not be decrypted never became a frame."""
    world = World()
    a, _ = await pair(world)
    (session,) = a.node.peering.sessions
    a.node.peering.closed(session, "not-authentic")

    assert a.app.status().refusals["not-authentic"] == 1


async def test_a_join_tries_every_address_and_tells_about_each():
    """Nobody there, somebody else there: each with its reason."""
    world = World()
    b, evil = await world.node("b"), await world.node("evil")
    token = Token(
        key_hash=key_hash(NodeId(bytes(32))),
        secret=bytes(16),
        network="example",
        addresses=("ws://10.9.9.9:1", evil.transport.url),
    )
    request = JoinRequest(guest=False, name="b", addresses=(), owner=b.owner, owner_name="", trust=0.3)
    with pytest.raises(InputError) as caught:
        await b.node.peering.ask(token, request)

    assert "ws://10.9.9.9:1: nobody answers there" in caught.value.hint
    assert f"{evil.transport.url}: somebody else" in caught.value.hint


async def test_an_inviter_that_hangs_up_is_an_answer():
    """The joiner does not wait for the time-out."""
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b")
    token = Token.parse((await a.app.invite(schema.InviteRequest())).token)
    request = JoinRequest(guest=False, name="b", addresses=(), owner=b.owner, owner_name="", trust=0.3)
    asking = asyncio.create_task(b.node.peering.ask(token, request))
    while not a.transport.open:  # noqa: ASYNC110  # the other task opens it
        await asyncio.sleep(0)
    a.transport.close(next(iter(a.transport.open)), "busy")

    with pytest.raises(InputError, match="ended the session"):
        await asyncio.wait_for(asking, 1)
    assert b.node.peering.sessions == []


async def test_a_joining_session_is_closed_in_time(monkeypatch):
    """It holds a secret and nothing else: it may not stay."""
    monkeypatch.setattr("p2pfw.app.peering.JOIN_SECONDS", 0.01)
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b")
    token = Token.parse((await a.app.invite(schema.InviteRequest())).token)
    b.node.book.put(PeerRow(id=a.id, owner=a.owner, name="a", trust=0.1))
    session = b.transport.connect(DialTarget(url=a.transport.url, token=token.secret))
    async with asyncio.timeout(5):
        while session in b.transport.open:  # noqa: ASYNC110  # a timer closes it
            await asyncio.sleep(0.005)

    assert JOIN_SECONDS > 1
    assert a.node.peering.sessions == []


async def test_the_task_gives_gossip_its_ticks_however_busy():
    """With a frame in every turn of the loop, what is due is still done: pings go out."""
    world = World()
    a, _ = await pair(world)
    task = asyncio.create_task(a.node.peering.run())
    sent = a.transport.sent
    deadline = a.node.gossip.next_deadline()
    world.clock.pass_time(30)
    for _ in range(50):
        a.node.peering._wake.set()
        await asyncio.sleep(0)
    task.cancel()

    assert a.node.gossip.next_deadline() > deadline
    assert a.transport.sent > sent


async def test_trust_edits_close_sessions_with_strangers_only_on_closed_nodes():
    """Whom nobody names any more has to go; a hub keeps strangers."""
    world = World()
    a, b = await pair(world)
    c = await world.node("c", owner=2)
    await world.meet(a, c, trust=0.3)
    a.node.book.drop(c.id)
    await a.beside(a.node.peers.resolve())

    assert a.node.peering.session_with(c.id) is None
    assert a.node.peering.session_with(b.id) is not None


async def test_a_node_without_transport_asks_nobody():
    """Before it listens there is nothing to join with."""
    world = World()
    b = await world.node("b")
    b.node.peering.transport = None
    token = Token(key_hash=bytes(16), secret=bytes(16), network="example", addresses=("ws://10.9.9.9:1",))
    request = JoinRequest(guest=False, name="b", addresses=(), owner=b.owner, owner_name="", trust=0.3)
    with pytest.raises(InputError):
        await b.node.peering.ask(token, request)
