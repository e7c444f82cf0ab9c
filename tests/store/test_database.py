"""p2pfw.store.database: created whole, opened strictly, never begun again silently."""

import errno
import os
import sqlite3
from contextlib import closing

import pytest

from p2pfw.errors import DiskFullError, StoreError
from p2pfw.store import database
from p2pfw.store.rows import TABLES, operations
from tests.store.rows import EVERY_ROW, put_announcement


@pytest.fixture
def path(tmp_path):
    """Where a database would be."""
    return tmp_path / database.DATABASE_NAME


@pytest.fixture
def existing(path):
    """A database with a row in each table and enough announcements to have many pages."""
    with closing(database.open_writer(path)) as connection:
        for row in EVERY_ROW:
            connection.execute(TABLES[type(row)].insert, TABLES[type(row)].encode(row))
        for number in range(50):
            for statement, columns in operations(put_announcement(number, size=8_192)):
                connection.execute(statement, columns)
    return path


def test_new_database_is_private_and_has_an_id(path):
    """0600 for the file and for the log beside it; 16 random bytes."""
    with closing(database.open_writer(path)) as connection:
        connection.execute("INSERT INTO setting VALUES ('a', '1')")
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}

        assert modes == dict.fromkeys((path.name, f"{path.name}-wal", f"{path.name}-shm"), 0o600)
        assert len(database.store_id(connection)) == 16


def test_connection_has_the_settings_that_durability_rests_on(path):
    """WAL, synchronous FULL (2), a bounded cache; also when it is opened again."""
    for _ in range(2):
        with closing(database.open_writer(path)) as connection:
            found = [
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous", "cache_size", "trusted_schema")
            ]
            assert found == ["wal", 2, -2048, 0]


def test_two_databases_have_two_ids(tmp_path):
    """A peer's cursor into one means nothing in the other."""
    ids = set()
    for name in ("a", "b"):
        with closing(database.open_writer(tmp_path / name)) as connection:
            ids.add(database.store_id(connection))

    assert len(ids) == 2


def test_id_stays_when_the_database_is_opened_again(existing):
    """It names the file's history."""
    with closing(database.open_writer(existing)) as connection:
        first = database.store_id(connection)
    with closing(database.open_writer(existing)) as connection:
        assert database.store_id(connection) == first


def test_half_made_database_of_a_crashed_start_is_replaced(path):
    """A new file gets its name when it is whole; what a crash left under the other name was never a database."""
    path.with_name(f"{path.name}.new").write_bytes(b"half")
    path.with_name(f"{path.name}.new-journal").write_bytes(b"half")
    with closing(database.open_writer(path)):
        assert not list(path.parent.glob("*.new*"))


@pytest.mark.parametrize(
    "content, word",
    [
        (b"", "empty"),
        (b"not a database, and longer than a header of a hundred bytes would be" * 3, "not a database"),
        (b"SQLite format 3\0" + b"\xff" * 4_080, "damaged"),
    ],
)
def test_damaged_file_is_reported_with_what_to_do_and_left_alone(path, content, word):
    """Never silently begun again: the operator's blocks and whitelist would be gone without a word."""
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(StoreError, match=word) as caught:
        database.open_writer(path)
    assert "restore a backup" in str(caught.value)
    assert "move the file away" in str(caught.value)
    assert path.read_bytes() == content


def test_damage_inside_is_found_when_the_last_writer_did_not_close(existing):
    """After an unclean end the whole structure is checked before anything rests on it."""
    data = bytearray(existing.read_bytes())
    for page in range(4, len(data) // 4_096):
        data[page * 4_096 : page * 4_096 + 64] = b"\xee" * 64
    existing.write_bytes(data)
    (existing.parent / f"{existing.name}-wal").write_bytes(b"\0" * 32)

    with pytest.raises(StoreError, match="is damaged"):
        database.open_writer(existing)


def test_missing_database_whose_log_is_still_there_is_reported(existing):
    """Somebody moved one file of two; beginning again would lose both."""
    existing.rename(existing.with_name("elsewhere"))
    existing.with_name(f"{existing.name}-wal").write_bytes(b"log")

    with pytest.raises(StoreError, match=r"its log .* is still there"):
        database.open_writer(existing)
    assert not existing.exists()


def test_database_of_another_program_is_refused(path):
    """Ours carry a mark; a file that does not is not written to."""
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (x)")
        other.commit()
    path.chmod(0o600)

    with pytest.raises(StoreError, match="another program"):
        database.open_writer(path)


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o602])
def test_database_that_others_can_read_or_change_is_refused(existing, mode):
    """The whitelist is in it."""
    existing.chmod(mode)

    with pytest.raises(StoreError, match="chmod 600"):
        database.open_writer(existing)


