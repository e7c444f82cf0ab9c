"""Local rules between node and enforcer: records of one size, numbers and interface names. PURE.

    record = chain, target, flags (u8 each) | in, out interface (16 bytes each, zeros behind) | source | destination
             | when the kernel ends it (u64, Unix seconds: rules end by the machine's own clock)
    an end = length (u8) | address (16 bytes, an IPv4 address in the last four)

Flags say which ends there are, and the family. A record is read by building the rule, which refuses to be what no rule
can be: whatever the node has become, no text of its reaches a program but a checked interface name.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from p2pfw.core.localrule import Chain, LocalRule, Target
from p2pfw.core.prefix import PrefixKey, key_address, key_length, v4_key, v6_key
from p2pfw.errors import InputError
from p2pfw.firewall.enforcer.protocol import PART, Frame, Kind, ProtocolError

_RECORD: Final = struct.Struct("=BBB16s16sB16sB16sQ")
_COUNTED: Final = struct.Struct("=QQ")
_CHAINS: Final = tuple(Chain)
_TARGETS: Final = tuple(Target)
_SOURCE, _DESTINATION, _SIX = 1, 2, 4
_NOBODY: Final = (0, bytes(16))
Counted = tuple[int, int]
"""(packets, bytes)."""


def frames(rules: Iterable[LocalRule]) -> Iterator[Frame]:
    """The parts of a request, or of an answer, that carry rules."""
    rest = iter(rules)
    while part := list(islice(rest, PART)):
        yield Frame(Kind.RULES, b"".join(map(_encode, part)))


def read(payload: bytes) -> list[LocalRule]:
    """The rules of one frame. ProtocolError: one is none."""
    if len(payload) % _RECORD.size:
        raise ProtocolError(f"rules of {len(payload)} bytes, where each has {_RECORD.size}")
    try:
        return [_decode(*fields) for fields in _RECORD.iter_unpack(payload)]
    except (IndexError, ValueError, InputError) as error:
        raise ProtocolError(f"what is no rule: {error}") from None


def counted_frames(counted: Sequence[tuple[LocalRule, Counted]]) -> Iterator[Frame]:
    """Rules, and what each counted."""
    yield from frames(rule for rule, _ in counted)
    yield Frame(Kind.COUNTED, b"".join(_COUNTED.pack(*numbers) for _, numbers in counted))


def read_counted(payload: bytes) -> list[Counted]:
    """What the rules before it counted, in their order."""
    if len(payload) % _COUNTED.size:
        raise ProtocolError(f"counters of {len(payload)} bytes, where each has {_COUNTED.size}")
    return [(packets, octets) for packets, octets in _COUNTED.iter_unpack(payload)]


def _encode(rule: LocalRule) -> bytes:
    flags = _SOURCE * (rule.source is not None) | _DESTINATION * (rule.destination is not None) | _SIX * rule.is_v6
    return _RECORD.pack(
        _CHAINS.index(rule.chain), _TARGETS.index(rule.target), flags,
        rule.in_interface.encode(), rule.out_interface.encode(), *_end(rule.source), *_end(rule.destination), rule.ends,
    )  # fmt: skip


def _end(key: PrefixKey | None) -> tuple[int, bytes]:
    return _NOBODY if key is None else (key_length(key), key_address(key).to_bytes(16))


def _decode(  # noqa: PLR0913, PLR0917  # the record's own fields
    chain: int,
    target: int,
    flags: int,
    inward: bytes,
    outward: bytes,
    length: int,
    source: bytes,
    other: int,
    to: bytes,
    ends: int,
) -> LocalRule:
    make = v6_key if flags & _SIX else v4_key
    return LocalRule(
        chain=_CHAINS[chain],
        target=_TARGETS[target],
        in_interface=inward.rstrip(b"\0").decode("ascii"),
        out_interface=outward.rstrip(b"\0").decode("ascii"),
        source=make(int.from_bytes(source), length) if flags & _SOURCE else None,
        destination=make(int.from_bytes(to), other) if flags & _DESTINATION else None,
        ends=ends,
    )
