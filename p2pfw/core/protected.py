"""The addresses that keep the machine alive and its operator connected. Recomputed by the shell; asked by the policy.

Hard: this machine's own addresses (special ranges that are hard everywhere are special's). Soft: gateways, resolvers,
sessions, which only the operator's own `--force` overrides. Peers: protected against what others state, so that
mutual blocks cannot split the network. Does not find any of these addresses itself.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from p2pfw.core.prefix import PrefixKey
from p2pfw.core.ranges import OverlapMap
from p2pfw.core.special import SUSPECTS, embedded


class Strength(Enum):
    """What it takes to block a protected address."""

    HARD = "hard"
    """Nothing does."""
    SOFT = "soft"
    """The operator's own block with `--force`."""
    PEER = "peer"
    """The operator's own block, or a sighting on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedRange:
    """One protected range, and why: "default gateway", "ssh session of root"."""

    key: PrefixKey
    strength: Strength
    reason: str


class Protected:
    """The current set; a few hundred ranges at most, replaced as a whole when the machine's situation changes."""

    def __init__(self, ranges: Iterable[ProtectedRange] = ()) -> None:
        self._ranges: dict[Strength, OverlapMap[ProtectedRange]] = {}
        self._all: OverlapMap[bool] = OverlapMap()
        self.replace(ranges)

    def __len__(self) -> int:
        return sum(map(len, self._ranges.values()))

    def replace(self, ranges: Iterable[ProtectedRange]) -> list[PrefixKey]:
        """Hold exactly these; the prefixes that came, went or changed, sorted (what they touch is judged again)."""
        before = set(self.entries())
        self._ranges = {strength: OverlapMap() for strength in Strength}
        self._all = OverlapMap()
        for key in SUSPECTS:
            self._all.set(key, value=True)
        for entry in ranges:
            self._ranges[entry.strength].set(entry.key, entry)
            self._all.set(entry.key, value=True)
        return sorted({entry.key for entry in before ^ set(self.entries())})

    def entries(self) -> Iterator[ProtectedRange]:
        """All ranges: hard, then soft, then peers, each in the order of prefixes."""
        return (entry for ranges in self._ranges.values() for _, entry in ranges.items())

    def touches(self, first: int, last: int) -> bool:
        """True when any range, or special.SUSPECTS, shares an address with the span: worth a closer look. Fast."""
        return self._all.touches(first, last)

    def find(self, key: int, strength: Strength) -> ProtectedRange | None:
        """The first range of this strength that the prefix, or an IPv4 prefix embedded in it, touches."""
        for tested in (key, *embedded(key)):
            for _, entry in self._ranges[strength].overlapping(tested):
                return entry
        return None

    def overlap(self, key: int, *, remote: bool) -> ProtectedRange | None:
        """The strongest range that the prefix touches; peers count against remote statements only."""
        strengths = Strength if remote else (Strength.HARD, Strength.SOFT)
        return next((entry for entry in (self.find(key, strength) for strength in strengths) if entry), None)
