"""protocol 1.2: records are sorted, unique, fixed in size, and every number in them is within its limits."""

import struct
from operator import attrgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.prefix import PrefixKey, is_v6, key_address, key_length, v4_key, v6_key
from p2pfw.core.records import (
    MAX_ENTRIES,
    MAX_LIFETIME,
    PARDON_CODES,
    STATEMENT_CODES,
    Action,
    Category,
    Entry,
    body_bytes,
    check_columns,
    code,
    columns,
    encode,
    iterate,
    split_code,
)
from p2pfw.errors import InputError, LifetimeError, MalformedError, NotCanonicalError, PeerError
from tests.core.making import batches, block, hosts


def record4(address: int, length: int, *, ttl: int = 60, age: int = 0, code_byte: int = 0) -> bytes:
    """One IPv4 record, written field by field as the table in protocol 1.2 has it."""
    return struct.pack(">IB", address, length) + ttl.to_bytes(3) + age.to_bytes(3) + bytes([code_byte])


def record6(address: int, length: int, *, ttl: int = 60, age: int = 0, code_byte: int = 0) -> bytes:
    """One IPv6 record, likewise."""
    return address.to_bytes(16) + bytes([length]) + ttl.to_bytes(3) + age.to_bytes(3) + bytes([code_byte])


def slow_twin(entries: list[Entry]) -> bytes:
    """The body as protocol 1.2 words it, without any of the tricks of the module."""
    ordered = sorted(entries, key=lambda e: (is_v6(e.key), key_address(e.key), key_length(e.key)))
    return b"".join(
        (record6 if is_v6(e.key) else record4)(
            key_address(e.key),
            key_length(e.key),
            ttl=e.ttl,
            age=e.age,
            code_byte=e.action * 64 + e.category * 8 + e.confidence,
        )
        for e in ordered
    )


@given(batch=batches)
def test_the_body_is_what_the_table_says_byte_for_byte(batch):
    """The encoder agrees with a field-by-field twin, whatever the order it was given."""
    n4, n6, body = encode(batch)

    assert body == slow_twin(batch)
    assert (n4 + n6, len(body)) == (len(batch), body_bytes(n4, n6))


@given(batch=batches)
def test_records_come_back_as_they_were_given_in_order_of_their_keys(batch):
    """Round trip through the columns."""
    n4, _, body = encode(batch)

    ordered = sorted(batch, key=attrgetter("key"))
    assert list(iterate(n4, body)) == [(e.key, e.ttl, e.age, code(e.action, e.category, e.confidence)) for e in ordered]
    assert check_columns(n4, body, STATEMENT_CODES) == max(e.ttl for e in batch)


@given(batch=batches, data=st.data())
def test_a_changed_byte_is_refused_or_makes_another_canonical_body(batch, data):
    """No body that passes the checks differs from what the encoder writes for its own records."""
    n4, n6, body = encode(batch)
    place = data.draw(st.integers(0, len(body) - 1))
    changed = body[:place] + bytes([body[place] ^ data.draw(st.integers(1, 255))]) + body[place + 1 :]

    try:
        check_columns(n4, changed, STATEMENT_CODES)
    except PeerError:
        return

    again = [
        Entry(
            key=PrefixKey(k),
            ttl=ttl,
            age=age,
            **dict(zip(("action", "category", "confidence"), split_code(c), strict=True)),
        )
        for k, ttl, age, c in iterate(n4, changed)
    ]
    assert encode(again) == (n4, n6, changed)


def check4(*parts: bytes, allowed: bytes = STATEMENT_CODES) -> int:
    """The checks on a body of IPv4 records."""
    return check_columns(len(parts), b"".join(parts), allowed)


def check6(*parts: bytes) -> int:
    """The checks on a body of IPv6 records."""
    return check_columns(0, b"".join(parts), STATEMENT_CODES)


@pytest.mark.parametrize(
    "body",
    [
        (record4(2, 32), record4(1, 32)),
        (record4(1, 32), record4(1, 32)),
        (record4(1, 32, ttl=60), record4(1, 32, ttl=61)),
        (record4(0, 8), record4(0, 7)),
    ],
)
def test_records_that_do_not_strictly_ascend_are_not_canonical(body):
    """Order and uniqueness are by (address, length), not by what follows."""
    with pytest.raises(NotCanonicalError, match="ascending"):
        check4(*body)


def test_one_address_may_stand_with_several_lengths():
    """10.0.0.0/8 and 10.0.0.0/16 are two prefixes; the shorter comes first."""
    assert check4(record4(10 << 24, 8), record4(10 << 24, 16), record4(10 << 24, 32, ttl=61)) == 61


