"""The tables, as the list of steps that led to them. A step is never changed once released; a new one is appended.

`PRAGMA user_version` counts the steps that a file has taken. Each step is one transaction together with its count, so
a crash leaves a file before or after a step and never inside. A file that has taken more steps than this list has was
written by a newer program and is not touched.

Prefix keys are 18 bytes, big-endian, so that they sort as keys do; booleans are 0 and 1; times are Unix seconds.
"""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

from p2pfw.errors import StoreError

Step = Callable[[sqlite3.Connection], None]

APPLICATION_ID: Final = 0x70327066
"""Marks the file as ours ("p2pf"), for file(1) and against opening somebody else's database."""


def migrate(connection: sqlite3.Connection, steps: "Sequence[Step] | None" = None) -> int:
    """Take the steps that this file has not taken yet; how many there were. StoreError for a newer file."""
    known = STEPS if steps is None else steps
    taken = version(connection)
    if taken > len(known):
        raise StoreError(
            f"the database has format {taken}, this version of p2pfw knows formats up to {len(known)}: "
            "install the version that wrote it, or restore a backup that was made before it"
        )
    for number, step in enumerate(known[taken:], start=taken + 1):
        _take(connection, step, number)
    return len(known) - taken


def version(connection: sqlite3.Connection) -> int:
    """How many steps the file has taken."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _take(connection: sqlite3.Connection, step: Step, number: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        step(connection)
        connection.execute(f"PRAGMA user_version = {number:d}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _first(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID:d}")
    for statement in _FIRST:
        connection.execute(statement)


# Signed bytes lie in a table with row numbers: its rows are large, and an index of their own finds them by id. The
# partial index makes certificates and revocations, which are few and loaded first, findable without reading bodies.
_FIRST: Final = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    """CREATE TABLE announcement (
        number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, kind INTEGER NOT NULL, expires INTEGER NOT NULL,
        recorded INTEGER NOT NULL, header BLOB NOT NULL, signature BLOB NOT NULL, body BLOB NOT NULL)""",
    "CREATE INDEX announcement_of_keys ON announcement (kind) WHERE kind IN (2, 3)",
    """CREATE TABLE allow (
        key BLOB PRIMARY KEY, until INTEGER NOT NULL, comment TEXT NOT NULL, added INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE local (
        source TEXT NOT NULL, key BLOB NOT NULL, until INTEGER NOT NULL, category INTEGER NOT NULL,
        reason TEXT NOT NULL, added INTEGER NOT NULL, PRIMARY KEY (source, key)) WITHOUT ROWID""",
    """CREATE TABLE intention (
        key BLOB PRIMARY KEY, until INTEGER NOT NULL, category INTEGER NOT NULL, confidence INTEGER NOT NULL,
        reason TEXT NOT NULL, added INTEGER NOT NULL, basis BLOB NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE peer (
        id BLOB PRIMARY KEY, owner BLOB NOT NULL, name TEXT NOT NULL, trust REAL, trust_for TEXT NOT NULL,
        addresses TEXT NOT NULL, distrusted INTEGER NOT NULL, forgotten INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE invite (
        secret_hash BLOB PRIMARY KEY, guest INTEGER NOT NULL, trust REAL NOT NULL, uses_left INTEGER NOT NULL,
        expires INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE feed (
        name TEXT PRIMARY KEY, fetched INTEGER NOT NULL, etag TEXT NOT NULL, modified TEXT NOT NULL,
        keys BLOB NOT NULL)""",
    "CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
)


def _feed_source(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE feed ADD COLUMN source TEXT NOT NULL DEFAULT ''")


def _evidence(connection: sqlite3.Connection) -> None:
    for statement in _EVIDENCE:
        connection.execute(statement)


_EVIDENCE: Final = (
    "CREATE INDEX announcement_of_members ON announcement (kind) WHERE kind IN (4, 5, 8)",
    """CREATE TABLE evidence (
        owner BLOB PRIMARY KEY, pos REAL NOT NULL, neg REAL NOT NULL, at REAL NOT NULL, confirmed INTEGER NOT NULL,
        contradicted INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE observation (
        owner BLOB NOT NULL, key BLOB NOT NULL, what TEXT NOT NULL, at INTEGER NOT NULL,
        PRIMARY KEY (owner, key, what)) WITHOUT ROWID""",
)


def _token(connection: sqlite3.Connection) -> None:
    connection.execute(
        """CREATE TABLE token (
            secret_hash BLOB PRIMARY KEY, name TEXT NOT NULL, scope TEXT NOT NULL, rate INTEGER NOT NULL,
            created INTEGER NOT NULL, expires INTEGER NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID"""
    )


def _rule(connection: sqlite3.Connection) -> None:
    connection.execute(
        """CREATE TABLE rule (
            chain TEXT NOT NULL, target TEXT NOT NULL, in_interface TEXT NOT NULL, out_interface TEXT NOT NULL,
            from_key BLOB NOT NULL, to_key BLOB NOT NULL, until INTEGER NOT NULL, added INTEGER NOT NULL,
            PRIMARY KEY (chain, target, in_interface, out_interface, from_key, to_key)) WITHOUT ROWID"""
    )


def _feed_date(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE feed ADD COLUMN date INTEGER NOT NULL DEFAULT 0")


STEPS: Final[Sequence[Step]] = (_first, _feed_source, _evidence, _token, _rule, _feed_date)
