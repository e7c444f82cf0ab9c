"""New announcements to peers, and what peers ask for (protocol 4)."""

import pytest

from p2pfw.core.announcement import Action, build_entries
from p2pfw.core.gossip import broadcast as module
from p2pfw.core.gossip.events import Lane, Published, Recorded
from p2pfw.core.gossip.limits import Limits
from p2pfw.core.gossip.wants import MAX_OF_PEER
from p2pfw.core.wire import (
    Choke,
    Ihave,
    Miss,
    Push,
    Pushed,
    Refuse,
    RefuseCode,
    RefuseScope,
    Run,
    Unchoke,
    Want,
)
from tests.core.gossip.harness import Net, Node, block, pair


def push(*announcements, hop=0):
    """A PUSH of these."""
    return Push(
        items=tuple(
            Pushed(hop=hop, header=one.raw.header, signature=one.raw.signature, body=one.raw.body)
            for one in announcements
        )
    )


def met(*peers, **settings):
    """A node that has met these, and holds their certificates."""
    one = Node(1, **settings)
    for number, other in enumerate(peers, start=1):
        one.intake.receive(other.cert.raw, one.now.wall)
        one.meet(number, other)
    return one


def sent(node, kind):
    """(peer, frame) of this kind, in order."""
    return [(effect.peer, effect.frame) for effect in node.sent if isinstance(effect.frame, kind)]


def ids(*announcements):
    """As frames name them."""
    return tuple(one.id[:16] for one in announcements)


def test_a_lone_block_leaves_with_the_event_that_brought_it():
    """No timer delays it: PUSH to every peer at once, in the eager class, as one frame object (protocol 4)."""
    one = met(Node(2), Node(3))
    said = one.say(1)

    pushes = [effect for effect in one.sent if isinstance(effect.frame, Push)]
    assert [effect.peer for effect in pushes] == [1, 2]
    assert {effect.cls for effect in pushes} == {Lane.EAGER}
    assert pushes[0].frame is pushes[1].frame
    assert pushes[0].frame.items[-1] == push(said).items[0]


def test_the_certificate_goes_before_the_first_announcement_and_once():
    """An origin's certificate precedes its first announcement in a session (protocol 5.0)."""
    one = met(Node(2))
    first, second = one.say(1), one.say(2)
    (_, opening), (_, next_one) = sent(one, Push)

    assert [item.header for item in opening.items] == [one.cert.raw.header, first.raw.header]
    assert [item.header for item in next_one.items] == [second.raw.header]


def test_an_origin_without_a_certificate_is_sent_without():
    """A key that is its own owner has none to send (protocol 7)."""
    one = Node(1, certified=False)
    one.meet(1, Node(2))
    one.trust.own_owner = one.id
    one.say(1)

    assert [len(frame.items) for _, frame in sent(one, Push)] == []


def test_what_a_peer_sent_does_not_go_back_to_it():
    """To all others, one hop further, and not to who sent or announced it (protocol 4)."""
    two, three, four = Node(2), Node(3), Node(4)
    one = met(two, three, four)
    said = two.entries(1)
    one.get(3, Ihave(hop=0, ids=ids(said)))
    one.sent.clear()
    one.get(1, push(said, hop=4))

    assert [(peer, frame.items[-1].hop) for peer, frame in sent(one, Push)] == [(2, 5)]
    assert len(one.of(Recorded)) == 1
    assert one.of(Recorded)[0].peer == 1


def test_what_is_known_is_counted_and_not_sent_again():
    """Duplicates stop here (protocol 4)."""
    two, three = Node(2), Node(3)
    one = met(two, three)
    said = two.entries(1)
    one.get(1, push(said))
    one.sent.clear()
    one.get(2, push(said))

    assert not one.sent
    assert one.gossip.counts["duplicates"] == 1


def test_the_hop_count_ends_at_its_largest_value():
    """It is a hint of one byte (protocol 3)."""
    two, three = Node(2), Node(3)
    one = met(two, three)
    one.get(1, push(two.entries(1), hop=255))

    assert sent(one, Push)[0][1].items[-1].hop == 255


