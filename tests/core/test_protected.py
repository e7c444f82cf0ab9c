"""Protected ranges by strength, found either way, replaced as a whole."""

from p2pfw.core.protected import Protected, ProtectedRange, Strength
from p2pfw.core.ranges import span
from tests.core.judging import key

HARD = ProtectedRange(key=key("203.0.113.1"), strength=Strength.HARD, reason="own address")
SOFT = ProtectedRange(key=key("203.0.113.2"), strength=Strength.SOFT, reason="default gateway")
PEER = ProtectedRange(key=key("203.0.113.3"), strength=Strength.PEER, reason="peer berlin")


def test_the_strongest_range_is_named():
    """Hard before soft before peers."""
    found = Protected([PEER, SOFT, HARD])

    assert found.overlap(key("203.0.113.0/24"), remote=True) == HARD
    assert found.overlap(key("203.0.113.2/31"), remote=True) == SOFT
    assert list(found.entries()) == [HARD, SOFT, PEER]
    assert len(found) == 3


def test_peers_count_against_remote_statements_only():
    """So that mutual blocks cannot split the network."""
    found = Protected([PEER])

    assert found.overlap(PEER.key, remote=True) == PEER
    assert found.overlap(PEER.key, remote=False) is None
    assert found.find(PEER.key, Strength.PEER) == PEER


def test_an_embedded_address_is_protected_too():
    """::ffff:203.0.113.2 is 203.0.113.2."""
    assert Protected([SOFT]).overlap(key("::ffff:203.0.113.2"), remote=False) == SOFT


def test_one_prefix_may_be_protected_in_several_strengths():
    """A gateway that is a peer as well stays soft-protected."""
    peer = ProtectedRange(key=SOFT.key, strength=Strength.PEER, reason="peer")
    found = Protected([SOFT, peer])

    assert found.find(SOFT.key, Strength.SOFT) == SOFT
    assert found.find(SOFT.key, Strength.PEER) == peer


def test_replacing_says_what_changed():
    """What came, went or has another reason is judged again."""
    found = Protected([HARD, SOFT])
    moved = ProtectedRange(key=SOFT.key, strength=Strength.SOFT, reason="resolver")

    assert found.replace([HARD, moved, PEER]) == [SOFT.key, PEER.key]
    assert found.replace([HARD, moved, PEER]) == []
    assert found.replace([]) == [HARD.key, SOFT.key, PEER.key]


def test_special_space_is_always_worth_a_closer_look():
    """The fast test covers it, with or without own ranges."""
    assert Protected().touches(*span(key("127.0.0.1")))
    assert Protected().touches(*span(key("2002::/16")))
    assert not Protected().touches(*span(key("203.0.113.1")))
    assert Protected([HARD]).touches(*span(key("203.0.113.1")))
