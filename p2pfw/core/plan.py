"""The operations that lead from what the kernel holds to what is adopted. Looks at state only, so any cause will do.

Knows nothing of sets, rules or programs. See adoption for what is wanted, and the firewall's adapter for how.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from p2pfw.core.prefix import PrefixKey

MOST_TIMEOUT: Final = 2_147_483
"""Seconds; the kernel takes no longer timeout. What ends later is entered with this and renewed half-way."""
TOLERANCE: Final = 2
"""Seconds by which the kernel's end may differ: its timeouts are whole seconds, read a moment later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do. `add` sets the end of new and of present entries: Unix seconds, 0: none."""

    add: Mapping[PrefixKey, int]
    remove: list[PrefixKey]

    def __bool__(self) -> bool:
        return bool(self.add or self.remove)


def difference(adopted: Mapping[PrefixKey, int], installed: Mapping[PrefixKey, int], now: float) -> Plan:
    """From `installed` to `adopted`, both key → end (Unix seconds, 0: none). What has ended is not wanted."""
    add = {
        key: until
        for key, until in adopted.items()
        if (not until or until > now) and not _is_right(until, installed.get(key), now)
    }
    remove = [key for key in installed if key not in adopted or 0 < adopted[key] <= now]
    return Plan(add=add, remove=remove)


def _is_right(until: int, end: int | None, now: float) -> bool:
    """True when an entry that ends at `end` (None: there is none) may stay as it is."""
    if end is None or not until or not end:
        return end == until
    if until > now + MOST_TIMEOUT:
        return end > now + MOST_TIMEOUT // 2
    return abs(end - until) <= TOLERANCE
