"""Reconciliations between real nodes (protocol 5)."""

import pytest

from p2pfw.core.gossip import reconcile, sync, wants
from p2pfw.core.gossip.carry import carried_digest
from p2pfw.core.gossip.events import CarriedChanged, CaughtUp, Drop, PeerUp, Recorded
from p2pfw.core.gossip.reconcile import END
from p2pfw.core.identity import OwnerId
from p2pfw.core.wire import (
    Carry,
    CarryForm,
    DoneCode,
    Hello,
    Ihave,
    Push,
    Range,
    RangeMode,
    RDone,
    RMsg,
    ROpen,
    Scope,
    Want,
)
from tests.core.gossip.harness import NETWORK, OWNERS, Net, Node, pair
from tests.core.gossip.test_broadcast import ids, met, push, sent

ALL = (Range(upper=END, mode=RangeMode.LIST),)


def opening(token, *, scope=Scope.STATEMENTS, ranges=ALL, more=False, t0_ms=1_800_001_000_000, owners=()):
    """An R_OPEN of a test's own making."""
    return ROpen(token=token, scope=scope, t0_ms=t0_ms, salt=bytes(16), owners=owners, more=more, ranges=ranges)


@pytest.mark.parametrize("count", [1, 40, 500])
@pytest.mark.parametrize("dialler_has_it", [True, False])
def test_who_was_away_has_all_after_one_connection(count, dialler_has_it):
    """Both directions, small and large, certificates first, and both say that they are caught up (protocol 5)."""
    net = Net()
    full, empty = Node(1), Node(2)
    said = [full.entries(number) for number in range(count)]
    old = empty.entries(9_999)
    net.connect(*((full, empty) if dialler_has_it else (empty, full)), learn=False)
    net.run(full, empty)

    assert all(map(empty.holds, said))
    assert full.holds(old)
    assert [one.own for node in (full, empty) for one in node.of(CaughtUp)] == [True, True]
    kinds = [one.outcome.announcement.kind for one in empty.of(Recorded)]
    assert kinds[0] == 2
    assert full.gossip.counts["duplicates"] == empty.gossip.counts["duplicates"] == 0


def test_nodes_in_sync_exchange_two_small_questions():
    """Certificates equal, statements equal: R_OPEN and R_DONE twice, no WANT (protocol 5)."""
    net, one, other = pair()
    peer = next(iter(one.gossip.peers())).peer
    net.cut(one, peer)
    net.frames.clear()
    net.connect(one, other)
    net.run(one, other)

    assert (net.count(ROpen), net.count(RDone), net.count(RMsg), net.count(Want)) == (2, 2, 0, 0)


def test_own_announcements_are_relearned_from_a_peer():
    """A node that lost its disk gets back what it said, and knows when it has all of it (protocol 1.5)."""
    net, one, other = pair()
    said = [one.say(number) for number in range(50)]
    net.run(one, other)
    net.cut(one, 1)
    restored = Node(1, certified=False)
    restored.intake.learn(one.certificate, one.now.wall)
    net.connect(restored, other)
    net.run(restored, other)

    assert all(map(restored.holds, said))
    caught = [position for position, effect in enumerate(restored.seen) if isinstance(effect, CaughtUp)]
    assert restored.seen[caught[0]].own
    assert all(position < caught[0] for position, one in enumerate(restored.seen) if isinstance(one, Recorded))


def test_a_peer_that_does_not_carry_us_teaches_us_nothing_of_our_own():
    """CaughtUp says whether the peer could have had it (protocol 1.5)."""
    net = Net()
    one, other = Node(1, owner=0, carries=[1]), Node(2, owner=1)
    net.connect(one, other)
    net.run(one, other)

    assert [caught.own for caught in one.of(CaughtUp)] == [False]


def test_the_newest_is_fetched_first():
    """What matters most after an absence (protocol 5.4)."""
    net = Net()
    full, empty = Node(1), Node(2)
    said = [full.entries(number, at=full.now.wall - 3_000 + number) for number in range(30)]
    net.connect(full, empty)
    net.run(full, empty)
    got = [one.outcome.announcement.id for one in empty.of(Recorded) if one.outcome.announcement.kind == 0]

    assert got == [one.id for one in reversed(said)]


