"""What is said to the kernel's ipset and what it answers, as bytes. PURE; netlink.py has the socket.

Netlink messages as in linux/netlink.h, linux/netfilter/nfnetlink.h and linux/netfilter/ipset/ip_set.h: a header in the
machine's byte order, attributes padded to four bytes, numbers of ipset in network byte order. Only what the firewall
needs: add, delete, headers. Everything read has its length checked; what is strange is a FirewallError.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from p2pfw.core.prefix import Family
from p2pfw.errors import FirewallError
from p2pfw.firewall.parse import SetHeader

# linux/netlink.h
_HEADER: Final = struct.Struct("=IHHII")
_ERRNO: Final = struct.Struct("=i")
_REQUEST, _ACK, _ROOT, _MATCH = 0x1, 0x4, 0x100, 0x200
_DUMP: Final = _ROOT | _MATCH
_ERROR, _DONE, _LOWEST = 0x2, 0x3, 0x10
_NESTED, _NET_ORDER, _TYPE_MASK = 0x8000, 0x4000, 0x3FFF
_ATTRIBUTE: Final = struct.Struct("=HH")
# linux/netfilter/nfnetlink.h: the subsystem in the high byte of the type; then family, version, resource
_IPSET: Final = 6 << 8
_NF: Final = struct.Struct("=BBH")
# linux/netfilter/ipset/ip_set.h
_LIST, _ADD, _DEL = 7, 9, 10
_PROTOCOL, _SETNAME, _TYPENAME, _FAMILY, _FLAGS, _DATA, _ADT, _LINENO = 1, 2, 3, 5, 6, 7, 8, 9
_IP, _CIDR, _TIMEOUT, _CADT_FLAGS = 1, 3, 6, 8
_MAXELEM, _ELEMENTS, _REFERENCES = 19, 24, 25
_IPV4, _IPV6 = 1, 2
_ONLY_HEADERS: Final = 1 << 2
_WITH_COUNTERS: Final = 1 << 3
_VERSION: Final = 6
"""Of the protocol; kernels take it and later ones."""

BATCH: Final = 512
"""Members of one message: 23 KB of IPv4, 29 KB of IPv6, below the 64 KB that an attribute can have."""
_FAMILIES: Final = {2: Family.V4, 10: Family.V6}
_BE32: Final = struct.Struct(">I")
_IPSET_ERRORS: Final = {
    4097: "the kernel does not understand the request",
    4098: "there is no such type of set",
    4099: "there are too many sets",
    4100: "a rule or another set uses it",
    4103: "the entry is there already, or is not there",
    4104: "the prefix has a length that the set does not take",
    4105: "the prefix has a length that the set does not take",
    4106: "the set is of the other family",
    4107: "the set has no timeouts",
    4108: "a rule or another set uses it",
    4109: "the set does not take IPv4",
    4110: "the set does not take IPv6",
    4352: "the set is full",
}
"""enum ipset_errno, and those of hash types."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One message of the kernel's. `error`: its errno, 0 for the end of an answer; None: `payload` is a part of one."""

    sequence: int
    error: int | None
    payload: bytes = b""


def add(sequence: int, name: str, members: Sequence[tuple[int, int]]) -> bytes:
    """Add (key, seconds; 0 for no end) of one family, at most BATCH; what is there gets the new end (-exist)."""
    body = b"".join(_element(key, _attribute(_TIMEOUT | _NET_ORDER, _BE32.pack(left))) for key, left in members)
    return _change(_ADD, sequence, name, body)


def delete(sequence: int, name: str, keys: Sequence[int]) -> bytes:
    """Delete keys of one family, at most BATCH; what is not there is no error (-exist)."""
    return _change(_DEL, sequence, name, b"".join(_element(key) for key in keys))


def headers(sequence: int) -> bytes:
    """Ask for the headers of all sets."""
    return _message(_LIST, _DUMP, sequence, _attribute(_FLAGS | _NET_ORDER, _BE32.pack(_ONLY_HEADERS)))


