"""From a prefix to the entries about it, in about a hundred bytes an entry.

A dictionary from prefix key to one reference (held: slot << 10 | position), or to a tuple of them when several are
about the same prefix. An entry of an origin is left out while it is *dominated*: a newer one of the same origin ends
no earlier, so it can never hold again by time alone. A BLOCK under a RETRACT stays in, to be shown as retracted. When
the newer one goes otherwise than by time (a checkpoint, a quarantine), `restore` puts back what it had covered.
Which of several entries holds, and whether it counts, is the ledger's.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from operator import eq
from typing import Final

from p2pfw.core.held import POSITION_BITS, POSITION_MASK, RETRACTS, THREE_BYTES, TTL_SHIFT, Held, Shelf
from p2pfw.core.identity import NodeId
from p2pfw.core.prefix import PrefixKey, key_length, key_span, truncate

Refs = int | tuple[int, ...]
CROWD: Final = 64
"""Entries of one origin on one prefix that do not dominate one another. Honest origins have one to three."""


class PrefixIndex:
    """Which entries there are about a prefix, of those on a shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._refs: dict[PrefixKey, Refs] = {}
        self._covered: set[int] = set()
        """Slots of which some record is or was left out."""
        self._longest = 0
        """Most references that any prefix ever had."""

    def __len__(self) -> int:
        return len(self._refs)

    def __contains__(self, key: int) -> bool:
        return key in self._refs

    def get(self, key: int) -> Refs | None:
        """The reference, or several, or None when nothing is known about exactly this prefix."""
        return self._refs.get(key)  # type: ignore[call-overload, no-any-return]  # an int that is no key is not there

    def keys(self) -> Iterator[PrefixKey]:
        """Every prefix that something is known about."""
        return iter(self._refs)

    def add(self, held: Held, keys: Sequence[PrefixKey]) -> int:
        """Take in the records of an announcement. How many of its prefixes are new for its origin."""
        base = held.slot << POSITION_BITS
        if self._refs.keys().isdisjoint(keys):
            self._refs.update(zip(keys, range(base, base + len(keys)), strict=True))
            return len(keys)
        return sum(self._add_one(held, key, base | position) for position, key in enumerate(keys))

    def discard(self, held: Held, keys: Sequence[PrefixKey]) -> int:
        """Forget the records of an announcement. For how many prefixes its origin has none left."""
        base, refs = held.slot << POSITION_BITS, self._refs
        self._covered.discard(held.slot)
        # Nearly always nobody else speaks of them: no call of ours for each of a list of 100,000.
        if all(map(eq, map(refs.get, keys), range(base, base + len(keys)))):
            for key in keys:
                del refs[key]
            return len(keys)
        return sum(self._discard_one(held, key, base | position) for position, key in enumerate(keys))

    def restore(self, candidates: Iterable[Held], lost: set[PrefixKey]) -> int:
        """Put back what an announcement had covered that went before its time: the candidates' records about `lost`.

        Returns for how many prefixes their origin has some again.
        """
        again = 0
        for held in candidates:
            if held.slot in self._covered:
                base = held.slot << POSITION_BITS
                found = ((at, key) for at, key in enumerate(held.keys()) if key in lost)
                again += sum(self._add_one(held, key, base | position) for position, key in found)
        return again

    def fresh(self, origin: NodeId, keys: Sequence[PrefixKey]) -> int:
        """How many of these prefixes the origin has nothing about."""
        if self._refs.keys().isdisjoint(keys):
            return len(keys)
        return sum(not self._of_origin(origin, _several(self._refs.get(key, ()))) for key in keys)

    def crowded(self, origin: NodeId, keys: Sequence[PrefixKey]) -> bool:
        """True when the origin has as many entries on one of these prefixes as it may have."""
        if self._longest < CROWD:
            return False
        many = (refs for key in keys if isinstance(refs := self._refs.get(key), tuple) and len(refs) >= CROWD)
        return any(len(self._of_origin(origin, list(refs))) >= CROWD for refs in many)

    def overlapping(self, key: int) -> list[PrefixKey]:
        """Every prefix in the index that shares an address with this one, itself included, ascending."""
        return within(self._refs, key)

    def _add_one(self, held: Held, key: PrefixKey, ref: int) -> bool:
        found = self._refs.get(key)
        if found is None:
            self._refs[key] = ref
            return True
        refs = _several(found)
        mine = self._of_origin(held.origin, refs)
        if not mine:
            self._set(key, [*refs, ref])
        elif ref not in mine:
            kept = self._undominated(mine, ref)
            self._set(key, kept if len(mine) == len(refs) else [other for other in refs if other not in mine] + kept)
        return not mine

    def _discard_one(self, held: Held, key: PrefixKey, ref: int) -> bool:
        found = self._refs.get(key)
        if found == ref:
            del self._refs[key]
            return True
        if not isinstance(found, tuple) or ref not in found:
            return False
        left = [other for other in found if other != ref]
        self._set(key, left)
        return not self._of_origin(held.origin, left)

    def _set(self, key: PrefixKey, refs: list[int]) -> None:
        self._refs[key] = refs[0] if len(refs) == 1 else tuple(refs)
        self._longest = max(self._longest, len(refs))

    def _of_origin(self, origin: NodeId, refs: list[int]) -> list[int]:
        slots = self._shelf.slots
        return [ref for ref in refs if slots[ref >> POSITION_BITS].origin == origin]

    def _undominated(self, mine: list[int], ref: int) -> list[int]:
        """Of one origin's references, which do not dominate one another, and one more: those that still do not."""
        if any(self._dominates(other, ref) for other in mine):
            self._covered.add(ref >> POSITION_BITS)
            return mine
        dropped = [other for other in mine if self._dominates(ref, other)]
        self._covered.update(other >> POSITION_BITS for other in dropped)
        return [*(other for other in mine if other not in dropped), ref]

    def _dominates(self, one: int, other: int) -> bool:
        newer, older = self._shelf.slots[one >> POSITION_BITS], self._shelf.slots[other >> POSITION_BITS]
        if newer.order <= older.order:
            return False
        word, under = newer.word(one & POSITION_MASK), older.word(other & POSITION_MASK)
        ends = newer.created + (word >> TTL_SHIFT & THREE_BYTES)
        return ends >= older.created + (under >> TTL_SHIFT & THREE_BYTES) and not (
            word & 0xFF >= RETRACTS > under & 0xFF
        )


def within(table: Collection[PrefixKey], key: int) -> list[PrefixKey]:
    """Every prefix of a table (a dictionary or set) that shares an address with `key`, itself included, ascending."""
    length, (first, last) = key_length(key), key_span(key)
    wider = [outer for outer in (truncate(key, bits) for bits in range(length)) if outer in table]
    if first == last:
        return wider + ([PrefixKey(key)] if key in table else [])
    # Keys ascend by address, so what lies inside is in one range of integers, and no shorter than `key`.
    end = key - length + (last - first << 8) + 0xFF
    return wider + sorted(inner for inner in table if key <= inner <= end and inner & 0xFF >= length)


def _several(refs: Refs) -> list[int]:
    return [refs] if isinstance(refs, int) else list(refs)