def test_what_both_got_meanwhile_is_not_fetched():
    """A snapshot is old at once; only what is still lacking is asked for (protocol 5.2)."""
    two = Node(2)
    one = met(two)
    said = two.entries(1, record=False)
    one.get(1, opening(1, more=True, ranges=()))
    one.get(1, push(said))
    one.get(1, RMsg(token=1, more=False, ranges=(Range(upper=END, mode=RangeMode.LACK, data=ids(said)[0]),)))

    assert not sent(one, Want)


def test_a_token_of_the_wrong_side_ends_the_session():
    """Odd for the dialler, even for the other: two openings cannot be taken for one another (protocol 5)."""
    one = met(Node(2))
    one.get(1, opening(2))

    assert one.of(Drop)[0].reason == "bad-frame"


def test_a_clock_an_hour_off_cannot_reconcile():
    """What is alive is not the same for both; the answer says so (protocol 5.2)."""
    one = met(Node(2))
    one.get(1, opening(1, t0_ms=one.now.wall_ms - 3_600_001))

    assert sent(one, RDone) == [(1, RDone(token=1, code=DoneCode.REFUSED))]


def test_an_opening_waits_for_the_owners_that_the_peer_carries():
    """Its set was asked for and is on the way (protocol 5.0)."""
    one = Node(1)
    one.meet(1, Node(2), carry=False)
    one.get(1, opening(1))
    assert not sent(one, RDone)
    frame = next(iter(one.frames(Carry)), None)
    assert frame is None
    one.get(1, Carry(form=CarryForm.SET, digest=module_digest(one), added=(one.owner,)))

    assert sent(one, RDone) == [(1, RDone(token=1, code=DoneCode.EQUAL))]


def module_digest(node):
    """The digest of the set that this node carries."""
    node.handle(PeerUp(peer=50, node=Node(5).id, outbound=False))
    return next(frame.digest for frame in node.frames(Carry))


def test_turns_of_no_reconciliation_are_ignored():
    """Late frames of one that was given up (protocol 5.3)."""
    one = met(Node(2))
    one.get(1, RMsg(token=9, more=False, ranges=()))
    one.get(1, RDone(token=9, code=0))

    assert not one.sent
    assert not one.of(Drop)


def test_a_turn_may_come_in_parts():
    """`more`: the answer waits for the last part (protocol 5)."""
    two = Node(2)
    one = met(two)
    mine = one.entries(1)
    one.get(1, opening(1, more=True, ranges=(Range(upper=b"\x00\x01", mode=RangeMode.LIST),)))
    assert not one.sent
    one.get(1, RMsg(token=1, more=False, ranges=ALL))

    (_, answer), *_ = sent(one, RMsg)
    assert [item.mode for item in answer.ranges] == [RangeMode.LACK]
    assert answer.ranges[0].ids == list(ids(mine))


def test_long_answers_come_in_parts(monkeypatch):
    """More ranges than a frame holds (protocol 3)."""
    monkeypatch.setattr(reconcile, "FRAME_BUDGET", 300)
    monkeypatch.setattr(reconcile, "PART", 10)
    net = Net()
    full, empty = Node(1), Node(2)
    said = [full.entries(number) for number in range(100)]
    net.connect(full, empty)
    net.run(full, empty)

    assert any(isinstance(frame, RMsg) and frame.more for _, _, frame in net.frames)
    assert all(map(empty.holds, said))


def test_a_reconciliation_that_does_not_end_is_ended(monkeypatch):
    """Twelve turns at most; what is left is for the next one (protocol 5.3)."""
    monkeypatch.setattr(sync, "MAX_ROUNDS", 1)
    net = Net()
    full, empty = Node(1), Node(2)
    said = [full.entries(number) for number in range(100)]
    net.connect(full, empty)
    net.run(full, empty)
    assert not all(map(empty.holds, said))
    assert not empty.of(CaughtUp)
    assert any(frame.code == DoneCode.LIMIT for _, _, frame in net.frames if isinstance(frame, RDone))

    monkeypatch.setattr(sync, "MAX_ROUNDS", 12)
    for node in (full, empty):
        node.tick(10.1)
    net.run(full, empty)
    assert all(map(empty.holds, said))
    assert len(empty.of(CaughtUp)) == 1


