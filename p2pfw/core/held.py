"""An announcement as the ledger holds it: its signed bytes, and the few numbers of its header that questions need.

There is no object per entry. An entry is a *reference*, one small integer: slot << 10 | position, where the slot is the
announcement's place on the shelf and the position its record's place in the body. What an entry says is read from the
signed bytes when it is asked for: one 64-bit word, length << 56 | ttl << 32 | age << 8 | code. Nothing is judged here.
"""

from collections.abc import Iterator
from struct import Struct, iter_unpack, unpack
from typing import Final, NamedTuple, cast

from p2pfw.core.announcement import Action, Announcement, AnnouncementId, Kind, RawAnnouncement
from p2pfw.core.identity import NodeId, OwnerId
from p2pfw.core.prefix import PrefixKey
from p2pfw.core.records import RECORD4_BYTES, RECORD6_BYTES

POSITION_BITS: Final = 10
POSITION_MASK: Final = (1 << POSITION_BITS) - 1
"""Ten bits: an announcement has at most 1,024 records."""
TTL_SHIFT: Final = 32
AGE_SHIFT: Final = 8
THREE_BYTES: Final = 0xFFFFFF
"""Where a record's word has its ttl and age."""
SEQ_BITS: Final = 64
RETRACTS: Final = Action.RETRACT << 6
"""Code bytes of a BLOCK lie below this one, those of a RETRACT from here on (protocol 1.2)."""
TAKES_BACK: Final = frozenset({Kind.PARDON, Kind.CERTIFICATE, Kind.REVOCATION, Kind.CHECKPOINT, Kind.EQUIVOCATION})
"""Kinds that end or attribute other announcements: a full share must not keep them out."""
STANDS_ALONE: Final = frozenset(
    {Kind.CERTIFICATE, Kind.REVOCATION, Kind.VOUCH, Kind.CHARTER, Kind.EQUIVOCATION, Kind.SUCCESSION}
)
"""Kinds whose body proves itself: it counts whatever becomes of the node that carried it (protocol 7)."""

_WORD: Final = Struct(">Q")
_V6: Final = 1 << 136


class Said(NamedTuple):
    """One record, read: when the statement was first made, when it ends (Unix seconds), and its code byte."""

    stated: int
    ends: int
    code: int


class Held(NamedTuple):
    """One announcement on the shelf. Times in Unix seconds; `order` is (epoch, seq) as one integer.

    A named tuple, because a frozen dataclass of this size takes as long to build as ten entries to index.
    """

    raw: RawAnnouncement
    body: bytes
    """The same object as raw.body, one step nearer."""
    id: AnnouncementId
    kind: int
    origin: NodeId
    order: int
    created: int
    created_ms: int
    expires: int
    basis: int
    n4: int
    entries: int
    """Records in the body."""
    slot: int
    serial: int
    """Never given twice, while slots are: tells a left-over mention of a slot from the present one."""
    sealed_by: OwnerId | None
    """The owner that signed the body, for certificates and revocations."""

    @property
    def epoch(self) -> int:
        """The origin's epoch, in Unix milliseconds."""
        return self.order >> SEQ_BITS

    @property
    def octets(self) -> int:
        """Bytes as they travel."""
        return octets(self.raw)

    def keys(self) -> list[PrefixKey]:
        """Prefix keys of its records, ascending: one for each position."""
        return body_keys(self.n4, self.body) if self.entries else []

    def word(self, position: int) -> int:
        """The record's last eight bytes: length << 56 | ttl << 32 | age << 8 | code."""
        n4 = self.n4
        at = position * 12 + 4 if position < n4 else position * 24 - n4 * 12 + 16
        word: int = _WORD.unpack_from(self.body, at)[0]
        return word

    def said(self, position: int) -> Said:
        """What the record says, in absolute times."""
        word = self.word(position)
        return Said(
            self.created - (word >> AGE_SHIFT & THREE_BYTES),
            self.created + (word >> TTL_SHIFT & THREE_BYTES),
            word & 0xFF,
        )

    def ends(self) -> list[int]:
        """When each record ends, in Unix seconds, by position."""
        created, middle = self.created, self.n4 * RECORD4_BYTES
        if not self.entries:
            return []
        words = [word for (word,) in iter_unpack(">4xQ", self.body[:middle])]
        words += [word for (word,) in iter_unpack(">16xQ", self.body[middle:])]
        return [created + (word >> TTL_SHIFT & THREE_BYTES) for word in words]

    def find(self, key: int) -> int | None:
        """Position of the record about exactly this prefix."""
        keys = self.keys()
        return keys.index(PrefixKey(key)) if key in keys else None