@pytest.mark.parametrize(
    "check, record",
    [(check4, record4(1, 31)), (check4, record4(1 << 31 | 1, 1)), (check4, record4(1, 0)), (check6, record6(1, 127))],
)
def test_host_bits_are_not_canonical(check, record):
    """A prefix has one spelling."""
    with pytest.raises(NotCanonicalError, match="host bits"):
        check(record)


def test_host_bits_are_found_beside_hosts():
    """The short way for bodies of hosts only is not taken when one record is wider."""
    with pytest.raises(NotCanonicalError, match="host bits"):
        check4(record4(1, 32), record4(5, 31), record4(9, 32))


@pytest.mark.parametrize(
    "check, record", [(check4, record4(0, 33)), (check4, record4(0, 255)), (check6, record6(0, 129))]
)
def test_a_length_beyond_the_address_is_malformed(check, record):
    """0..32 and 0..128."""
    with pytest.raises(MalformedError, match="longer than an address"):
        check(record)


@pytest.mark.parametrize("length", [0, 1, 32])
def test_every_length_of_ipv4_has_its_form(length):
    """The default route is a prefix like any other here; policy refuses it."""
    assert check4(record4(0, length)) == 60


@pytest.mark.parametrize("length", [0, 64, 128])
def test_every_length_of_ipv6_has_its_form(length):
    """Likewise for IPv6."""
    assert check6(record6(0, length)) == 60


def test_an_entry_that_never_lives_is_not_canonical():
    """A ttl is at least one second; taking back is what RETRACT is for."""
    with pytest.raises(NotCanonicalError, match="never lived"):
        check4(record4(1, 32, ttl=0))


def test_age_and_ttl_together_end_at_thirty_days():
    """Compaction cannot stretch a statement beyond the lifetime it could have had at first."""
    assert check4(record4(1, 32, ttl=MAX_LIFETIME - 5, age=5)) == MAX_LIFETIME - 5

    with pytest.raises(LifetimeError):
        check4(record4(1, 32, ttl=MAX_LIFETIME - 5, age=6))
    with pytest.raises(LifetimeError):
        check4(record4(1, 32), record4(2, 32, ttl=1, age=MAX_LIFETIME))


def test_codes_are_the_ones_of_the_kind_and_no_others():
    """All 256 bytes: actions 0 and 1 with categories 0..6 in entries, action 2 in pardons; nothing else."""
    for byte in range(256):
        action, category = byte >> 6, byte >> 3 & 7
        assert (byte in STATEMENT_CODES) == (action in (0, 1) and category <= 6)
        assert (byte in PARDON_CODES) == (action == 2 and category <= 6)
    assert check4(record4(1, 32, code_byte=0xB7), allowed=PARDON_CODES) == 60
    for byte in (0x80, 0xC0, 0x38, 0x78):
        with pytest.raises(MalformedError, match="does not belong"):
            check4(record4(1, 32, code_byte=byte))


def test_a_code_splits_into_what_it_was_made_of():
    """All codes there are."""
    for byte in STATEMENT_CODES + PARDON_CODES:
        assert code(*split_code(byte)) == byte
    assert split_code(code(Action.RETRACT, Category.VOIP, 6)) == (Action.RETRACT, Category.VOIP, 6)


def test_both_families_share_a_body_and_ipv4_comes_first():
    """n4 says where the one ends and the other begins."""
    n4, n6, body = encode([block("2001:db8::/48", ttl=5), block("203.0.113.9", age=7)])

    assert (n4, n6) == (1, 1)
    assert list(iterate(n4, body)) == [
        (v4_key(0xCB007109, 32), 3600, 7, 7),
        (v6_key(0x20010DB8 << 96, 48), 5, 0, 7),
    ]
    assert columns(n4, body).ages == [7, 0]


def test_the_number_of_entries_is_bounded_where_they_are_encoded():
    """1 to 1,024."""
    assert encode(hosts(MAX_ENTRIES))[0] == MAX_ENTRIES
    for number in (0, MAX_ENTRIES + 1):
        with pytest.raises(InputError, match="1 to 1024"):
            encode(hosts(number))


def test_one_prefix_twice_is_the_callers_error():
    """Even with different contents: nothing says which would hold."""
    with pytest.raises(InputError, match="twice"):
        encode([block("203.0.113.9", ttl=1), block("203.0.113.9", ttl=2)])


@pytest.mark.parametrize(
    "wrong",
    [{"ttl": 0}, {"ttl": MAX_LIFETIME + 1}, {"age": -1}, {"age": MAX_LIFETIME}, {"confidence": 8}, {"confidence": -1}],
)
def test_an_entry_beyond_its_limits_cannot_be_built(wrong):
    """Ttl and age within 30 days together, confidence within three bits."""
    fields = {"key": v4_key(1, 32), "action": Action.BLOCK, "category": Category.SSH, "confidence": 7, "ttl": 60}

    with pytest.raises(InputError):
        Entry(**(fields | wrong))
