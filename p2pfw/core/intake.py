"""The one way in: every announcement passes these checks, in this order, before it has any effect (protocol 1.4).

    1 size          bytes that can be an announcement at all
    2 known id      held, or void: said so, at no further cost
    3 network, clock
    4 owner carried, and within its share (of what an owner signed: the owner that the body names)
    5 signature
    6 body          hash, records; certificates, revocations, vouches and charters with their signatures
    7 meaning       certificates and revocations into the directory, vouches and charters into the membership,
                    everything into the ledger

Nothing is stored or marked as seen before the signature is good: a forged copy must not keep the true one out. The
node's own store passes the same way at start, without 2 and 5, and what its clock calls the future is let in, to count
once it is the present: a machine that starts with a wrong clock must not forget.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from p2pfw.core.announcement import (
    Announcement,
    AnnouncementId,
    Kind,
    RawAnnouncement,
    certificate_of,
    charter_of,
    check_body,
    check_signature,
    check_time,
    parse,
    revocation_of,
    succession_of,
    vouch_of,
)
from p2pfw.core.directory import Directory
from p2pfw.core.equivocation import Equivocation
from p2pfw.core.identity import CLOCK_SLACK, Certificate, NetworkId, NodeId, OwnerId, Revocation
from p2pfw.core.ledger import Ledger
from p2pfw.core.membership import NOBODY as NOT_ANY_OWNER
from p2pfw.core.membership import Membership
from p2pfw.core.prefix import PrefixKey
from p2pfw.errors import NotCarriedError, RevokedError, WrongNetworkError

NOBODY: Final[frozenset[NodeId]] = frozenset()


class Carried(Protocol):
    """Whose announcements this node stores and relays; the trust table in production."""

    def carries(self, owner: OwnerId) -> bool:
        """True for the own fleet, whom the operator named (trust 0 included), charter members, vouched owners."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Nothing new: held already, or void already."""

    id: AnnouncementId


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """It is in the ledger. `dirty`: prefixes to be judged again, some perhaps twice."""

    announcement: Announcement
    dirty: list[PrefixKey]
    revoked: frozenset[NodeId] = NOBODY
    """Nodes that are dead by this revocation: their sessions must end."""
    certified: bool = False
    """A node's owner, uses or validity is another now."""
    worth: frozenset[OwnerId] = NOT_ANY_OWNER
    """Owners who count for something else now, by a vouch or a charter."""
    equivocation: Equivocation | None = None
    """Its origin contradicted itself, and this node found out: announce the proof, once."""
    kept: bool = True
    """False when it was void at once: keep it nowhere, relay it to nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What a certificate or revocation that did not come by gossip (a session's proof, the command line) changed."""

    dirty: list[PrefixKey]
    revoked: frozenset[NodeId] = NOBODY
    certified: bool = False
    worth: frozenset[OwnerId] = NOT_ANY_OWNER


