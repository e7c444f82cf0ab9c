"""What is adopted and the kernel does not hold, although nothing failed: there is no room, or its guard says no.

Kept so that nothing is said to be installed which is not, and so that room which opens is used, the best first.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from p2pfw import schema
from p2pfw.app.pace import Pace
from p2pfw.app.wanted import Wanted
from p2pfw.core.prefix import is_v6, key_text
from p2pfw.ports import Clock, Shortfall

ALARM: Final = 0.8
"""Share of max_entries from which on health warns."""


class Shortage:
    """Of one node. `capacity`: entries that the kernel holds of a family (enforcer.max_entries)."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._no_room: set[int] = set()
        self._refused: dict[int, str] = {}

    def __contains__(self, key: int) -> bool:
        return key in self._no_room or key in self._refused

    def __len__(self) -> int:
        return len(self._no_room) + len(self._refused)

    def wrote(self, keys: Iterable[int], short: Shortfall) -> None:
        """A change of these was written."""
        if self:
            self._no_room.difference_update(keys)
            for key in self._refused.keys() & set(keys):
                del self._refused[key]
        self._no_room.update(short.no_room)
        self._refused.update(short.refused)

    def replaced(self, short: Shortfall) -> None:
        """Everything was written."""
        self._no_room, self._refused = set(short.no_room), dict(short.refused)

    def held(self, adopted: tuple[int, int]) -> tuple[int, int]:
        """How many entries the kernel should hold of IPv4 and IPv6 when so many are adopted."""
        six = sum(map(is_v6, self._no_room)) + sum(map(is_v6, self._refused))
        return adopted[0] - (len(self) - six), adopted[1] - six

    async def in_order(self, wanted: Wanted, clock: Clock, pace: Pace) -> Iterable[int]:
        """What is adopted; where not all find room, what has the highest score first."""
        keys = (key for key, _ in wanted.adopted())
        if max(wanted.families()) <= self._capacity:
            return keys
        scored: list[tuple[float, int]] = []
        for key in keys:
            scored.append((-wanted.score(key, clock.now()), key))
            await pace.step()
        return [key for _, key in sorted(scored)]

    def to_try(self, installed: tuple[int, int]) -> Iterator[int]:
        """What may go in after all: what was refused (the reason may be gone), and what there is room for now.

        `installed`: how many entries of IPv4 and of IPv6 there are.
        """
        yield from self._refused
        room = [self._capacity - count for count in installed]
        for key in self._no_room:
            if room[is_v6(key)] > 0:
                room[is_v6(key)] -= 1
                yield key

    def lines(self, adopted: tuple[int, int]) -> Iterator[schema.HealthLine]:
        """For health."""
        for family, count in zip(("IPv4", "IPv6"), adopted, strict=True):
            if count > self._capacity:
                text = (
                    f"the {family} set is full: {count - self._capacity} adopted prefixes, the weakest, found no room"
                )
                remedy = f"enforcer.max_entries is {self._capacity}: raise it and restart; about 63 bytes an entry"
                yield schema.HealthLine(level="error", code="full", text=text, remedy=remedy)
            elif count >= ALARM * self._capacity:
                text = f"the {family} set is nearly full: {count} of {self._capacity} entries"
                yield schema.HealthLine(level="warning", code="full", text=text, remedy="raise enforcer.max_entries")
        if self._refused:
            key, why = next(iter(self._refused.items()))
            text = f"the enforcer refuses {len(self._refused)} adopted prefixes; {key_text(key)}: {why}"
            remedy = "if this stays, compare the whitelist and this machine's addresses: p2pfw allow list --protected"
            yield schema.HealthLine(level="warning", code="refused-by-enforcer", text=text, remedy=remedy)