NOTHING: Final = Held(
    raw=RawAnnouncement(b"", b"", b""),
    body=b"",
    id=AnnouncementId(b""),
    kind=-1,
    origin=NodeId(b""),
    order=-1,
    created=0,
    created_ms=0,
    expires=0,
    basis=0,
    n4=0,
    entries=0,
    slot=-1,
    serial=0,
    sealed_by=None,
)
"""What lies in a free slot."""


class Shelf:
    """Announcements by slot. A slot is given again, a serial never. `slots` is for reading."""

    __slots__ = ("_free", "_serial", "count", "slots")

    def __init__(self) -> None:
        self.slots: list[Held] = []
        self.count = 0
        self._free: list[int] = []
        self._serial = 0

    def put(self, announcement: Announcement, origin: NodeId, sealed_by: OwnerId | None) -> Held:
        """Hold an announcement. `origin`: its header's, as the one object that all of an origin's share."""
        slot = self._free.pop() if self._free else len(self.slots)
        self._serial += 1
        self.count += 1
        held = _held(announcement, origin, sealed_by, slot, self._serial)
        if slot == len(self.slots):
            self.slots.append(held)
        else:
            self.slots[slot] = held
        return held

    def remove(self, held: Held) -> None:
        """Hold it no longer."""
        self.slots[held.slot] = NOTHING
        self._free.append(held.slot)
        self.count -= 1

    def present(self, slot: int, serial: int) -> Held | None:
        """What lies in a slot, if it is still the one with that serial."""
        held = self.slots[slot]
        return held if held.serial == serial else None

    def all(self) -> Iterator[Held]:
        """Everything, by slot."""
        return (held for held in self.slots if held is not NOTHING)


def order_of(order: tuple[int, int]) -> int:
    """(epoch, seq) as one integer that compares alike."""
    return order[0] << SEQ_BITS | order[1]


def octets(raw: RawAnnouncement) -> int:
    """Bytes of an announcement as it travels."""
    return len(raw.header) + len(raw.signature) + len(raw.body)


def body_keys(n4: int, body: bytes) -> list[PrefixKey]:
    """Prefix keys of a body's records, ascending."""
    middle = n4 * RECORD4_BYTES
    # One unpack for all, and no call for each key: a plain loop would cost four times as much.
    keys = [word >> 24 for word in unpack(">" + "Q4x" * n4, body[:middle])]
    if middle < len(body):
        keys += [_V6 | high << 72 | low << 8 | length for high, low, length in iter_unpack(">QQB7x", body[middle:])]
    return cast("list[PrefixKey]", keys)


def body_codes(n4: int, body: bytes) -> bytes:
    """Code bytes of a body's records, by position."""
    middle = n4 * RECORD4_BYTES
    return body[RECORD4_BYTES - 1 : middle : RECORD4_BYTES] + body[middle + RECORD6_BYTES - 1 :: RECORD6_BYTES]


def _held(announcement: Announcement, origin: NodeId, sealed_by: OwnerId | None, slot: int, serial: int) -> Held:
    header, raw = announcement.header, announcement.raw
    return Held(
        raw=raw,
        body=raw.body,
        id=announcement.id,
        kind=header.kind,
        origin=origin,
        order=order_of(header.order),
        created=header.created,
        created_ms=header.created_ms,
        expires=header.expires,
        basis=header.basis,
        n4=header.n4,
        entries=header.n4 + header.n6,
        slot=slot,
        serial=serial,
        sealed_by=sealed_by,
    )
