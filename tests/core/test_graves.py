"""Void announcements are remembered by id until they would have ended."""

from p2pfw.core.graves import Grave, Graves
from tests.core.making import NOW, node_id


def test_an_id_is_remembered_until_its_time():
    """Found by the whole id and by its first 16 bytes; each is given back once, earliest first."""
    graves, one, two = Graves(), bytes(range(32)), bytes(range(1, 33))
    assert graves.next_deadline() is None
    graves.add(two, Grave(node_id(2), 7, (b"header", b"signature")), NOW + 20)
    graves.add(one, Grave(node_id(1), 7, (b"first", b"signature")), NOW + 10)

    assert one in graves
    assert two[:16] in graves
    assert bytes(32) not in graves
    assert graves.next_deadline() == NOW + 10
    assert list(graves.expire(NOW + 9)) == []
    assert list(graves.expire(NOW + 10)) == [node_id(1)]
    assert one not in graves
    assert list(graves.expire(NOW + 99)) == [node_id(2)]
    assert graves.next_deadline() is None


def test_a_header_stays_to_prove_a_contradiction():
    """By origin and order; the first of several, until it is forgotten."""
    graves = Graves()
    graves.add(bytes(32), Grave(node_id(1), 7, (b"one", b"")), NOW + 20)
    graves.add(bytes(range(32)), Grave(node_id(1), 7, (b"two", b"")), NOW + 10)

    assert graves.rival(node_id(1), 7) == (b"one", b"")
    assert graves.rival(node_id(1), 8) is graves.rival(node_id(2), 7) is None
    list(graves.expire(NOW + 10))
    assert graves.rival(node_id(1), 7) == (b"one", b"")
    list(graves.expire(NOW + 20))
    assert graves.rival(node_id(1), 7) is None