def test_link_in_place_of_the_database_is_refused(existing):
    """A link could lead to a file of somebody else's."""
    existing.rename(existing.with_name("elsewhere"))
    existing.symlink_to(existing.with_name("elsewhere"))

    with pytest.raises(StoreError, match="no plain file"):
        database.open_writer(existing)


def test_reader_sees_one_moment_and_cannot_write(existing):
    """Loading never sees half of a transaction, and never holds up the writer."""
    with closing(database.open_writer(existing)) as writer, database.reader(existing) as reading:
        reading.execute("BEGIN")
        assert reading.execute("SELECT count(*) FROM setting").fetchone() == (0,)
        writer.execute("INSERT INTO setting VALUES ('a', '1')")
        assert reading.execute("SELECT count(*) FROM setting").fetchone() == (0,)
        reading.execute("COMMIT")
        assert reading.execute("SELECT count(*) FROM setting").fetchone() == (1,)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reading.execute("DELETE FROM setting")


def test_reader_of_nothing_creates_nothing(path):
    """A look at a wrong directory leaves no trace there."""
    with pytest.raises(StoreError, match="cannot open"), database.reader(path):
        raise AssertionError("unreachable")
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    "error, kind, word",
    [
        (OSError(errno.ENOSPC, "No space left on device"), DiskFullError, "no room left"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), DiskFullError, "no room left"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), StoreError, "/x: Permission denied"),
        (sqlite3.DatabaseError("store id missing"), StoreError, "is damaged"),
    ],
)
def test_errors_of_the_system_are_told_in_the_operators_words(path, error, kind, word):
    """No room is told apart from everything else: it passes by itself."""
    found = database.translate(error, path)

    assert type(found) is kind
    assert word in str(found)


@pytest.mark.parametrize(
    "name, kind, word",
    [
        ("SQLITE_FULL", DiskFullError, "no room left"),
        ("SQLITE_CORRUPT", StoreError, "is damaged"),
        ("SQLITE_NOTADB", StoreError, "is damaged"),
        ("SQLITE_BUSY", StoreError, "another program holds"),
        ("SQLITE_READONLY_DIRECTORY", StoreError, "check owner and mode"),
        ("SQLITE_IOERR_FSYNC", StoreError, "the disk under"),
    ],
)
def test_errors_of_sqlite_are_told_in_the_operators_words(path, name, kind, word):
    """By SQLite's own name for them, never by their text."""
    error = sqlite3.OperationalError("told by sqlite")
    error.sqlite_errorname = name
    found = database.translate(error, path)

    assert type(found) is kind
    assert word in str(found)


def test_input_output_error_on_a_disk_without_room_is_no_room(path, monkeypatch):
    """Growing the index of the log reports a full disk as an I/O error; what the file system says decides."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = "SQLITE_IOERR_SHMSIZE"
    real = os.statvfs(path.parent)

    class Full:
        f_bavail, f_frsize = 3, real.f_frsize

    monkeypatch.setattr(os, "statvfs", lambda _: Full)
    assert type(database.translate(error, path)) is DiskFullError
    monkeypatch.undo()
    assert type(database.translate(error, path)) is StoreError
    assert type(database.translate(error, path / "nowhere" / "x")) is StoreError


def test_database_without_its_id_is_damaged(existing):
    """It was written when the file was made; somebody took it out."""
    with closing(database.open_writer(existing)) as connection:
        connection.execute("DELETE FROM meta")
        with pytest.raises(StoreError, match="is damaged"), database.told(existing):
            database.store_id(connection)
