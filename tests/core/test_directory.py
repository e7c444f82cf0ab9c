"""protocol 7: which owner a node belongs to, by whatever was learned, in whatever order."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfw.core import directory as limits
from p2pfw.core.directory import Directory
from p2pfw.core.identity import Certificate, NodeId, OwnerId, Revocation, Uses, revoke
from p2pfw.errors import ExpiredError, FutureError, ShareError, SignatureError
from tests.core.making import DAY, NOW, certificate, key, node_id, owner_id

NODE, OTHER = node_id(1), node_id(2)
OWNER, STRANGER = owner_id(100), owner_id(101)


def learned(*things: Certificate | Revocation, now: float = NOW) -> Directory:
    """A directory that has heard these, in this order."""
    directory = Directory()
    for thing in things:
        if isinstance(thing, Certificate):
            directory.learn(thing, now)
        else:
            directory.revoke(thing, now)
    return directory


class TestOwnership:
    """Who owns a node now."""

    def test_a_key_that_never_had_a_certificate_owns_itself(self):
        """A single server needs no owner key to be trusted by name."""
        directory = Directory()

        assert directory.owner_of(NODE, NOW) == directory.carried_owner(NODE, NOW) == OwnerId(NODE)
        assert directory.uses_of(NODE, NOW) == Uses.ALL
        assert directory.certificate_of(NODE) is None
        assert not directory.is_revoked(NODE)

    def test_a_certified_node_is_its_owners_until_the_end(self):
        """And nobody's afterwards: not even its own."""
        directory = learned(certificate(begins=NOW, days=1, uses=Uses.SESSION | Uses.FLEET))

        assert directory.owner_of(NODE, NOW) == directory.owner_of(NODE, NOW + DAY - 1) == OWNER
        assert directory.owner_of(NODE, NOW + DAY) is None
        assert directory.uses_of(NODE, NOW) == Uses.SESSION | Uses.FLEET
        assert directory.uses_of(NODE, NOW + DAY) == Uses(0)

    def test_what_it_said_is_carried_thirty_days_longer(self):
        """Stored and relayed for its owner, and then for nobody."""
        directory = learned(certificate(begins=NOW, days=1))

        assert directory.carried_owner(NODE, NOW + 31 * DAY - 1) == OWNER
        assert directory.carried_owner(NODE, NOW + 31 * DAY) is None
        assert directory.certificate_of(NODE) is not None

    def test_the_newest_beginning_holds(self):
        """A renewal, or a new owner, whichever was heard first."""
        old, new = certificate(serial=1, begins=NOW - 200), certificate(serial=2, owner=101, begins=NOW - 100)

        for order in permutations((old, new)):
            directory = learned(*order)
            assert directory.certificate_of(NODE) == new
            assert NODE not in directory.nodes_of(OWNER, NOW)
            assert directory.nodes_of(STRANGER, NOW) == [NODE]

    def test_the_smaller_owner_key_holds_of_two_that_begin_together(self):
        """So that all nodes agree."""
        pair = certificate(owner=100), certificate(owner=101)

        for order in permutations(pair):
            assert learned(*order).owner_of(NODE, NOW) == min(OWNER, STRANGER)

    def test_the_higher_serial_holds_of_one_owners_two_that_begin_together(self):
        """Two made within one second."""
        pair = certificate(serial=1), certificate(serial=2)

        for order in permutations(pair):
            held = learned(*order).certificate_of(NODE)
            assert held is not None
            assert held.serial == 2

    def test_a_newer_certificate_that_ended_does_not_give_the_node_back(self):
        """The former owner's is older, although it would still be valid."""
        directory = learned(certificate(begins=NOW - 100), certificate(owner=101, begins=NOW, days=1))

        assert directory.owner_of(NODE, NOW + 2 * DAY) is None
        assert directory.carried_owner(NODE, NOW + 2 * DAY) == STRANGER

    def test_nodes_are_listed_in_order_and_only_the_valid_ones(self):
        """For `owner show` and for JOIN."""
        directory = learned(
            *(certificate(node=n, days=10) for n in (3, 1, 2)),
            certificate(node=4, days=1),
            certificate(node=5, owner=101),
        )

        assert directory.nodes_of(OWNER, NOW + 5 * DAY) == sorted(node_id(n) for n in (1, 2, 3))
        assert directory.nodes_of(owner_id(7), NOW) == []


