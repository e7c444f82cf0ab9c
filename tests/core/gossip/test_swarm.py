"""The door: which frame goes where, and what is bounded (protocol 3, 6)."""

import pytest

from p2pfw.core.gossip.events import Drop, PeerDown, Unhandled
from p2pfw.core.gossip.limits import Limits
from p2pfw.core.wire import (
    Bye,
    ByeCode,
    JoinAnswer,
    JoinRefusal,
    JoinRequest,
    Peers,
    Ping,
    Pong,
    Push,
    Refuse,
    RefuseCode,
    Since,
    UnknownFrame,
)
from tests.core.gossip.harness import Net, Node, pair
from tests.core.gossip.test_broadcast import met, sent


@pytest.mark.parametrize(
    "frame",
    [
        JoinRequest(guest=False, name="web-7", addresses=()),
        JoinAnswer(certificate=b"", owner=bytes(32), owner_name="acme", network="main", nodes=()),
        JoinRefusal(code="used"),
        Peers(records=(b"r",)),
    ],
)
def test_frames_that_are_not_gossips_are_handed_on(frame):
    """JOIN and PEERS are the use cases' (protocol 3)."""
    one = met(Node(2))
    one.get(1, frame)

    assert one.of(Unhandled) == [Unhandled(peer=1, frame=frame)]
    assert not one.sent


def test_unknown_frames_are_counted_and_ignored():
    """A newer node can talk to an older one (protocol 3)."""
    one = met(Node(2))
    one.get(1, UnknownFrame(kind=40, size=9))

    assert one.gossip.counts["unknown-frames"] == 1
    assert not one.of(Drop)


def test_since_is_answered_with_a_refusal():
    """Not in this version; the peer reconciles instead (protocol 5.1)."""
    one = met(Node(2))
    one.get(1, Since(store_id=bytes(16), cursor=0))

    assert [frame.code for _, frame in sent(one, Refuse)] == [RefuseCode.UNSUPPORTED]


def test_bye_ends_the_session_and_is_handed_on():
    """Whoever dials wants to know when to come back (protocol 3)."""
    one = met(Node(2))
    bye = Bye(code=ByeCode.FULL, retry_after=60)
    one.get(1, bye)

    assert one.seen == [Unhandled(peer=1, frame=bye), Drop(peer=1, reason="bye", ban=False)]
    assert not list(one.gossip.peers())


def test_frames_are_limited_too():
    """A peer that pings without end is not answered without end (protocol 6)."""
    one = met(Node(2), limits=Limits(frames_burst=5, frames_rate=1))
    one.handle(PeerDown(peer=1))
    one.meet(2, Node(3), carry=False)
    for token in range(10):
        one.get(2, Ping(token=token, clock_ms=0))

    assert len(sent(one, Pong)) == 5
    assert one.gossip.counts["frames-over-limit"] == 5


def test_a_peer_that_is_gone_is_forgotten():
    """Twice told is once too often, and no harm (protocol 2)."""
    one = met(Node(2))
    one.handle(PeerDown(peer=1))
    one.handle(PeerDown(peer=1))
    one.say(1)

    assert not one.sent
    assert not list(one.gossip.peers())


def test_the_same_events_give_the_same_effects():
    """Pure: two machines with the same chance and the same events agree to the byte (protocol 8)."""

    def play():
        net, one, other = pair()
        for number in range(5):
            one.say(number)
            other.say(100 + number)
            net.run(one, other)
        one.tick(20)
        net.run(one, other)
        return net.frames

    assert play() == play()


def test_three_in_a_line_hear_each_other():
    """Relayed over a node in the middle, in both directions (protocol 4)."""
    net = Net()
    nodes = [Node(number) for number in (1, 2, 3)]
    net.connect(nodes[0], nodes[1])
    net.connect(nodes[2], nodes[1])
    net.run(*nodes)
    said = [nodes[0].say(1), nodes[2].say(2)]
    net.run(*nodes)

    assert all(node.holds(one) for node in nodes for one in said)
    assert [frame.items[-1].hop for _, _, frame in net.frames[-4:] if isinstance(frame, Push)]
