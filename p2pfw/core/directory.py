"""Which owner a node belongs to now: certificates and revocations, folded into one answer (protocol 7).

The answer is a function of the set of what was learned, not of its order: of several certificates for a node the newest
`not_before` holds (tie: the smaller owner key), and revocations only accumulate. So nodes that heard the same things in
another order agree. Four rules carry the safety:

- A certificate counts only with its node's consent. The caller has seen it: a session's proof, or a header of the node.
- A certificate that is newer but revoked or ended does not let an older one of somebody else hold again.
- A key that any owner that it consented to has revoked is dead for ever, whoever certifies it afterwards.
- Only a key that never had a certificate is its own owner.

Bounded: 4,096 nodes and 1,024 revoked keys an owner, 65,536 of each in all. When full, the node whose certificate ended
longest ago gives way, if it is not carried any more; else the new one is refused (ShareError). What gave way is as if
never heard of, which gives it no trust. Who is trusted, and how, is not known here.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from p2pfw.core.identity import CLOCK_SLACK, Certificate, NodeId, OwnerId, Revocation, Uses
from p2pfw.core.validity import Validity
from p2pfw.errors import ExpiredError, FutureError, ShareError

MAX_NODES: Final = 65_536
MAX_NODES_AN_OWNER: Final = 4_096
MAX_REVOKED_AN_OWNER: Final = 1_024
MAX_OWNERS_A_NODE: Final = 8
"""Owners that a node is remembered to have consented to, the one that holds apart: their revocations count too."""


class Directory:
    """The certificates and revocations that a node knows. Times in Unix seconds."""

    def __init__(self) -> None:
        self._held: dict[NodeId, Certificate] = {}
        self._nodes: defaultdict[OwnerId, set[NodeId]] = defaultdict(set)
        self._former: defaultdict[NodeId, set[OwnerId]] = defaultdict(set)
        self._revoked: defaultdict[OwnerId, dict[NodeId, Revocation]] = defaultdict(dict)
        self._floors: dict[OwnerId, Revocation] = {}
        self._revoked_keys = 0
        self._dead: set[NodeId] = set()
        self._validity = Validity()
        self.changes = 0
        """Rises whenever something learned may change an answer: until then, answers for one `now` may be kept."""

    def learn(self, certificate: Certificate, now: float) -> bool:
        """Take a certificate that its node consented to. True when the node's owner, uses or validity changed.

        FutureError, ExpiredError: not yet, no longer. SignatureError. ShareError: no room.
        """
        node, held = certificate.node, self._held.get(certificate.node)
        if held == certificate:
            return False
        if certificate.not_before - CLOCK_SLACK > now:
            raise FutureError("a certificate that has not begun")
        if not certificate.carried_at(now):
            raise ExpiredError("a certificate that ended more than 30 days ago")
        certificate.check_signature()
        if held is not None and not _holds_over(certificate, held):
            return certificate.owner != held.owner and self._remember_former(node, certificate.owner)
        self._make_room(certificate, now)
        self._hold(certificate, held)
        return True

    def revoke(self, revocation: Revocation, now: float) -> frozenset[NodeId]:
        """Take a revocation. The nodes that it makes dead, empty when nothing changed.

        FutureError, SignatureError. ShareError: its owner has revoked too many keys.
        """
        if self._knows(revocation):
            return frozenset()
        if revocation.created - CLOCK_SLACK > now:
            raise FutureError("a revocation of the future")
        revocation.check_signature()
        if revocation.node is None:
            return self._revoke_below(revocation.owner, revocation)
        return self._revoke_key(revocation.owner, revocation.node, revocation)

    def certificate_of(self, node: NodeId) -> Certificate | None:
        """The certificate that holds, ended or not; None when there is none or it is void."""
        return None if node in self._dead else self._held.get(node)

    def owner_of(self, node: NodeId, now: float) -> OwnerId | None:
        """Whose node it is now, by a valid certificate. A key that never had one owns itself; None when revoked."""
        if node in self._dead:
            return None
        held = self._held.get(node)
        if held is None:
            return OwnerId(node)
        return held.owner if held.valid_at(now) else None

    def carried_owner(self, node: NodeId, now: float) -> OwnerId | None:
        """For whom its announcements are stored and relayed: `owner_of`, until 30 days past the certificate's end."""
        if node in self._dead:
            return None
        held = self._held.get(node)
        if held is None:
            return OwnerId(node)
        return held.owner if held.carried_at(now) else None

    def uses_of(self, node: NodeId, now: float) -> Uses:
        """What it may do now. A key that owns itself may do all, for itself; nothing when revoked or ended."""
        if node in self._dead:
            return Uses(0)
        held = self._held.get(node)
        if held is None:
            return Uses.ALL
        return held.uses if held.valid_at(now) else Uses(0)

    def is_revoked(self, node: NodeId) -> bool:
        """True when the key was revoked, or the certificate that holds lies below its owner's serial."""
        return node in self._dead

    def nodes_of(self, owner: OwnerId, now: float) -> list[NodeId]:
        """Nodes that are the owner's now by certificate, ascending."""
        return sorted(node for node in self._nodes.get(owner, ()) if self.owner_of(node, now) == owner)

    def next_deadline(self, now: float) -> float | None:
        """When a certificate next begins, ends or stops being carried."""
        return self._validity.next_after(now)

    def changed_between(self, then: float, now: float) -> frozenset[NodeId]:
        """Nodes for which time alone may have changed an answer from `then` to `now`; clocks may have gone back."""
        return frozenset(self._validity.between(min(then, now), max(then, now)))

    def certificates(self) -> Iterator[Certificate]:
        """The certificates that hold, void and ended ones included: that there was one is knowledge too."""
        return iter(self._held.values())

    def revocations(self) -> Iterator[Revocation]:
        """Every revocation that has an effect."""
        for by_node in self._revoked.values():
            yield from by_node.values()
        yield from self._floors.values()

    def _hold(self, certificate: Certificate, held: Certificate | None) -> None:
        node = certificate.node
        if held is not None:
            self._drop(held)
            if held.owner != certificate.owner:
                self._remember_former(node, held.owner)
        self.changes += 1
        self._held[node] = certificate
        self._nodes[certificate.owner].add(node)
        self._validity.add(certificate)
        self._judge(node)

    def _drop(self, held: Certificate) -> None:
        del self._held[held.node]
        self._validity.remove(held)
        self._nodes[held.owner].discard(held.node)
        if not self._nodes[held.owner]:
            del self._nodes[held.owner]

    def _remember_former(self, node: NodeId, owner: OwnerId) -> bool:
        former = self._former[node]
        if len(former) < MAX_OWNERS_A_NODE:
            former.add(owner)
        return self._judge(node)

    def _knows(self, revocation: Revocation) -> bool:
        if revocation.node is not None:
            return revocation.node in self._revoked.get(revocation.owner, {})
        floor = self._floors.get(revocation.owner)
        return floor is not None and floor.below_serial >= revocation.below_serial

    def _revoke_key(self, owner: OwnerId, node: NodeId, revocation: Revocation) -> frozenset[NodeId]:
        if len(self._revoked.get(owner, ())) >= MAX_REVOKED_AN_OWNER or self._revoked_keys >= MAX_NODES:
            raise ShareError("no room for the revocation of more keys; its owner can revoke by serial")
        self._revoked[owner][node] = revocation
        self._revoked_keys += 1
        return frozenset({node} if self._judge(node) else ())

    def _revoke_below(self, owner: OwnerId, revocation: Revocation) -> frozenset[NodeId]:
        if owner not in self._floors and len(self._floors) >= MAX_NODES:
            raise ShareError("no room for the revocations of more owners")
        self._floors[owner] = revocation
        return frozenset(node for node in self._nodes.get(owner, ()) if self._judge(node))

    def _judge(self, node: NodeId) -> bool:
        """Bring `_dead` up to date for a node; True when that changed something."""
        dead = self._is_key_revoked(node) or self._is_below_serial(node)
        if dead == (node in self._dead):
            return False
        self.changes += 1
        (self._dead.add if dead else self._dead.discard)(node)
        return True

    def _is_key_revoked(self, node: NodeId) -> bool:
        # A key that is an owner's too can end itself; a stranger's word on a key is nothing.
        held = self._held.get(node)
        owners = {OwnerId(node), *self._former.get(node, ()), *((held.owner,) if held else ())}
        return any(node in self._revoked.get(owner, {}) for owner in owners)

    def _is_below_serial(self, node: NodeId) -> bool:
        held = self._held.get(node)
        floor = self._floors.get(held.owner) if held else None
        return held is not None and floor is not None and held.serial < floor.below_serial

    def _make_room(self, certificate: Certificate, now: float) -> None:
        nodes = self._nodes.get(certificate.owner, set())
        if certificate.node not in nodes and len(nodes) >= MAX_NODES_AN_OWNER:
            self._forget_one(now, among=certificate.owner)
        if certificate.node not in self._held and len(self._held) >= MAX_NODES:
            self._forget_one(now, among=None)

    def _forget_one(self, now: float, *, among: OwnerId | None) -> None:
        for node in self._validity.ended(now):
            held = self._held[node]
            # A revoked key stays known: forgotten, it would own itself.
            if among in (None, held.owner) and not self._is_key_revoked(node):
                self.changes += 1
                self._drop(held)
                self._former.pop(node, None)
                self._judge(node)
                return
        raise ShareError("no room for the certificates of more nodes")


def _holds_over(new: Certificate, held: Certificate) -> bool:
    """True when `new` comes before `held`: a total order, so that all who know both agree."""
    if new.not_before != held.not_before:
        return new.not_before > held.not_before
    if new.owner != held.owner:
        return new.owner < held.owner
    return (new.serial, new.not_after, new.uses, new.signature) > (
        held.serial,
        held.not_after,
        held.uses,
        held.signature,
    )
