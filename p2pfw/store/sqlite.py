"""The port `Store` on SQLite: the loop asks, one thread writes, answers come back to the loop that asked.

Reading opens a connection of its own that sees one moment and is closed at its end, so a load of everything never holds
up a writer. What to keep, and what it means, is decided elsewhere.
"""

import asyncio
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Final, Self, TypeVar

from p2pfw.core.announcement import RawAnnouncement
from p2pfw.core.prefix import PrefixKey
from p2pfw.errors import StoreError
from p2pfw.rows import Intention, Write
from p2pfw.store import database, directory
from p2pfw.store.rows import (
    SELECT_ANNOUNCEMENTS,
    SELECT_INTENTIONS,
    SELECT_SETTINGS,
    TABLES,
    Column,
    Operation,
    operations,
    read_announcement,
    read_intention,
    read_row,
)
from p2pfw.store.writer import MAX_WAITING, Request, Writer

Row = TypeVar("Row")

_BUSY: Final = "too much is waiting for the disk; try again in a moment"
_CLOSED: Final = "the store is closed"
_SLICE: Final = 2_000
"""Writes; a commit of more gives the loop a turn between slices (about 10 ms each)."""
_PROBE: Final[Operation] = ("UPDATE meta SET value = value WHERE name = 'store_id'", ())


class SqliteStore:
    """One open database. Build it with `open`; every method but `open` and `close` is for one event loop."""

    def __init__(self, path: Path, store_id: bytes, writer: Writer) -> None:
        self._path = path
        self._store_id = store_id
        self._writer = writer
        self._closed = False

    @classmethod
    def open(cls, state_dir: Path, *, max_waiting: int = MAX_WAITING) -> Self:
        """Open or create the database of a state directory (which is made when missing). Take StateLock before.

        StoreError says what is wrong and what to do: damaged, foreign, newer, no rights, no room.
        """
        directory.prepare(state_dir)
        path = database.database_path(state_dir)
        connection = database.open_writer(path)
        with database.told(path):
            store_id = database.store_id(connection)
        return cls(path, store_id, Writer(SqliteDisk(path, connection), max_waiting=max_waiting))

    @property
    def store_id(self) -> bytes:
        """16 bytes, new for every database file that begins or is restored."""
        return self._store_id

    @property
    def failing(self) -> str:
        """Why the last write failed, in the operator's words; "" while the disk works."""
        return self._writer.failing

    async def commit(self, *writes: Write) -> None:
        """All of them in one transaction, synced when this returns. StoreError or DiskFullError: none of them.

        A caller that is cancelled while it waits does not know whether they were kept.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[None] = loop.create_future()

        def settle(error: StoreError | None) -> None:
            if answer.done():
                return
            if error is None:
                answer.set_result(None)
            else:
                # One error object answers many callers; each raises its own, with its own traceback.
                answer.set_exception(type(error)(*error.args))

        def reply(error: StoreError | None) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, error)

        batch: list[Operation] = []
        for start in range(0, len(writes), _SLICE):
            batch += _prepared(writes[start : start + _SLICE])
            if start:
                await asyncio.sleep(0)
        if not self._writer.put(Request(batch, reply)):
            raise StoreError(_CLOSED if self._closed else _BUSY)
        await answer

    def post(self, *writes: Write) -> None:
        """Written with the next group, soon; a crash may lose it. For what others can send again. Never blocks."""
        self._writer.put(Request(_prepared(writes)))

    def announcements(self) -> Iterator[tuple[RawAnnouncement, int]]:
        """All kept announcements with the time they were recorded; certificates and revocations first.

        One moment's state, read as it is walked: memory does not grow with the number of announcements.
        """
        with database.reader(self._path) as connection:
            connection.execute("BEGIN")
            for statement in SELECT_ANNOUNCEMENTS:
                for columns in connection.execute(statement):
                    yield read_announcement(columns)

    def rows(self, table: type[Row]) -> list[Row]:
        """All rows of one kind, in the order of their identity."""
        with database.reader(self._path) as connection:
            return [read_row(table, columns) for columns in connection.execute(TABLES[table].select)]

    def intentions(self) -> Iterator[tuple[PrefixKey, Intention]]:
        """All intentions, in the order of their prefixes; equal ones are one object."""
        alike: dict[Sequence[Column], Intention] = {}
        with database.reader(self._path) as connection:
            for key, *columns in connection.execute(SELECT_INTENTIONS):
                said = tuple(columns)
                meant = alike.get(said)
                if meant is None:
                    meant = alike[said] = read_intention(said)
                yield PrefixKey(int.from_bytes(key)), meant

    def settings(self) -> dict[str, object]:
        """All settings."""
        with database.reader(self._path) as connection:
            return {name: json.loads(value) for name, value in connection.execute(SELECT_SETTINGS)}

    async def close(self) -> None:
        """Write what was posted, then close. Later commits raise StoreError."""
        self._closed = True
        await asyncio.to_thread(self._writer.close)


class SqliteDisk:
    """One connection, used by the writer's thread alone; opened again after an error that may have broken it."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = connection
        self._file = _identity(path)

    def write(self, requests: Sequence[Request]) -> None:
        """All of them in one synced transaction, or StoreError and none."""
        self._transaction([operation for request in requests for operation in request.operations])

    def probe(self) -> None:
        """A small write that needs the disk to work."""
        self._transaction([_PROBE])

    def close(self) -> None:
        """Fold the log into the file, so that what lies there is one whole file, and close."""
        if self._connection is not None:
            self._connection.close()

    def _transaction(self, batch: Sequence[Operation]) -> None:
        with database.told(self._path):
            connection = self._usable()
            try:
                connection.execute("BEGIN IMMEDIATE")
                for statement, rows in _runs(batch):
                    connection.executemany(statement, rows)
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._recover(connection, error)
                raise

    def _usable(self) -> sqlite3.Connection:
        # A file moved or deleted under us would go on taking writes that nobody will ever read.
        if _identity(self._path) != self._file:
            raise StoreError(f"{self._path} was moved, deleted or replaced under the running node: restart it")
        if self._connection is None:
            self._connection = database.connect(self._path)
        return self._connection

    def _recover(self, connection: sqlite3.Connection, error: sqlite3.Error) -> None:
        """Nothing of the failed transaction stays, and the next one begins with a connection that can be trusted."""
        with suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        if error.sqlite_errorname == "SQLITE_FULL":
            # What the log holds already may find room in the file, and the log's own room is given back.
            with suppress(sqlite3.Error):
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return
        self._connection = None
        with suppress(sqlite3.Error):
            connection.close()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _prepared(writes: Sequence[Write]) -> list[Operation]:
    return [operation for write in writes for operation in operations(write)]


def _runs(batch: Sequence[Operation]) -> Iterator[tuple[str, Iterator[tuple[Column, ...]]]]:
    """Neighbours with the same statement together, in order: one preparation, many rows."""
    for statement, run in groupby(batch, itemgetter(0)):
        yield statement, map(itemgetter(1), run)
