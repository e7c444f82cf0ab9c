"""The frames of a session as values (protocol 3): one class a kind, and no value that breaks its limits.

Formats are final: a field is never added to a kind, a new need is a new kind (unknown kinds are ignored). Whoever makes
a frame meets the same checks as whoever receives one; FrameError says what is wrong. JOIN is in joinframes, the frames
of a reconciliation in rangeframes. How frames become bytes is wire's business, what they do is gossip's.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final

from p2pfw.core.canonical import MAX_TIME
from p2pfw.core.fields import blob, blobs, need, number
from p2pfw.core.identity import KEY_BYTES, SIGNATURE_BYTES

# Changing any of these breaks peers.
ID_BYTES: Final = 16
"""Frames name an announcement by the first 16 bytes of its id."""
STORE_ID_BYTES: Final = 16
MAX_HEADER_BYTES: Final = 256
MAX_BODY_BYTES: Final = 32_768
MAX_PUSHED: Final = 128
MAX_IDS: Final = 4_000
MAX_RUNS: Final = 256
MAX_CARRIED: Final = 1_900
MAX_RECORDS: Final = 32
MAX_RECORD_BYTES: Final = 1_024
MAX_MS: Final = MAX_TIME * 1000
MAX_HOP: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """First in each direction. `held_*`: our newest announcement of the peer's own, as proof; both empty for none."""

    KIND: ClassVar = 1
    versions: tuple[int, ...]
    store_id: bytes
    clock_ms: int
    held_header: bytes = b""
    held_signature: bytes = b""
    record: bytes = b""
    """Our own signed peer record; opaque here."""

    def __post_init__(self) -> None:
        need(1 <= len(self.versions) <= 16, "versions")
        for version in self.versions:
            number("version", version, 255)
        blob("store id", self.store_id, STORE_ID_BYTES, STORE_ID_BYTES)
        number("clock", self.clock_ms, MAX_MS)
        blob("held header", self.held_header, 0, MAX_HEADER_BYTES)
        blob("held signature", self.held_signature, 0, SIGNATURE_BYTES)
        signed = SIGNATURE_BYTES if self.held_header else 0
        need(len(self.held_signature) == signed, "held header and signature belong together")
        blob("record", self.record, 0, MAX_RECORD_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """Are you there; answered by PONG with the same token. Clock in Unix ms."""

    KIND: ClassVar = 2
    token: int
    clock_ms: int

    def __post_init__(self) -> None:
        number("token", self.token)
        number("clock", self.clock_ms, MAX_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pong:
    """The answer to PING; clock of the answering node in Unix ms."""

    KIND: ClassVar = 3
    token: int
    clock_ms: int

    def __post_init__(self) -> None:
        number("token", self.token)
        number("clock", self.clock_ms, MAX_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choke:
    """Send me IHAVE only."""

    KIND: ClassVar = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchoke:
    """Push to me again."""

    KIND: ClassVar = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """One announcement in a PUSH: the exact bytes that travel, and how many links it has crossed (a hint)."""

    hop: int
    header: bytes
    signature: bytes
    body: bytes

    def __post_init__(self) -> None:
        number("hop", self.hop, MAX_HOP)
        blob("header", self.header, 1, MAX_HEADER_BYTES)
        blob("signature", self.signature, SIGNATURE_BYTES, SIGNATURE_BYTES)
        blob("body", self.body, 0, MAX_BODY_BYTES)

    @property
    def size(self) -> int:
        """Bytes of announcement, without framing."""
        return len(self.header) + len(self.signature) + len(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """Announcements, whole: new ones unasked, or the answer to WANT."""

    KIND: ClassVar = 6
    items: tuple[Pushed, ...]

    def __post_init__(self) -> None:
        need(1 <= len(self.items) <= MAX_PUSHED, "number of announcements")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ihave:
    """I hold these: ask if you want them. The hop is that of the furthest travelled."""

    KIND: ClassVar = 7
    hop: int
    ids: tuple[bytes, ...]

    def __post_init__(self) -> None:
        number("hop", self.hop, MAX_HOP)
        need(bool(self.ids), "no ids")
        blobs("ids", self.ids, ID_BYTES, MAX_IDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one origin numbered `first`..`last` in one epoch."""

    origin: bytes
    epoch: int
    first: int
    last: int

    def __post_init__(self) -> None:
        blob("origin", self.origin, KEY_BYTES, KEY_BYTES)
        for value in (self.epoch, self.first, self.last):
            number("epoch or seq", value)
        need(self.first <= self.last, "a run that ends before it begins")


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """Send me these announcements, by id or by run of numbers."""

    KIND: ClassVar = 8
    ids: tuple[bytes, ...] = ()
    runs: tuple[Run, ...] = ()

    def __post_init__(self) -> None:
        need(bool(self.ids or self.runs) and len(self.runs) <= MAX_RUNS, "ids or runs")
        blobs("ids", self.ids, ID_BYTES, MAX_IDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """I do not hold these, although you asked."""

    KIND: ClassVar = 9
    ids: tuple[bytes, ...] = ()
    runs: tuple[Run, ...] = ()

    def __post_init__(self) -> None:
        need(bool(self.ids or self.runs) and len(self.runs) <= MAX_RUNS, "ids or runs")
        blobs("ids", self.ids, ID_BYTES, MAX_IDS)


class RefuseCode(IntEnum):
    """Why something is refused. Codes of later versions travel as plain numbers."""

    RATE = 0
    """More than the stated limit an hour, second, or frame; IHAVE only until `until_ms`."""
    FUTURE = 1
    """Dated ahead of our clock."""
    SHARE = 2
    """The owner's share of the store is used up."""
    UNSUPPORTED = 3
    """This node does not answer that kind of question."""
    BUSY = 4
    """Ask again after `until_ms`."""


class RefuseScope(IntEnum):
    """What `subject` names: nothing, an id (16 bytes), an origin (32)."""

    SESSION = 0
    ID = 1
    ORIGIN = 2
    RUN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """I will not, and this is why, until when, and the limit that holds."""

    KIND: ClassVar = 10
    code: int
    scope: int
    subject: bytes = b""
    until_ms: int = 0
    limit: int = 0

    def __post_init__(self) -> None:
        number("code", self.code, 255)
        number("scope", self.scope, 255)
        blob("subject", self.subject, 0, 64)
        number("until", self.until_ms, MAX_MS)
        number("limit", self.limit)


class CarryForm(IntEnum):
    """What a CARRY says."""

    DIGEST = 0
    """Only the hash of the set."""
    ASK = 1
    """Send me your set. The digest is our own."""
    SET = 2
    """`added` begins the set anew."""
    CHANGE = 3
    """The set loses `removed` and gains `added`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carry:
    """The owners whose announcements this node carries. `digest` is that of the whole set, once all of it is told."""

    KIND: ClassVar = 11
    form: int
    digest: bytes
    added: tuple[bytes, ...] = ()
    removed: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        number("form", self.form, CarryForm.CHANGE)
        blob("digest", self.digest, 32, 32)
        blobs("added", self.added, KEY_BYTES, MAX_CARRIED)
        blobs("removed", self.removed, KEY_BYTES, MAX_CARRIED - len(self.added))
        need(self.form >= CarryForm.SET or not self.added, "owners in a form that has none")
        need(self.form == CarryForm.CHANGE or not self.removed, "removed owners in a form that has none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """What did you record since this cursor? Void when the store id is another."""

    KIND: ClassVar = 13
    store_id: bytes
    cursor: int

    def __post_init__(self) -> None:
        blob("store id", self.store_id, STORE_ID_BYTES, STORE_ID_BYTES)
        number("cursor", self.cursor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """Signed peer records, opaque here."""

    KIND: ClassVar = 17
    records: tuple[bytes, ...]

    def __post_init__(self) -> None:
        need(len(self.records) <= MAX_RECORDS, "too many records")
        for record in self.records:
            blob("record", record, 1, MAX_RECORD_BYTES)


class ByeCode(IntEnum):
    """Why a session ends. Codes of later versions travel as plain numbers."""

    SHUTDOWN = 0
    SLOW = 1
    SILENT = 2
    FAULT = 3
    """The other side broke the protocol."""
    REVOKED = 4
    DUPLICATE = 5
    FULL = 6
    VERSION = 7
    RENEW = 8
    """The session is old: open a new one."""
    NOT_ADMITTED = 9
    """Proven, and not somebody who is let in here."""
    BANNED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Bye:
    """The session ends; come back after so many seconds (0: as you like)."""

    KIND: ClassVar = 18
    code: int
    retry_after: int = 0

    def __post_init__(self) -> None:
        number("code", self.code, 255)
        number("retry after", self.retry_after, 1 << 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownFrame:
    """A kind of a later version (or JOIN of a form that is not known): ignored and counted."""

    kind: int
    size: int
