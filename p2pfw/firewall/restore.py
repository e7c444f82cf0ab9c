"""Writes what `ipset restore` reads. PURE.

One bad line loses the lines batched before it, and a token that is no address is resolved as a host name: so every
line is made here, from integers and from names that names.py made. Lines come in slices, made while ipset works on
the slices before; each slice reads the clock anew, so that a long batch does not make its own timeouts late.
"""

import math
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from p2pfw.core.prefix import Family
from p2pfw.firewall.names import Role

MAX_TIMEOUT: Final = 2_147_483
"""Longest timeout in seconds (24.8 days) that the kernel takes. Longer leases are cut to it: the caller renews them."""
SLICE: Final = 4_096
"""Lines made at a time: about 4 ms of work and 200 KiB."""
MIN_HASHSIZE: Final = 1_024
MAX_HASHSIZE: Final = 1 << 20
MIN_MAXELEM: Final = 65_536

_V6: Final = 1 << 136
_ADDRESS: Final = (1 << 128) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a set is made: what it may hold, and whether members carry a timeout and counters (block sets do)."""

    role: Role
    family: Family
    maxelem: int
    hashsize: int = MIN_HASHSIZE


def hashsize_for(entries: int) -> int:
    """Buckets to start with: measured fastest at half the entries, and no resize on the way."""
    return min(MAX_HASHSIZE, max(MIN_HASHSIZE, 1 << (max(1, entries // 2) - 1).bit_length()))


def create(name: str, shape: Shape) -> bytes:
    """Line that makes a set."""
    family = "inet6" if shape.family is Family.V6 else "inet"
    extra = " timeout 0 counters" if shape.role is Role.BLOCK else ""
    return (
        f"create {name} hash:net family {family} hashsize {shape.hashsize} maxelem {shape.maxelem}{extra}\n"
    ).encode()


def swap_in(fresh: str, live: str) -> bytes:
    """Lines that put the filled set in the live one's place, and throw the old contents away."""
    return f"swap {fresh} {live}\ndestroy {fresh}\n".encode()


def destroy(name: str) -> bytes:
    """Line that removes one set."""
    return f"destroy {name}\n".encode()


def add_blocks(
    name: str, family: Family, items: Iterable[tuple[int, int]], clock: Callable[[], float]
) -> Iterator[bytes]:
    """Lines that add the (key, expiry) pairs of one family; those whose time has passed are left out."""
    render = _blocks6 if family is Family.V6 else _blocks4
    rest = iter(items)
    while batch := list(islice(rest, SLICE)):
        yield render(f"add {name} ", batch, math.floor(clock())).encode()


def add_allowed(name: str, keys: Iterable[int]) -> Iterator[bytes]:
    """Lines that add keys of one family without end; a /0, which the kernel refuses, goes in as its two halves."""
    return _lines(f"add {name}", (part for key in keys for part in halves(key)))


def set_counters(
    name: str, counted: Iterable[tuple[int, int, int, int]], clock: Callable[[], float]
) -> Iterator[bytes]:
    """Lines that give entries which were just added what they had dropped before: (key, expiry, packets, bytes)."""
    rest = iter(counted)
    while batch := list(islice(rest, SLICE)):
        now = math.floor(clock())
        lines = [
            f"add {name} {member_text(key)} timeout {seconds_left(end, now)} packets {packets} bytes {octets}\n"
            for key, end, packets, octets in batch
            if end > now or not end
        ]
        yield "".join(lines).encode()


def delete(name: str, keys: Iterable[int]) -> Iterator[bytes]:
    """Lines that remove keys of one family; with -exist, one that is not there is no error."""
    return _lines(f"del {name}", keys)


def halves(key: int) -> tuple[int, ...]:
    """The key itself, or for a /0 the two /1."""
    if key & 0xFF:
        return (key,)
    half = 1 << 135 if key >= _V6 else 1 << 39
    return key | 1, key | half | 1


def seconds_left(end: int, now: int) -> int:
    """The timeout of an entry that ends at `end` (0: never, which is 0), where `now` is rounded down: never too short.

    What has ended gets the least there is: 0 would be for ever.
    """
    return max(1, min(end - now, MAX_TIMEOUT)) if end else 0


def member_text(key: int) -> str:
    """The key as ipset writes it: a host without its length."""
    if key >= _V6:
        text, length, bits = socket.inet_ntop(socket.AF_INET6, (key >> 8 & _ADDRESS).to_bytes(16)), key & 0xFF, 128
    else:
        text, length, bits = socket.inet_ntoa((key >> 8).to_bytes(4)), key & 0xFF, 32
    return text if length == bits else f"{text}/{length}"


def _lines(head: str, keys: Iterable[int]) -> Iterator[bytes]:
    rest = iter(keys)
    while batch := list(islice(rest, SLICE)):
        yield "".join([f"{head} {member_text(key)}\n" for key in batch]).encode()


# The two below are the hot loop of a load (100,000 lines in about 0.1 s): one comprehension, no call of ours inside.
# Rounded up to the next second, so that nothing ends early: an integer `end` less the clock rounded down.


def _blocks4(head: str, batch: list[tuple[int, int]], now: int) -> str:
    text, latest = socket.inet_ntoa, now + MAX_TIMEOUT
    return "".join(
        [
            f"{head}{text((key >> 8).to_bytes(4))}/{key & 0xFF}"
            f" timeout {end - now if now < end <= latest else MAX_TIMEOUT if end else 0}\n"
            for key, end in batch
            if end > now or not end
        ]
    )


def _blocks6(head: str, batch: list[tuple[int, int]], now: int) -> str:
    text, family, latest = socket.inet_ntop, socket.AF_INET6, now + MAX_TIMEOUT
    return "".join(
        [
            f"{head}{text(family, (key >> 8 & _ADDRESS).to_bytes(16))}/{key & 0xFF}"
            f" timeout {end - now if now < end <= latest else MAX_TIMEOUT if end else 0}\n"
            for key, end in batch
            if end > now or not end
        ]
    )