def replies(data: bytes) -> Iterator[Reply]:
    """The messages of one datagram."""
    at = 0
    while at < len(data):
        if len(data) - at < _HEADER.size:
            raise _strange("a message cut off")
        size, kind, _, sequence, _ = _HEADER.unpack_from(data, at)
        if not _HEADER.size <= size <= len(data) - at:
            raise _strange("a message of a length that it has not")
        payload = data[at + _HEADER.size : at + size]
        yield _reply(kind, sequence, payload)
        at += _aligned(size)


def _reply(kind: int, sequence: int, payload: bytes) -> Reply:
    if kind in (_ERROR, _DONE):
        # a dump may end with an error in DONE; both carry a negative errno
        number: int = _ERRNO.unpack_from(payload)[0] if len(payload) >= _ERRNO.size else 0
        return Reply(sequence, -number)
    if kind < _LOWEST or len(payload) < _NF.size:
        raise _strange("a message of another kind")
    return Reply(sequence, None, payload[_NF.size :])


def words(error: int) -> str:
    """What an error number of ipset's own means; "" for the system's."""
    return _IPSET_ERRORS.get(error, "an error of ipset that is not known" if error >= 4096 else "")


def read_header(payload: bytes) -> SetHeader:
    """The header of one set, from an answer to `headers`."""
    found = _attributes(payload)
    data = _attributes(found.get(_DATA, b""))
    try:
        return SetHeader(
            name=_text(found[_SETNAME]),
            type=_text(found[_TYPENAME]),
            family=_FAMILIES.get(found[_FAMILY][0]) if _FAMILY in found else None,
            maxelem=_number(data.get(_MAXELEM)),
            timeout=_TIMEOUT in data,
            counters=bool(_number(data.get(_CADT_FLAGS)) & _WITH_COUNTERS),
            references=_number(data[_REFERENCES]),
            entries=_number(data.get(_ELEMENTS)),
        )
    except (KeyError, IndexError, UnicodeDecodeError):
        raise _strange("a set without a name, a type or references") from None


def _change(command: int, sequence: int, name: str, body: bytes) -> bytes:
    # ADT, several members under one message, wants a line number beside it (ip_set_core.c, ip_set_ad)
    line = _attribute(_LINENO | _NET_ORDER, bytes(4))
    return _message(command, _ACK, sequence, _name(name) + line + _attribute(_ADT | _NESTED, body))


def _element(key: int, rest: bytes = b"") -> bytes:
    six = key >> 136
    address = (key >> 8).to_bytes(17)[1:] if six else (key >> 8).to_bytes(4)
    kind = _IPV6 if six else _IPV4
    inner = _attribute(_IP | _NESTED, _attribute(kind | _NET_ORDER, address))
    return _attribute(_DATA | _NESTED, inner + _attribute(_CIDR, bytes((key & 0xFF,))) + rest)


def _message(command: int, flags: int, sequence: int, attributes: bytes) -> bytes:
    body = _NF.pack(0, 0, 0) + _attribute(_PROTOCOL, bytes((_VERSION,))) + attributes
    return _HEADER.pack(_HEADER.size + len(body), _IPSET | command, _REQUEST | flags, sequence, 0) + body


def _name(name: str) -> bytes:
    if not name:
        raise FirewallError("a set without a name would be every set of this host")
    return _attribute(_SETNAME, name.encode() + b"\0")


def _attribute(kind: int, value: bytes) -> bytes:
    size = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(size, kind) + value + bytes(_aligned(size) - size)


def _each(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, value) of each attribute."""
    at = 0
    while at < len(data):
        if len(data) - at < _ATTRIBUTE.size:
            raise _strange("an attribute cut off")
        size, kind = _ATTRIBUTE.unpack_from(data, at)
        if not _ATTRIBUTE.size <= size <= len(data) - at:
            raise _strange("an attribute of a length that it has not")
        yield kind & _TYPE_MASK, data[at + _ATTRIBUTE.size : at + size]
        at += _aligned(size)


def _attributes(data: bytes) -> dict[int, bytes]:
    return dict(_each(data))


def _number(value: bytes | None) -> int:
    if value is None:
        return 0
    if len(value) != 4:
        raise _strange("a number of another size")
    number: int = _BE32.unpack(value)[0]
    return number


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode()


def _aligned(size: int) -> int:
    return size + 3 & ~3


def _strange(what: str) -> FirewallError:
    return FirewallError(f"the kernel's ipset answered what it never answers: {what}")
