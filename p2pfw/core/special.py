"""Address space with a meaning of its own, and the IPv4 addresses that hide inside IPv6 ones.

An own table, from the IANA special-purpose address registries (RFC 6890 and its updates), because `ipaddress` answers
differently from one Python version to the next. Whoever tests an address tests what `embedded` finds in it too: a
block of ::ffff:127.0.0.1 is a block of 127.0.0.1. Knows nothing of this machine's own addresses; see whitelist.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from p2pfw.core.prefix import Prefix, PrefixKey, covers, key_address, overlaps, truncate, v4_key
from p2pfw.core.ranges import OverlapMap, span


class Space(Enum):
    """What the policy does with a special range."""

    HARD = "hard"
    """Never blocked, by nobody."""
    PRIVATE = "private"
    """Blocked only where the operator allows it (`policy.allow_private`)."""
    ORDINARY = "ordinary"
    """Special to the registries, an address like any other to us: documentation, anycast services, relays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialRange:
    """One row of the registries."""

    key: PrefixKey
    name: str
    space: Space
    rfc: str


# prefix | name | space | where it is defined. 0.0.0.0/8 and ::/128 are in; fec0::/10 was withdrawn but is still in use.
_TABLE: Final = """
0.0.0.0/8          | this network                    | hard     | RFC 791
10.0.0.0/8         | private use                     | private  | RFC 1918
100.64.0.0/10      | carrier NAT                     | private  | RFC 6598
127.0.0.0/8        | loopback                        | hard     | RFC 1122
169.254.0.0/16     | link-local                      | hard     | RFC 3927
172.16.0.0/12      | private use                     | private  | RFC 1918
192.0.0.0/24       | IETF protocol assignments       | ordinary | RFC 6890
192.0.2.0/24       | documentation                   | ordinary | RFC 5737
192.31.196.0/24    | AS112                           | ordinary | RFC 7535
192.52.193.0/24    | AMT                             | ordinary | RFC 7450
192.88.99.0/24     | 6to4 relays (deprecated)        | ordinary | RFC 7526
192.168.0.0/16     | private use                     | private  | RFC 1918
192.175.48.0/24    | AS112                           | ordinary | RFC 7534
198.18.0.0/15      | benchmarking                    | private  | RFC 2544
198.51.100.0/24    | documentation                   | ordinary | RFC 5737
203.0.113.0/24     | documentation                   | ordinary | RFC 5737
224.0.0.0/4        | multicast                       | hard     | RFC 5771
240.0.0.0/4        | class E                         | hard     | RFC 1112
255.255.255.255/32 | broadcast                       | hard     | RFC 919
::/128             | unspecified                     | hard     | RFC 4291
::1/128            | loopback                        | hard     | RFC 4291
::ffff:0:0/96      | IPv4-mapped                     | ordinary | RFC 4291
64:ff9b::/96       | NAT64                           | ordinary | RFC 6052
64:ff9b:1::/48     | NAT64, local use                | ordinary | RFC 8215
100::/64           | discard only                    | ordinary | RFC 6666
100:0:0:1::/64     | dummy prefix                    | ordinary | RFC 9780
2001::/23          | IETF protocol assignments       | ordinary | RFC 2928
2001::/32          | Teredo                          | ordinary | RFC 4380
2001:2::/48        | benchmarking                    | private  | RFC 5180
2001:3::/32        | AMT                             | ordinary | RFC 7450
2001:4:112::/48    | AS112                           | ordinary | RFC 7535
2001:10::/28       | ORCHID (deprecated)             | ordinary | RFC 4843
2001:20::/28       | ORCHIDv2                        | ordinary | RFC 7343
2001:30::/28       | drone remote id                 | ordinary | RFC 9374
2001:db8::/32      | documentation                   | ordinary | RFC 3849
2002::/16          | 6to4                            | ordinary | RFC 3056
2620:4f:8000::/48  | AS112                           | ordinary | RFC 7534
3fff::/20          | documentation                   | ordinary | RFC 9637
5f00::/16          | segment routing                 | ordinary | RFC 9602
fc00::/7           | unique local                    | private  | RFC 4193
fe80::/10          | link-local                      | hard     | RFC 4291
fec0::/10          | site-local (withdrawn)          | private  | RFC 3879
ff00::/8           | multicast                       | hard     | RFC 4291
"""


def _read_table() -> Iterator[SpecialRange]:
    for line in _TABLE.strip().splitlines():
        prefix, name, space, rfc = (field.strip() for field in line.split("|"))
        yield SpecialRange(key=Prefix.parse(prefix).key, name=name, space=Space(space), rfc=rfc)


SPECIAL_RANGES: Final = tuple(_read_table())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Embedding:
    """Where an IPv4 address sits in the IPv6 addresses of one prefix."""

    key: PrefixKey
    begins: int
    """Bits before the IPv4 address."""
    inverted: bool = False


# Of NAT64 for local use the layout with the address at the end, which is what operators choose; the other layouts of
# RFC 6052 cannot be told apart from it, and reading them all would find 0.0.0.0 in every address.
_EMBEDDINGS: Final = (
    _Embedding(key=Prefix.parse("::ffff:0:0/96").key, begins=96),
    _Embedding(key=Prefix.parse("64:ff9b::/96").key, begins=96),
    _Embedding(key=Prefix.parse("64:ff9b:1::/48").key, begins=96),
    _Embedding(key=Prefix.parse("2002::/16").key, begins=16),
    # Teredo holds two: its server, and (bits inverted) the client.
    _Embedding(key=Prefix.parse("2001::/32").key, begins=32),
    _Embedding(key=Prefix.parse("2001::/32").key, begins=96, inverted=True),
)
MAPPED: Final = _EMBEDDINGS[0].key
_ALL_V4: Final = v4_key(0, 0)


def embedded(key: int) -> list[PrefixKey]:
    """The IPv4 prefixes inside an IPv6 one; a prefix wider than the embedding may hold any address: 0.0.0.0/0."""
    return [_unwrap(key, embedding) for embedding in _EMBEDDINGS if overlaps(embedding.key, key)]


def _unwrap(key: int, embedding: _Embedding) -> PrefixKey:
    known = min(max((key & 0xFF) - embedding.begins, 0), 32)
    if not known or not covers(embedding.key, key):
        return _ALL_V4
    address = key_address(key) >> 96 - embedding.begins & 0xFFFFFFFF
    return truncate(v4_key(address ^ 0xFFFFFFFF if embedding.inverted else address, 32), known)


def _index(*spaces: Space) -> OverlapMap[SpecialRange]:
    index: OverlapMap[SpecialRange] = OverlapMap()
    for row in SPECIAL_RANGES:
        if row.space in spaces:
            index.set(row.key, row)
    return index


_BY_SPACE: Final = {Space.HARD: _index(Space.HARD), Space.PRIVATE: _index(Space.PRIVATE)}


SUSPECTS: Final = (
    *(row.key for row in SPECIAL_RANGES if row.space is not Space.ORDINARY),
    *(e.key for e in _EMBEDDINGS),
)
"""What touches none of these is neither hard nor private, and no IPv4 address hides in it."""


def special_overlap(key: int, space: Space) -> SpecialRange | None:
    """The first range of this kind (HARD or PRIVATE) that the prefix, or an IPv4 prefix embedded in it, touches."""
    index = _BY_SPACE[space]
    for tested in (key, *embedded(key)):
        if index.touches(*span(tested)):
            return next(index.overlapping(tested))[1]
    return None
