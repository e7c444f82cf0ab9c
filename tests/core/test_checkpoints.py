"""protocol 1.6: when a checkpoint begins to apply."""

from p2pfw.core.announcement import Announcement, checkpoint_of
from p2pfw.core.checkpoints import Applying, Checkpoints
from p2pfw.core.held import Held, Shelf, order_of
from tests.core.making import NOW, block, node_id
from tests.core.saying import HOST, NEXT, checkpoint, say

NODE = node_id(1)
ONE, TWO = say(1, block(HOST, ttl=100)), say(2, block(NEXT, ttl=200))


class Heard:
    """Checkpoints, and what is known beside them."""

    def __init__(self, *known: Announcement) -> None:
        self.shelf, self.checkpoints = Shelf(), Checkpoints()
        self.known = {one.id for one in known}

    def add(self, said: Announcement, now: float = NOW) -> tuple[Held, Applying | None]:
        held = self.shelf.put(said, said.origin, None)
        return held, self.checkpoints.add(held, checkpoint_of(said), self.known.__contains__, now)


def test_one_of_which_all_is_known_applies_at_once():
    """It says below what order, and what stays."""
    heard = Heard(ONE, TWO)

    _, applying = heard.add(checkpoint(5, [ONE, TWO], before=3))

    assert (applying.origin, applying.bound, applying.listed) == (NODE, order_of((1, 3)), {ONE.id, TWO.id})
    assert heard.checkpoints.bound(NODE) == order_of((1, 3))
    assert heard.checkpoints.bound(node_id(2)) == 0
    assert heard.checkpoints.next_deadline() is None


def test_several_that_wait_for_one_thing_begin_together():
    """And one that waits for more goes on waiting."""
    heard = Heard()
    first, second, third = checkpoint(5, [ONE]), checkpoint(6, [ONE]), checkpoint(7, [ONE, TWO])
    assert [heard.add(said)[1] for said in (first, second, third)] == [None, None, None]
    assert heard.checkpoints.bound(NODE) == 0
    assert heard.checkpoints.missing() == sorted([ONE.id, TWO.id])

    assert [one.bound for one in heard.checkpoints.arrived(ONE.id)] == [order_of((1, 5)), order_of((1, 6))]
    assert heard.checkpoints.missing(NODE) == [TWO.id]
    assert [one.bound for one in heard.checkpoints.arrived(TWO.id)] == [order_of((1, 7))]
    assert list(heard.checkpoints.arrived(TWO.id)) == []


def test_what_expires_is_waited_for_no_longer():
    """At the time that the checkpoint itself gives; what arrived before is no deadline."""
    heard = Heard()
    heard.add(checkpoint(5, [ONE, TWO]))
    assert heard.checkpoints.next_deadline() == NOW + 100
    list(heard.checkpoints.arrived(ONE.id))

    assert heard.checkpoints.next_deadline() == NOW + 200
    assert list(heard.checkpoints.expire(NOW + 199)) == []
    assert [one.bound for one in heard.checkpoints.expire(NOW + 200)] == [order_of((1, 5))]


def test_one_that_is_gone_waits_and_voids_no_more():
    """The other checkpoints that wait for the same, or apply, do so still."""
    heard = Heard()
    waiting, also = heard.add(checkpoint(5, [ONE]))[0], heard.add(checkpoint(6, [ONE]))[0]
    low, high = heard.add(checkpoint(2))[0], heard.add(checkpoint(3))[0]

    heard.checkpoints.remove(waiting)
    assert heard.checkpoints.missing() == [ONE.id]
    heard.checkpoints.remove(also)
    assert heard.checkpoints.missing() == []
    heard.checkpoints.remove(high)
    assert heard.checkpoints.bound(NODE) == order_of((1, 2))
    heard.checkpoints.remove(low)
    assert heard.checkpoints.bound(NODE) == 0
