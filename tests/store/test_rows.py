"""p2pfw.store.rows: what is written is read back, and what cannot be written is its caller's error."""

import json
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.prefix import Prefix, PrefixKey
from p2pfw.errors import InputError
from p2pfw.rows import AllowRow, Drop, DropAnnouncements, LocalRow, Put, PutAnnouncement, Setting
from p2pfw.store.migrations import migrate
from p2pfw.store.rows import TABLES, key_column, operations, read_row
from tests.store.rows import ALLOW, EVERY_ROW, LOCAL, V4, V6, put_announcement


@pytest.fixture
def connection():
    """An empty database in memory with the real tables."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as memory:
        migrate(memory)
        yield memory


def run(connection, write):
    """Carry out one write."""
    for statement, columns in operations(write):
        connection.execute(statement, columns)


@pytest.mark.parametrize("row", EVERY_ROW, ids=lambda row: type(row).__name__)
def test_every_row_is_read_back_as_it_was_put(connection, row):
    """Codecs are inverse, for every class of row."""
    run(connection, Put(row=row))
    found = [read_row(type(row), columns) for columns in connection.execute(TABLES[type(row)].select)]

    assert found == [row]


def test_every_class_of_row_has_a_table():
    """A row class that is added to the port without a table fails here, not at the first write."""
    assert set(TABLES) == {type(row) for row in EVERY_ROW}


def test_row_with_the_same_identity_is_replaced(connection):
    """Put is insert or replace, by the identity that the port names."""
    longer = AllowRow(key=ALLOW.key, until=5, comment="changed", added=2)
    run(connection, Put(row=ALLOW))
    run(connection, Put(row=longer))

    assert [read_row(AllowRow, columns) for columns in connection.execute(TABLES[AllowRow].select)] == [longer]


def test_local_rows_of_two_sources_stand_side_by_side(connection):
    """Identity is source and prefix; dropping one leaves the other."""
    other = LocalRow(source="sighting", key=LOCAL.key, until=0, category=0, reason="", added=0)
    run(connection, Put(row=LOCAL))
    run(connection, Put(row=other))
    run(connection, Drop(table=LocalRow, identity=("operator", LOCAL.key)))

    assert [read_row(LocalRow, columns) for columns in connection.execute(TABLES[LocalRow].select)] == [other]


@pytest.mark.parametrize(
    "row, identity",
    [
        (EVERY_ROW[0], V4),
        (EVERY_ROW[1], ("operator", V6)),
        (EVERY_ROW[2], V4),
        (EVERY_ROW[3], b"\x01" * 32),
        (EVERY_ROW[4], b"\x03" * 32),
        (EVERY_ROW[5], "drop"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_row_can_be_dropped_by_its_identity(connection, row, identity):
    """And dropping what is not there is no error."""
    run(connection, Put(row=row))
    run(connection, Drop(table=type(row), identity=identity))
    run(connection, Drop(table=type(row), identity=identity))

    assert connection.execute(TABLES[type(row)].select).fetchall() == []


def test_rows_come_in_the_order_of_prefixes(connection):
    """18 bytes big-endian sort as keys do: IPv4 first, then by address and length."""
    keys = [Prefix.parse(text).key for text in ("2001:db8::/48", "203.0.113.9", "203.0.113.10", "203.0.113.0/24")]
    for key in keys:
        run(connection, Put(row=AllowRow(key=key, until=0, comment="", added=0)))

    assert [read_row(AllowRow, c).key for c in connection.execute(TABLES[AllowRow].select)] == sorted(keys)


def test_same_announcement_twice_is_kept_once(connection):
    """The id is a hash of the signed bytes: a second one is the same one."""
    run(connection, put_announcement(1, recorded=10))
    run(connection, put_announcement(1, recorded=20))

    assert connection.execute("SELECT recorded FROM announcement").fetchall() == [(10,)]


@pytest.mark.parametrize("value", [0, -1.5, "text", True, [1, {"a": None}], {"epoch": 1_700_000_000_000}])
def test_settings_hold_what_json_holds(connection, value):
    """And None removes."""
    run(connection, Setting(name="x", value=value))
    assert [json.loads(text) for (text,) in connection.execute("SELECT value FROM setting")] == [value]
    run(connection, Setting(name="x", value=None))
    assert connection.execute("SELECT value FROM setting").fetchall() == []


@pytest.mark.parametrize(
    "write, error",
    [
        (Setting(name="x", value=object()), TypeError),
        (Setting(name="x", value=float("nan")), ValueError),
        (Setting(name="\ud800", value=1), UnicodeEncodeError),
        (Setting(name="x", value="\ud800"), UnicodeEncodeError),
        (Put(row=AllowRow(key=V4, until=1 << 63, comment="", added=0)), OverflowError),
        (Put(row=AllowRow(key=V4, until=[], comment="", added=0)), TypeError),
        (Put(row=AllowRow(key=V4 | 1 << 30 | 24, until=0, comment="", added=0)), ValueError),
        (Put(row=object()), KeyError),
    ],
)
def test_what_cannot_be_written_is_refused_where_it_is_asked_for(write, error):
    """Raised before the write joins a transaction that others ride on."""
    with pytest.raises(error):
        list(operations(write))


@given(st.integers(-1, 1 << 140) | st.builds(lambda a, n: a << 8 | n, st.integers(0, 1 << 33), st.integers(0, 255)))
def test_key_columns_are_exactly_the_prefix_keys(key):
    """The fast check and `Prefix`, the slow twin, refuse the same numbers."""
    try:
        expected = Prefix(PrefixKey(key)).key.to_bytes(18)
    except InputError:
        with pytest.raises(ValueError, match="is no prefix key"):
            key_column(key)
        return

    assert key_column(key) == expected


@given(st.integers(0, 128), st.integers(0, (1 << 128) - 1))
def test_key_columns_read_back(length, address):
    """For prefixes of every length."""
    key = 1 << 136 | (address >> 128 - length << 128 - length) << 8 | length

    assert int.from_bytes(key_column(key)) == key


def test_a_write_of_many_announcements_is_one_statement_each():
    """Dropping takes one short statement an id; SQLite runs them as one prepared statement."""
    dropped = list(operations(_drop(put_announcement(1), put_announcement(2))))

    assert [columns for _, columns in dropped] == [(put_announcement(1).id,), (put_announcement(2).id,)]


def _drop(*announcements: PutAnnouncement):
    return DropAnnouncements(ids=tuple(announcement.id for announcement in announcements))