def test_more_than_the_list_holds_takes_several_reconciliations(monkeypatch):
    """Bounded, and complete in the end (design: bounded)."""
    monkeypatch.setattr(wants, "MAX_OF_PEER", 30)
    net = Net()
    full, empty = Node(1), Node(2)
    said = [full.entries(number) for number in range(100)]
    net.connect(full, empty)
    net.run(full, empty)
    assert not empty.of(CaughtUp)

    for _ in range(4):
        for node in (full, empty):
            node.tick(10.1)
        net.run(full, empty)
    assert all(map(empty.holds, said))
    assert len(empty.of(CaughtUp)) == 1


def test_a_reconciliation_in_which_nothing_moves_is_given_up_and_opened_again():
    """30 s idle; a silent peer holds nothing for ever (protocol 5.3)."""
    one, two = Node(1), Node(2)
    one.meet(1, two, outbound=True)
    assert one.gossip.counts["sync-opened"] == 1
    one.tick(29)
    one.get(1, Ihave(hop=0, ids=(b"x" * 16,)))
    one.tick(2)
    assert one.gossip.counts["sync-timeout"] == 1

    one.sent.clear()
    one.tick(10.1)
    tokens = [frame.token for _, frame in sent(one, ROpen)]
    assert len(tokens) == 1
    assert tokens[0] % 2 == 1


def test_every_few_minutes_one_peer_is_reconciled_with():
    """Whatever was lost on the way is found (protocol 5.2)."""
    net, one, other = pair()
    lost = one.entries(7)
    for _ in range(50):
        for node in (one, other):
            node.tick(10)
        net.run(one, other)

    assert other.holds(lost)


def test_alone_there_is_nobody_to_reconcile_with():
    """The timer goes on (protocol 5.2)."""
    one = Node(1)
    one.tick(1_000)
    later = one.gossip.next_deadline()

    assert not one.sent
    assert one.now.mono + 150 <= later <= one.now.mono + 450


def test_waiting_reconciliations_are_bounded_and_not_repeated():
    """However often the operator edits trust (design: bounded)."""
    keys = [OwnerId(owner.public_key) for owner in OWNERS]
    one, two = Node(1), Node(2)
    one.meet(1, two, outbound=True)
    one.get(1, Carry(form=CarryForm.CHANGE, digest=carried_digest(keys), added=tuple(keys[1:])))
    one.sent.clear()
    for key in keys[1:] * 3:
        one.trust.give(key, 0.0)
        one.handle(CarriedChanged())
        one.trust.forget(key)
        one.handle(CarriedChanged())
    jobs = one.gossip._context.links[1].jobs

    assert not sent(one, ROpen)
    assert len(jobs) == len(set(jobs)) <= sync.MAX_JOBS + 1


def test_many_new_owners_are_reconciled_as_all(monkeypatch):
    """More than a frame names: the whole store (protocol 5.0)."""
    monkeypatch.setattr(sync, "MAX_SCOPE_OWNERS", 1)
    net = Net()
    one, other = Node(1, owner=0, carries=[1, 2, 3]), Node(2, owner=1, carries=[0])
    net.connect(one, other)
    net.run(one, other)
    net.frames.clear()
    other.trust.give(OwnerId(OWNERS[2].public_key), 0.0)
    other.trust.give(OwnerId(OWNERS[3].public_key), 0.0)
    other.handle(CarriedChanged())
    net.run(one, other)

    assert {frame.owners for _, _, frame in net.frames if isinstance(frame, ROpen)} == {()}


def test_certificates_that_both_hold_are_not_sent_again():
    """After the first reconciliation the peer has them (protocol 5.0)."""
    net, one, other = pair()
    net.frames.clear()
    one.say(1)
    net.run(one, other)

    assert [len(frame.items) for _, _, frame in net.frames if isinstance(frame, Push)] == [1]
    assert NETWORK


def test_a_peer_that_is_not_greeted_is_not_reconciled_with():
    """Ticks pass it over (protocol 2.5)."""
    one = Node(1)
    one.handle(PeerUp(peer=1, node=Node(2).id, outbound=True))
    one.tick(5)
    one.get(1, Hello(versions=(1,), store_id=bytes(16), clock_ms=0))
    one.tick(1)

    assert not sent(one, ROpen)
