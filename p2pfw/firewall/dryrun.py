"""The firewall that changes nothing: `backend = "dryrun"`. Same port, in memory, and it says so.

What would be installed can be listed and compared; nothing is dropped, and `check` never claims that it is.
"""

from collections.abc import Collection, Mapping, Sequence

from p2pfw.core.localrule import LocalRule
from p2pfw.core.prefix import is_v6
from p2pfw.ports import Clock, FirewallSurvey, KernelReport, Shortfall


class DryRunFirewall:
    """Holds what would be in the kernel, with its timeouts."""

    def __init__(self, clock: Clock, max_entries: int) -> None:
        self._clock, self._max_entries = clock, max_entries
        self._block: dict[int, int] = {}
        self.allowed: frozenset[int] = frozenset()
        self.rules: tuple[LocalRule, ...] = ()

    async def start(self) -> None:
        """Nothing is needed."""

    async def membership(self) -> dict[int, int]:
        """What would be in the block sets now."""
        self._expire()
        return dict(self._block)

    async def apply(self, add: Mapping[int, int], remove: Collection[int]) -> Shortfall:
        """Add and remove, up to `max_entries` a family."""
        for key in remove:
            self._block.pop(key, None)
        self._expire()
        return self._fill(add)

    async def replace(self, block: Mapping[int, int]) -> Shortfall:
        """Hold exactly this, up to `max_entries` a family."""
        self._block = {}
        short = self._fill(block)
        self._expire()
        return short

    async def allow(self, allow: Collection[int]) -> None:
        """Remember the whitelist."""
        self.allowed = frozenset(allow)

    async def enforce(self) -> None:
        """No rule is made."""

    async def release(self) -> None:
        """Forget everything."""
        self._block, self.allowed, self.rules = {}, frozenset(), ()

    async def local(self, wanted: Sequence[LocalRule]) -> Mapping[LocalRule, str]:
        """Remember them."""
        self.rules = tuple(wanted)
        return {}

    async def local_counters(self) -> dict[LocalRule, tuple[int, int]]:
        """None is in the kernel."""
        return {}

    async def check(
        self,
        expected4: int,  # noqa: ARG002 - the port's signature
        expected6: int,  # noqa: ARG002
        *,
        repair: bool = True,  # noqa: ARG002
    ) -> KernelReport:
        """Counts as they would be; enforcing is False, because nothing is."""
        self._expire()
        entries6 = sum(map(is_v6, self._block))
        return KernelReport(enforcing=False, entries4=len(self._block) - entries6, entries6=entries6)

    async def counters(self, key: int) -> tuple[int, int] | None:
        """No packet is ever dropped."""
        self._expire()
        return (0, 0) if key in self._block else None

    async def survey(self) -> FirewallSurvey:
        """Nothing is looked at."""
        return FirewallSurvey()

    async def tallies(self) -> dict[int, tuple[int, int]]:
        """None has dropped anything."""
        return {}

    async def close(self) -> None:
        """Nothing is open."""

    def _expire(self) -> None:
        now = self._clock.now()
        self._block = {key: end for key, end in self._block.items() if not end or end > now}

    def _fill(self, items: Mapping[int, int]) -> Shortfall:
        entries6 = sum(map(is_v6, self._block))
        held = {True: entries6, False: len(self._block) - entries6}
        no_room: set[int] = set()
        for key, end in items.items():
            six = is_v6(key)
            if key not in self._block and held[six] >= self._max_entries:
                no_room.add(key)
                continue
            held[six] += key not in self._block
            self._block[key] = end
        return Shortfall(no_room=frozenset(no_room))
