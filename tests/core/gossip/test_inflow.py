"""What peers send: limits, refusals, blame (protocol 4, 6)."""

from dataclasses import replace

import pytest

from p2pfw.core.announcement import (
    CONTEXT,
    Action,
    Kind,
    RawAnnouncement,
    build_checkpoint,
    build_entries,
)
from p2pfw.core.checkpoint import Checkpoint
from p2pfw.core.gossip import wants
from p2pfw.core.gossip.events import CarriedChanged, Drop, PeerUp, Recorded, Refused
from p2pfw.core.gossip.limits import Limits
from p2pfw.core.header import content_hash
from p2pfw.core.wire import Bye, ByeCode, Hello, Ihave, Miss, Push, Pushed, Refuse, RefuseCode, Want
from tests.core.gossip.harness import Node, block
from tests.core.gossip.test_broadcast import ids, met, push, sent

TIGHT = Limits(announcements_burst=1, announcements_rate=0.001, reserve_burst=2, reserve_rate=0.001)


def signed_by_hand(node, header, body):
    """A header that no builder makes."""
    header = replace(header, body_hash=content_hash(body), body_len=len(body)).encode()
    return Pushed(hop=0, header=header, signature=node.key.sign(CONTEXT, header), body=body)


def item(raw):
    """Raw bytes as pushed."""
    return Pushed(hop=0, header=raw.header, signature=raw.signature, body=raw.body)


def bad(kind):
    """What the sender answers for."""
    two = Node(2)
    one = two.entries(1, record=False)
    raw = one.raw
    match kind:
        case "bad-signature":
            return item(RawAnnouncement(raw.header, bytes(64), raw.body))
        case "body-hash":
            return item(RawAnnouncement(raw.header, raw.signature, raw.body[:-1] + b"\x01"))
        case "malformed":
            return item(RawAnnouncement(b"nothing", raw.signature, raw.body))
        case "not-canonical":
            return signed_by_hand(two, one.header, raw.body[:4] + b"\x08" + raw.body[5:])
        case "wrong-network":
            return signed_by_hand(two, replace(one.header, network=b"elsewher"), raw.body)
        case _:
            return signed_by_hand(two, replace(one.header, expires=one.header.created + 31 * 86_400), raw.body)


@pytest.mark.parametrize(
    "reason", ["bad-signature", "body-hash", "malformed", "not-canonical", "wrong-network", "lifetime-too-long"]
)
def test_what_the_sender_answers_for_ends_the_session(reason):
    """Honest relays verify, so a bad announcement is the relay's fault: dropped, banned, counted (protocol 6)."""
    two = Node(2)
    one = met(two, Node(3))
    good = two.entries(9, record=False)
    one.get(1, Push(items=(bad(reason), item(good.raw))))

    assert one.of(Drop) == [Drop(peer=1, reason=reason, ban=True)]
    assert [refused.error.reason for refused in one.of(Refused)] == [reason]
    assert one.gossip.counts[reason] == 1
    assert sent(one, Bye) == [(1, Bye(code=ByeCode.FAULT))]
    assert not one.of(Recorded)
    assert not one.holds(good)
    assert [view.peer for view in one.gossip.peers()] == [2]


def test_a_forged_copy_does_not_keep_the_true_one_out():
    """Nothing is remembered before intake accepted it (protocol 1.4)."""
    two, three = Node(2), Node(3)
    one = met(two, three)
    true = two.entries(1, record=False)
    one.get(2, Push(items=(item(RawAnnouncement(true.raw.header, bytes(64), true.raw.body)),)))
    one.get(1, push(true))

    assert one.holds(true)


def test_a_forged_answer_leaves_the_true_one_wanted_from_others():
    """Who answered falsely is gone; the next announcer is asked (protocol 4)."""
    two, three = Node(2), Node(3)
    one = met(two, three)
    true = two.entries(1, record=False)
    one.get(2, Ihave(hop=0, ids=ids(true)))
    one.get(1, Ihave(hop=0, ids=ids(true)))
    one.sent.clear()
    one.get(2, Push(items=(item(RawAnnouncement(true.raw.header, bytes(64), true.raw.body)),)))

    assert sent(one, Want) == [(1, Want(ids=ids(true)))]


@pytest.mark.parametrize(
    "at, ttl, reason, answers", [(200, 3_600, "future", [RefuseCode.FUTURE]), (-4_000, 3_600, "expired", [])]
)
def test_what_the_sender_does_not_answer_for_is_ignored(at, ttl, reason, answers):
    """Clocks differ: counted, not punished, not asked for again for a while (protocol 6)."""
    two = Node(2)
    one = met(two)
    dated = two.entries(1, record=False, at=one.now.wall + at, ttl=ttl)
    one.get(1, push(dated))
    one.get(1, push(dated))
    one.get(1, Ihave(hop=0, ids=ids(dated)))

    assert not one.of(Drop)
    assert [refused.error.reason for refused in one.of(Refused)] == [reason]
    assert one.gossip.counts["refused-again"] == 1
    assert [frame.code for _, frame in sent(one, Refuse)] == answers
    assert not sent(one, Want)

    one.tick(301)
    one.tick(301)
    one.meet(9, two)
    one.get(9, Ihave(hop=0, ids=ids(dated)))
    assert len(sent(one, Want)) == 1