class TestLearning:
    """What is taken, and what is not."""

    def test_it_says_whether_something_changed(self):
        """So that only then the node's statements are judged again."""
        directory = Directory()

        assert directory.learn(certificate(serial=1), NOW)
        assert not directory.learn(certificate(serial=1), NOW)
        assert directory.learn(certificate(serial=2), NOW)
        assert not directory.learn(certificate(serial=1), NOW)

    def test_a_bad_signature_is_refused(self):
        """And leaves nothing behind."""
        directory = Directory()

        with pytest.raises(SignatureError):
            directory.learn(replace(certificate(), owner=STRANGER), NOW)
        assert directory.owner_of(NODE, NOW) == OwnerId(NODE)

    def test_one_that_has_not_begun_is_refused_for_now(self):
        """Else a certificate of the future would suspend the valid one. Two minutes of clock are forgiven."""
        directory = learned(certificate(begins=NOW - 10))

        with pytest.raises(FutureError):
            directory.learn(certificate(begins=NOW + 121, owner=101), NOW)
        assert directory.learn(certificate(begins=NOW + 120), NOW)
        assert directory.owner_of(NODE, NOW) == OWNER

    def test_one_that_is_not_carried_any_more_is_refused(self):
        """Nothing depends on it."""
        directory = Directory()
        ended = certificate(begins=NOW - 60 * DAY, days=30)

        with pytest.raises(ExpiredError):
            directory.learn(ended, NOW)
        assert directory.learn(ended, NOW - 1)

    def test_all_that_holds_can_be_listed(self):
        """For gossip, which sends them first."""
        directory = learned(certificate(node=1), certificate(node=2), certificate(node=2, serial=2))

        assert {(c.node, c.serial) for c in directory.certificates()} == {(NODE, 1), (OTHER, 2)}


class TestRevocation:
    """By key, for ever; below a serial, until a higher one."""

    by_key = revoke(key(100), node=NODE, created=NOW)
    below_5 = revoke(key(100), below_serial=5, created=NOW)

    def assert_dead(self, directory: Directory) -> None:
        assert directory.is_revoked(NODE)
        assert directory.owner_of(NODE, NOW) is None
        assert directory.carried_owner(NODE, NOW) is None
        assert directory.uses_of(NODE, NOW) == Uses(0)
        assert directory.certificate_of(NODE) is None
        assert NODE not in directory.nodes_of(OWNER, NOW)

    @pytest.mark.parametrize("revocation", [by_key, below_5])
    def test_it_voids_the_certificate_whichever_is_heard_first(self, revocation):
        """And says which nodes it ended."""
        directory = learned(certificate(serial=4), certificate(node=2, serial=9))
        assert directory.revoke(revocation, NOW) == {NODE}
        assert directory.revoke(revocation, NOW) == frozenset()

        self.assert_dead(directory)
        self.assert_dead(learned(revocation, certificate(serial=4)))
        assert directory.owner_of(OTHER, NOW) == OWNER

    def test_a_revoked_key_is_never_certified_again(self):
        """Not by its owner, and not by anybody else: who holds the stolen key would be that somebody."""
        for later in (certificate(serial=99, begins=NOW), certificate(owner=101, begins=NOW)):
            for order in permutations((certificate(), self.by_key, later)):
                self.assert_dead(learned(*order))

    def test_a_new_certificate_of_a_higher_serial_is_good_again(self):
        """Serials are for a key whose certificates leaked, not the key itself."""
        for order in permutations((certificate(serial=4), self.below_5, certificate(serial=5, begins=NOW))):
            directory = learned(*order)
            assert directory.owner_of(NODE, NOW) == OWNER
            assert not directory.is_revoked(NODE)

    def test_the_highest_serial_holds(self):
        """A lower one heard later changes nothing."""
        directory = learned(certificate(serial=4), self.below_5)

        assert directory.revoke(revoke(key(100), below_serial=3, created=NOW + 1), NOW + 1) == frozenset()
        assert directory.is_revoked(NODE)
        assert [r.below_serial for r in directory.revocations()] == [5]

    def test_a_strangers_word_on_a_node_is_nothing(self):
        """Only owners that the node consented to at some time."""
        directory = learned(certificate())

        assert directory.revoke(revoke(key(101), node=NODE, created=NOW), NOW) == frozenset()
        assert directory.revoke(revoke(key(101), below_serial=99, created=NOW), NOW) == frozenset()
        assert directory.revoke(revoke(key(101), node=OTHER, created=NOW), NOW) == frozenset()
        assert directory.owner_of(NODE, NOW) == OWNER
        assert directory.owner_of(OTHER, NOW) == OwnerId(OTHER)

    def test_a_former_owners_word_on_the_key_counts(self):
        """A thief who moved the node to an owner of his own has not escaped, whatever is heard first."""
        moved = certificate(owner=101, begins=NOW)
        for order in permutations((certificate(), moved, self.by_key)):
            self.assert_dead(learned(*order))

        directory = learned(moved, self.by_key)
        assert not directory.is_revoked(NODE)
        assert directory.learn(certificate(), NOW)
        self.assert_dead(directory)

    def test_a_former_owners_serial_does_not_reach_another_owners_certificate(self):
        """Serials count within one owner."""
        for order in permutations((certificate(serial=4), certificate(owner=101, serial=1, begins=NOW), self.below_5)):
            assert learned(*order).owner_of(NODE, NOW) == STRANGER

    def test_a_key_that_owns_itself_can_end_itself(self):
        """It is its own owner."""
        directory = Directory()

        assert directory.revoke(revoke(key(1), node=NODE, created=NOW), NOW) == {NODE}
        assert directory.owner_of(NODE, NOW) is None

    def test_a_forged_or_future_revocation_is_refused(self):
        """It would end sessions and blocks at once."""
        directory = learned(certificate())

        with pytest.raises(SignatureError):
            directory.revoke(replace(revoke(key(101), node=NODE, created=NOW), owner=OWNER), NOW)
        with pytest.raises(FutureError):
            directory.revoke(revoke(key(100), node=NODE, created=NOW + 121), NOW)
        assert directory.owner_of(NODE, NOW) == OWNER

    def test_every_revocation_with_an_effect_can_be_listed(self):
        """For gossip, which sends them first."""
        directory = learned(certificate(serial=4), self.by_key, self.below_5)

        assert set(directory.revocations()) == {self.by_key, self.below_5}


