"""What node and enforcer say to one another: frames on a local stream socket. PURE.

    frame     = length (u32) | kind (u8) | payload, `length` bytes of it; at most MAX_PAYLOAD
    request   = any number of ENTRIES, KEYS and RULES frames, then one frame of the kind that says what to do with them
    answer    = any number of ENTRIES, COUNTS, NO_ROOM and REFUSED frames, then DONE, or FAILED and why
    ENTRIES   = count4, count6 (u32 each) | keys | left      what is blocked for how many more seconds, columns of u64
    KEYS      = count4, count6 | keys
    COUNTS    = count4, count6 | keys | packets | bytes
    NO_ROOM   = count4, count6 | keys                        what a set has no room for
    REFUSED   = count4, count6 | keys | objections           what the guard left out, and why
    RULES     = records                                      local rules (rulecode), of a request or an answer
    COUNTED   = packets, bytes (u64 each) a rule             of the RULES before it

Columns of fixed-size numbers in this machine's byte order: both ends are on it, and an `array` reads them at the speed
of memory. The key of an IPv4 prefix (core.prefix) is one u64; one of IPv6 is three columns: the upper and the lower
half of its address, and its length. A request carries no text at all; answers carry words for the operator. One
request at a time, answered in order; what is not understood ends the connection. Times are seconds from now (0: no
end), as in the kernel: what one of the two believes of the wall clock is no business of the other.
"""

import math
import struct
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain, islice
from typing import Final

from p2pfw.core.prefix import is_v6
from p2pfw.errors import FirewallError, MissingProgramError, PrivilegeError

VERSION: Final = 2
MAX_PAYLOAD: Final = 4 << 20
GONE: Final = (1 << 64) - 1
"""Seconds left of what has ended: to be removed."""
PART: Final = 32_768
"""Entries in one frame."""
HEADER: Final = struct.Struct("=IB")
_COUNTS: Final = struct.Struct("=II")
_HELLO: Final = struct.Struct("=HB")
_CHECK: Final = struct.Struct("=IIB")
_V6: Final = 1 << 136
_LOW: Final = (1 << 64) - 1


class Kind(IntEnum):
    """What a frame is. Requests are below 32, parts of them below 64, answers above."""

    HELLO = 1
    START = 2
    MEMBERSHIP = 3
    APPLY = 4
    REPLACE = 5
    ALLOW = 6
    ENFORCE = 7
    RELEASE = 8
    CHECK = 9
    COUNTERS = 10
    SURVEY = 11
    TALLIES = 12
    LOCAL = 13
    LOCAL_COUNTERS = 14
    ENTRIES = 32
    KEYS = 33
    RULES = 34
    COUNTS = 64
    NO_ROOM = 65
    REFUSED = 66
    COUNTED = 67
    DONE = 80
    FAILED = 81


REQUESTS: Final = frozenset(kind for kind in Kind if kind < Kind.ENTRIES)


class Role(IntEnum):
    """What a connection is for. There is at most one that works: two nodes would undo one another's work."""

    WORK = 1
    LOOK = 2
    """Counters and surveys: nothing that waits for the one that works, or keeps it waiting."""
    PANIC = 3
    """RELEASE, whoever works."""


class ProtocolError(Exception):
    """Bytes that this module did not write: the connection cannot go on."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. `kind` is one of Kind."""

    kind: Kind
    payload: bytes = b""

    def encode(self) -> bytes:
        """As it is sent."""
        return HEADER.pack(len(self.payload), self.kind) + self.payload


def parse_header(data: bytes) -> tuple[int, Kind]:
    """(payload bytes, kind) of a frame. ProtocolError."""
    length, number = HEADER.unpack(data)
    if length > MAX_PAYLOAD:
        raise ProtocolError(f"a frame of {length} bytes; at most {MAX_PAYLOAD} are taken")
    try:
        return length, Kind(number)
    except ValueError:
        raise ProtocolError(f"a frame of kind {number}, which there is not") from None


# --- columns -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Keys of both families, as they came: not yet known to be prefixes. `extras`: columns beside them."""

    keys4: "array[int]"
    keys6: tuple[int, ...]
    extras: tuple["array[int]", ...] = ()
    """As long as both families together, IPv4 first."""

    def __len__(self) -> int:
        return len(self.keys4) + len(self.keys6)

    def __iter__(self) -> Iterator[int]:
        """All keys, IPv4 first."""
        yield from self.keys4
        yield from self.keys6


def pack(keys: Collection[int], *extras: Iterable[int]) -> bytes:
    """The payload of one frame. The keys must be sorted by family: core.prefix sorts IPv4 first."""
    keys6 = [key for key in keys if key >= _V6]
    keys4 = array("Q", [key for key in keys if key < _V6]) if keys6 else array("Q", keys)
    columns = [keys4]
    if keys6:
        columns += (
            array("Q", [key >> 72 & _LOW for key in keys6]),
            array("Q", [key >> 8 & _LOW for key in keys6]),
        )
    data = [_COUNTS.pack(len(keys4), len(keys6)), *(column.tobytes() for column in columns)]
    data.append(bytes([key & 0xFF for key in keys6]))
    data += [array("Q", extra).tobytes() for extra in extras]
    return b"".join(data)