def test_a_full_share_is_answered_with_the_reason():
    """REFUSE(share): so that the origin's operator can be told (protocol 3)."""
    two = Node(2)
    one = met(two)
    one.ledger._holdings._shares._share = 4
    one.get(1, push(two.entries(*range(5), record=False)))

    assert [refused.error.reason for refused in one.of(Refused)] == ["share"]
    assert [frame.code for _, frame in sent(one, Refuse)] == [RefuseCode.SHARE]


def test_whom_nobody_carries_is_counted_until_somebody_does():
    """An unknown owner's word is neither kept nor held against the relay (protocol 1.8)."""
    two, stranger = Node(2), Node(7, owner=3)
    one = met(two)
    one.intake.learn(stranger.certificate, one.now.wall)
    said = stranger.entries(1, record=False)
    one.get(1, push(said))
    assert [refused.error.reason for refused in one.of(Refused)] == ["not-carried"]

    one.trust.give(stranger.owner, 0.0)
    one.handle(CarriedChanged())
    one.get(1, push(said))
    assert one.holds(said)


def test_a_certificate_makes_what_was_refused_for_want_of_it_count():
    """It is not remembered as refused, and the peer is reconciled with (protocol 5.0)."""
    two, three = Node(2), Node(3)
    one = Node(1)
    one.meet(1, two)
    said = three.entries(1, record=False)
    one.get(1, push(said))
    assert one.gossip.counts["not-carried"] == 1
    one.get(1, push(three.cert, said))

    assert one.holds(said)
    assert one.gossip.next_deadline() <= one.now.mono + 10.0


def test_a_certificate_is_not_remembered_as_refused_by_the_body_that_came_with_it():
    """For what an owner signed the body names the owner: a false body must not keep the true one out (protocol 1.4)."""
    two, three = Node(2), Node(3)
    one = Node(1)
    one.meet(1, two)
    stranger = Node(3, owner=5)
    false = RawAnnouncement(three.cert.raw.header, three.cert.raw.signature, stranger.certificate.encode())
    assert len(false.body) == len(three.cert.raw.body)
    one.get(1, Push(items=(item(false),)))
    assert one.gossip.counts["not-carried"] == 1
    one.get(1, push(three.cert))

    assert one.holds(three.cert)


def test_more_than_the_limit_is_asked_for_at_our_pace():
    """What comes beyond the limit is put on the list, and the peer told once to announce only (protocol 6)."""
    two = Node(2)
    one = met(two, limits=TIGHT)
    said = [two.entries(number, record=False) for number in range(5)]
    one.get(1, push(*said))

    assert [one.holds(item) for item in said] == [True, False, False, False, False]
    assert one.gossip.counts["push-over-limit"] == 4
    refused = [frame for _, frame in sent(one, Refuse)]
    assert [(frame.code, frame.until_ms > one.now.wall_ms) for frame in refused] == [(RefuseCode.RATE, True)]
    assert sent(one, Want)[0][1].ids == tuple(reversed(ids(*said[1:])))

    one.get(1, push(*said))
    assert all(map(one.holds, said))


def test_un_blocking_has_a_small_reserve():
    """No limit eats retractions, revocations, pardons, checkpoints; nor are they without limit (protocol 6)."""
    two = Node(2)
    one = met(two, limits=replace(TIGHT, reserve_burst=4))
    one.get(1, push(two.entries(0, record=False)))
    taking_back = [
        two.entries(1, record=False, action=Action.RETRACT),
        two.revocation(Node(6)),
        build_entries(two.key, two.stamp(), [block(2, action=Action.PARDON, ttl=30 * 86_400)], kind=Kind.PARDON),
        build_checkpoint(two.key, two.stamp(), Checkpoint(epoch=0, seq=0, held=())),
    ]
    one.get(1, push(*taking_back))
    assert all(map(one.holds, taking_back))

    over = two.entries(3, record=False, action=Action.RETRACT)
    one.get(1, push(over))
    assert not one.holds(over)


def test_only_what_takes_back_uses_the_reserve():
    """Blocks, certificates, large bodies and bytes that are nothing do not (protocol 6)."""
    two = Node(2)
    one = met(two, limits=TIGHT)
    one.get(1, push(two.entries(0, record=False)))
    large = build_entries(two.key, two.stamp(), [block(number, action=Action.RETRACT) for number in range(400)])
    others = [item(two.entries(1, record=False).raw), item(Node(5).cert.raw), item(large.raw)]
    one.get(1, Push(items=(*others, Pushed(hop=0, header=b"nothing", signature=bytes(64), body=b""))))

    assert one.gossip.counts["push-over-limit"] == 4
    assert not one.of(Drop)