class TestTime:
    """What changes by the clock alone."""

    def test_the_next_deadline_is_the_next_change(self):
        """Beginning, end, and end of being carried."""
        directory = learned(certificate(begins=NOW + 60, days=1))
        end = NOW + 60 + DAY

        assert [directory.next_deadline(t) for t in (NOW - 999, NOW, end, end + 30 * DAY)] == [
            NOW - 60, end, end + 30 * DAY, None,
        ]  # fmt: skip
        assert Directory().next_deadline(NOW) is None

    @given(
        spans=st.lists(st.tuples(st.integers(0, 50), st.integers(1, 90)), min_size=1, max_size=4),
        then=st.integers(-70, 130),
        now=st.integers(-70, 130),
    )
    @settings(max_examples=40)
    def test_every_node_whose_answers_changed_is_named(self, spans, then, now):
        """Forward or back, whatever lies between."""
        made = [certificate(node=n, begins=NOW - ago * DAY, days=days) for n, (ago, days) in enumerate(spans, 1)]
        directory = learned(*(c for c in made if c.carried_at(NOW)))
        then, now = NOW + then * DAY, NOW + now * DAY

        def answers(node: NodeId, at: float) -> tuple[object, ...]:
            return directory.owner_of(node, at), directory.carried_owner(node, at), directory.uses_of(node, at)

        changed = {c.node for c in made if answers(c.node, then) != answers(c.node, now)}
        assert changed <= directory.changed_between(then, now)
        assert directory.changed_between(now, now) == frozenset()


# Few nodes, owners, times and serials, so that they meet.
certificates = st.builds(
    certificate,
    owner=st.integers(100, 102),
    node=st.integers(1, 2),
    serial=st.integers(1, 3),
    begins=st.integers(NOW - 2, NOW),
    uses=st.sampled_from([Uses.ALL, Uses.SESSION]),
)
revocations = st.one_of(
    st.builds(lambda o, n: revoke(key(o), node=node_id(n), created=NOW), st.integers(100, 102), st.integers(1, 2)),
    st.builds(lambda o, s: revoke(key(o), below_serial=s, created=NOW), st.integers(100, 102), st.integers(1, 4)),
)


@given(
    things=st.lists(st.one_of(certificates, revocations), max_size=7).flatmap(
        lambda things: st.tuples(st.just(things), st.permutations(things))
    )
)
@settings(max_examples=150)
def test_the_order_of_hearing_does_not_matter(things):
    """Nodes that heard the same things answer the same."""
    first, second = (learned(*order) for order in things)

    for n in (1, 2):
        node = node_id(n)
        assert first.certificate_of(node) == second.certificate_of(node)
        assert first.owner_of(node, NOW) == second.owner_of(node, NOW)
        assert first.carried_owner(node, NOW) == second.carried_owner(node, NOW)
        assert first.uses_of(node, NOW) == second.uses_of(node, NOW)
        assert first.is_revoked(node) == second.is_revoked(node)


