"""protocol 1.1: a header that exists is within every limit that needs no clock."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.canonical import pack
from p2pfw.core.header import Header, Kind, announcement_id, lifetime
from p2pfw.errors import MalformedError, NotCanonicalError, PeerError
from tests.core.making import DAY, flips

# The values of a good header of kind entries, in the order of the table.
GOOD = [1, b"n" * 8, 0, b"o" * 32, 7, 8, 1_700_000_000_123, 1_700_003_600, 9, 2, 1, 48, b"h" * 32]
VERSION, NETWORK, KIND, ORIGIN, EPOCH, SEQ, CREATED, EXPIRES, BASIS, N4, N6, BODY_LEN, BODY_HASH = range(13)


def changed(**places: object) -> bytes:
    """The good header with some of its values replaced, packed."""
    values = list(GOOD)
    for name, value in places.items():
        values[globals()[name]] = value
    return pack(values)


def test_a_header_is_the_array_of_the_table_in_that_order():
    """An independent decoder sees the same values; encoding gives the same bytes."""
    header = Header.decode(pack(GOOD))

    assert msgspec.msgpack.decode(header.encode()) == GOOD
    assert header.encode() == pack(GOOD)
    assert (header.created, header.order) == (1_700_000_000, (7, 8))


@pytest.mark.parametrize(
    "places",
    [
        {"VERSION": 0},
        {"VERSION": 2},
        {"NETWORK": b"n" * 7},
        {"NETWORK": b"n" * 32},
        {"KIND": 256},
        {"KIND": -1},
        {"ORIGIN": b"o" * 31},
        {"ORIGIN": b""},
        {"EPOCH": 2**63},
        {"EPOCH": -1},
        {"SEQ": 2**64 - 1},
        {"CREATED": (2**40 - 1) * 1000 + 1},
        {"CREATED": -1},
        {"EXPIRES": 2**40},
        {"EXPIRES": -1},
        {"BASIS": 2**63},
        {"N4": 1025, "N6": 0, "BODY_LEN": 12_300},
        {"N4": 1024, "N6": 1, "BODY_LEN": 12_312},
        {"N4": 0, "N6": 0, "BODY_LEN": 0},
        {"N4": -1, "N6": 2, "BODY_LEN": 36},
        {"BODY_LEN": 47},
        {"BODY_LEN": 49},
        {"BODY_HASH": b"h" * 33},
        {"KIND": 1, "BASIS": 9},
        {"KIND": 2, "BASIS": 0},
        {"KIND": 2, "N4": 0, "N6": 0},
        {"KIND": 200, "BASIS": 0, "N4": 0, "N6": 0, "BODY_LEN": 32_769},
        {"KIND": 200, "BASIS": 0, "N4": 0, "N6": 0, "BODY_LEN": -1},
    ],
)
def test_a_value_beyond_its_limit_is_malformed(places):
    """Every column of the table, both ends; counts only where the kind has them."""
    with pytest.raises(MalformedError):
        Header.decode(changed(**places))


@pytest.mark.parametrize(
    "places",
    [
        {"EPOCH": 2**63 - 1, "SEQ": 2**63 - 1, "BASIS": 2**63 - 1},
        {"EPOCH": 0, "SEQ": 0, "BASIS": 0, "CREATED": 0, "EXPIRES": 0},
        {"CREATED": (2**40 - 1) * 1000, "EXPIRES": 2**40 - 1},
        {"N4": 1024, "N6": 0, "BODY_LEN": 12_288},
        {"N4": 0, "N6": 1024, "BODY_LEN": 24_576},
        {"KIND": 1, "BASIS": 0},
        {"KIND": 255, "BASIS": 0, "N4": 0, "N6": 0, "BODY_LEN": 32_768},
        {"KIND": 8, "BASIS": 0, "N4": 0, "N6": 0, "BODY_LEN": 0},
    ],
)
def test_a_value_at_its_limit_is_kept_exactly(places):
    """The limits are inclusive where the table says so, and the header stays within 256 bytes."""
    data = changed(**places)

    assert Header.decode(data).encode() == data
    assert len(data) <= 256


def test_every_flip_of_one_bit_is_refused_or_another_header():
    """No two spellings of one header: a flip that decodes has another value, and so another id."""
    good = pack(GOOD)
    for data in flips(good):
        try:
            header = Header.decode(data)
        except PeerError:
            continue
        assert header != Header.decode(good)
        assert announcement_id(data) != announcement_id(good)


def test_a_longer_integer_is_not_canonical():
    """Seq 8 in two bytes decodes to the same header, and would have another id."""
    good = pack(GOOD)
    place = good.index(bytes([7, 8, 0xCF]))

    with pytest.raises(NotCanonicalError):
        Header.decode(good[: place + 1] + b"\xcc\x08" + good[place + 2 :])


def test_each_kind_has_its_lifetime_and_unknown_ones_thirty_days():
    """The table of kinds."""
    days = {kind: lifetime(kind) // DAY for kind in (*Kind, 9, 255)}

    assert days == {0: 30, 1: 30, 2: 120, 3: 400, 4: 90, 5: 400, 6: 30, 7: 30, 8: 400, 9: 30, 255: 30}


@given(data=st.binary(max_size=300))
def test_random_bytes_never_raise_anything_but_a_peers_error(data):
    """Whatever arrives."""
    with pytest.raises(PeerError):
        Header.decode(data)
