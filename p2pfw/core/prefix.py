"""Canonical IPv4 and IPv6 networks, as small integers.

A prefix is one integer, its *key*: family bit << 136 | address << 8 | length. Keys sort by family, address, length,
which is the order of records in an announcement, and take no object of their own in tables of a million. `Prefix` is
the value that the edges parse and print; inside, keys travel. Host bits are always zero: a key that has some cannot
come out of this module. Parsing is strict (no octal, no short forms, no zones); what an address *means* (private,
loopback) is whitelist's business.
"""

import contextlib
import re
import socket
from dataclasses import dataclass
from enum import IntEnum
from functools import total_ordering
from typing import Final, NewType, Self

from p2pfw.errors import InputError

PrefixKey = NewType("PrefixKey", int)

_LENGTH_BITS: Final = 8
_V6: Final = 1 << 136
_MAPPED: Final = 0xFFFF
_MAPPED_BITS: Final = 96
_ADDRESS_MASK: Final = (1 << 128) - 1


class Family(IntEnum):
    """Address family; the value is the IP version."""

    V4 = 4
    V6 = 6

    @property
    def bits(self) -> int:
        """Bits in an address: 32 or 128."""
        return 32 if self is Family.V4 else 128


def v4_key(address: int, length: int) -> PrefixKey:
    """Key of an IPv4 prefix; the caller vouches that host bits are zero."""
    return PrefixKey(address << _LENGTH_BITS | length)


def v6_key(address: int, length: int) -> PrefixKey:
    """Key of an IPv6 prefix; the caller vouches that host bits are zero."""
    return PrefixKey(_V6 | address << _LENGTH_BITS | length)


def is_v6(key: int) -> bool:
    """True for a key of an IPv6 prefix."""
    return key >= _V6


def key_length(key: int) -> int:
    """Prefix length, 0..32 or 0..128."""
    return key & 0xFF


def key_address(key: int) -> int:
    """First address of the prefix, as an integer."""
    return key >> _LENGTH_BITS & _ADDRESS_MASK


def key_span(key: int) -> tuple[int, int]:
    """First and last address, inclusive, as integers within the family."""
    first = key_address(key)
    bits = 128 if key >= _V6 else 32
    return first, first | (1 << bits - (key & 0xFF)) - 1


def key_width(key: int) -> int:
    """Bits wider than one host: 32 - length, and max(0, 64 - length) for IPv6 (policy: a /64 is one IPv6 host)."""
    return max(0, 64 - (key & 0xFF)) if key >= _V6 else 32 - (key & 0xFF)


def truncate(key: int, length: int) -> PrefixKey:
    """The prefix of `length` that covers `key`; `length` is at most the key's own."""
    drop = (128 if key >= _V6 else 32) - length + _LENGTH_BITS
    return PrefixKey(key >> drop << drop | length)


def covers(outer: int, inner: int) -> bool:
    """True when every address of `inner` lies in `outer` (equal prefixes cover one another)."""
    if (outer >= _V6) != (inner >= _V6) or (outer & 0xFF) > (inner & 0xFF):
        return False
    return truncate(inner, outer & 0xFF) == outer


def overlaps(one: int, other: int) -> bool:
    """True when the two share an address. Prefixes nest or are disjoint."""
    return covers(one, other) or covers(other, one)


def key_text(key: int) -> str:
    """Canonical text: "203.0.113.9/32", "2001:db8::/48"; always with the length."""
    address = key >> _LENGTH_BITS & _ADDRESS_MASK
    if key >= _V6:
        return f"{socket.inet_ntop(socket.AF_INET6, address.to_bytes(16))}/{key & 0xFF}"
    return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}/{key & 0xFF}"


