"""Rows as values and as columns: one table of codecs, so that what is written can be read back by construction.

Turning a write into a statement happens where the write was asked for, not in the writer's thread: a value that cannot
be written is then its caller's error, and never fails the transaction that others ride on.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Final, TypeVar, assert_never, cast

from p2pfw.core.announcement import RawAnnouncement
from p2pfw.core.prefix import truncate
from p2pfw.rows import (
    AllowRow,
    Drop,
    DropAnnouncements,
    EvidenceRow,
    FeedRow,
    Intention,
    IntentionRow,
    InviteRow,
    LocalRow,
    ObservationRow,
    PeerRow,
    Put,
    PutAnnouncement,
    PutIntentions,
    RuleRow,
    Setting,
    TokenRow,
    Write,
)

Row = TypeVar("Row")
Column = int | float | bytes | str | None
Operation = tuple[str, tuple[Column, ...]]
"""One SQL statement with its values."""

KEY_BYTES: Final = 18
_V6_BIT: Final = 136
_KEY_BITS4: Final = 40
_KEY_BITS6: Final = 137
_LENGTH_BITS: Final = 8
_INTEGER: Final = 1 << 63
_PLAIN: Final = (bytes, float, type(None))
BASIS_BYTES: Final = 8


Encode = Callable[[Any], Column]
Decode = Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class Table:
    """Where rows of one class live: its name, the columns that identify a row, and those that need a translation.

    Rows come by the hundred thousand, so what needs no translation is not touched.
    """

    name: str
    identity: tuple[str, ...]
    columns: tuple[str, ...]
    translated: tuple[tuple[int, Encode, Decode], ...]
    insert: str
    """Insert or replace one row."""
    delete: str
    """Remove the row with this identity."""
    select: str
    """All rows, in the order of their identity."""
    values: Callable[[object], tuple[Any, ...]]

    def encode(self, row: object) -> tuple[Column, ...]:
        """Columns of a row."""
        values = list(self.values(row))
        for place, encode, _ in self.translated:
            values[place] = encode(values[place])
        return tuple(values)

    def encode_identity(self, values: Sequence[Any]) -> tuple[Column, ...]:
        """Columns that find one row."""
        encoders = {self.columns[place]: encode for place, encode, _ in self.translated}
        pairs = zip(self.identity, values, strict=True)
        return tuple(encoders[name](value) if name in encoders else value for name, value in pairs)

    def decode(self, columns: Sequence[Any]) -> dict[str, Any]:
        """What the row's class takes."""
        values = list(columns)
        for place, _, decode in self.translated:
            values[place] = decode(values[place])
        return dict(zip(self.columns, values, strict=True))


def key_column(key: int) -> bytes:
    """18 bytes, big-endian, which sort as keys do. ValueError for what is no prefix key."""
    length = key & 0xFF
    bits = _KEY_BITS6 if key >> _V6_BIT else _KEY_BITS4
    # An IPv4 key of more than 40 bits and an IPv6 key of more than 137 are no keys; nor is one with host bits.
    if (
        key < 0
        or key.bit_length() > bits
        or length > bits - _LENGTH_BITS - (key >> _V6_BIT)
        or truncate(key, length) != key
    ):
        raise ValueError(f"{key:#x} is no prefix key")
    return key.to_bytes(KEY_BYTES)


