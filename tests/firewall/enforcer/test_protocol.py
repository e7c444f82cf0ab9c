"""The frames between node and enforcer: what is packed comes out, and what is not ours is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.prefix import Prefix, v4_key, v6_key
from p2pfw.errors import FirewallError, MissingProgramError, PrivilegeError
from p2pfw.firewall.enforcer import protocol
from p2pfw.firewall.enforcer.protocol import HEADER, MAX_PAYLOAD, Frame, Kind, ProtocolError, Role

END = 1_700_000_000
hosts4 = st.integers(0, (1 << 32) - 1).map(lambda address: v4_key(address, 32))
hosts6 = st.integers(0, (1 << 128) - 1).map(lambda address: v6_key(address, 128))
NOW = 1_700_000_000.5
ends = st.just(0) | st.integers(int(NOW), int(NOW) + (1 << 32))
tables = st.dictionaries(hosts4 | hosts6, ends, max_size=60)


def read(data):
    """A `receive` over bytes."""
    at = 0

    def receive(size):
        nonlocal at
        if at + size > len(data):
            raise EOFError
        at += size
        return data[at - size : at]

    return receive


@given(tables)
def test_entries_come_out_as_they_went_in(table):
    """Both families, in order within each."""
    found = {}
    for frame in protocol.entries(table, lambda: NOW):
        columns = protocol.unpack(protocol.read_frame(read(frame.encode())).payload, extras=1)
        found |= protocol.read_entries(columns, NOW)

    assert found == table
    for six in (False, True):
        assert [key for key in found if (key >> 136) == six] == [key for key in table if (key >> 136) == six]


@given(st.dictionaries(hosts4 | hosts6, st.tuples(st.integers(0, 1 << 60), st.integers(0, 1 << 60)), max_size=30))
def test_counts_come_out_as_they_went_in(table):
    """Packets and bytes by key."""
    found = {}
    for frame in protocol.counts(table):
        columns = protocol.unpack(frame.payload, extras=2)
        found |= {key: pair for key, *pair in zip(columns, *columns.extras, strict=True)}

    assert {key: tuple(pair) for key, pair in found.items()} == table


def test_a_million_entries_are_many_frames_of_bounded_size():
    """No frame is longer than what is taken."""
    table = dict.fromkeys((v6_key(number, 128) for number in range(2 * protocol.PART + 1)), END)
    frames = list(protocol.entries(table, lambda: NOW))

    assert len(frames) == 3
    assert all(len(frame.payload) <= MAX_PAYLOAD for frame in frames)


@given(st.binary(max_size=200), st.integers(0, 2))
def test_columns_are_exactly_as_long_as_they_say(data, extras):
    """Anything else is refused, and nothing but ProtocolError comes of it."""
    try:
        columns = protocol.unpack(data, extras)
    except ProtocolError:
        return
    assert len(list(columns)) == len(columns)
    assert all(len(extra) == len(columns) for extra in columns.extras)


@given(st.binary(max_size=400))
def test_garbage_is_no_frame(data):
    """Of any length, also cut short: ProtocolError, or the end of the stream."""
    receive = read(data)
    try:
        while True:
            frame = protocol.read_frame(receive)
            assert isinstance(frame.kind, Kind)
            for reader in (protocol.read_hello, protocol.read_check, protocol.read_one_key):
                try:
                    reader(frame.payload)
                except ProtocolError:
                    continue
    except (EOFError, ProtocolError):
        return


def test_a_frame_that_is_too_long_is_refused_before_it_is_read():
    """By its header alone."""
    with pytest.raises(ProtocolError, match="at most"):
        protocol.read_frame(read(HEADER.pack(MAX_PAYLOAD + 1, Kind.ENTRIES)))


def test_another_version_is_told():
    """With both numbers, and what to do."""
    payload = protocol.hello(Role.WORK).payload
    assert protocol.read_hello(payload) is Role.WORK
    with pytest.raises(ProtocolError, match="version 3, where this enforcer speaks 2"):
        protocol.read_hello(b"\3\0" + payload[2:])
    with pytest.raises(ProtocolError, match="role 9"):
        protocol.read_hello(payload[:2] + b"\11")


@pytest.mark.parametrize("repair", [True, False])
def test_a_check_keeps_its_values(repair):
    """Counts of both families, and whether to repair."""
    assert protocol.read_check(protocol.check(5, 1 << 20, repair=repair).payload) == (5, 1 << 20, repair)


def test_counters_ask_for_one_entry():
    """Never for none, or two."""
    key = Prefix.parse("2001:db8::/48").key
    assert protocol.read_one_key(protocol.counters(key).payload) == key
    with pytest.raises(ProtocolError, match="one is asked for"):
        protocol.read_one_key(protocol.pack([1, 2]))


@pytest.mark.parametrize(
    "error", [FirewallError("ipset: no memory"), PrivilegeError("no right"), MissingProgramError("ipset", "ipset")]
)
def test_errors_keep_their_kind_and_words(error):
    """The operator reads the same as if the node had run the program."""
    found = protocol.read_failed(protocol.failed(error).payload)

    assert (type(found), str(found)) == (type(error), str(error))


def test_an_answer_without_words_is_an_error_all_the_same():
    """And a frame is what it says."""
    assert str(protocol.read_failed(b"")) == ""
    assert Frame(Kind.DONE).encode() == HEADER.pack(0, Kind.DONE)


def test_the_clocks_of_the_two_ends_may_differ():
    """What has ten seconds left has ten seconds left; what has ended is gone."""
    (frame,) = protocol.entries({v4_key(1, 32): 110, v4_key(2, 32): 90, v4_key(3, 32): 0}, lambda: 100.9)
    there = protocol.read_entries(protocol.unpack(frame.payload, extras=1), 5_000.2)

    assert there == {v4_key(1, 32): 5_010, v4_key(2, 32): 5_000, v4_key(3, 32): 0}