@total_ordering
@dataclass(frozen=True, slots=True)
class Prefix:
    """A canonical network. Build it with `parse`, `host`, `of`, or from a key that this module made."""

    key: PrefixKey

    def __post_init__(self) -> None:
        bits = self.family.bits
        host = bits - self.length
        address = self.key >> _LENGTH_BITS & _ADDRESS_MASK
        if not 0 <= self.key < _V6 << 1 or host < 0 or address >> bits or address & (1 << host) - 1:
            raise InputError(f"{self.key:#x} is not a prefix key", field="prefix")

    @classmethod
    def of(cls, family: Family, address: int, length: int) -> Self:
        """From integers; InputError when a host bit is set or the length is out of range."""
        if not 0 <= length <= family.bits:
            raise InputError(f"prefix length {length} is not within 0..{family.bits}", field="prefix")
        return cls(v4_key(address, length) if family is Family.V4 else v6_key(address, length))

    @classmethod
    def parse(cls, text: str) -> Self:
        """From any usual spelling: address or CIDR. InputError names the right one where host bits are set."""
        text = text.strip()
        address_text, slash, length_text = text.partition("/")
        family, address = parse_address(address_text)
        if slash and not re.fullmatch(r"[0-9]{1,3}", length_text):
            raise InputError(
                f"{text!r} has no valid prefix length after the slash",
                field="prefix",
                hint=f"write it like {address_text}/24",
            )
        length = int(length_text) if slash else family.bits
        if length > family.bits:
            raise InputError(f"{text!r}: length {length} is more than {family.bits}", field="prefix")
        right = truncate(v4_key(address, family.bits) if family is Family.V4 else v6_key(address, family.bits), length)
        if key_address(right) != address:
            raise InputError(
                f"{text!r} has host bits set",
                field="prefix",
                hint=f"did you mean {key_text(right)} or the host {address_text}?",
            )
        return cls(right)

    @classmethod
    def of_client(cls, text: str) -> Self:
        """As `parse`, of an address that a program took from a connection: see `unmapped`."""
        found = cls.parse(text)
        return cls.of(*unmapped(found.family, key_address(found.key), found.length))

    @property
    def family(self) -> Family:
        """IPv4 or IPv6."""
        return Family.V6 if self.key >= _V6 else Family.V4

    @property
    def length(self) -> int:
        """Prefix length in bits."""
        return self.key & 0xFF

    @property
    def is_host(self) -> bool:
        """True for one address (/32 or /128)."""
        return self.length == self.family.bits

    def covers(self, other: "Prefix") -> bool:
        """True when every address of `other` lies in this prefix."""
        return covers(self.key, other.key)

    def overlaps(self, other: "Prefix") -> bool:
        """True when the two share an address."""
        return overlaps(self.key, other.key)

    def __lt__(self, other: "Prefix") -> bool:
        return self.key < other.key

    def __str__(self) -> str:
        return key_text(self.key)


def unmapped(family: Family, address: int, length: int) -> tuple[Family, int, int]:
    """What a socket for both families calls ::ffff:203.0.113.9/128 is 203.0.113.9/32 on the wire."""
    if family is Family.V6 and address >> 32 == _MAPPED and length > _MAPPED_BITS:
        return Family.V4, address & 0xFFFFFFFF, length - _MAPPED_BITS
    return family, address, length


def parse_address(text: str) -> tuple[Family, int]:
    """(family, integer) of an address without length or zone; InputError otherwise."""
    # inet_pton reads what ipaddress reads, in a tenth of its time.
    with contextlib.suppress(OSError, ValueError):
        if ":" in text:
            return Family.V6, int.from_bytes(socket.inet_pton(socket.AF_INET6, text))
        return Family.V4, int.from_bytes(socket.inet_pton(socket.AF_INET, text))
    address, percent, zone = text.partition("%")
    if percent and ":" in address:
        raise InputError(f"{text[:80]!r} has a zone", field="prefix", hint=f"leave out %{zone[:16]}")
    raise InputError(
        f"{text[:80]!r} is neither an IPv4 nor an IPv6 address",
        field="prefix",
        hint="write it like 203.0.113.9 or 2001:db8::1",
    )
