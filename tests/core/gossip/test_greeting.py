"""HELLO, PING, and what a peer proves of ours (protocol 3)."""

from dataclasses import replace

import pytest

from p2pfw.core.announcement import CONTEXT
from p2pfw.core.gossip.events import Drop, Overtaken, PeerUp, Refused
from p2pfw.core.wire import Bye, ByeCode, Carry, Choke, Hello, Ping, Pong, UnknownFrame
from tests.core.gossip.harness import Net, Node, pair


def hello(node, **fields):
    """A HELLO of a test's own making."""
    return Hello(versions=(1,), store_id=bytes(16), clock_ms=node.now.wall_ms, **fields)


def test_hello_comes_first_and_carries_the_proof_of_what_we_hold():
    """The peer's newest announcement that we hold goes back to it as proof (protocol 3)."""
    net, one, other = pair()
    said = other.say(1)
    net.run(one, other)
    one.handle(PeerUp(peer=77, node=other.id, outbound=True))
    first = one.sent.popleft().frame

    assert isinstance(first, Hello)
    assert (first.held_header, first.held_signature) == (said.raw.header, said.raw.signature)
    assert isinstance(one.sent.popleft().frame, Ping)
    assert isinstance(one.sent.popleft().frame, Carry)


def test_a_new_node_holds_nothing_of_a_stranger():
    """No proof, no claim (protocol 3)."""
    one, other = Node(1), Node(2)
    one.handle(PeerUp(peer=1, node=other.id, outbound=True))

    assert one.frames(Hello)[0].held_header == b""


@pytest.mark.parametrize("frame", [Ping(token=1, clock_ms=1), UnknownFrame(kind=99, size=3), Choke()])
def test_anything_before_hello_ends_the_session(frame):
    """Nothing is processed before HELLO (protocol 2.5)."""
    one = Node(1)
    one.handle(PeerUp(peer=1, node=Node(2).id, outbound=False))
    one.get(1, frame)

    assert one.of(Drop) == [Drop(peer=1, reason="bad-frame", ban=True)]
    assert one.frames(Bye) == [Bye(code=ByeCode.FAULT)]
    assert not one.frames(Pong)


def test_a_second_hello_ends_the_session():
    """There is one HELLO in each direction (protocol 2.5)."""
    one = Node(1)
    one.meet(1, Node(2))
    one.get(1, hello(one))

    assert one.of(Drop)[0].ban


def test_no_common_version_ends_the_session_without_blame():
    """A newer node is no enemy (protocol 3)."""
    one = Node(1)
    one.handle(PeerUp(peer=1, node=Node(2).id, outbound=False))
    one.get(1, replace(hello(one), versions=(2, 3)))

    assert one.of(Drop) == [Drop(peer=1, reason="no common version", ban=False)]
    assert one.frames(Bye) == [Bye(code=ByeCode.VERSION)]


def test_our_own_signed_header_proves_that_we_are_overtaken():
    """A node restored from an old backup learns how far it had numbered (protocol 1.5)."""
    before = Node(1)
    before.entries(1)
    newest = before.entries(2)
    restored = Node(1)
    restored.handle(PeerUp(peer=1, node=Node(2).id, outbound=False))
    restored.get(1, hello(restored, held_header=newest.raw.header, held_signature=newest.raw.signature))

    assert restored.of(Overtaken) == [Overtaken(epoch=newest.header.epoch, seq=newest.header.seq)]
    assert not restored.of(Drop)


def test_what_we_know_of_ourselves_overtakes_nobody():
    """A proof of what we hold is no news (protocol 1.5)."""
    one = Node(1)
    newest = one.entries(1)
    one.handle(PeerUp(peer=1, node=Node(2).id, outbound=False))
    one.get(1, hello(one, held_header=newest.raw.header, held_signature=newest.raw.signature))

    assert not one.of(Overtaken)
    assert not one.of(Refused)


def test_any_proof_overtakes_a_node_that_holds_nothing_of_its_own():
    """An empty node under an old key (protocol 1.5)."""
    newest = Node(1).entries(1)
    empty = Node(1, certified=False)
    empty.handle(PeerUp(peer=1, node=Node(2).id, outbound=False))
    empty.get(1, hello(empty, held_header=newest.raw.header, held_signature=newest.raw.signature))

    assert len(empty.of(Overtaken)) == 1


def claims():
    """Claims that prove nothing, and why."""
    one, other = Node(1), Node(2)
    far = replace(one.entries(1).header, epoch=2**63 - 1, seq=2**63 - 1).encode()
    theirs = other.entries(1).raw
    elsewhere = replace(one.entries(2).header, network=b"another!").encode()
    return {
        "made-up signature": (far, bytes(64), "bad-signature"),
        "signed by the peer": (far, other.key.sign(CONTEXT, far), "bad-signature"),
        "another's announcement": (theirs.header, theirs.signature, "bad-signature"),
        "another network": (elsewhere, one.key.sign(CONTEXT, elsewhere), "wrong-network"),
        "no header at all": (b"2^64-1", bytes(64), "malformed"),
    }


