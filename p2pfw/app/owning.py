"""What the owner key at hand is for, on a running node: renewing this node's certificate, revoking another's.

A certificate is published by the node that it is for, under its own header: that is its consent (identity.md). Renewal
comes by itself while the owner key is at hand. A revocation acts here at once and travels as its own kind.
"""

from collections.abc import Callable, Sequence
from typing import Final

from p2pfw import schema
from p2pfw.app.joining import Ourselves, fresh_certificate
from p2pfw.app.kit import Kit
from p2pfw.app.originating import Document, Originator
from p2pfw.app.peerbook import PeerBook
from p2pfw.core.announcement import Kind, lifetime
from p2pfw.core.identity import CARRIED_AFTER, DAY, Certificate, NodeId, revoke
from p2pfw.core.idtext import encode_id
from p2pfw.core.succession import Succession
from p2pfw.core.times import rfc3339
from p2pfw.errors import InputError, NotAcceptableError, PeerError
from p2pfw.rows import Setting

RENEW_BEFORE: Final = 30 * DAY
"""Seconds before its end at which a certificate is renewed by itself, where the owner key is at hand."""
CERTIFICATE_SETTING: Final = "certificate"
SERIAL_SETTING: Final = "serial"


class Owning:
    """The owner's acts on this node."""

    def __init__(self, me: Ourselves, kit: Kit, originator: Originator, book: PeerBook) -> None:
        self._me, self._domain, self._store = me, kit.domain, kit.store
        self._clock, self._events, self._originator, self._book = kit.clock, kit.events, originator, book
        self.serial = 0
        self.on_certificate: Callable[[Certificate], None] | None = None

    def next_serial(self) -> int:
        """Above every serial of this owner that is known, and above all that were given here."""
        known = [one.serial for one in self._domain.directory.certificates() if one.owner == self._me.owner]
        self.serial = max([self.serial, int(self._clock.now()), *known]) + 1
        return self.serial

    async def tick(self) -> None:
        """Renew by itself in time; publish the certificate that holds when the ledger does not have it."""
        certificate = self._domain.directory.certificate_of(self._me.node)
        if self._originator.held or certificate is None:
            return
        if self._me.owner_key is not None and certificate.not_after - self._clock.now() < RENEW_BEFORE:
            await self.renew()
        elif not self._is_published(certificate):
            await self.publish(certificate)

    async def renew(self) -> schema.OwnerAnswer:
        """See operations.Operations.renew_owner."""
        if self._me.owner_key is None:
            raise no_key()
        held = self._domain.directory.certificate_of(self._me.node)
        after = held.not_before if held is not None else 0
        serial, now = self.next_serial(), self._clock.now()
        certificate = fresh_certificate(self._me.owner_key, self._me.node, serial, now, after=min(after, int(now)))
        await self._store.commit(Setting(name=CERTIFICATE_SETTING, value=certificate.encode().hex()))
        self._domain.intake.learn(certificate, now)
        if self.on_certificate is not None:
            self.on_certificate(certificate)
        await self.publish(certificate)
        text = f"this node's certificate is renewed until {rfc3339(certificate.not_after)}"
        self._events.tell("certificate", reason="renewed")
        return schema.OwnerAnswer(text=text, expires=rfc3339(certificate.not_after))

    async def publish(self, certificate: Certificate) -> None:
        """Let everybody know whose node this is."""
        expires = certificate.not_after + CARRIED_AFTER
        await self._originator.say([Document(kind=Kind.CERTIFICATE, body=certificate.encode(), expires=expires)])

    async def revoke(self, node_text: str) -> schema.OwnerAnswer:
        """See operations.Operations.revoke_node."""
        if self._me.owner_key is None:
            raise no_key()
        node = NodeId(self._book.find(node_text))
        if node == self._me.node:
            hint = "revoke it from another node of the fleet"
            raise NotAcceptableError("this is this node itself", field="node", hint=hint)
        now = int(self._clock.now())
        revocation = revoke(self._me.owner_key, node=node, created=now)
        body, expires = revocation.encode(), now + lifetime(Kind.REVOCATION)
        await self._originator.say([Document(kind=Kind.REVOCATION, body=body, expires=expires)])
        name = self._book.name_of(node)
        self._events.tell("revoked", peer=name)
        return schema.OwnerAnswer(text=f"{name} ({encode_id(node)}) is revoked, for ever")

    async def succeed(self, request: schema.SuccessionRequest) -> schema.OwnerAnswer:
        """See operations.TrustOperations.succeed."""
        try:
            one = Succession.decode(bytes.fromhex(request.succession))
            one.check_signatures()
        except (ValueError, PeerError) as error:
            raise InputError(f"this is no succession: {error}", field="succession") from None
        if one.old != self._me.owner:
            raise NotAcceptableError(
                "this is another owner's succession",
                field="succession",
                hint=f"this node's is {encode_id(self._me.owner)}",
            )
        now = int(self._clock.now())
        expires = now + lifetime(Kind.SUCCESSION)
        await self._originator.say([Document(kind=Kind.SUCCESSION, body=one.encode(), expires=expires)])
        self._events.tell("succession", reason=encode_id(one.new))
        return schema.OwnerAnswer(
            text=f"{encode_id(one.new)} takes over from {encode_id(one.old)}: who trusted the old key trusts the new "
            "one. Certify each node anew with it (p2pfw owner certify NODE --key FILE)"
        )

    def view(self, nodes: Sequence[schema.PeerView]) -> schema.OwnerView:
        """See operations.Operations.owner."""
        return schema.OwnerView(
            owner_id=encode_id(self._me.owner), holds_key=self._me.owner_key is not None, nodes=list(nodes)
        )

    def _is_published(self, certificate: Certificate) -> bool:
        ledger, now = self._domain.ledger, self._clock.now()
        listed = ledger.announcements_of(self._me.node, now, kind=Kind.CERTIFICATE)
        raws = [ledger.get(one.id) for one in listed]
        return any(raw is not None and raw.body == certificate.encode() for raw in raws)


def no_key() -> NotAcceptableError:
    """What is answered where only the owner could do it."""
    return NotAcceptableError(
        "this node does not hold its owner's key",
        hint="run it on the node where node.owner_key_file is set, or use p2pfw owner certify there",
    )