class TestBounds:
    """Every table has a limit, and says so when it is hit."""

    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch):
        """The limits are what is tested, not their size."""
        monkeypatch.setattr(limits, "MAX_NODES", 4)
        monkeypatch.setattr(limits, "MAX_NODES_AN_OWNER", 2)
        monkeypatch.setattr(limits, "MAX_REVOKED_AN_OWNER", 2)
        monkeypatch.setattr(limits, "MAX_OWNERS_A_NODE", 2)

    def test_an_owner_cannot_fill_the_directory(self):
        """The third node of one owner is refused; its renewals and other owners' nodes are not."""
        directory = learned(certificate(node=1), certificate(node=2))

        with pytest.raises(ShareError):
            directory.learn(certificate(node=3), NOW)
        assert directory.learn(certificate(node=2, serial=2), NOW)
        assert directory.learn(certificate(node=3, owner=101), NOW)

    def test_the_node_that_ended_longest_ago_gives_way(self):
        """Once it is not carried any more; and only a node of the owner whose share is full."""
        directory = learned(
            certificate(node=9, owner=101, days=1), certificate(node=1, days=3), certificate(node=2, days=2)
        )
        later = NOW + 34 * DAY
        with pytest.raises(ShareError):
            directory.learn(certificate(node=3, begins=NOW + 31 * DAY), NOW + 31 * DAY)

        assert directory.learn(certificate(node=3, begins=later), later)
        assert {c.node for c in directory.certificates()} == {node_id(n) for n in (9, 1, 3)}

    def test_all_owners_together_have_a_limit(self):
        """The fifth node is refused until one gives way, whosever."""
        directory = learned(*(certificate(node=n, owner=100 + n, days=n) for n in (1, 2, 3, 4)))
        with pytest.raises(ShareError):
            directory.learn(certificate(node=5), NOW)

        later = NOW + 32 * DAY
        assert directory.learn(certificate(node=5, begins=later), later)
        assert NODE not in {c.node for c in directory.certificates()}

    def test_a_revoked_key_does_not_give_way(self):
        """Forgotten, it would own itself; one that was only below a serial does."""
        directory = learned(certificate(node=1, days=1), certificate(node=2, days=2))
        directory.revoke(revoke(key(100), node=NODE, created=NOW), NOW)
        directory.revoke(revoke(key(100), below_serial=2, created=NOW), NOW)

        later = NOW + 40 * DAY
        assert directory.learn(certificate(node=3, serial=2, begins=later), later)
        assert directory.is_revoked(NODE)
        assert not directory.is_revoked(OTHER)

    def test_revocations_of_keys_have_a_limit_an_owner(self):
        """Beyond it the owner revokes by serial."""
        directory = learned(*(revoke(key(100), node=node_id(n), created=NOW) for n in (1, 2)))

        with pytest.raises(ShareError, match="by serial"):
            directory.revoke(revoke(key(100), node=node_id(3), created=NOW), NOW)
        directory.revoke(revoke(key(100), below_serial=9, created=NOW), NOW)
        directory.revoke(revoke(key(101), node=node_id(3), created=NOW), NOW)

    def test_revocations_have_a_limit_in_all(self):
        """By key and by serial."""
        directory = learned(*(revoke(key(100 + n), node=NODE, created=NOW) for n in range(4)))
        with pytest.raises(ShareError):
            directory.revoke(revoke(key(105), node=NODE, created=NOW), NOW)

        for n in range(4):
            directory.revoke(revoke(key(100 + n), below_serial=2, created=NOW), NOW)
        with pytest.raises(ShareError):
            directory.revoke(revoke(key(105), below_serial=2, created=NOW), NOW)
        directory.revoke(revoke(key(100), below_serial=3, created=NOW), NOW)

    def test_a_node_is_remembered_with_so_many_former_owners(self):
        """The first that were heard of; the one that holds counts beside them."""
        directory = learned(*(certificate(owner=o, begins=NOW - 200 + o) for o in (100, 101, 102, 103)))

        assert directory.revoke(revoke(key(102), node=NODE, created=NOW), NOW) == frozenset()
        assert directory.revoke(revoke(key(101), node=NODE, created=NOW), NOW) == {NODE}
