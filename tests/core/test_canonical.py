"""protocol 1.3: a packed array has one spelling, and every other is refused."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.canonical import pack, unpack
from p2pfw.errors import MalformedError, NotCanonicalError, PeerError

SHAPE = (int, bytes)


@given(number=st.integers(0, 2**64 - 1), text=st.binary(max_size=300))
def test_what_was_packed_unpacks_to_the_same(number, text):
    """Any integer of 64 bits and any byte string survive the round trip."""
    assert unpack(pack([number, text]), SHAPE, 400) == [number, text]


@pytest.mark.parametrize(
    "spelling",
    [
        b"\x92\xcc\x05\xc4\x01a",  # 5 in two bytes
        b"\x92\xcf\x00\x00\x00\x00\x00\x00\x00\x05\xc4\x01a",  # 5 in nine bytes
        b"\x92\xd0\x05\xc4\x01a",  # 5 as a signed byte
        b"\x92\x05\xc5\x00\x01a",  # a length in two bytes
        b"\xdc\x00\x02\x05\xc4\x01a",  # the array's length in two bytes
        b"\xdd\x00\x00\x00\x02\x05\xc4\x01a",  # and in four
    ],
)
def test_a_longer_spelling_of_the_same_values_is_not_canonical(spelling):
    """Numbers and lengths are written as short as they can be."""
    assert msgpack.unpackb(spelling) == [5, b"a"]

    with pytest.raises(NotCanonicalError):
        unpack(spelling, SHAPE, 400)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",  # never used by msgpack
        b"\x92\x05",  # cut short
        b"\x92\x05\xc4\x05a",
        b"\x92\x05\xc6\xff\xff\xff\xff",  # announces 4 GiB
        pack([5, b"a"]) + b"\0",  # something follows
        msgpack.packb([5]),
        msgpack.packb([5, b"a", 1]),
        msgpack.packb([True, b"a"]),  # a bool equals an integer in Python, and is none
        msgpack.packb([5.0, b"a"]),
        msgpack.packb([5, "a"]),
        msgpack.packb([5, None]),
        msgpack.packb([5, [b"a"]]),
        msgpack.packb([5, {}]),
        msgpack.packb([5, {1: 2}]),
        msgpack.packb([5, msgpack.ExtType(1, b"a")]),
        msgpack.packb([5, msgpack.Timestamp(1)]),
        msgpack.packb({5: b"a"}),
        msgpack.packb(5),
        b"\x91" * 2_000 + b"\x05",  # nested deeper than any stack
        b"\x81\xa1a\x01",
        b"\x92\x05\xa1\xff",  # text that is not UTF-8
    ],
)
def test_what_is_not_a_flat_array_of_the_shape_is_malformed(data):
    """No text, map, extension, nesting, float, boolean, or other number of elements."""
    with pytest.raises(MalformedError):
        unpack(data, SHAPE, 10_000)


def test_more_bytes_than_the_limit_are_refused_undecoded():
    """Untrusted input has a bound where it enters."""
    data = pack([5, b"a" * 50])
    assert unpack(data, SHAPE, len(data))

    with pytest.raises(MalformedError, match="at most"):
        unpack(data, SHAPE, len(data) - 1)


@given(data=st.binary(max_size=64))
def test_random_bytes_are_refused_or_are_what_pack_writes(data):
    """Whatever unpack lets through, pack writes byte for byte; everything else is the sender's fault."""
    try:
        values = unpack(data, SHAPE, 64)
    except PeerError:
        return

    assert pack(values) == data
