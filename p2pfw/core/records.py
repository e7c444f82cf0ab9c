"""The body of an announcement of entries: sorted, unique, fixed-size records, and nothing that is spelled otherwise.

    IPv4, 12 bytes: address (4)  length (1) ttl (3)  age (3) code (1)
    IPv6, 24 bytes: address (16) length (1) ttl (3)  age (3) code (1)

All IPv4 records come first; each family ascends strictly by (address, length), so the whole body ascends by prefix key.
A body is taken apart column by column, because a loop over records in Python would cost more than the signature. The
columns are the form in which the ledger reads it; `Entry` is the value for the edges (protocol 1.2).
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from operator import add, and_, lt
from typing import Final, NamedTuple

from p2pfw.core.prefix import PrefixKey, is_v6, key_address, key_length
from p2pfw.errors import InputError, LifetimeError, MalformedError, NotCanonicalError

# Changing anything here breaks peers.
MAX_ENTRIES: Final = 1024
MAX_LIFETIME: Final = 30 * 86_400
RECORD4_BYTES: Final = 12
RECORD6_BYTES: Final = 24

_THREE_BYTES: Final = 0xFFFFFF
_RECORD4: Final = struct.Struct(">III")
_RECORD6: Final = struct.Struct(">QQII")
_V6_BIT: Final = 1 << 136
# Host bits of a key (prefix: address << 8 | length), by length.
_HOST4: Final = tuple((1 << 32 - length) - 1 << 8 for length in range(33))
_HOST6: Final = tuple((1 << 128 - length) - 1 << 8 for length in range(129))
_LENGTHS4: Final = bytes(range(33))
_LENGTHS6: Final = bytes(range(129))


class Action(IntEnum):
    """What an entry does. BLOCK and RETRACT travel in entries, PARDON in announcements of its own kind."""

    BLOCK = 0
    RETRACT = 1
    PARDON = 2


class Category(IntEnum):
    """What the prefix was seen to attack. The only reason that is gossiped."""

    SSH = 0
    WEB = 1
    MAIL = 2
    SCAN = 3
    DDOS = 4
    VOIP = 5
    OTHER = 6


MAX_CONFIDENCE: Final = 7


def code(action: Action, category: Category, confidence: int) -> int:
    """The code byte: action << 6 | category << 3 | confidence (0..7, meaning (k + 1) / 8)."""
    return action << 6 | category << 3 | confidence


def split_code(value: int) -> tuple[Action, Category, int]:
    """(action, category, confidence) of a code byte that was checked."""
    return Action(value >> 6), Category(value >> 3 & 7), value & 7


def _codes(*actions: Action) -> bytes:
    return bytes(code(a, c, k) for a in actions for c in Category for k in range(MAX_CONFIDENCE + 1))


STATEMENT_CODES: Final = _codes(Action.BLOCK, Action.RETRACT)
"""Every code byte that may stand in an announcement of kind entries."""
PARDON_CODES: Final = _codes(Action.PARDON)
"""Every code byte that may stand in an announcement of kind pardon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One statement about one prefix; `confidence` 0..7 means (k + 1) / 8."""

    key: PrefixKey
    action: Action
    category: Category
    confidence: int
    ttl: int
    """Seconds that it lives from the announcement's creation, 1 at least."""
    age: int = 0
    """Seconds before the announcement's creation at which it was first made."""

    def __post_init__(self) -> None:
        if not 0 <= self.confidence <= MAX_CONFIDENCE:
            raise InputError(f"confidence {self.confidence} is not within 0..{MAX_CONFIDENCE}", field="confidence")
        if self.ttl < 1 or self.age < 0 or self.ttl + self.age > MAX_LIFETIME:
            raise InputError(f"ttl {self.ttl} s and age {self.age} s are not within 30 days", field="ttl")


class Columns(NamedTuple):
    """The records of a body by column, all of one length, ascending by key."""

    keys: list[int]
    ttls: list[int]
    ages: list[int]
    codes: bytes


def body_bytes(n4: int, n6: int) -> int:
    """Length of a body of so many records."""
    return n4 * RECORD4_BYTES + n6 * RECORD6_BYTES


def columns(n4: int, body: bytes) -> Columns:
    """A body's columns; the lengths fit (header). Nothing else is checked here: see `check_columns`."""
    middle = n4 * RECORD4_BYTES
    if middle == len(body):
        return _columns4(body)
    if not n4:
        return _columns6(body)
    four, six = _columns4(body[:middle]), _columns6(body[middle:])
    return Columns(four.keys + six.keys, four.ttls + six.ttls, four.ages + six.ages, four.codes + six.codes)


def _columns4(body: bytes) -> Columns:
    words = struct.unpack(f">{len(body) // 4}I", body)
    keys = [address << 8 | length for address, length in zip(words[0::3], body[4::RECORD4_BYTES], strict=True)]
    return _columns(keys, words[1::3], words[2::3], body[RECORD4_BYTES - 1 :: RECORD4_BYTES])


