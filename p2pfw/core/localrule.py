"""A rule of this machine alone: what a set behind one DROP rule cannot say (reject, accept, interfaces, directions).

Kept, installed in chains of our own and healed like the rest, never announced. Values only: firewall writes it as a
rule, app keeps it, web speaks of it as rfw did.
"""

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from p2pfw.core.prefix import PrefixKey, is_v6, key_text
from p2pfw.core.ranges import is_canonical
from p2pfw.errors import InputError

_INTERFACE: Final = re.compile(r"(?:[A-Za-z0-9_.@-]{1,15}\+?)?")


class Target(Enum):
    """What becomes of a packet."""

    DROP = "DROP"
    ACCEPT = "ACCEPT"
    REJECT = "REJECT"


class Chain(Enum):
    """Which way it goes."""

    INPUT = "INPUT"
    OUTPUT = "OUTPUT"
    FORWARD = "FORWARD"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRule:
    """One rule. Interfaces "" are any; one that ends in + is all that begin so. None: any address.

    The other end is named, and all ends are of one family: there is no rule about everything, nor about everybody who
    comes to this machine.
    """

    chain: Chain
    target: Target
    in_interface: str = ""
    out_interface: str = ""
    source: PrefixKey | None = None
    destination: PrefixKey | None = None
    ends: int = field(default=0, compare=False)
    """When the kernel lets go of it by itself, Unix seconds; 0: never. No part of which rule it is."""

    def __post_init__(self) -> None:
        for name in (self.in_interface, self.out_interface):
            if len(name) > 15 or _INTERFACE.fullmatch(name) is None:
                raise InputError(f"{name[:40]!r} is no name of an interface", field="interface")
        if self.in_interface and self.chain is Chain.OUTPUT:
            raise InputError("what goes out comes from no interface", field="interface")
        if self.out_interface and self.chain is Chain.INPUT:
            raise InputError("what comes in goes to no interface", field="interface")
        keys = [key for key in (self.source, self.destination) if key is not None]
        if not all(is_canonical(key) and key & 0xFF for key in keys):
            raise InputError("a rule is about a canonical network, and not about everything", field="address")
        if not self.remote:
            raise InputError("a rule names an address, that of the other end", field="address")
        if len({is_v6(key) for key in keys}) > 1:
            raise InputError("source and destination are of two families", field="address")

    @property
    def remote(self) -> tuple[PrefixKey, ...]:
        """Whom it keeps out or lets in: the other end of what comes in or goes out, both of what passes through."""
        ends = {Chain.INPUT: (self.source,), Chain.OUTPUT: (self.destination,)}
        return tuple(key for key in ends.get(self.chain, (self.source, self.destination)) if key is not None)

    @property
    def is_v6(self) -> bool:
        """Of IPv6."""
        return is_v6(next(key for key in (self.source, self.destination) if key is not None))

    def __str__(self) -> str:
        words = [self.target.value.lower(), self.chain.value.lower()]
        words += [f"{word} {name}" for word, name in (("in", self.in_interface), ("out", self.out_interface)) if name]
        ends = (("from", self.source), ("to", self.destination))
        return " ".join([*words, *(f"{word} {key_text(key)}" for word, key in ends if key is not None)])
