"""Which version of the charter holds: a function of the set of versions known, not of the order they came in.

From the version that the operator began with, each next one needs the signatures of enough members of the version
before it. Of two next versions that both have them, neither holds, until one of them has a next version itself that
enough of *its* members signed: the deeper branch is the one that goes on. What this node has left behind for two
versions or more it never goes back to, whoever signs another past. Everything with too few signatures is a proposal.

Bounded: 256 versions and proposals; the least signed gives way. Signatures are checked before they come here.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from p2pfw.core.charter import MAX_MEMBERS, Charter, CharterHash, SignedCharter
from p2pfw.core.identity import OwnerId
from p2pfw.errors import CharterError

MOST: Final = 256


class Proposal(NamedTuple):
    """A next version that has too few signatures yet."""

    signed: SignedCharter
    signatures: int
    needed: int


class Charters:
    """Every version known, and the one that holds."""

    def __init__(self, root: SignedCharter) -> None:
        if not root.is_founded():
            raise CharterError(
                f"{root.voices(root.charter)} of its members signed it, and {root.charter.changes_need} must have"
            )
        self._known: dict[CharterHash, SignedCharter] = {root.charter.hash: root}
        self._root = root.charter.hash
        self._chain: list[CharterHash] = [self._root]
        self.conflict: tuple[SignedCharter, ...] = ()
        """Next versions of the one that holds that exclude one another: shown, none applied, alarm."""
        self.forked = False
        """Somebody signed another past than the one that this node has left behind: not followed, alarm."""

    @property
    def current(self) -> SignedCharter:
        """The version that holds."""
        return self._known[self._chain[-1]]

    @property
    def chain(self) -> list[SignedCharter]:
        """From the version begun with to the one that holds."""
        return [self._known[one] for one in self._chain]

    def get(self, identity: bytes) -> SignedCharter | None:
        """By hash, or by the beginning of one when that is unique."""
        found = [one for one in self._known if one.startswith(identity)] if identity else []
        return self._known[found[0]] if len(found) == 1 else None

    def proposals(self) -> Iterator[Proposal]:
        """What could be the next version."""
        current = self.current.charter
        for one in self._known.values():
            if one.charter.follows(current) and not one.is_change_of(current):
                yield Proposal(one, one.voices(current), current.changes_need)

    def learn(self, signed: SignedCharter) -> bool:
        """Take a version, a proposal, or more signatures for one. True when anything about it is new here."""
        identity = signed.charter.hash
        held = self._known.get(identity)
        if signed.charter.network_id != self.current.charter.network_id:
            return False
        if held is not None and signed.signatures.keys() <= held.signatures.keys():
            return False
        self._known[identity] = signed if held is None else self._joined(held, signed)
        self._fold()
        if len(self._known) > MOST:
            self._forget_one(identity)
        return identity in self._known

    def _joined(self, held: SignedCharter, more: SignedCharter) -> SignedCharter:
        """All signatures; where they are too many, those of whoever may sign it first."""
        before = self._known.get(CharterHash(held.charter.previous), held)
        entitled = before.charter.owners | held.charter.owners
        everybody = {**more.signatures, **held.signatures}
        kept = sorted(everybody, key=lambda owner: (owner not in entitled, owner))[:MAX_MEMBERS]
        return SignedCharter(charter=held.charter, signatures={owner: everybody[owner] for owner in kept})

    def _fold(self) -> None:
        chain = [self._root]
        conflict: tuple[SignedCharter, ...] = ()
        while not conflict:
            following = self._following(self._known[chain[-1]].charter)
            if not following:
                break
            deepest = max(self._depth(one) for one in following)
            best = [one for one in following if self._depth(one) == deepest]
            if len(best) > 1:
                conflict = tuple(sorted(best, key=lambda one: one.charter.hash))
            else:
                chain.append(best[0].charter.hash)
        self.forked = len(self._chain) > 1 and self._chain[-2] not in chain
        if not self.forked:
            self._chain, self.conflict = chain, conflict

    def _following(self, before: Charter) -> list[SignedCharter]:
        return [one for one in self._known.values() if one.is_change_of(before)]

    def _depth(self, one: SignedCharter) -> int:
        """How many versions can follow one another from here."""
        depth, level = 0, [one]
        while level:
            depth += 1
            level = [after for before in level for after in self._following(before.charter)]
        return depth

    def _forget_one(self, newest: CharterHash) -> None:
        """The least signed that does not hold; the newest rather than one that has as many."""
        kept = {*self._chain, *(one.charter.hash for one in self.conflict)}
        others = [one for one in self._known if one not in kept]

        def worth(one: CharterHash) -> tuple[int, bool, CharterHash]:
            known: frozenset[OwnerId] = self.current.charter.owners
            return len(known & self._known[one].signatures.keys()), one != newest, one

        if others:
            del self._known[min(others, key=worth)]
