"""p2pfw.store.migrations: a file moves forward step by step, each whole or not at all, and never backward."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from p2pfw.errors import StoreError
from p2pfw.rows import AllowRow, EvidenceRow, ObservationRow, RuleRow, TokenRow
from p2pfw.store import database
from p2pfw.store.migrations import APPLICATION_ID, STEPS, migrate, version
from p2pfw.store.rows import TABLES, read_row
from tests.store.rows import ALLOW, EVERY_ROW

VERSION_1 = Path(__file__).parent / "version1.sql"
"""A database of format 1 with one row in each table, as SQLite dumps it. Never changed: such files are out there."""

LATER = (EvidenceRow, ObservationRow, TokenRow, RuleRow)
"""Tables that a file of format 1 does not have."""


@pytest.fixture
def connection():
    """An empty database in memory."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as memory:
        yield memory


def shape(connection):
    """Tables and indexes, as SQLite tells them."""
    return connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()


def test_file_of_format_1_is_brought_to_the_newest_format(tmp_path):
    """Rows of an old file are read as if they had been written today."""
    path = tmp_path / database.DATABASE_NAME
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.executescript(VERSION_1.read_text())
        old.execute("PRAGMA user_version = 1")
        old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    path.chmod(0o600)
    with closing(database.open_writer(path)) as opened:
        assert version(opened) == len(STEPS)
        assert database.store_id(opened) == bytes(range(16))
        for row in (one for one in EVERY_ROW if type(one) not in LATER):
            table = TABLES[type(row)]
            assert [read_row(type(row), columns) for columns in opened.execute(table.select)] == [row]


def test_old_and_new_file_have_the_same_tables(connection):
    """A file that came by migration differs in nothing from one that began today."""
    connection.executescript(VERSION_1.read_text())
    connection.execute("PRAGMA user_version = 1")
    migrate(connection)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
        migrate(fresh)

        assert [(n, " ".join(s.split()) if s else s) for n, s in shape(connection)] == [
            (n, " ".join(s.split()) if s else s) for n, s in shape(fresh)
        ]


def test_steps_are_taken_once(connection):
    """The count says how many were taken; a second time none is."""
    assert migrate(connection) == len(STEPS)
    assert migrate(connection) == 0
    assert version(connection) == len(STEPS)


def test_newer_file_is_refused_and_untouched(connection):
    """A program that does not know what is in a file must not write to it; the text says what to do."""
    migrate(connection)
    connection.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    before = shape(connection)

    with pytest.raises(StoreError, match=r"install the version that wrote it") as caught:
        migrate(connection)
    assert f"format {len(STEPS) + 1}" in str(caught.value)
    assert shape(connection) == before


def test_failing_step_leaves_the_file_before_it(connection):
    """A step is one transaction with its count: what it had already done is undone."""
    migrate(connection)
    before = shape(connection)

    def half(found):
        found.execute("CREATE TABLE more (x)")
        found.execute("INSERT INTO more VALUES (1)")
        raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, [*STEPS, half])
    assert (version(connection), shape(connection)) == (len(STEPS), before)


def test_steps_before_a_failing_one_stay(connection):
    """The next start goes on from there."""
    migrate(connection)

    def good(found):
        found.execute("ALTER TABLE allow ADD COLUMN by TEXT NOT NULL DEFAULT ''")

    def bad(found):
        found.execute("CREATE TABLE allow (x)")

    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, [*STEPS, good, bad])
    assert version(connection) == len(STEPS) + 1
    assert migrate(connection, [*STEPS, good, lambda found: None]) == 1


def test_migration_happens_when_a_file_is_opened(tmp_path):
    """Opening for writing takes the new steps and keeps the rows."""
    path = tmp_path / database.DATABASE_NAME
    with closing(database.open_writer(path)) as first:
        first.execute(TABLES[AllowRow].insert, TABLES[AllowRow].encode(ALLOW))

    def more(found):
        found.execute("CREATE TABLE more (x)")

    with closing(database.open_writer(path, [*STEPS, more])) as second:
        assert version(second) == len(STEPS) + 1
        assert second.execute("SELECT count(*) FROM allow").fetchone() == (1,)
    with pytest.raises(StoreError, match="install the version that wrote it"):
        database.open_writer(path)
