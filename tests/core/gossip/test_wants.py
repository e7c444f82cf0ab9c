"""Asking for what is lacking: of one peer at a time, newest first, within bounds (protocol 5.4)."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from p2pfw.core.gossip import wants as module
from p2pfw.core.gossip.wants import MAX_WINDOW, MIN_WINDOW, STALL, Wants


def ids(*numbers):
    """Ids by number."""
    return [number.to_bytes(16) for number in numbers]


@pytest.fixture
def wants():
    """Two peers that can be asked."""
    made = Wants()
    made.open(1)
    made.open(2)
    return made


def test_newest_is_asked_first_and_certificates_before_all(wants):
    """Given oldest first, asked newest first; what is urgent goes before (protocol 5.0, 5.4)."""
    wants.offer(1, ids(1, 2, 3))
    wants.offer(1, ids(9), urgent=True)

    assert wants.take(1, 0.0) == tuple(ids(9, 3, 2, 1))
    assert wants.is_asked(1, ids(3)[0])


def test_nothing_is_asked_of_two_peers_at_once(wants):
    """One WANT in flight an id (protocol 4)."""
    wants.offer(1, ids(1))
    wants.offer(2, ids(1))
    wants.offer(2, ids(1))

    assert wants.take(1, 0.0) == tuple(ids(1))
    assert wants.take(2, 0.0) == ()
    assert (wants.pending(1), wants.pending(2), len(wants)) == (1, 1, 1)


def test_what_came_is_asked_of_nobody(wants):
    """Whoever brings it, it is settled for all (protocol 4)."""
    wants.offer(1, ids(1, 2))
    wants.offer(2, ids(1))
    wants.take(1, 0.0)

    wants.settle(ids(1)[0])
    wants.settle(ids(1)[0])

    assert wants.take(2, 0.0) == ()
    assert (wants.pending(1), wants.pending(2), len(wants)) == (1, 0, 1)


def test_what_came_before_it_was_asked_for_is_not_asked_for(wants):
    """Pushed by somebody while it was on the list (protocol 4)."""
    wants.offer(1, ids(1))
    wants.settle(ids(1)[0])

    assert wants.take(1, 0.0) == ()
    assert wants.pending(1) == 0


def test_who_does_not_have_it_is_replaced_by_who_does(wants):
    """MISS moves an id to the next announcer; with none it is given up (protocol 4)."""
    wants.offer(1, ids(1, 2))
    wants.offer(2, ids(1))
    wants.take(1, 0.0)
    wants.missed(1, ids(1)[0], 1.0)
    wants.missed(1, ids(2)[0], 1.0)
    wants.missed(1, ids(2)[0], 1.0)

    assert wants.take(2, 1.0) == tuple(ids(1))
    assert (wants.pending(1), len(wants)) == (0, 1)


def test_who_was_not_asked_and_does_not_have_it_is_struck_off(wants):
    """Another peer's answer is still waited for (protocol 4)."""
    wants.offer(1, ids(1))
    wants.offer(2, ids(1))
    wants.take(1, 0.0)
    wants.missed(2, ids(1)[0], 0.0)

    assert wants.is_asked(1, ids(1)[0])
    assert (wants.pending(1), wants.pending(2)) == (1, 0)


def test_a_peer_that_goes_leaves_its_work_to_others(wants):
    """What only it had is given up, the rest is asked of others (protocol 5.4)."""
    wants.offer(1, ids(1, 2))
    wants.offer(2, ids(2), urgent=True)
    wants.take(1, 0.0)
    wants.close(1)

    assert wants.take(2, 0.0) == tuple(ids(2))
    assert (len(wants), wants.peers()) == (1, [2])


def test_a_peer_that_stalls_loses_what_others_have(wants):
    """No answer for five seconds: the next announcer is asked; what nobody else has stays (protocol 4)."""
    wants.offer(1, ids(7), urgent=True)
    wants.offer(1, ids(1, 2))
    wants.offer(2, ids(2, 7))
    wants.take(1, 0.0)
    assert wants.stalled(STALL - 1) == []
    assert wants.next_deadline() == STALL

    assert wants.stalled(STALL) == [1]

    assert wants.take(2, STALL) == tuple(ids(7, 2))
    assert wants.is_asked(1, ids(1)[0])
    assert wants.pending(1) == 1