@pytest.mark.parametrize("entries, pushed", [(341, True), (342, False)])
def test_large_announcements_are_announced_and_not_pushed(entries, pushed):
    """A body above 4 KiB goes IHAVE → WANT → PUSH (protocol 4)."""
    one = met(Node(2))
    said = one.say(*range(entries))

    assert bool(sent(one, Push)) == pushed
    assert bool(sent(one, Ihave)) != pushed
    one.get(1, Want(ids=ids(said)))
    assert sent(one, Push)[-1][1].items[-1].header == said.raw.header


def test_many_large_announcements_are_announced_in_one_frame():
    """An import of 98 of them costs each peer one IHAVE (protocol 4)."""
    one = met(Node(2))
    said = [one.entries(*range(number * 400, number * 400 + 400)) for number in range(98)]
    one.handle(Published(announcements=said))

    assert [frame.ids for _, frame in sent(one, Ihave)] == [ids(*said)]
    assert {effect.cls for effect in one.sent} == {Lane.IHAVE}


def test_a_choked_link_gets_ids_only_until_it_is_unchoked():
    """CHOKE and UNCHOKE are obeyed (protocol 3)."""
    one = met(Node(2))
    one.get(1, Choke())
    one.say(1)
    assert not sent(one, Push)
    assert len(sent(one, Ihave)) == 1

    one.get(1, Unchoke())
    one.say(2)
    assert len(sent(one, Push)) == 1


def test_a_peer_that_refuses_our_rate_gets_ids_only_for_a_while():
    """REFUSE(rate) is obeyed for ten seconds, whatever its clock says; other codes are counted (protocol 6)."""
    one = met(Node(2))
    one.get(1, Refuse(code=RefuseCode.SHARE, scope=RefuseScope.SESSION))
    one.say(1)
    assert len(sent(one, Push)) == 1

    one.get(1, Refuse(code=RefuseCode.RATE, scope=RefuseScope.SESSION, until_ms=2**40))
    one.say(2)
    assert len(sent(one, Push)) == 1
    one.tick(10.1)
    one.say(3)
    assert len(sent(one, Push)) == 2
    assert one.gossip.counts["refused-by-peer"] == 2


def test_a_sender_keeps_its_peers_limits():
    """450 lone blocks are pushed at once, more are announced, and what is even more is reconciled (protocol 6)."""
    limits = Limits(announcements_burst=10, announcements_rate=1, ids_burst=5, ids_rate=1)
    one = met(Node(2), limits=limits)
    for number in range(20):
        one.say(number)

    pushed = sum(len(frame.items) for _, frame in sent(one, Push)) - 1
    announced = sum(len(frame.ids) for _, frame in sent(one, Ihave))
    assert (pushed, announced) == (9, 4)
    assert one.gossip.counts["ids-held-back"] == 7
    assert one.gossip.next_deadline() <= one.now.mono + 10.0


def test_what_was_held_back_arrives_by_reconciliation():
    """More news than limits allow is late, never lost (protocol 6)."""
    limits = Limits(announcements_burst=10, announcements_rate=1, ids_burst=5, ids_rate=1)
    net, one, other = pair(limits=limits)
    said = [one.say(number) for number in range(100)]
    net.run(one, other)
    assert not all(map(other.holds, said))

    for node in (one, other):
        node.tick(10.1)
    net.run(one, other)
    assert all(map(other.holds, said))


def test_what_was_fetched_is_announced_and_not_pushed_on():
    """What is found by a reconciliation or asked for goes on as IHAVE only (protocol 5.4)."""
    two, three = Node(2), Node(3)
    one = met(two, three)
    said = two.entries(1)
    one.get(1, Ihave(hop=0, ids=ids(said)))
    assert sent(one, Want) == [(1, Want(ids=ids(said)))]
    one.sent.clear()
    one.get(1, push(said))

    assert sent(one, Ihave) == [(2, Ihave(hop=1, ids=ids(said)))]
    assert not sent(one, Push)