def _columns6(body: bytes) -> Columns:
    words = struct.unpack(f">{len(body) // 4}I", body)
    # Address and length lie side by side, which is what a key is.
    keys = [_V6_BIT | int.from_bytes(body[start : start + 17]) for start in range(0, len(body), RECORD6_BYTES)]
    return _columns(keys, words[4::6], words[5::6], body[RECORD6_BYTES - 1 :: RECORD6_BYTES])


def _columns(keys: list[int], spans: Sequence[int], tails: Sequence[int], codes: bytes) -> Columns:
    # Nearly every announcement is of age 0 throughout.
    ages = [tail >> 8 for tail in tails] if max(tails) > 0xFF else [0] * len(tails)
    return Columns(keys, [span & _THREE_BYTES for span in spans], ages, codes)


def check_columns(n4: int, body: bytes, allowed: bytes) -> int:
    """The latest ttl of a body whose codes must be in `allowed`. NotCanonicalError, LifetimeError, MalformedError."""
    keys, ttls, ages, codes = columns(n4, body)
    _check_prefixes(n4, body, keys)
    # What is left after every allowed byte is deleted is not allowed.
    if codes.translate(None, allowed):
        raise MalformedError("an action or category that does not belong here")
    if not min(ttls):
        raise NotCanonicalError("an entry that never lived")
    if max(map(add, ttls, ages)) > MAX_LIFETIME:
        raise LifetimeError("an entry that lives for more than 30 days from when it was first made")
    return max(ttls)


def _check_prefixes(n4: int, body: bytes, keys: list[int]) -> None:
    middle = n4 * RECORD4_BYTES
    lengths4, lengths6 = body[4:middle:RECORD4_BYTES], body[middle + 16 :: RECORD6_BYTES]
    if lengths4.translate(None, _LENGTHS4) or lengths6.translate(None, _LENGTHS6):
        raise MalformedError("a prefix longer than an address")
    if lengths4.count(32) + lengths6.count(128) < len(keys):
        hosts = (*map(_HOST4.__getitem__, lengths4), *map(_HOST6.__getitem__, lengths6))
        if any(map(and_, keys, hosts)):
            raise NotCanonicalError("a prefix with host bits set")
    if not all(map(lt, keys, keys[1:])):
        raise NotCanonicalError("entries not in strictly ascending order")


def iterate(n4: int, body: bytes) -> Iterator[tuple[int, int, int, int]]:
    """(key, ttl, age, code) of each record, ascending by key."""
    return zip(*columns(n4, body), strict=True)


def encode(entries: Sequence[Entry]) -> tuple[int, int, bytes]:
    """(n4, n6, body) of 1..1024 entries in any order; InputError for another number, or one prefix twice."""
    if not 1 <= len(entries) <= MAX_ENTRIES:
        raise InputError(f"{len(entries)} entries; an announcement has 1 to {MAX_ENTRIES}", field="entries")
    ordered = sorted(entries, key=lambda entry: entry.key)
    if len({entry.key for entry in ordered}) < len(ordered):
        raise InputError("one prefix stands twice in one announcement", field="entries")
    n6 = sum(is_v6(entry.key) for entry in ordered)
    return len(ordered) - n6, n6, b"".join(map(_encode_one, ordered))


def encode_alike(keys: Sequence[PrefixKey], ttl: int, value: int) -> tuple[int, int, bytes]:
    """(n4, n6, body) of first-hand statements that differ by prefix alone; `keys` ascend strictly, `value` is the code.

    Column by column: a list of 100,000 is a hundred of these. InputError as `encode`.
    """
    if not 1 <= len(keys) <= MAX_ENTRIES or not 1 <= ttl <= MAX_LIFETIME:
        raise InputError(f"{len(keys)} entries of {ttl} s; an announcement has 1 to {MAX_ENTRIES}", field="entries")
    if not all(map(lt, keys, keys[1:])):
        raise InputError("entries not in strictly ascending order", field="entries")
    four = [key for key in keys if not is_v6(key)]
    flat = [value] * (3 * len(four))
    flat[0::3] = [key >> 8 for key in four]
    flat[1::3] = [(key & 0xFF) << 24 | ttl for key in four]
    six = (
        _RECORD6.pack(key_address(key) >> 64, key_address(key) & (1 << 64) - 1, key_length(key) << 24 | ttl, value)
        for key in keys[len(four) :]
    )
    return len(four), len(keys) - len(four), struct.pack(f">{len(flat)}I", *flat) + b"".join(six)


def _encode_one(entry: Entry) -> bytes:
    address = key_address(entry.key)
    span = key_length(entry.key) << 24 | entry.ttl
    tail = entry.age << 8 | code(entry.action, entry.category, entry.confidence)
    if is_v6(entry.key):
        return _RECORD6.pack(address >> 64, address & (1 << 64) - 1, span, tail)
    return _RECORD4.pack(address, span, tail)