class Intake:
    """See the module. Holds no state of its own."""

    def __init__(
        self,
        network: NetworkId,
        directory: Directory,
        ledger: Ledger,
        carried: Carried,
        membership: Membership | None = None,
    ) -> None:
        self._network, self._directory, self._ledger, self._carried = network, directory, ledger, carried
        self._membership = membership

    def receive(self, raw: RawAnnouncement, now: float) -> Recorded | Known:
        """An announcement from a peer, or this node's own. PeerError: it does not count, and why; nothing happened."""
        announcement = parse(raw)
        if self._ledger.known(announcement.id):
            return Known(id=announcement.id)
        check_time(announcement.header, self._network, now)
        self._check_owner(announcement, now)
        check_signature(announcement)
        return self._take(announcement, now, now)

    def load(self, raw: RawAnnouncement, now: float) -> Recorded | Known:
        """An announcement from this node's own store, where none comes unverified: all checks but the signature.

        The PeerErrors of `receive`, but for FutureError: the store may forget it.
        """
        announcement = parse(raw)
        if self._ledger.known(announcement.id):
            return Known(id=announcement.id)
        header = announcement.header
        then = max(now, header.created - CLOCK_SLACK, header.epoch // 1000 - CLOCK_SLACK)
        check_time(header, self._network, then)
        self._check_owner(announcement, then)
        return self._take(announcement, now, then)

    def learn(self, certificate: Certificate, now: float) -> Learned:
        """A certificate that its node has just consented to, in a session's proof. The errors of Directory.learn."""
        if not self._directory.learn(certificate, now):
            return Learned(dirty=[])
        return Learned(dirty=self._certified(certificate.node), certified=True)

    def revoke(self, revocation: Revocation, now: float) -> Learned:
        """A revocation, by whatever way it came. The errors of Directory.revoke."""
        revoked = self._directory.revoke(revocation, now)
        return Learned(dirty=self._ledger.revoke(revoked), revoked=revoked)

    def _check_owner(self, announcement: Announcement, now: float) -> None:
        owner = self._owner(announcement, now)
        if not self._carried.carries(owner):
            raise NotCarriedError("this node does not carry its owner", announcement.origin)
        self._ledger.check_room(announcement, owner)

    def _owner(self, announcement: Announcement, now: float) -> OwnerId:
        # protocol 7: what an owner signed counts whatever becomes of the node that carried it.
        if announcement.kind == Kind.CERTIFICATE:
            return certificate_of(announcement).owner
        if announcement.kind == Kind.REVOCATION:
            return revocation_of(announcement).owner
        if announcement.kind == Kind.VOUCH:
            return vouch_of(announcement).voucher
        if announcement.kind == Kind.SUCCESSION:
            return succession_of(announcement).old
        if self._directory.is_revoked(announcement.origin):
            raise RevokedError("its origin was revoked")
        owner = self._directory.carried_owner(announcement.origin, now)
        if owner is None:
            raise NotCarriedError("its origin's certificate ended more than 30 days ago", announcement.origin)
        return owner

    def _take(self, announcement: Announcement, now: float, learned_at: float) -> Recorded | Known:
        check_body(announcement)
        learned = self._understand(announcement, learned_at)
        dirty = self._ledger.record(announcement, now)
        proofs = self._ledger.take_proofs()
        kept = self._ledger.get(announcement.id) is not None
        if not kept and not dirty and not proofs:
            return Known(id=announcement.id)
        return Recorded(
            announcement=announcement,
            dirty=learned.dirty + dirty,
            revoked=learned.revoked,
            certified=learned.certified,
            worth=learned.worth,
            equivocation=proofs[0] if proofs else None,
            kept=kept,
        )

    def _understand(self, announcement: Announcement, now: float) -> Learned:
        match announcement.kind:
            case Kind.CERTIFICATE:
                # Consent is the header's signature, by the node itself: check_body has compared them.
                return self.learn(certificate_of(announcement), now)
            case Kind.REVOCATION:
                return self.revoke(revocation_of(announcement), now)
            case Kind.VOUCH | Kind.CHARTER | Kind.SUCCESSION:
                return self._joined(announcement, now)
            case Kind.EQUIVOCATION:
                self._check_proof(announcement)
        return Learned(dirty=[])

    def _joined(self, announcement: Announcement, now: float) -> Learned:
        """Who counts for what changes at once: what those owners said is judged again."""
        if self._membership is None:
            return Learned(dirty=[])
        if announcement.kind == Kind.VOUCH:
            worth = self._membership.vouch(vouch_of(announcement), now)
        elif announcement.kind == Kind.SUCCESSION:
            worth = self._membership.succession(succession_of(announcement), now)
        else:
            worth = self._membership.charter(charter_of(announcement), now)
        return Learned(dirty=self._ledger.keys_of_owners(worth, now) if worth else [], worth=worth)

    def _check_proof(self, announcement: Announcement) -> None:
        proof = Equivocation.decode(announcement.raw.body)
        if proof.network != announcement.header.network:
            raise WrongNetworkError("a contradiction in another network")
        proof.check_signatures()

    def _certified(self, node: NodeId) -> list[PrefixKey]:
        # A key that its certificate's owner had revoked already is dead from the moment that this is known.
        if self._directory.is_revoked(node):
            return self._ledger.revoke([node])
        return list(self._ledger.keys_of(node))
