"""protocol 7.4: which pardon counts for an owner."""

from p2pfw.core.announcement import Announcement
from p2pfw.core.directory import Directory
from p2pfw.core.held import Held, Shelf
from p2pfw.core.identity import OwnerId, Uses
from p2pfw.core.pardons import Pardons
from tests.core.making import NOW, certificate, node_id, owner_id
from tests.core.saying import HOST, NEXT, pardon, prefix

OWNER = owner_id(100)


class Given:
    """Pardons over a shelf and a directory of their own."""

    def __init__(self) -> None:
        self.shelf, self.directory = Shelf(), Directory()
        self.pardons = Pardons(self.shelf, self.directory)

    def add(self, said: Announcement) -> tuple[Held, int]:
        held = self.shelf.put(said, said.origin, None)
        return held, self.pardons.add(held, held.keys())

    def newest(self, text: str = HOST, owner: OwnerId = OWNER, now: float = NOW) -> int:
        return self.pardons.newest(prefix(text), owner, now)


def test_the_newest_that_counts_decides():
    """Neither one that has ended, nor a stranger's, nor one about another prefix."""
    given = Given()
    given.directory.learn(certificate(), NOW)
    assert given.newest() == -1
    for said in (pardon(1, HOST, at=NOW - 60), pardon(2, HOST, at=NOW - 90), pardon(3, HOST, ttl=5)):
        given.add(said)
    given.add(pardon(1, HOST, NEXT, by=2, at=NOW + 60))

    assert given.newest() == NOW
    assert given.newest(now=NOW + 5) == NOW - 60
    assert given.newest(NEXT) == -1
    assert given.newest(owner=OwnerId(node_id(2))) == NOW + 60


def test_it_is_asked_each_time_whether_it_may():
    """Certificates come and go in any order."""
    given = Given()
    given.add(pardon(1, HOST))
    assert given.newest() == -1
    given.directory.learn(certificate(uses=Uses.ANNOUNCE), NOW)
    assert given.newest() == -1

    given.directory.learn(certificate(serial=2, begins=NOW), NOW)

    assert given.newest() == NOW


def test_shares_count_each_prefix_once_an_origin():
    """What is forgotten is counted when its origin has none left on that prefix."""
    given = Given()
    one, fresh = given.add(pardon(1, HOST, NEXT))
    two, again = given.add(pardon(2, HOST))
    other, stranger = given.add(pardon(1, HOST, by=2))
    assert (fresh, again, stranger) == (2, 0, 1)

    assert given.pardons.discard(one, one.keys()) == 1
    assert given.pardons.discard(two, two.keys()) == 1
    assert given.pardons.discard(other, other.keys()) == 1
    assert given.pardons.refs == {}