def test_retractions_of_both_families_are_seen_in_any_place():
    """IPv4 records come first, IPv6 after them; one RETRACT among blocks is enough (protocol 1.2)."""
    two = Node(2)
    one = met(two, limits=replace(TIGHT, reserve_burst=1))
    one.get(1, push(two.entries(0, record=False)))
    six = replace(block(1, action=Action.RETRACT), key=1 << 136 | 0x2A00 << 120 | 64)
    mixed = build_entries(two.key, two.stamp(), [block(5), six])
    one.get(1, push(mixed))

    assert one.holds(mixed)


def test_all_peers_together_have_limits_too():
    """Ten times what one may send (protocol 6)."""
    peers = [Node(number) for number in range(2, 16)]
    one = met(*peers, limits=replace(TIGHT, ids_burst=1, ids_rate=0.001))
    for number, peer in enumerate(peers, start=1):
        one.get(number, push(peer.entries(number, record=False)))
        one.get(number, Ihave(hop=0, ids=(bytes([number]) * 16,)))

    assert len(one.of(Recorded)) == 10
    assert one.gossip.counts["push-over-limit"] == 4
    assert one.gossip.counts["ids-over-limit"] == 4


def test_too_many_ids_are_dropped_and_reconciled_later():
    """Nothing is lost: the difference is found in ten seconds (protocol 6)."""
    one = met(Node(2), limits=Limits(ids_burst=3, ids_rate=0.001))
    one.get(1, Ihave(hop=0, ids=tuple(bytes([number]) * 16 for number in range(4))))

    assert not sent(one, Want)
    assert one.gossip.counts["ids-over-limit"] == 1
    assert one.gossip.next_deadline() <= one.now.mono + 10.0


def test_what_does_not_fit_the_list_is_reconciled_later(monkeypatch):
    """Bounded (design: bounded)."""
    monkeypatch.setattr(wants, "MAX_OF_PEER", 2)
    one = met(Node(2))
    one.get(1, Ihave(hop=0, ids=tuple(bytes([number]) * 16 for number in range(5))))

    assert len(sent(one, Want)[0][1].ids) == 2
    assert one.gossip.counts["wants-overflow"] == 3
    assert one.gossip.next_deadline() <= one.now.mono + 10.0


def test_miss_and_silence_move_a_question_to_the_next_announcer():
    """MISS at once, silence after five seconds (protocol 4)."""
    one = met(Node(2), Node(3), Node(4))
    for peer in (1, 2, 3):
        one.get(peer, Ihave(hop=0, ids=(b"x" * 16,)))
    assert [peer for peer, _ in sent(one, Want)] == [1]
    one.get(1, Miss(ids=(b"x" * 16,)))
    assert [peer for peer, _ in sent(one, Want)] == [1, 2]

    one.tick(5.1)
    assert [peer for peer, _ in sent(one, Want)] == [1, 2, 3]
    assert one.gossip.counts["want-stalled"] == 1


def test_a_revocation_ends_the_sessions_of_the_revoked_at_once():
    """Its announcements are dead and its session over; no ban, it may be certified anew as another key (protocol 7)."""
    two, three = Node(2), Node(3)
    one = met(two, three)
    one.get(1, push(two.revocation(three)))

    assert one.of(Drop) == [Drop(peer=2, reason="revoked", ban=False)]
    assert (2, Bye(code=ByeCode.REVOKED)) in sent(one, Bye)


def test_a_revoked_peer_that_sent_its_own_revocation_is_dropped_in_the_middle_of_its_frame():
    """What follows in the same frame is not looked at (protocol 7)."""
    two = Node(2)
    one = met(two)
    after = two.entries(1, record=False)
    one.get(1, push(two.revocation(two), after))

    assert one.of(Drop)[0].reason == "revoked"
    assert not one.holds(after)


def test_what_another_nodes_word_left_void_is_a_duplicate():
    """Of a quarantined epoch nothing is news (protocol 1.5)."""
    two = Node(2)
    one = met(two)
    stamp = two.stamp()
    for number in (1, 2):
        one.get(1, push(build_entries(two.key, stamp, [block(number)])))
    later = two.entries(3, record=False)
    before = one.gossip.counts["recorded"]
    one.get(1, push(later))

    assert one.gossip.counts["duplicates"] == 1
    assert one.gossip.counts["recorded"] == before


def test_frames_of_a_peer_that_is_gone_are_ignored():
    """A frame that was on its way when the session ended (protocol 2)."""
    one = Node(1)
    assert one.get(5, Hello(versions=(1,), store_id=bytes(16), clock_ms=0)) == []
    one.handle(PeerUp(peer=5, node=Node(2).id, outbound=False))
    assert one.sent
