"""Everything that may stand in a block's way, asked in one place: special ranges, protected addresses, the whitelist.

The common answer, "nothing does", costs three bisections. Only what may touch something is looked at closely, and then
all of it, so that the policy can decide by precedence and the explanation can name every range. Decides nothing.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

from p2pfw.core.protected import Protected, ProtectedRange, Strength
from p2pfw.core.ranges import span
from p2pfw.core.special import Space, SpecialRange, special_overlap
from p2pfw.core.whitelist import Whitelist, WhitelistEntry


class Obstacles(NamedTuple):
    """The ranges that a prefix shares an address with, in the order of precedence; None where there is none."""

    hard: SpecialRange | ProtectedRange | None = None
    soft: ProtectedRange | None = None
    peer: ProtectedRange | None = None
    private: SpecialRange | None = None
    whitelist: WhitelistEntry | None = None


NO_OBSTACLES: Final = Obstacles()


@dataclass(slots=True, kw_only=True)
class Forbidden:
    """The operator's whitelist, the machine's protected addresses, and the fixed table."""

    whitelist: Whitelist
    protected: Protected

    def obstacles(self, key: int, now: float) -> Obstacles:
        """What stands in the way of this prefix, whoever asks for it."""
        first, last = span(key)
        if not self.protected.touches(first, last) and not self.whitelist.touches(first, last):
            return NO_OBSTACLES
        return Obstacles(
            hard=special_overlap(key, Space.HARD) or self.protected.find(key, Strength.HARD),
            soft=self.protected.find(key, Strength.SOFT),
            peer=self.protected.find(key, Strength.PEER),
            private=special_overlap(key, Space.PRIVATE),
            whitelist=self.whitelist.overlap(key, now),
        )
