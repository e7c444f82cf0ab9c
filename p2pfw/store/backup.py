"""Backup of a state directory into one file, while the node runs or not; and restore of it.

The database is copied by SQLite's own backup, which sees one moment whatever is written meanwhile. A backup holds the
node's keys: the file is 0600, and whoever has it is the node. The configuration is not in it (it is the operator's own,
under /etc, and usually kept by other means).

A restored node has forgotten what it announced since the backup. It gets a new store id, so that peers do not trust
their cursors, and the setting "restored", so that it relearns its own announcements from a peer before it makes new
ones (protocol 1.5); `alone` says that there is no peer to learn from.
"""

import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Final

from p2pfw import __version__
from p2pfw.errors import StoreError
from p2pfw.rows import Setting
from p2pfw.store import archive, database, directory
from p2pfw.store.archive import Manifest
from p2pfw.store.database import DATABASE_NAME
from p2pfw.store.lock import LOCK_NAME, StateLock
from p2pfw.store.migrations import migrate, version
from p2pfw.store.rows import operations

RESTORED: Final = "restored"
"""The setting that keeps a restored node from originating before it has relearned what it said."""


def backup(state_dir: Path, target: Path, now: float) -> Manifest:
    """Write database and keys of a state directory to one file (0600), whole or not at all; what is in it.

    An older file of that name is replaced. Works beside a running node. StoreError when it cannot be done.
    """
    source = database.database_path(state_dir)
    with _system_errors(target):
        if target.exists() and not target.is_file():
            raise StoreError(f"{target} is not a file that could be replaced")
        with _private_directory(target.parent) as work:
            snapshot = work / DATABASE_NAME
            store_id, database_format = _snapshot(source, snapshot)
            paths = {snapshot.name: snapshot, **{path.name: path for path in _keys(state_dir)}}
            manifest = Manifest(
                made=int(now),
                version=__version__,
                store_id=store_id.hex(),
                database_format=database_format,
                files=tuple(archive.describe(path) for path in paths.values()),
            )
            finished = work / "backup.tar"
            with _new_file(finished) as file:
                archive.write(file, manifest, paths)
            os.replace(finished, target)
        directory.sync(target.parent)
    return manifest


def restore(source: Path, state_dir: Path, now: float, *, force: bool = False, alone: bool = False) -> Manifest:
    """Put a backup into a state directory that is empty, or with `force` in place of what is there; what was in it.

    Everything is checked before anything is replaced, and what is replaced is kept in `replaced-<time>` beside it.
    AlreadyRunningError while a node uses the directory.
    """
    directory.prepare(state_dir)
    with _system_errors(source), StateLock.take(state_dir):
        present = [path for path in state_dir.iterdir() if path.name != LOCK_NAME]
        if present and not force:
            raise StoreError(f"{state_dir} is not empty ({present[0].name}, ...): choose another, or add --force")
        with _private_directory(state_dir) as work:
            manifest = _unpack(source, work)
            _begin_again(work / DATABASE_NAME, alone=alone)
            _set_aside([path for path in present if _is_ours(path)], state_dir / f"replaced-{int(now)}")
            # The database last: until it is there, a start after a crash finds none, and this can be repeated.
            for content in sorted(manifest.files, key=lambda content: content.name == DATABASE_NAME):
                directory.own_like(work / content.name, state_dir)
                os.replace(work / content.name, state_dir / content.name)
        directory.sync(state_dir)
    return manifest


def _snapshot(source: Path, target: Path) -> tuple[bytes, int]:
    """Copy the database as it is at this moment; its store id and format."""
    with _new_file(target):
        pass
    with database.reader(source) as connection, closing(sqlite3.connect(target, isolation_level=None)) as copy:
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
        database.check_whole(copy, target)
        return database.store_id(copy), version(copy)


def _unpack(source: Path, work: Path) -> Manifest:
    with archive.read(source) as backup_file:
        names = [content.name for content in backup_file.manifest.files]
        if names.count(DATABASE_NAME) != 1 or len(set(names)) != len(names):
            raise StoreError(f"{source} is no backup of p2pfw: it holds no database, or a file twice")
        for content in backup_file.manifest.files:
            with _new_file(work / content.name) as file:
                backup_file.copy(content, file)
        return backup_file.manifest


def _begin_again(path: Path, *, alone: bool) -> None:
    """A new history in the unpacked database: new store id, and the mark that it was restored."""
    with closing(database.connect(path)) as connection:
        database.check_whole(connection, path)
        migrate(connection)
        connection.execute("BEGIN IMMEDIATE")
        database.new_store_id(connection)
        for statement, columns in operations(Setting(name=RESTORED, value=None if alone else True)):
            connection.execute(statement, columns)
        connection.execute("COMMIT")


def _keys(state_dir: Path) -> list[Path]:
    found = (path for path in state_dir.iterdir() if archive.KEY_PATTERN.fullmatch(path.name))
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def _is_ours(path: Path) -> bool:
    return path.name.startswith(DATABASE_NAME) or archive.KEY_PATTERN.fullmatch(path.name) is not None


def _set_aside(paths: list[Path], target: Path) -> None:
    if not paths:
        return
    target.mkdir(mode=directory.PRIVATE_MODE)
    for path in paths:
        os.replace(path, target / path.name)
    directory.sync(target)


@contextmanager
def _private_directory(parent: Path) -> Iterator[Path]:
    """A directory on the same file system, gone afterwards."""
    work = parent / f".p2pfw-{secrets.token_hex(8)}"
    work.mkdir(mode=directory.PRIVATE_MODE)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _new_file(path: Path) -> "Iterator[IO[bytes]]":
    """A private file that did not exist, synced when the block ends well."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _system_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise database.translate(error, path) from error
