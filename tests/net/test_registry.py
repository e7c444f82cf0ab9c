"""Who may have a session: one an id, by a rule that both sides compute alike; bans that end and are bounded."""

import pytest

from p2pfw.errors import AdmissionError
from p2pfw.net import registry as module
from p2pfw.net.limits import Limits
from p2pfw.net.registry import Registry
from p2pfw.ports import PeerProof, PeerSession, SessionStats
from tests.net.harness import FixedCredentials, Recorder, key, ordered

SMALL, LARGE = (key(name) for name in ordered("a", "b"))


class ManualClock:
    def __init__(self):
        self.time = 100.0

    def now(self):
        return self.time

    def monotonic(self):
        return self.time


class FakeLink:
    def __init__(self, registry, node, *, inbound):
        self.peer = PeerSession(
            number=registry.next_number(),
            node=node,
            certificate=None,
            inbound=inbound,
            address="192.0.2.1",
            url="",
            token=b"",
        )
        self.opened_at = registry.clock.monotonic()
        self.ended = ""
        self._registry = registry

    def end(self, reason):
        self.ended = reason

    def finish(self):
        self._registry.remove(self)

    def stats(self):
        return SessionStats(opened=0.0, bytes_in=10, bytes_out=3, frames_in=1, frames_out=1, queued=0)


def register(me):
    """The register of one node, with a clock that stands still."""
    return Registry(FixedCredentials(me), Recorder(), clock=ManualClock(), chance=None, limits=Limits())


def proof(node):
    """What a handshake leaves for admission."""
    return PeerProof(node=node, certificate=None, token=b"", inbound=True, address="192.0.2.1", features=0)


@pytest.mark.parametrize("me, peer", [(SMALL, LARGE), (LARGE, SMALL)], ids=["smaller", "larger"])
@pytest.mark.parametrize("first_inbound", [True, False])
def test_of_two_at_once_the_one_dialled_by_the_smaller_id_is_kept(me, peer, first_inbound):
    """Whatever the order in which the two are seen."""
    registry = register(me)
    old = FakeLink(registry, peer.public_key, inbound=first_inbound)
    registry.add(old)
    smaller_dialled_old = first_inbound is (me is LARGE)
    if smaller_dialled_old:
        with pytest.raises(AdmissionError) as caught:
            registry.make_room(peer.public_key, inbound=not first_inbound)
        assert caught.value.code == "duplicate"
        assert not old.ended
    else:
        registry.make_room(peer.public_key, inbound=not first_inbound)
        assert old.ended == "duplicate"
        assert registry.link_to(peer.public_key) is None


@pytest.mark.parametrize("me, peer", [(SMALL, LARGE), (LARGE, SMALL)], ids=["smaller", "larger"])
@pytest.mark.parametrize("inbound", [True, False])
def test_later_the_newer_session_is_kept(me, peer, inbound):
    """Nobody dials a node that it has a session with: a new proof says that the old session is lost."""
    registry = register(me)
    old = FakeLink(registry, peer.public_key, inbound=not inbound)
    registry.add(old)
    registry.clock.time += registry.limits.young_s
    registry.make_room(peer.public_key, inbound=inbound)

    assert old.ended == "duplicate"
    assert registry.links() == []


def test_node_without_session_has_room():
    """Nothing to decide."""
    registry = register(SMALL)
    registry.make_room(LARGE.public_key, inbound=True)

    assert registry.links() == []


def test_late_end_of_the_old_link_leaves_the_new_one_on_the_register():
    """Removal is by link, not by node."""
    registry = register(SMALL)
    old = FakeLink(registry, LARGE.public_key, inbound=True)
    new = FakeLink(registry, LARGE.public_key, inbound=True)
    registry.add(old)
    registry.add(new)
    registry.remove(old)

    assert registry.link_to(LARGE.public_key) is new
    assert registry.link(new.peer.number) is new


def test_ban_ends_by_itself():
    """With the reason and the seconds left, as health shows them."""
    registry = register(SMALL)
    registry.ban(LARGE.public_key, 60, "bad-signature")
    with pytest.raises(AdmissionError) as caught:
        registry.admit(proof(LARGE.public_key))
    assert caught.value.code == "banned"
    assert [(ban.node, ban.reason, ban.seconds_left) for ban in registry.bans()] == [
        (LARGE.public_key, "bad-signature", 60.0)
    ]
    registry.clock.time += 60
    registry.admit(proof(LARGE.public_key))

    assert registry.bans() == []


def test_bans_are_bounded(monkeypatch):
    """A flood of faulty keys does not fill memory: the ban that ends first goes."""
    monkeypatch.setattr(module, "_MAX_BANS", 3)
    registry = register(SMALL)
    for number in range(5):
        registry.ban(bytes([number]) * 32, 100 + number, "bad-signature")

    assert sorted(ban.node[0] for ban in registry.bans()) == [2, 3, 4]


def test_stopping_node_lets_nobody_in():
    """A handshake that ends while the node stops must not open a session."""
    registry = register(SMALL)
    registry.stopping = True

    with pytest.raises(AdmissionError) as caught:
        registry.admit(proof(LARGE.public_key))
    assert caught.value.code == "stopping"


def test_bytes_of_ended_sessions_count_on():
    """A counter never falls, and a link that is taken off twice counts once."""
    registry = register(SMALL)
    links = [FakeLink(registry, node, inbound=True) for node in (LARGE, key("c"))]
    for link in links:
        registry.add(link)
    assert registry.traffic() == (20, 6)

    registry.remove(links[0])
    registry.remove(links[0])

    assert registry.traffic() == (20, 6)
