"""Records are read from the signed bytes; slots are given again, serials never."""

from hypothesis import given

from p2pfw.core.announcement import records
from p2pfw.core.held import NOTHING, Shelf, body_codes, octets, order_of
from tests.core.making import NOW, batches, block, signed
from tests.core.saying import HOST, NET6, NEXT, checkpoint, prefix, say


@given(batches)
def test_every_record_reads_as_its_columns(entries):
    """Against the decoder of records, for any mixture of families."""
    said = signed(entries)
    held = Shelf().put(said, said.origin, None)

    columns = list(records(said))
    assert held.keys() == [key for key, *_ in columns]
    assert held.ends() == [held.created + ttl for _, ttl, _, _ in columns]
    assert list(body_codes(held.n4, held.body)) == [code for *_, code in columns]
    for position, (key, ttl, age, code) in enumerate(columns):
        assert held.said(position) == (held.created - age, held.created + ttl, code)
        assert held.find(key) == position
    assert held.entries == len(columns)


def test_what_has_no_records_has_no_keys():
    """A checkpoint's body is no list of prefixes."""
    said = checkpoint(2, [say(1, block(HOST))])
    held = Shelf().put(said, said.origin, None)

    assert held.keys() == held.ends() == []
    assert held.find(prefix(HOST)) is None


def test_what_is_held_is_what_was_signed():
    """The bytes themselves, and the header's numbers."""
    said = say(7, block(HOST), block(NET6), epoch=3)
    held = Shelf().put(said, said.origin, None)

    assert held.raw is said.raw
    assert (held.order, held.epoch) == (order_of((3, 7)), 3)
    assert (held.created, held.created_ms, held.expires) == (NOW, NOW * 1000, NOW + 3600)
    assert octets(held.raw) == len(said.raw.header) + 64 + 36


def test_slots_are_given_again_and_serials_never():
    """A left-over mention of a slot does not find what lies there now."""
    shelf = Shelf()
    first = shelf.put(say(1, block(HOST)), b"o", None)
    second = shelf.put(say(2, block(NEXT)), b"o", None)
    shelf.remove(first)
    assert shelf.slots[first.slot] is NOTHING
    assert shelf.present(first.slot, first.serial) is None
    assert (shelf.count, list(shelf.all())) == (1, [second])

    third = shelf.put(say(3, block(NET6)), b"o", None)

    assert third.slot == first.slot
    assert shelf.present(first.slot, first.serial) is None
    assert shelf.present(third.slot, third.serial) is third


def test_orders_compare_like_pairs():
    """(epoch, seq) as one integer."""
    pairs = [(0, 0), (0, (1 << 63) - 1), (1, 0), (1, 1), ((1 << 63) - 1, 0)]

    assert [order_of(pair) for pair in pairs] == sorted(order_of(pair) for pair in pairs)
