"""What vouches and charters do to trust: whose worth changes when one is learned, ends, or gives way.

The charter's trust is a member's until the operator says otherwise. A charter that has ended lets its members keep what
they had and gives nothing to members that were not known before. Which version holds is charters', what a number means
is trust's.
"""

from collections.abc import Iterable

from p2pfw.core.charter import TRUST_UNIT, SignedCharter
from p2pfw.core.charters import Charters
from p2pfw.core.evidence import What
from p2pfw.core.identity import OwnerId
from p2pfw.core.succession import Succession
from p2pfw.core.trust import REFRESH, TrustTable
from p2pfw.core.vouch import Vouch

NOBODY: frozenset[OwnerId] = frozenset()


class Membership:
    """Vouches, and the charter where there is one, folded into the trust table."""

    def __init__(self, trust: TrustTable) -> None:
        self._trust = trust
        self.charters: Charters | None = None
        self.known: set[OwnerId] = set()
        """Members by a version that held while it was valid."""
        self.changes = 0
        """Rises with every version or proposal, and every signature, that is new here."""
        self._due = 0.0

    def begin(self, root: SignedCharter, known: Iterable[OwnerId], later: Iterable[SignedCharter], now: float) -> None:
        """At start: the operator's charter, whom earlier ones named, and the versions that followed it.

        CharterError: too few of its own members signed it.
        """
        self.charters = Charters(root)
        self.known = set(known)
        for one in later:
            self.charters.learn(one)
        self._follow(now)

    def charter(self, signed: SignedCharter, now: float) -> frozenset[OwnerId]:
        """A version, a proposal or a signature; whose worth that changed."""
        if self.charters is None or not self.charters.learn(signed):
            return NOBODY
        self.changes += 1
        return self._follow(now)

    def vouch(self, vouch: Vouch, now: float) -> frozenset[OwnerId]:
        """A vouch whose signature was checked; whose worth it changed. FutureError, ShareError."""
        if not self._trust.vouches.learn(vouch, now, self._trust.is_named):
            return NOBODY
        self._due = min(self._due, vouch.expires)
        return self._trust.settle(vouch.subject, now)

    def succession(self, one: Succession, now: float) -> frozenset[OwnerId]:
        """An owner took another key; whose worth that changed. ShareError."""
        return self._trust.succeed(one, now)

    def confirm(self, owner: OwnerId, key: int, now: float) -> frozenset[OwnerId]:
        """This machine saw what the owner had said; whose worth that changed."""
        return self._trust.settle(owner, now) if self._trust.evidence.confirm(owner, key, now) else NOBODY

    def contradict(self, owner: OwnerId, key: int, now: float, what: What = What.CONTRADICTED) -> frozenset[OwnerId]:
        """The owner was wrong, or went too far; whose worth that changed. Whoever vouches for it answers a little."""
        evidence, sponsor = self._trust.evidence, self._trust.sponsor(owner)
        if not evidence.contradict(owner, key, now, what):
            return NOBODY
        changed = self._trust.settle(owner, now)
        if what is What.CONTRADICTED and sponsor not in (owner, self._trust.own_owner):
            evidence.contradict(sponsor, key, now, What.VOUCHED)
            changed |= self._trust.settle(sponsor, now)
        return changed

    def forgive(self, owner: OwnerId, now: float) -> frozenset[OwnerId]:
        """As if nothing had been seen of it, with any of its keys; whose worth that changed."""
        for one in self._trust.kin(owner):
            self._trust.evidence.forgive(one)
        return self._trust.settle(owner, now)

    def tick(self, now: float) -> frozenset[OwnerId]:
        """What time has done: vouches end, evidence fades; whose worth that changed."""
        if self._due - REFRESH <= now < self._due:
            return NOBODY
        changed = self._trust.refresh(now)
        self._due = min(now + REFRESH, self._trust.vouches.next_deadline(now) or now + REFRESH)
        return changed

    def ended(self, now: float) -> bool:
        """True when the charter that holds is valid no longer."""
        return self.charters is not None and self.charters.current.charter.valid_until <= now

    def _follow(self, now: float) -> frozenset[OwnerId]:
        """The trust table has the members of the charter that holds."""
        if self.charters is None:
            return NOBODY
        ended, members = self.ended(now), self.charters.current.charter.members
        if not ended:
            self.known.update(member.owner for member in members)
        trust = {member.owner: member.trust / TRUST_UNIT if member.owner in self.known else 0.0 for member in members}
        return self._trust.set_charter(trust)