@pytest.mark.parametrize("name", claims())
def test_a_claim_without_proof_is_counted_and_ignored(name):
    """2^64 - 1 by a bare word moves nothing; the session goes on (protocol 1.5)."""
    header, signature, reason = claims()[name]
    one = Node(1)
    one.handle(PeerUp(peer=1, node=Node(2).id, outbound=False))
    one.get(1, hello(one, held_header=header, held_signature=signature))

    assert [refused.error.reason for refused in one.of(Refused)] == [reason]
    assert one.gossip.counts["hello-unproven"] == 1
    assert not one.of(Overtaken)
    assert not one.of(Drop)


def test_ping_is_answered_and_measures_the_way_and_the_clock():
    """Round trip and clock offset, for whoever judges clocks (protocol 7)."""
    one, other = Node(1), Node(2)
    one.handle(PeerUp(peer=1, node=other.id, outbound=True))
    ping = one.frames(Ping)[0]
    one.get(1, hello(one))
    one.get(1, Ping(token=5, clock_ms=0))
    assert one.frames(Pong) == [Pong(token=5, clock_ms=one.now.wall_ms)]

    one.tick(0.1)
    one.get(1, Pong(token=ping.token + 1, clock_ms=0))
    assert next(one.gossip.peers()).rtt is None
    one.get(1, Pong(token=ping.token, clock_ms=one.now.wall_ms + 7_000))
    one.get(1, Pong(token=ping.token, clock_ms=0))
    view = next(one.gossip.peers())

    assert view.rtt == pytest.approx(0.1)
    assert view.offset == pytest.approx(7.05, abs=0.01)
    assert (view.node, view.outbound, view.caught_up, view.wanted) == (other.id, True, False, 0)


def test_pings_go_out_every_fifteen_seconds_more_or_less():
    """± 20 %, so that nodes do not beat in step (protocol 3)."""
    one = Node(1, sync_every=1e9)
    one.meet(1, Node(2))
    gaps = []
    for _ in range(20):
        due = one.gossip.next_deadline()
        gaps.append(due - one.now.mono)
        one.tick(due - one.now.mono + 1e-6)
        one.get(1, Choke())
    sent = len(one.frames(Ping))

    assert 12 <= min(gaps) <= max(gaps) <= 18.0
    assert sent == 20


@pytest.mark.parametrize("greeted, seconds", [(True, 45), (False, 10)])
def test_a_silent_peer_is_given_up(greeted, seconds):
    """Nothing for 45 s, or no HELLO for 10 s: the session ends, without blame (protocol 3)."""
    one = Node(1)
    if greeted:
        one.meet(1, Node(2))
    else:
        one.handle(PeerUp(peer=1, node=Node(2).id, outbound=False))
    one.tick(seconds - 0.1)
    assert not one.of(Drop)

    one.tick(0.2)
    assert one.of(Drop) == [Drop(peer=1, reason="silent", ban=False)]
    assert one.gossip.counts["silent"] == 1


def test_any_frame_is_a_sign_of_life():
    """Not only PONG (protocol 3)."""
    one = Node(1)
    one.meet(1, Node(2))
    for _ in range(5):
        one.tick(40)
        one.get(1, Choke())

    assert not one.of(Drop)


def test_timers_do_not_follow_the_wall_clock():
    """A clock that jumps by a year neither kills sessions nor keeps dead ones (design: time domains)."""
    one = Node(1)
    one.meet(1, Node(2))
    one.now = one.now._replace(wall=one.now.wall + 365 * 86_400)
    one.tick(1)
    assert not one.of(Drop)

    one.now = one.now._replace(wall=0.0)
    one.tick(50)
    assert one.of(Drop)


def test_a_clock_before_1970_still_says_something():
    """Frames carry no negative times (protocol 3)."""
    one = Node(1, certified=False)
    one.now = one.now._replace(wall=-5.0)
    one.handle(PeerUp(peer=1, node=Node(2).id, outbound=True))

    assert one.frames(Hello)[0].clock_ms == 0


def test_the_hello_of_two_real_nodes_is_accepted_by_both():
    """The two sides agree (protocol 3)."""
    net = Net()
    one, other = Node(1, owner=0, carries=[1]), Node(2, owner=1, carries=[0])
    net.connect(one, other)
    net.run(one, other)

    assert net.count(Hello) == 2
    assert not one.of(Drop)
    assert not other.of(Drop)