def test_the_window_follows_the_sizes_that_come(wants):
    """256 KiB outstanding by what announcements of this peer weighed so far (protocol 5.4)."""
    wants.offer(1, ids(*range(1, 2000)))
    first = wants.take(1, 0.0)
    assert len(first) == 64
    for identity in first:
        wants.arrived(1, 250, 1.0)
        wants.settle(identity)
    second = wants.take(1, 1.0)
    assert len(second) == MAX_WINDOW

    for identity in second:
        wants.arrived(1, 32_768, 2.0)
        wants.settle(identity)
    assert len(wants.take(1, 2.0)) == MIN_WINDOW


def test_the_window_is_filled_again_once_half_of_it_is_free(wants):
    """So that a thousand answers do not cause a thousand questions."""
    wants.offer(1, ids(*range(1, 200)))
    first = wants.take(1, 0.0)
    for identity in first[:31]:
        wants.settle(identity)
    assert wants.take(1, 0.0) == ()

    wants.settle(first[31])
    assert len(wants.take(1, 0.0)) == 32


def test_what_does_not_fit_is_counted(wants, monkeypatch):
    """Bounds for each peer and for all (design: bounded)."""
    monkeypatch.setattr(module, "MAX_OF_PEER", 3)
    monkeypatch.setattr(module, "MAX_ALL", 4)

    assert wants.offer(1, ids(1, 2, 3, 4)) == 1
    assert wants.offer(2, ids(1, 5, 6)) == 1
    assert len(wants) == 4
    assert wants.next_deadline() is None


class Agreement(RuleBasedStateMachine):
    """Against a plain model: what is wanted, who has it, and that nothing wanted is ever lost while somebody has it."""

    identities = Bundle("identities")

    @initialize()
    def begin(self):
        self.wants = Wants()
        self.have = {}
        self.now = 0.0
        self.peer = 0

    @rule()
    def up(self):
        self.peer += 1
        self.wants.open(self.peer)
        self.have[self.peer] = set()

    @rule(data=st.data())
    def down(self, data):
        if self.have:
            peer = data.draw(st.sampled_from(sorted(self.have)))
            self.wants.close(peer)
            del self.have[peer]

    @rule(data=st.data(), numbers=st.lists(st.integers(0, 12), unique=True), urgent=st.booleans())
    def offer(self, data, numbers, urgent):
        if self.have:
            peer = data.draw(st.sampled_from(sorted(self.have)))
            assert self.wants.offer(peer, ids(*numbers), urgent=urgent) == 0
            self.have[peer] |= set(ids(*numbers))

    @rule(data=st.data(), settle=st.booleans())
    def answer(self, data, settle):
        if self.have:
            peer = data.draw(st.sampled_from(sorted(self.have)))
            for identity in self.wants.take(peer, self.now):
                assert identity in self.have[peer]
                if settle:
                    self.wants.settle(identity)
                    for had in self.have.values():
                        had.discard(identity)
                else:
                    self.wants.missed(peer, identity, self.now)
                    self.have[peer].discard(identity)

    @rule(data=st.data())
    def keep_waiting(self, data):
        if self.have:
            self.wants.take(data.draw(st.sampled_from(sorted(self.have))), self.now)
            self.now += STALL
            self.stalled = self.wants.stalled(self.now)
            for peer in self.stalled:
                outstanding = set(self.wants._queues[peer].outstanding)
                gone = {one for one in self.have[peer] if one not in outstanding and not self._source(peer, one)}
                self.have[peer] -= gone

    def _source(self, peer, identity):
        wanted = self.wants._wanted.get(identity)
        return wanted is not None and peer in wanted.sources

    @invariant()
    def nothing_is_lost(self):
        if hasattr(self, "have"):
            wanted = set().union(*self.have.values()) if self.have else set()
            assert set(self.wants._wanted) == wanted
            for peer, had in self.have.items():
                assert self.wants.pending(peer) == len(had)

    @invariant()
    def everything_can_still_be_asked(self):
        """Each id is asked of somebody, or lies on a stack of one who has it."""
        if hasattr(self, "wants"):
            for identity, wanted in self.wants._wanted.items():
                stacks = [
                    queue.urgent + queue.rest for peer, queue in self.wants._queues.items() if peer in wanted.sources
                ]
                assert wanted.asked is not None or any(identity in stack for stack in stacks)


TestAgreement = Agreement.TestCase