def unpack(payload: bytes, extras: int = 0) -> Columns:
    """What `pack` packed. ProtocolError unless it is exactly as long as its counts say."""
    if len(payload) < _COUNTS.size:
        raise ProtocolError("columns without counts")
    count4, count6 = _COUNTS.unpack_from(payload)
    expected = _COUNTS.size + 8 * count4 + 17 * count6 + 8 * extras * (count4 + count6)
    if len(payload) != expected:
        raise ProtocolError(f"columns of {len(payload)} bytes, where their counts ask for {expected}")
    reader = _Reader(payload, _COUNTS.size)
    keys4 = reader.column(count4)
    high, low, lengths = reader.column(count6), reader.column(count6), reader.take(count6)
    keys6 = tuple(_V6 | up << 72 | down << 8 | length for up, down, length in zip(high, low, lengths, strict=True))
    return Columns(keys4, keys6, tuple(reader.column(count4 + count6) for _ in range(extras)))


class _Reader:
    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at

    def take(self, size: int) -> bytes:
        begin, self._at = self._at, self._at + size
        return self._data[begin : self._at]

    def column(self, count: int) -> "array[int]":
        read = array("Q")
        read.frombytes(self.take(8 * count))
        return read


def entries(items: Mapping[int, int], clock: Callable[[], float]) -> Iterator[Frame]:
    """Frames with what is blocked until when (Unix seconds, 0: no end), in the order of `items` within each family."""
    for keys in _parts(items):
        now = math.floor(clock())
        ends = [items[key] for key in keys]
        yield Frame(Kind.ENTRIES, pack(keys, [end - now if end > now else GONE if end else 0 for end in ends]))


def read_entries(columns: Columns, now: float) -> dict[int, int]:
    """Key → end in Unix seconds, 0: none. What had ended ends at this second."""
    begin = math.floor(now)
    ends = [0 if not left else begin if left == GONE else begin + left for left in columns.extras[0]]
    return dict(zip(chain(columns.keys4, columns.keys6), ends, strict=True))


def keys_of(keys: Iterable[int], kind: Kind = Kind.KEYS) -> Iterator[Frame]:
    """Frames with keys and nothing else."""
    for part in _parts(keys):
        yield Frame(kind, pack(part))


def counts(tallies: Mapping[int, tuple[int, int]]) -> Iterator[Frame]:
    """Frames with (packets, bytes) by key."""
    for keys in _parts(tallies):
        yield Frame(Kind.COUNTS, pack(keys, [tallies[key][0] for key in keys], [tallies[key][1] for key in keys]))


def refused(objections: Mapping[int, int]) -> Iterator[Frame]:
    """Frames with what was left out, and the number of its objection."""
    for keys in _parts(objections):
        yield Frame(Kind.REFUSED, pack(keys, [objections[key] for key in keys]))


def _parts(keys: Iterable[int]) -> Iterator[Sequence[int]]:
    """Slices of one frame's size; within each, IPv4 first."""
    rest = iter(keys)
    while part := list(islice(rest, PART)):
        part.sort(key=is_v6)
        yield part


# --- requests with values ------------------------------------------------------------------------------------------


def hello(role: Role) -> Frame:
    """The first request of a connection."""
    return Frame(Kind.HELLO, _HELLO.pack(VERSION, role))


def read_hello(payload: bytes) -> Role:
    """What the connection is for. ProtocolError: another version, or no hello."""
    version, number = _unpacked(_HELLO, payload)
    if version != VERSION:
        raise ProtocolError(f"protocol version {version}, where this enforcer speaks {VERSION}: restart both")
    try:
        return Role(number)
    except ValueError:
        raise ProtocolError(f"a connection of role {number}, which there is not") from None


def check(expected4: int, expected6: int, *, repair: bool) -> Frame:
    """See ports.Firewall.check."""
    return Frame(Kind.CHECK, _CHECK.pack(expected4, expected6, repair))


def read_check(payload: bytes) -> tuple[int, int, bool]:
    """(expected4, expected6, repair)."""
    expected4, expected6, repair = _unpacked(_CHECK, payload)
    return expected4, expected6, bool(repair)


def counters(key: int) -> Frame:
    """See ports.Firewall.counters."""
    return Frame(Kind.COUNTERS, pack([key]))


def read_one_key(payload: bytes) -> int:
    """The key that `counters` asks for, not yet known to be a prefix."""
    columns = unpack(payload)
    if len(columns) != 1:
        raise ProtocolError(f"counters of {len(columns)} entries, where one is asked for at a time")
    return next(iter(columns))


def _unpacked(form: struct.Struct, payload: bytes) -> tuple[int, ...]:
    if len(payload) != form.size:
        raise ProtocolError(f"a payload of {len(payload)} bytes, where {form.size} belong")
    return form.unpack(payload)


# --- errors ------------------------------------------------------------------------------------------------------

_OTHER: Final = 0
_PRIVILEGE: Final = 1
_PROGRAM: Final = 2
_MOST_TEXT: Final = 2_000


def failed(error: FirewallError) -> Frame:
    """The answer that carries an error of ours to the node."""
    if isinstance(error, MissingProgramError):
        return _failed(_PROGRAM, f"{error.program}\n{error.package}")
    return _failed(_PRIVILEGE if isinstance(error, PrivilegeError) else _OTHER, str(error))


def read_failed(payload: bytes) -> FirewallError:
    """The error that `failed` carried."""
    number, text = (payload or b"\0")[0], payload[1:].decode(errors="replace")
    if number == _PROGRAM:
        program, _, package = text.partition("\n")
        return MissingProgramError(program, package)
    return PrivilegeError(text) if number == _PRIVILEGE else FirewallError(text)


def _failed(number: int, text: str) -> Frame:
    return Frame(Kind.FAILED, bytes([number]) + text[:_MOST_TEXT].encode(errors="replace"))


Receive = Callable[[int], bytes]
"""Gives exactly so many bytes."""


def read_frame(receive: Receive) -> Frame:
    """The next frame of a stream. ProtocolError, and whatever `receive` raises."""
    length, kind = parse_header(receive(HEADER.size))
    return Frame(kind, receive(length) if length else b"")
