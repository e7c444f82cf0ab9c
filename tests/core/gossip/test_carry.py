"""Which owners both sides carry: hashes, sets, changes (protocol 5.0)."""

import pytest

from p2pfw.core.gossip import carry as module
from p2pfw.core.gossip.carry import carried_digest
from p2pfw.core.gossip.events import CarriedChanged, Drop
from p2pfw.core.identity import OwnerId
from p2pfw.core.wire import Carry, CarryForm
from tests.core.gossip.harness import OWNERS, Net, Node

KEYS = [OwnerId(owner.public_key) for owner in OWNERS]


def test_the_digest_does_not_depend_on_order():
    """Equal sets, equal digests; frozen bytes (protocol 5.0)."""
    assert carried_digest([b"a" * 32, b"b" * 32]) == carried_digest([b"b" * 32, b"a" * 32])
    assert carried_digest([]).hex() == "a0ecb36f0d2308b07f59a876e3f76f092d62aab201ba30d521d5abb717d566bf"
    assert carried_digest([]) != carried_digest([b"a" * 32])


def forms(net):
    """The forms of the CARRY frames that went by."""
    return [CarryForm(frame.form) for _, _, frame in net.frames if isinstance(frame, Carry)]


def test_equal_sets_cost_one_hash_each():
    """No set is sent where the hashes are equal (protocol 5.0)."""
    net = Net()
    one, other = Node(1), Node(2)
    net.connect(one, other)
    net.run(one, other)

    assert forms(net) == [CarryForm.DIGEST, CarryForm.DIGEST]


@pytest.mark.parametrize("part", [1_500, 1])
def test_where_sets_differ_only_what_both_carry_is_sent(part, monkeypatch):
    """The intersection is reconciled and relayed, the rest stays where it is (protocol 5.0)."""
    monkeypatch.setattr(module, "PART", part)
    net = Net()
    one, other, third = Node(1, owner=0, carries=[1, 2, 3]), Node(2, owner=1, carries=[0, 2]), Node(3, owner=3)
    net.connect(one, other)
    net.connect(one, third)
    net.run(one, other, third)
    for_both, for_one = other.say(1), third.say(2)
    net.run(one, other, third)

    assert CarryForm.ASK in forms(net)
    assert one.holds(for_both)
    assert one.holds(for_one)
    assert not other.holds(for_one)
    assert not third.holds(for_both)
    assert not any(node.of(Drop) for node in (one, other, third))


def test_an_owner_that_is_added_is_reconciled_whole():
    """Whoever adds, and whoever had it already: the new one gets all that was said before (protocol 5.0)."""
    net = Net()
    one, other = Node(1, owner=0, carries=[1]), Node(2, owner=1, carries=[])
    net.connect(one, other)
    net.run(one, other)
    said = [one.say(number) for number in range(5)]
    net.run(one, other)
    assert not any(map(other.holds, said))

    other.trust.give(KEYS[0], 0.0)
    other.handle(CarriedChanged())
    net.run(one, other)

    assert all(map(other.holds, said))
    assert other.holds(one.cert)


def test_both_may_add_the_same_owner_at_the_same_time():
    """Their changes cross, and both catch up (protocol 5.0)."""
    net = Net()
    one, other, third = Node(1, carries=[]), Node(2, carries=[]), Node(3, owner=2)
    net.connect(one, other)
    net.run(one, other)
    old = third.entries(7)
    for node in (one, other):
        node.trust.give(KEYS[2], 0.0)
        node.intake.learn(third.certificate, node.now.wall)
    one.intake.receive(third.cert.raw, one.now.wall)
    one.intake.receive(old.raw, one.now.wall)
    one.handle(CarriedChanged())
    other.handle(CarriedChanged())
    net.run(one, other)

    assert other.holds(old)


def test_an_owner_that_is_removed_is_not_sent_any_more():
    """The operator forgets an owner: what it says is not relayed to this node (protocol 5.0)."""
    net = Net()
    one, other = Node(1, owner=0, carries=[1]), Node(2, owner=1, carries=[0])
    net.connect(one, other)
    net.run(one, other)
    other.trust.forget(KEYS[0])
    other.handle(CarriedChanged())
    net.run(one, other)
    said = one.say(3)
    net.run(one, other)

    assert not other.holds(said)
    assert other.gossip.counts["not-carried"] == 0


def test_a_change_that_changes_nothing_is_not_told():
    """Only news travels."""
    one = Node(1)
    one.meet(1, Node(2))
    one.handle(CarriedChanged())

    assert not one.frames(Carry)


def test_a_change_before_the_set_is_ignored():
    """The set that was asked for will have it (protocol 5.0)."""
    one = Node(1)
    one.meet(1, Node(2), carry=False)
    digest = carried_digest([KEYS[0]])
    one.get(1, Carry(form=CarryForm.CHANGE, digest=digest, added=(KEYS[0],)))

    assert not one.of(Drop)
    one.get(1, Carry(form=CarryForm.SET, digest=digest, added=(KEYS[0],)))
    said = one.say(1)
    assert [effect.peer for effect in one.sent if type(effect.frame).__name__ == "Push"] == [1]
    assert one.holds(said)


def test_a_set_that_is_not_whole_is_not_believed():
    """Until the digest fits nothing is known (protocol 5.0)."""
    one = Node(1)
    one.meet(1, Node(2), carry=False)
    one.get(1, Carry(form=CarryForm.SET, digest=carried_digest(KEYS[:2]), added=(KEYS[0],)))
    one.say(1)
    assert not [effect for effect in one.sent if type(effect.frame).__name__ == "Push"]

    one.get(1, Carry(form=CarryForm.CHANGE, digest=carried_digest(KEYS[:2]), added=(KEYS[1],)))
    one.say(2)
    assert [effect for effect in one.sent if type(effect.frame).__name__ == "Push"]


def test_more_owners_than_anybody_carries_end_the_session(monkeypatch):
    """Bounded (design: bounded)."""
    monkeypatch.setattr(module, "MAX_OWNERS", 3)
    one = Node(1)
    one.meet(1, Node(2))
    one.get(1, Carry(form=CarryForm.CHANGE, digest=bytes(32), added=tuple(KEYS[1:5])))

    assert one.of(Drop)[0].ban
