"""One word of a list to prefix keys: an address, a CIDR, or a range first-last.

Strict like Prefix.parse (no octal, no short forms, no host bits), and much faster for IPv4, because lists have a
hundred thousand lines. A refusal is a short reason that can be counted, never the word itself.
"""

from typing import Final

from p2pfw.core.prefix import Family, Prefix, PrefixKey, key_address, parse_address, unmapped, v4_key, v6_key
from p2pfw.errors import InputError

NOT_AN_ADDRESS: Final = "not an address"
HOST_BITS: Final = "host bits set"
BAD_LENGTH: Final = "no valid prefix length"
BACKWARDS: Final = "range ends before it begins"

# Canonical spellings only: "01" is in no table, so octal is refused without looking for it.
_OCTET: Final = {str(value): value for value in range(256)}
_LENGTH: Final = {str(value): value for value in range(33)}
_HOST_MASK: Final = tuple((1 << 32 - length) - 1 for length in range(33))


class TokenError(ValueError):
    """A word that is no prefix; its text is the reason."""


def read_token(text: str) -> tuple[PrefixKey, ...]:
    """The prefixes that a word stands for: one, or the fewest that make up a range. TokenError."""
    address, slash, length = text.partition("/")
    host = read_host(address)
    if host is None:
        return _read_slowly(text)
    return (_v4_network(host, length),) if slash else (host,)


def read_host(text: str) -> PrefixKey | None:
    """An IPv4 address that is nothing else, not even spaces around it: nine lines of ten. Else None."""
    try:
        a, b, c, d = text.split(".")
        return PrefixKey(_OCTET[a] << 32 | _OCTET[b] << 24 | _OCTET[c] << 16 | _OCTET[d] << 8 | 32)
    except (KeyError, ValueError):
        return None


def range_keys(family: Family, first: int, last: int) -> list[PrefixKey]:
    """The fewest prefixes that hold exactly the addresses first..last, in order."""
    make = v4_key if family is Family.V4 else v6_key
    keys: list[PrefixKey] = []
    while first <= last:
        # As wide as the alignment of the first address and the room that is left allow.
        aligned = (first & -first).bit_length() - 1 if first else family.bits
        host_bits = min(aligned, (last - first + 1).bit_length() - 1)
        keys.append(make(first, family.bits - host_bits))
        first += 1 << host_bits
    return keys


def _v4_network(host: PrefixKey, length: str) -> PrefixKey:
    bits = _LENGTH.get(length)
    if bits is None:
        raise TokenError(BAD_LENGTH)
    number = key_address(host)
    if number & _HOST_MASK[bits]:
        raise TokenError(HOST_BITS)
    return v4_key(number, bits)


def _read_slowly(text: str) -> tuple[PrefixKey, ...]:
    """IPv6, ranges, and whatever is wrong."""
    first, dash, last = text.partition("-")
    if dash:
        return tuple(_read_range(first, last))
    address, slash, length = text.partition("/")
    family, number = _address(address)
    if not slash:
        length = str(family.bits)
    if not length.isascii() or not length.isdecimal() or len(length) > 3 or int(length) > family.bits:
        raise TokenError(BAD_LENGTH)
    try:
        return (Prefix.of(*unmapped(family, number, int(length))).key,)
    except InputError:
        raise TokenError(HOST_BITS) from None


def _read_range(first: str, last: str) -> list[PrefixKey]:
    family, begin = _address(first)
    other, end = _address(last)
    if family is not other:
        raise TokenError(NOT_AN_ADDRESS)
    if end < begin:
        raise TokenError(BACKWARDS)
    return range_keys(family, begin, end)


def _address(text: str) -> tuple[Family, int]:
    try:
        return parse_address(text)
    except InputError:
        raise TokenError(NOT_AN_ADDRESS) from None