def test_wanted_ids_are_answered_in_order_with_what_is_missing_named():
    """PUSH for what is held, MISS for what is not and for runs of numbers (protocol 3)."""
    one = met(Node(2))
    said = [one.entries(number) for number in range(3)]
    run = Run(origin=one.id, epoch=0, first=1, last=2)
    one.get(1, Want(ids=(ids(said[2])[0], bytes(16), ids(said[0])[0]), runs=(run,)))

    headers = [item.header for _, frame in sent(one, Push) for item in frame.items]
    assert headers == [one.cert.raw.header, said[2].raw.header, said[0].raw.header]
    assert [frame for _, frame in sent(one, Miss)] == [Miss(runs=(run,)), Miss(ids=(bytes(16),))]
    assert {effect.cls for effect in one.sent} == {Lane.REPLY}


def test_a_certificate_that_is_asked_for_is_sent_once():
    """It needs no certificate before it (protocol 5.0)."""
    one = met(Node(2))
    said = one.entries(1)
    one.get(1, Want(ids=ids(one.cert, said)))

    assert [item.header for _, frame in sent(one, Push) for item in frame.items] == [
        one.cert.raw.header,
        said.raw.header,
    ]


def test_a_certificate_that_the_peer_is_known_to_have_is_not_sent():
    """It announced it itself (protocol 4)."""
    two = Node(2)
    one = met(two)
    one.get(1, Ihave(hop=0, ids=ids(one.cert)))
    one.say(1)

    assert [len(frame.items) for _, frame in sent(one, Push)] == [1]


def test_long_answers_leave_in_pieces(monkeypatch):
    """256 KiB at once, the rest 20 ms later, so that no queue and no loop is flooded (protocol 6)."""
    monkeypatch.setattr(module, "SERVE_BYTES", 1_000)
    monkeypatch.setattr(module, "PUSH_BYTES", 500)
    one = met(Node(2))
    said = [one.entries(number) for number in range(20)]
    one.get(1, Want(ids=ids(*said)))
    first = sum(len(frame.items) for _, frame in sent(one, Push))
    assert 0 < first < 20
    assert one.gossip.next_deadline() == pytest.approx(one.now.mono + 0.02)
    one.get(1, Want(ids=ids(said[0])))
    assert sum(len(frame.items) for _, frame in sent(one, Push)) == first

    for _ in range(20):
        one.tick(0.021)
    headers = [item.header for _, frame in sent(one, Push) for item in frame.items]
    assert headers == [one.cert.raw.header, *(one.raw.header for one in said), said[0].raw.header]
    assert all(sum(item.size for item in frame.items) <= 800 for _, frame in sent(one, Push))


def test_more_questions_than_can_wait_are_refused(monkeypatch):
    """What waits to be answered is bounded (design: bounded)."""
    monkeypatch.setattr(module, "MAX_SERVING", 3)
    monkeypatch.setattr(module, "SERVE_BYTES", 1)
    one = met(Node(2))
    said = [one.entries(number) for number in range(6)]
    one.get(1, Want(ids=ids(*said)))
    one.get(1, Want(ids=ids(*said)))
    for _ in range(10):
        one.tick(0.021)

    headers = [item.header for _, frame in sent(one, Push) for item in frame.items]
    assert headers[:4] == [one.cert.raw.header, *(one.raw.header for one in said[:3])]
    assert sent(one, Refuse)[0][1].code == RefuseCode.BUSY


def test_an_announcement_that_is_void_at_once_goes_nowhere():
    """Kept nowhere, relayed to nobody; the proof is the node's to announce (protocol 1.5)."""
    two, three = Node(2), Node(3)
    one = met(two, three)
    stamp = two.stamp()
    rivals = [build_entries(two.key, stamp, [block(number)]) for number in (1, 2)]
    one.get(1, push(rivals[0]))
    one.sent.clear()
    one.get(1, push(rivals[1]))

    assert not sent(one, Push)
    assert one.of(Recorded)[-1].outcome.equivocation is not None


def test_a_retraction_travels_like_a_block():
    """At once, to everyone (protocol 4)."""
    net = Net()
    nodes = [Node(1), Node(2), Node(3)]
    net.connect(nodes[0], nodes[1])
    net.connect(nodes[1], nodes[2])
    net.run(*nodes)
    nodes[0].say(1)
    nodes[0].say(1, action=Action.RETRACT, ttl=4_000)
    net.run(*nodes)

    key = block(1).key
    assert [one.action for one in nodes[2].ledger.statements(key, nodes[2].now.wall)] in ([], [Action.RETRACT])
    assert MAX_OF_PEER > 0
