"""Whom the operator named: file and run time, owners and nodes, names and words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.app.peerbook import Named, PeerBook, peer_text
from p2pfw.core.directory import Directory
from p2pfw.core.identity import DAY, NodeId, OwnerId, Uses, certify
from p2pfw.core.records import Category
from p2pfw.core.trust import TrustTable
from p2pfw.errors import InputError, NotFoundError
from p2pfw.rows import PeerRow
from tests.app.fakes import START, FakeClock
from tests.app.world import node_key, owner_key

ME, MINE = NodeId(node_key(1).public_key), OwnerId(owner_key(1).public_key)
NODE, OWNER = NodeId(node_key(2).public_key), OwnerId(owner_key(2).public_key)
OTHER = OwnerId(owner_key(3).public_key)


class Desk:
    """A book, and what it works on."""

    def __init__(self) -> None:
        self.directory, self.trust = Directory(), TrustTable(MINE)
        self.book = PeerBook(ME, self.directory, self.trust, FakeClock())

    def certify(self, node: NodeId, owner: int, begins: int = START - 100) -> None:
        """An owner says that a node is its own."""
        self.directory.learn(
            certify(owner_key(owner), node, serial=1, not_before=begins, not_after=begins + 80 * DAY, uses=Uses.ALL),
            START,
        )


def row(peer: bytes, **values) -> PeerRow:
    """A run-time word."""
    return PeerRow(**{"id": peer, "owner": b"", "name": "", "trust": None, **values})


def test_the_run_time_word_wins_over_the_file():
    """Field by field: what it does not say, the file says."""
    desk = Desk()
    desk.book.load_file([Named(id=NODE, name="file", trust=0.3, addresses=("ws://a:1",))])
    desk.book.load_rows([row(NODE, trust=0.9)])
    named = desk.book.get(NODE)

    assert named is not None
    assert (named.name, named.trust, named.addresses, named.from_file) == ("file", 0.9, ("ws://a:1",), True)
    desk.book.put(row(NODE, forgotten=True))
    assert desk.book.get(NODE) is None
    assert list(desk.book.all()) == []
    assert desk.book.drop(NODE)
    assert not desk.book.drop(NODE)
    assert desk.book.get(NODE).trust == 0.3


def test_trust_goes_to_the_owner_of_the_node_that_was_named():
    """By certificate; before there is one, to the key itself."""
    desk = Desk()
    desk.book.put(row(NODE, trust=0.9))
    assert desk.book.resolve() == {OwnerId(NODE)}
    desk.certify(NODE, 2)

    assert desk.book.resolve() == {OwnerId(NODE), OWNER}
    assert desk.trust.given(OWNER).trust == 0.9
    assert desk.trust.given(OwnerId(NODE)) is None


def test_a_pinned_word_does_not_follow_the_node():
    """The node changes hands: its new owner inherits nothing."""
    desk = Desk()
    desk.book.put(row(NODE, trust=0.9))
    desk.certify(NODE, 2)
    (pinned,) = desk.book.pins(NODE, OWNER)
    assert pinned.owner == OWNER
    assert desk.book.pins(NODE, OWNER) == []
    desk.certify(NODE, 3, begins=START - 10)
    desk.book.resolve()

    assert desk.trust.given(OWNER).trust == 0.9
    assert desk.trust.given(OTHER) is None


def test_nobody_pins_what_was_not_named():
    """A certificate of a stranger leaves no row."""
    assert Desk().book.pins(NODE, OWNER) == []


def test_the_own_fleet_needs_no_trust():
    """A word on one's own node gives nothing away."""
    desk = Desk()
    desk.certify(NODE, 1)
    desk.book.put(row(NODE, trust=0.1))

    assert desk.book.resolve() == set()
    assert desk.book.knows(NODE, MINE)
    assert desk.book.name_of(MINE) == "own fleet"
    assert desk.book.name_of(ME) == "this node"


def test_distrust_wins_over_any_trust():
    """Whether the owner or one of its nodes is distrusted: nothing counts, nobody of it is let in."""
    desk = Desk()
    desk.certify(NODE, 2)
    desk.book.load_file([Named(id=OWNER, name="owner", trust=0.9)])
    desk.book.put(row(NODE, distrusted=True, name="node"))
    desk.book.resolve()

    assert desk.trust.given(OWNER).trust == 0.0
    assert not desk.book.knows(NODE, OWNER)
    assert list(desk.book.dialled()) == []


def test_categories_are_words_in_rows():
    """And trust by category in the table."""
    desk = Desk()
    desk.book.put(row(OWNER, trust=0.4, trust_for=(("mail", 0.1),)))
    desk.book.resolve()

    assert desk.trust.given(OWNER).trust_for == {Category.MAIL: 0.1}
    desk.book.put(row(OWNER, trust=0.4))
    assert desk.book.resolve() == {OWNER}
    assert desk.book.resolve() == set()


def test_a_name_given_to_one_node_is_not_its_neighbours():
    """Who named web-1 did not name web-2 of the same owner; their owner is called by the one name that there is."""
    desk = Desk()
    desk.certify(NODE, 2)
    desk.certify(OTHER, 2)
    desk.book.put(row(NODE, name="web-1"))

    assert desk.book.name_of(OWNER) == desk.book.name_of(NODE) == "web-1"
    assert desk.book.name_of(OTHER).startswith("p2pfw1")


def test_names_are_found_and_ambiguity_is_an_error():
    """By name, by id; a node is also known by its owner's name."""
    desk = Desk()
    desk.certify(NODE, 2)
    desk.book.put(row(OWNER, name="helios"))
    assert desk.book.find("helios") == OWNER
    assert desk.book.find(peer_text(OTHER)) == OTHER
    assert desk.book.name_of(OWNER) == "helios"
    assert desk.book.name_of(NODE) == "helios"
    assert desk.book.name_of(OTHER).startswith("p2pfw1")
    desk.book.put(row(OTHER, name="helios"))

    with pytest.raises(InputError, match="give the id"):
        desk.book.find("helios")
    with pytest.raises(NotFoundError):
        desk.book.find("nobody")
    with pytest.raises(InputError):
        desk.book.find("p2pfw1damaged")


def test_only_the_named_and_the_fleet_are_known():
    """Closed admission asks this."""
    desk = Desk()
    assert not desk.book.knows(NODE, OWNER)
    desk.book.put(row(OWNER, trust=0.0))
    assert desk.book.knows(NODE, OWNER)
    assert not desk.book.knows(NODE, OTHER)
    assert desk.book.knows(NODE, MINE)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_of_several_words_the_lowest_counts(words: list[float]):
    """However many nodes of one owner are named, in whatever order."""
    desk = Desk()
    for number, trust in enumerate(words):
        node = NodeId(node_key(10 + number).public_key)
        desk.book.put(row(node, owner=OWNER, trust=trust))
    desk.book.resolve()

    assert desk.trust.given(OWNER).trust == min(words)
