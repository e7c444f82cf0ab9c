"""Pardons: one node of an owner takes back what any node of that owner said about a prefix (protocol 7.4).

A pardon takes back every statement that was first made at or before its own creation. It stands outside the
(epoch, seq) order, so that it reaches other origins; an older one is not replaced by a newer one, only outlived.
Whether it may speak for the owner is asked of the directory each time, never remembered: certificates come and go in
any order. A node whose certificate has ended keeps the pardons that it gave for as long as it is carried: a prefix that
a person unblocked must not come back because a machine was retired.
"""

from p2pfw.core.directory import Directory
from p2pfw.core.held import POSITION_BITS, POSITION_MASK, Held, Shelf
from p2pfw.core.identity import NodeId, OwnerId, Uses
from p2pfw.core.index import CROWD
from p2pfw.core.prefix import PrefixKey

_NEVER = -1


class Pardons:
    """Which pardons there are on a prefix, of those on a shelf. `refs` is for asking whether there are any."""

    def __init__(self, shelf: Shelf, directory: Directory) -> None:
        self._shelf, self._directory = shelf, directory
        self.refs: dict[PrefixKey, tuple[int, ...]] = {}

    def add(self, held: Held, keys: list[PrefixKey]) -> int:
        """Take in the records of a pardon. How many of its prefixes its origin had not pardoned yet."""
        fresh = self.fresh(held.origin, keys)
        for position, key in enumerate(keys):
            self.refs[key] = (*self.refs.get(key, ()), held.slot << POSITION_BITS | position)
        return fresh

    def discard(self, held: Held, keys: list[PrefixKey]) -> int:
        """Forget a pardon. For how many prefixes its origin has none left."""
        for key in keys:
            left = tuple(ref for ref in self.refs[key] if ref >> POSITION_BITS != held.slot)
            if left:
                self.refs[key] = left
            else:
                del self.refs[key]
        return self.fresh(held.origin, keys)

    def fresh(self, origin: NodeId, keys: list[PrefixKey]) -> int:
        """How many of these prefixes the origin has not pardoned."""
        return sum(origin not in self._origins(key) for key in keys)

    def crowded(self, origin: NodeId, keys: list[PrefixKey]) -> bool:
        """True when the origin has as many pardons on one of these prefixes as it may have."""
        slots = self._shelf.slots
        many = (refs for key in keys if len(refs := self.refs.get(key, ())) >= CROWD)
        return any(sum(slots[ref >> POSITION_BITS].origin == origin for ref in refs) >= CROWD for refs in many)

    def newest(self, key: PrefixKey, owner: OwnerId, now: float) -> int:
        """When the newest pardon was created that counts for the owner's statements on a prefix; -1: there is none."""
        newest = _NEVER
        for ref in self.refs.get(key, ()):
            held = self._shelf.slots[ref >> POSITION_BITS]
            if held.created > newest and held.said(ref & POSITION_MASK).ends > now:
                newest = held.created if self._may_pardon(held.origin, owner, now) else newest
        return newest

    def _may_pardon(self, origin: NodeId, owner: OwnerId, now: float) -> bool:
        if self._directory.carried_owner(origin, now) != owner:
            return False
        certificate = self._directory.certificate_of(origin)
        return certificate is None or Uses.PARDON in certificate.uses

    def _origins(self, key: PrefixKey) -> set[NodeId]:
        return {self._shelf.slots[ref >> POSITION_BITS].origin for ref in self.refs.get(key, ())}
