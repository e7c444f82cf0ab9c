"""The frames of a session as values (protocol 3): one class a kind, and no value that breaks its limits.

Formats are final: a field is never added to a kind, a new need is a new kind (unknown kinds are ignored). Whoever makes
a frame meets the same checks as whoever receives one; FrameError says what is wrong. How frames become bytes is wire's
business, what they do is gossip's.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final

from p2pfw.core.canonical import MAX_COUNTER, MAX_TIME
from p2pfw.core.identity import KEY_BYTES, MAX_CERTIFICATE_BYTES, SIGNATURE_BYTES
from p2pfw.errors import FrameError

# Changing any of these breaks peers.
ID_BYTES: Final = 16
"""Frames name an announcement by the first 16 bytes of its id."""
BOUND_BYTES: Final = 24
"""The upper end of a range, exclusive: a beginning of created (ms, 8 bytes big-endian) + 16 bytes of id."""
STORE_ID_BYTES: Final = 16
SALT_BYTES: Final = 16
FINGERPRINT_BYTES: Final = 16
MAX_HEADER_BYTES: Final = 256
MAX_BODY_BYTES: Final = 32_768
MAX_PUSHED: Final = 512
MAX_IDS: Final = 4_000
MAX_RUNS: Final = 256
MAX_CARRIED: Final = 1_900
MAX_RANGES: Final = 2_000
MAX_SCOPE_OWNERS: Final = 500
MAX_RECORDS: Final = 32
MAX_RECORD_BYTES: Final = 1_024
MAX_NODES: Final = 512
MAX_ADDRESSES: Final = 8
MAX_CHARTER_BYTES: Final = 32_768
MAX_MS: Final = MAX_TIME * 1000
MAX_HOP: Final = 255

_NAME: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._@ -]{0,62}[A-Za-z0-9])?)?")
_ADDRESS: Final = re.compile(r"[!-~]{1,255}")
_CODE: Final = re.compile(r"[a-z0-9-]{1,32}")


def _need(holds: bool, what: str) -> None:  # noqa: FBT001
    if not holds:
        raise FrameError(what)


def _number(what: str, value: int, most: int = MAX_COUNTER) -> None:
    _need(isinstance(value, int) and type(value) is not bool and 0 <= value <= most, what)


def _blob(what: str, value: bytes, least: int, most: int) -> None:
    _need(type(value) is bytes and least <= len(value) <= most, what)


def _text(what: str, value: str, form: re.Pattern[str]) -> None:
    _need(type(value) is str and form.fullmatch(value) is not None, what)


def _blobs(what: str, values: Sequence[bytes], size: int, most: int) -> None:
    _need(len(values) <= most and all(type(value) is bytes and len(value) == size for value in values), what)


def _addresses(values: Sequence[str]) -> None:
    _need(len(values) <= MAX_ADDRESSES, "too many addresses")
    for value in values:
        _text("not an address", value, _ADDRESS)


def _share(what: str, value: float) -> None:
    _need(type(value) is float and math.isfinite(value) and 0.0 <= value <= 1.0, what)


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
        _need(1 <= len(self.versions) <= 16, "versions")
        for version in self.versions:
            _number("version", version, 255)
        _blob("store id", self.store_id, STORE_ID_BYTES, STORE_ID_BYTES)
        _number("clock", self.clock_ms, MAX_MS)
        _blob("held header", self.held_header, 0, MAX_HEADER_BYTES)
        _blob("held signature", self.held_signature, 0, SIGNATURE_BYTES)
        signed = SIGNATURE_BYTES if self.held_header else 0
        _need(len(self.held_signature) == signed, "held header and signature belong together")
        _blob("record", self.record, 0, MAX_RECORD_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """Are you there; answered by PONG with the same token. Clock in Unix ms."""

    KIND: ClassVar = 2
    token: int
    clock_ms: int

    def __post_init__(self) -> None:
        _number("token", self.token)
        _number("clock", self.clock_ms, MAX_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pong:
    """The answer to PING; clock of the answering node in Unix ms."""

    KIND: ClassVar = 3
    token: int
    clock_ms: int

    def __post_init__(self) -> None:
        _number("token", self.token)
        _number("clock", self.clock_ms, MAX_MS)


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
        _number("hop", self.hop, MAX_HOP)
        _blob("header", self.header, 1, MAX_HEADER_BYTES)
        _blob("signature", self.signature, SIGNATURE_BYTES, SIGNATURE_BYTES)
        _blob("body", self.body, 0, MAX_BODY_BYTES)

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
        _need(1 <= len(self.items) <= MAX_PUSHED, "number of announcements")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ihave:
    """I hold these: ask if you want them. The hop is that of the furthest travelled."""

    KIND: ClassVar = 7
    hop: int
    ids: tuple[bytes, ...]

    def __post_init__(self) -> None:
        _number("hop", self.hop, MAX_HOP)
        _need(bool(self.ids), "no ids")
        _blobs("ids", self.ids, ID_BYTES, MAX_IDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one origin numbered `first`..`last` in one epoch."""

    origin: bytes
    epoch: int
    first: int
    last: int

    def __post_init__(self) -> None:
        _blob("origin", self.origin, KEY_BYTES, KEY_BYTES)
        for number in (self.epoch, self.first, self.last):
            _number("epoch or seq", number)
        _need(self.first <= self.last, "a run that ends before it begins")


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """Send me these announcements, by id or by run of numbers."""

    KIND: ClassVar = 8
    ids: tuple[bytes, ...] = ()
    runs: tuple[Run, ...] = ()

    def __post_init__(self) -> None:
        _need(bool(self.ids or self.runs) and len(self.runs) <= MAX_RUNS, "ids or runs")
        _blobs("ids", self.ids, ID_BYTES, MAX_IDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """I do not hold these, although you asked."""

    KIND: ClassVar = 9
    ids: tuple[bytes, ...] = ()
    runs: tuple[Run, ...] = ()

    def __post_init__(self) -> None:
        _need(bool(self.ids or self.runs) and len(self.runs) <= MAX_RUNS, "ids or runs")
        _blobs("ids", self.ids, ID_BYTES, MAX_IDS)


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
        _number("code", self.code, 255)
        _number("scope", self.scope, 255)
        _blob("subject", self.subject, 0, 64)
        _number("until", self.until_ms, MAX_MS)
        _number("limit", self.limit)


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
        _number("form", self.form, CarryForm.CHANGE)
        _blob("digest", self.digest, 32, 32)
        _blobs("added", self.added, KEY_BYTES, MAX_CARRIED)
        _blobs("removed", self.removed, KEY_BYTES, MAX_CARRIED - len(self.added))
        _need(self.form >= CarryForm.SET or not self.added, "owners in a form that has none")
        _need(self.form == CarryForm.CHANGE or not self.removed, "removed owners in a form that has none")


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinNode:
    """One node of the inviter's fleet."""

    node: bytes
    name: str
    addresses: tuple[str, ...]

    def __post_init__(self) -> None:
        _blob("node", self.node, KEY_BYTES, KEY_BYTES)
        _text("node name", self.name, _NAME)
        _addresses(self.addresses)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRequest:
    """From who was invited; its node id is the session's. `trust`: what a guest gives the inviter's owner (0..1)."""

    KIND: ClassVar = 12
    FORM: ClassVar = 0
    guest: bool
    name: str
    addresses: tuple[str, ...]
    owner: bytes = b""
    owner_name: str = ""
    trust: float = 0.0

    def __post_init__(self) -> None:
        _need(type(self.guest) is bool, "guest")
        _text("name", self.name, _NAME)
        _addresses(self.addresses)
        _need(self.owner == b"" or len(self.owner) == KEY_BYTES, "owner")
        _blob("owner", self.owner, 0, KEY_BYTES)
        _text("owner name", self.owner_name, _NAME)
        _share("trust", self.trust)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinAnswer:
    """From the inviter. `certificate` is empty for a guest, `trust` what the inviter gives the guest's owner."""

    KIND: ClassVar = 12
    FORM: ClassVar = 1
    certificate: bytes
    owner: bytes
    owner_name: str
    network: str
    nodes: tuple[JoinNode, ...]
    charter: bytes = b""
    trust: float = 0.0

    def __post_init__(self) -> None:
        _blob("certificate", self.certificate, 0, MAX_CERTIFICATE_BYTES)
        _blob("owner", self.owner, KEY_BYTES, KEY_BYTES)
        _text("owner name", self.owner_name, _NAME)
        _text("network", self.network, _NAME)
        _need(len(self.nodes) <= MAX_NODES, "too many nodes")
        _blob("charter", self.charter, 0, MAX_CHARTER_BYTES)
        _share("trust", self.trust)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRefusal:
    """From the inviter: no, and a code that says why ("used", "expired", "unknown", "no-owner-key")."""

    KIND: ClassVar = 12
    FORM: ClassVar = 2
    code: str

    def __post_init__(self) -> None:
        _text("code", self.code, _CODE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """What did you record since this cursor? Void when the store id is another."""

    KIND: ClassVar = 13
    store_id: bytes
    cursor: int

    def __post_init__(self) -> None:
        _blob("store id", self.store_id, STORE_ID_BYTES, STORE_ID_BYTES)
        _number("cursor", self.cursor)


class RangeMode(IntEnum):
    """What is said of one range (protocol 5)."""

    SKIP = 0
    """Nothing to say."""
    FINGERPRINT = 1
    """The keyed hash of what I hold here."""
    LIST = 2
    """All ids that I hold here; tell me what I lack."""
    LACK = 3
    """Ids that I hold here and you do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """From the end of the range before (or the beginning of time) up to `upper`, exclusive."""

    upper: bytes
    mode: int
    data: bytes = b""

    def __post_init__(self) -> None:
        _blob("upper", self.upper, 1, BOUND_BYTES)
        _number("mode", self.mode, RangeMode.LACK)
        _blob("data", self.data, 0, MAX_IDS * ID_BYTES)
        match self.mode:
            case RangeMode.SKIP:
                _need(not self.data, "data in a skipped range")
            case RangeMode.FINGERPRINT:
                _need(len(self.data) == FINGERPRINT_BYTES, "fingerprint")
            case _:
                _need(len(self.data) % ID_BYTES == 0, "ids")

    @property
    def ids(self) -> list[bytes]:
        """The ids that `data` holds in the modes LIST and LACK."""
        return [self.data[at : at + ID_BYTES] for at in range(0, len(self.data), ID_BYTES)]


def _ranges(ranges: Sequence[Range]) -> None:
    _need(len(ranges) <= MAX_RANGES, "too many ranges")
    _need(all(ranges[at].upper < ranges[at + 1].upper for at in range(len(ranges) - 1)), "ranges out of order")


class Scope(IntEnum):
    """Which announcements a reconciliation is about."""

    AUTHORITY = 0
    """Certificates and revocations: they go first."""
    STATEMENTS = 1
    """All the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ROpen:
    """Begin a reconciliation of what is live at `t0_ms`, of `owners` (none named: all that both carry).

    The token is odd when the session's dialler opens, else even. `more`: the round goes on in the next R_MSG.
    """

    KIND: ClassVar = 14
    token: int
    scope: int
    t0_ms: int
    salt: bytes
    owners: tuple[bytes, ...]
    more: bool
    ranges: tuple[Range, ...]

    def __post_init__(self) -> None:
        _number("token", self.token)
        _number("scope", self.scope, Scope.STATEMENTS)
        _number("t0", self.t0_ms, MAX_MS)
        _blob("salt", self.salt, SALT_BYTES, SALT_BYTES)
        _blobs("owners", self.owners, KEY_BYTES, MAX_SCOPE_OWNERS)
        _need(type(self.more) is bool, "more")
        _ranges(self.ranges)


@dataclass(frozen=True, slots=True, kw_only=True)
class RMsg:
    """The next round of a reconciliation, or a part of it."""

    KIND: ClassVar = 15
    token: int
    more: bool
    ranges: tuple[Range, ...]

    def __post_init__(self) -> None:
        _number("token", self.token)
        _need(type(self.more) is bool, "more")
        _ranges(self.ranges)


class DoneCode(IntEnum):
    """How a reconciliation ended."""

    EQUAL = 0
    """All differences are known to both."""
    LIMIT = 1
    """Too many rounds or differences: open another one later."""
    REFUSED = 2
    """Not now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RDone:
    """The reconciliation is over."""

    KIND: ClassVar = 16
    token: int
    code: int

    def __post_init__(self) -> None:
        _number("token", self.token)
        _number("code", self.code, 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """Signed peer records, opaque here."""

    KIND: ClassVar = 17
    records: tuple[bytes, ...]

    def __post_init__(self) -> None:
        _need(len(self.records) <= MAX_RECORDS, "too many records")
        for record in self.records:
            _blob("record", record, 1, MAX_RECORD_BYTES)


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
        _number("code", self.code, 255)
        _number("retry after", self.retry_after, 1 << 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownFrame:
    """A kind of a later version (or JOIN of a form that is not known): ignored and counted."""

    kind: int
    size: int


Frame = (
    Hello | Ping | Pong | Choke | Unchoke | Push | Ihave | Want | Miss | Refuse | Carry
    | JoinRequest | JoinAnswer | JoinRefusal | Since | ROpen | RMsg | RDone | Peers | Bye
)  # fmt: skip
