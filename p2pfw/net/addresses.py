"""Whose address a connection counts under, also behind a reverse proxy (protocol 2.6). No look-ups."""

import ipaddress
from collections.abc import Sequence

from p2pfw.core.prefix import Family, Prefix
from p2pfw.errors import InputError

_V6_GROUP_BITS = 64


def plain(address: str) -> str:
    """Canonical text of an address: without zone, IPv4 where it is only mapped into IPv6. InputError if it is none."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        raise InputError(f"{address[:60]!r} is no address") from None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


def group_of(address: str) -> str:
    """What one party can easily have many of counts as one: an IPv4 address, an IPv6 /64."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    return str(ipaddress.IPv6Address(int(parsed) >> _V6_GROUP_BITS << _V6_GROUP_BITS)) + "/64"


def is_within(address: str, prefixes: Sequence[Prefix]) -> bool:
    """True when one of the prefixes covers the address."""
    parsed = ipaddress.ip_address(address)
    family = Family(parsed.version)
    host = Prefix.of(family, int(parsed), family.bits)
    return any(prefix.covers(host) for prefix in prefixes)


def forwarded_address(header: str, trusted: Sequence[Prefix]) -> str | None:
    """The client that our own proxies name in X-Forwarded-For: the last address that is none of theirs, or None.

    What stands left of it was written by the client itself, and means nothing.
    """
    for part in reversed(header.split(",")):
        try:
            address = plain(part.strip())
        except InputError:
            return None
        if not is_within(address, trusted):
            return address
    return None


def split_address(text: str) -> tuple[str, int]:
    """Host and port of "host:port" or "[v6]:port". InputError otherwise."""
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    bracketed = bare != host
    number = int(port) if port.isascii() and port.isdigit() else -1
    if not colon or not bare or (":" in bare) is not bracketed or not 0 <= number <= 0xFFFF:
        raise InputError(f"{text!r} is not host:port", field="listen", hint="for example 0.0.0.0:7787 or [::]:7787")
    return bare, number


def join_address(host: str, port: int) -> str:
    """The text that split_address reads."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
