"""What gossip needs of intake, ledger and directory, in gossip's words: 16-byte ids, owners, what to compare.

Keeps nothing itself. Times are Unix seconds.
"""

from collections.abc import Collection
from typing import Final

from p2pfw.core.announcement import (
    Announcement,
    Kind,
    RawAnnouncement,
    certificate_of,
    parse,
    revocation_of,
    succession_of,
    vouch_of,
)
from p2pfw.core.directory import Directory
from p2pfw.core.gossip.reconcile import Key, key_of
from p2pfw.core.identity import NodeId, OwnerId
from p2pfw.core.intake import Intake, Known, Recorded
from p2pfw.core.ledger import Ledger
from p2pfw.core.wire import Scope

AUTHORITY: Final = frozenset({Kind.CERTIFICATE, Kind.REVOCATION})
"""Kinds that are reconciled first (protocol 5.0)."""


class Archive:
    """All announcements that this node holds, and the way in."""

    def __init__(self, intake: Intake, ledger: Ledger, directory: Directory) -> None:
        self._intake, self._ledger, self._directory = intake, ledger, directory

    def receive(self, raw: RawAnnouncement, now: float) -> Recorded | Known:
        """Verify and record; every PeerError that intake knows."""
        return self._intake.receive(raw, now)

    def lacks(self, identity: bytes) -> bool:
        """True for an id (16 bytes) of what is neither held nor known to be void."""
        return not self._ledger.known(identity)

    def get(self, identity: bytes) -> Announcement | None:
        """What is held under an id (16 bytes)."""
        raw = self._ledger.get(identity)
        return None if raw is None else parse(raw)

    def highest(self, origin: NodeId) -> Announcement | None:
        """The newest that is held of an origin."""
        return self._ledger.highest(origin)

    def owner_of(self, one: Announcement, now: float) -> OwnerId | None:
        """For whom it is carried: who signed the body, or else the owner of its origin."""
        match one.kind:
            case Kind.CERTIFICATE:
                return certificate_of(one).owner
            case Kind.REVOCATION:
                return revocation_of(one).owner
            case Kind.VOUCH:
                return vouch_of(one).voucher
            case Kind.SUCCESSION:
                return succession_of(one).old
            case _:
                return self._directory.carried_owner(one.origin, now)

    def own_owner(self, own: NodeId, now: float) -> OwnerId | None:
        """Whose node this is."""
        return self._directory.carried_owner(own, now)

    def certificate(self, origin: NodeId, now: float) -> Announcement | None:
        """The newest certificate that the origin announced."""
        raw = self._ledger.certificate(origin, now)
        return None if raw is None else parse(raw)

    def listing(self, owners: Collection[OwnerId], scope: Scope, now: float) -> tuple[list[Key], frozenset[NodeId]]:
        """What is held of these owners and alive, to be compared; and the origins whose certificates are among it."""
        rows = [
            row for row in self._ledger.ids_of(owners, now) if (row.kind in AUTHORITY) is (scope is Scope.AUTHORITY)
        ]
        origins = frozenset(row.origin for row in rows if row.kind == Kind.CERTIFICATE)
        return [key_of(row.created_ms, row.id) for row in rows], origins
