"""The doors to the world, as Protocols: what the use cases need, and what an adapter must keep.

An adapter (net, firewall, store) implements a port; a test implements it in memory. Nothing here does anything.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Three kinds of time, never mixed: wall, monotonic, and (elsewhere) sequence numbers."""

    def now(self) -> float:
        """Wall clock, Unix seconds: for everything that is signed or shown."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never backwards: for timers."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelReport:
    """What the kernel holds of ours, as read by one check; nothing in it is assumed."""

    enforcing: bool
    """The rule of each family is in place exactly once per hook and both sets exist and are referenced."""
    entries4: int
    entries6: int
    repaired: tuple[str, ...] = ()
    """What was found wrong and put right, in words: "rule missing in raw/PREROUTING (ip)", "set p2pfw-block4 flushed"."""
    membership_suspect: bool = False
    """True when entries may be missing (set was gone, flushed, or its count differs): reload with `replace`."""


class Firewall(Protocol):
    """The kernel. Each call returns once the kernel has done it, and raises FirewallError with the operator's text when not.

    Prefixes are keys (core.prefix); times are Unix seconds, 0 meaning no end. Calls are serialised by the adapter; after
    a failed call what the kernel holds is unknown, and the caller reads `membership` and plans again.
    """

    async def start(self) -> None:
        """Find the programs and the rights, remove our left-over temporary sets. Adopts what is there; changes no entry."""
        ...

    async def membership(self) -> dict[int, int]:
        """What our block sets hold now: key → expiry (Unix seconds, 0 = none)."""
        ...

    async def apply(self, add: Mapping[int, int], remove: Collection[int]) -> None:
        """One batch on the live block sets. `add` sets the expiry (longer or shorter), grows a full set first."""
        ...

    async def replace(self, block: Mapping[int, int]) -> None:
        """The block sets hold exactly this, by fresh sets swapped in: at no instant is a wanted entry missing."""
        ...

    async def allow(self, allow: Collection[int]) -> None:
        """The allow sets hold exactly this; minimal difference or fresh set and swap."""
        ...

    async def enforce(self) -> None:
        """Sets exist, and one rule a family and hook stands at the head of its chain. Idempotent."""
        ...

    async def release(self) -> None:
        """Remove the rules, then the sets: the firewall is as it was before us."""
        ...

    async def check(self, expected4: int, expected6: int) -> KernelReport:
        """Compare rules and set headers with what must be, repair at once, and say what was wrong."""
        ...

    async def counters(self, key: int) -> tuple[int, int] | None:
        """(packets, bytes) dropped by this entry, or None when the kernel does not hold it."""
        ...
