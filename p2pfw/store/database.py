"""The database file: created whole or not at all, opened with the settings that durability rests on, never replaced.

A new file is built under another name, synced and renamed, so that a file with the real name is always a database. What
is missing, empty, damaged, foreign or newer is therefore a fact to report, and no reason to begin again silently: the
operator's blocks and whitelist would be gone without a word.

    journal_mode WAL, synchronous FULL   a commit returns after its log is synced: nothing acknowledged is lost
    cache_size 2 MiB                     reading is sequential and at start only; a larger cache would be idle memory
    journal_size_limit 8 MiB             what a burst made the log grow to is given back
"""

import errno
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from p2pfw.errors import DiskFullError, StoreError
from p2pfw.store import directory
from p2pfw.store.migrations import APPLICATION_ID, Step, migrate, version

DATABASE_NAME: Final = "p2pfw.db"
STORE_ID_BYTES: Final = 16

_BUILDING: Final = f"{DATABASE_NAME}.new"
_SIDE_FILES: Final = ("-wal", "-shm")
_LOCK_WAIT: Final = 5.0
"""Seconds to wait for another connection (backup, doctor); ours is the only writer."""
_WRITER_CACHE_KIB: Final = 2_048
_READER_CACHE_KIB: Final = 512
_LOG_LIMIT: Final = 8 * 1024 * 1024
_NO_ROOM: Final = 128 * 1024
"""Bytes; less than SQLite needs to open and extend its log."""
_REMEDY: Final = "restore a backup (p2pfw restore FILE), or move the file away to begin with an empty database"


def database_path(state_dir: Path) -> Path:
    """Where the database of a state directory is."""
    return state_dir / DATABASE_NAME


def open_writer(path: Path, steps: "list[Step] | None" = None) -> sqlite3.Connection:
    """The connection that writes: created where nothing was, checked, migrated. StoreError says what to do."""
    with told(path):
        if not path.exists():
            _create(path)
        _check_file(path)
        unclean = _has_log(path)
        connection = connect(path)
        try:
            if unclean:
                check_whole(connection, path)
            migrate(connection, steps)
        except BaseException:
            connection.close()
            raise
        return connection


def connect(path: Path) -> sqlite3.Connection:
    """A connection for writing to a database that exists; transactions are explicit."""
    connection = _connection(path, "rw")
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{_WRITER_CACHE_KIB:d}")
        connection.execute(f"PRAGMA journal_size_limit = {_LOG_LIMIT:d}")
        _check_content(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def reader(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that sees one moment and changes nothing; it never holds up the writer."""
    with told(path), closing(_connection(path, "ro")) as connection:
        connection.execute(f"PRAGMA cache_size = -{_READER_CACHE_KIB:d}")
        yield connection


def store_id(connection: sqlite3.Connection) -> bytes:
    """The 16 bytes that name this file's history to peers."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'store_id'").fetchone()
    if row is None or len(row[0]) != STORE_ID_BYTES:
        raise sqlite3.DatabaseError("store id missing")
    return bytes(row[0])


def new_store_id(connection: sqlite3.Connection) -> None:
    """Begin a new history: peers' cursors into the old one end."""
    row = (secrets.token_bytes(STORE_ID_BYTES),)
    connection.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('store_id', ?)", row)


def check_whole(connection: sqlite3.Connection, path: Path) -> None:
    """StoreError when the file's structure is damaged. Reads all of it."""
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise damaged(path, str(found))


def damaged(path: Path, what: str) -> StoreError:
    """The error for a file that is no longer a database of ours."""
    return StoreError(f"the database {path} is damaged ({what}): {_REMEDY}")


def translate(error: Exception, path: Path) -> StoreError:
    """An error of SQLite or the system in the operator's words."""
    if isinstance(error, OSError):
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        text = error.strerror or str(error)
        return DiskFullError(_full(path)) if full else StoreError(f"{error.filename or path}: {text}")
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_FULL" or (name.startswith("SQLITE_IOERR") and _is_full(path)):
        return DiskFullError(_full(path))
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or not name:
        return damaged(path, str(error))
    if name.startswith(("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH", "SQLITE_CANTOPEN")):
        return StoreError(
            f"cannot open the database {path} for writing ({error}): check owner and mode of its directory"
        )
    if name.startswith("SQLITE_BUSY"):
        return StoreError(f"another program holds the database {path} locked")
    return StoreError(f"the disk under {path} failed: {error} ({name})")


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Errors of SQLite and the system leave as StoreError."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise translate(error, path) from error


def _is_full(path: Path) -> bool:
    # Growing the shared index of the log, and a file system that allocates late, report no room as an I/O error.
    try:
        found = os.statvfs(path.parent)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < _NO_ROOM


def _full(path: Path) -> str:
    return f"no room left on the disk of {path}: blocks go on being enforced, nothing new is kept until there is room"


def _connection(path: Path, mode: str) -> sqlite3.Connection:
    # mode=rw and ro never create. The thread check is ours: one thread at a time uses a connection.
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_LOCK_WAIT,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    return connection


def _check_file(path: Path) -> None:
    found = path.lstat()
    if path.is_symlink() or not path.is_file():
        raise StoreError(f"{path} is no plain file: links and devices are not followed for the database")
    if found.st_size == 0:
        raise damaged(path, "it is empty")
    if found.st_mode & 0o077:
        raise StoreError(f"{path} can be read or changed by others: chmod 600 {path}")


def _check_content(connection: sqlite3.Connection, path: Path) -> None:
    marked = connection.execute("PRAGMA application_id").fetchone()[0]
    if marked != APPLICATION_ID or version(connection) < 1:
        raise StoreError(f"{path} is a database of another program: {_REMEDY}")


def _has_log(path: Path) -> bool:
    """True when the last writer did not close: then the whole file is checked before anything rests on it."""
    log_file = path.with_name(path.name + _SIDE_FILES[0])
    return log_file.exists() and log_file.stat().st_size > 0


def _create(path: Path) -> None:
    for suffix in _SIDE_FILES:
        if path.with_name(path.name + suffix).exists():
            raise damaged(path, f"it is gone, and its log {path.name}{suffix} is still there")
    building = path.with_name(_BUILDING)
    remove(building)
    os.close(os.open(building, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    with closing(_connection(building, "rw")) as connection:
        # Without a log of its own until it has its name: one file to rename.
        connection.execute("PRAGMA synchronous = EXTRA")
        migrate(connection)
        new_store_id(connection)
    directory.own_like(building, path.parent)
    os.replace(building, path)
    directory.sync(path.parent)


def remove(path: Path) -> None:
    """A database file with its log, where there is one."""
    for name in (path.name, *(path.name + suffix for suffix in (*_SIDE_FILES, "-journal"))):
        with suppress(FileNotFoundError):
            path.with_name(name).unlink()
