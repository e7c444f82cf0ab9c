"""Prefixes with holes: what of a list may be blocked when something inside must not be.

The policy refuses a prefix that touches the whitelist, a protected address or special space whole, whoever says it.
For a feed's /20 around one whitelisted host that would be a pity: here the host is cut out of it, and the fewest
prefixes around it are said instead. The list as it came is kept, so that a hole closes when its reason goes.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from p2pfw.core.prefix import PrefixKey, covers, is_v6, key_length, truncate
from p2pfw.core.ranges import OverlapMap, span

_TOP: Final = (1 << 31 + 8, 1 << 127 + 8)


class Holes:
    """What must not be blocked, now."""

    def __init__(self) -> None:
        self._keys: frozenset[PrefixKey] = frozenset()
        self._map: OverlapMap[bool] = OverlapMap()

    def __iter__(self) -> Iterator[PrefixKey]:
        return iter(self._keys)

    def replace(self, keys: Iterable[PrefixKey]) -> frozenset[PrefixKey]:
        """Exactly these; what came or went."""
        wanted = frozenset(keys)
        for key in self._keys - wanted:
            self._map.delete(key)
        for key in wanted - self._keys:
            self._map.set(key, value=True)
        changed = self._keys ^ wanted
        self._keys = wanted
        return changed

    def around(self, key: PrefixKey) -> tuple[PrefixKey, ...]:
        """The fewest prefixes that hold what is in `key` and in no hole, sorted; `key` itself when it has none."""
        # The lower half is looked at first, so the parts come in order; a part is kept only where its other half was
        # not, so no two of them are halves of one prefix.
        found: list[PrefixKey] = []
        waiting = [key]
        while waiting:
            part = waiting.pop()
            if not self._map.touches(*span(part)):
                found.append(part)
            elif not covers(next(self._map.overlapping(part))[0], part):
                waiting.extend(_halves(part))
        return tuple(found)


def _halves(key: PrefixKey) -> tuple[PrefixKey, PrefixKey]:
    bit = _TOP[is_v6(key)] >> key_length(key)
    return PrefixKey(key + 1 | bit), PrefixKey(key + 1)


class CarvedList:
    """A list of prefixes, and what of it lies around the holes. Whoever changes the holes says so with `follow`."""

    def __init__(self, keys: Sequence[PrefixKey], holes: Holes) -> None:
        self.whole = keys
        """As it came: sorted, each prefix once."""
        self._holes = holes
        self._parts: dict[PrefixKey, tuple[PrefixKey, ...]] = {}
        self.follow(holes)

    def __len__(self) -> int:
        return len(self.whole)

    @property
    def carved(self) -> int:
        """How many prefixes are not said as they came."""
        return len(self._parts)

    def said(self) -> frozenset[PrefixKey]:
        """What may be blocked: the prefixes as they came, and the parts of those with holes."""
        if not self._parts:
            return frozenset(self.whole)
        said = set(self.whole)
        said.difference_update(self._parts)
        said.update(*self._parts.values())
        return frozenset(said)

    def follow(self, changed: Iterable[PrefixKey]) -> bool:
        """These holes came or went: carve again what they touch. True when that changed what may be blocked."""
        different = False
        for key in {found for hole in changed for found in self._touching(hole)}:
            before = self._parts.pop(key, (key,))
            after = self._holes.around(key)
            if after != (key,):
                self._parts[key] = after
            different |= before != after
        return different

    def _touching(self, hole: PrefixKey) -> Iterator[PrefixKey]:
        """Prefixes of the list that share an address with it."""
        for length in range(key_length(hole)):
            wider = truncate(hole, length)
            at = bisect_left(self.whole, wider)
            if at < len(self.whole) and self.whole[at] == wider:
                yield wider
        # What begins inside ends inside: prefixes nest.
        last = span(hole)[1] << 8 | 0xFF
        yield from self.whole[bisect_left(self.whole, hole) : bisect_right(self.whole, last)]