def json_text(value: object) -> str:
    """Compact JSON; TypeError or ValueError for what JSON cannot say."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


_CODECS: Final[dict[str, tuple[Encode, Decode]]] = {
    "key": (key_column, int.from_bytes),
    "from_key": (lambda key: key_column(key) if key else b"", int.from_bytes),
    "to_key": (lambda key: key_column(key) if key else b"", int.from_bytes),
    "basis": (lambda value: value.to_bytes(BASIS_BYTES), int.from_bytes),
    "trust_for": (json_text, lambda text: tuple((name, float(trust)) for name, trust in json.loads(text))),
    "addresses": (json_text, lambda text: tuple(json.loads(text))),
    "distrusted": (int, bool),
    "forgotten": (int, bool),
    "guest": (int, bool),
}


def _table(row: type, name: str, *identity: str) -> Table:
    # Names are ours, from the classes above; values always travel beside the statement.
    columns = tuple(field.name for field in fields(row))
    listed, marks = ", ".join(columns), ", ".join("?" * len(columns))
    found = " AND ".join(f"{column} = ?" for column in identity)
    return Table(
        name=name,
        identity=identity,
        columns=columns,
        translated=tuple((place, *_CODECS[column]) for place, column in enumerate(columns) if column in _CODECS),
        insert=f"INSERT OR REPLACE INTO {name} ({listed}) VALUES ({marks})",  # noqa: S608
        delete=f"DELETE FROM {name} WHERE {found}",  # noqa: S608
        select=f"SELECT {listed} FROM {name} ORDER BY {', '.join(identity)}",  # noqa: S608
        values=attrgetter(*columns),
    )


TABLES: Final[dict[type, Table]] = {
    AllowRow: _table(AllowRow, "allow", "key"),
    LocalRow: _table(LocalRow, "local", "source", "key"),
    IntentionRow: _table(IntentionRow, "intention", "key"),
    PeerRow: _table(PeerRow, "peer", "id"),
    InviteRow: _table(InviteRow, "invite", "secret_hash"),
    FeedRow: _table(FeedRow, "feed", "name"),
    EvidenceRow: _table(EvidenceRow, "evidence", "owner"),
    ObservationRow: _table(ObservationRow, "observation", "owner", "key", "what"),
    TokenRow: _table(TokenRow, "token", "secret_hash"),
    RuleRow: _table(RuleRow, "rule", "chain", "target", "in_interface", "out_interface", "from_key", "to_key"),
}

_PUT_ANNOUNCEMENT: Final = (
    # The id is a hash of the signed bytes, so a second one is the same one. Nothing but that is overlooked.
    "INSERT INTO announcement (id, kind, expires, recorded, header, signature, body) "
    "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
)
_PUT_INTENTIONS: Final = (
    # One statement for a thousand rows: their keys come as one blob, which SQLite cuts into pieces.
    "WITH RECURSIVE piece(at) AS (SELECT 1 UNION ALL SELECT at + ?8 FROM piece WHERE at + ?8 <= length(?1)) "
    "INSERT OR REPLACE INTO intention (key, until, category, confidence, reason, added, basis) "
    "SELECT substr(?1, at, ?8), ?2, ?3, ?4, ?5, ?6, ?7 FROM piece"
)
_SLICE: Final = 1_024
"""Keys of one such statement."""
_DROP_ANNOUNCEMENT: Final = "DELETE FROM announcement WHERE id = ?"
_PUT_SETTING: Final = "INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)"
_DROP_SETTING: Final = "DELETE FROM setting WHERE name = ?"

SELECT_ANNOUNCEMENTS: Final = (
    # Revocations before certificates would do as well; what matters is that both come before what they are about, and
    # then vouches, charters and successions, by which owners are carried.
    "SELECT header, signature, body, recorded FROM announcement WHERE kind IN (2, 3) ORDER BY kind, number",
    "SELECT header, signature, body, recorded FROM announcement WHERE kind IN (4, 5, 8) ORDER BY number",
    "SELECT header, signature, body, recorded FROM announcement WHERE kind NOT IN (2, 3, 4, 5, 8) ORDER BY number",
)
SELECT_INTENTIONS: Final = "SELECT key, until, category, confidence, reason, added, basis FROM intention ORDER BY key"
SELECT_SETTINGS: Final = "SELECT name, value FROM setting"


def operations(write: Write) -> Iterator[Operation]:
    """The statements that one write takes. Errors of the value (type, range, JSON) are raised here."""
    for statement, columns in _statements(write):
        for column in columns:
            _check(column)
        yield statement, columns


def _check(column: object) -> None:
    """What SQLite would refuse when the value is bound, in the middle of a transaction of many."""
    if isinstance(column, int):
        if not -_INTEGER <= column < _INTEGER:
            raise OverflowError(f"{column} does not fit into a column")
    elif isinstance(column, str):
        if not column.isascii():
            column.encode()
    elif not isinstance(column, _PLAIN):
        raise TypeError(f"{type(column).__name__} cannot be kept in a column")


def _statements(write: Write) -> Iterator[Operation]:
    match write:
        case PutAnnouncement(raw=raw):
            row = (write.id, write.kind, write.expires, write.recorded, raw.header, raw.signature, raw.body)
            yield _PUT_ANNOUNCEMENT, row
        case DropAnnouncements(ids=ids):
            for identity in ids:
                yield _DROP_ANNOUNCEMENT, (identity,)
        case Put(row=row_value):
            table = TABLES[type(row_value)]
            yield table.insert, table.encode(row_value)
        case PutIntentions(keys=keys, intention=meant):
            basis = meant.basis.to_bytes(BASIS_BYTES)
            rest = (meant.until, meant.category, meant.confidence, meant.reason, meant.added, basis, KEY_BYTES)
            for at in range(0, len(keys), _SLICE):
                yield _PUT_INTENTIONS, (b"".join(map(key_column, keys[at : at + _SLICE])), *rest)
        case Drop(table=row_class, identity=identity_value):
            table = TABLES[row_class]
            values = identity_value if isinstance(identity_value, tuple) else (identity_value,)
            yield table.delete, table.encode_identity(values)
        case Setting(name=name, value=None):
            yield _DROP_SETTING, (name,)
        case Setting(name=name, value=value):
            yield _PUT_SETTING, (name, json_text(value))
        case _:
            assert_never(write)


def read_row(row_class: type[Row], columns: Sequence[Column]) -> Row:
    """The value that was put."""
    make = cast("Callable[..., Row]", row_class)
    return make(**TABLES[row_class].decode(columns))


def read_intention(columns: Sequence[Any]) -> Intention:
    """Of the columns behind the key."""
    until, category, confidence, reason, added, basis = columns
    return Intention(
        until=until,
        category=category,
        confidence=confidence,
        reason=reason,
        added=added,
        basis=int.from_bytes(basis),
    )


def read_announcement(columns: Sequence[Any]) -> tuple[RawAnnouncement, int]:
    """Signed bytes and when they were recorded."""
    header, signature, body, recorded = columns
    return RawAnnouncement(header, signature, body), recorded
