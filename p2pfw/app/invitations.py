"""Invitations and joins as the operator asks for them: the line to paste, and the closing words."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from p2pfw import schema
from p2pfw.app.chartering import ROOT_SETTING
from p2pfw.app.joining import Caller, Invitations, Joined, Ourselves, redeem
from p2pfw.app.kit import Kit
from p2pfw.core.charter import SignedCharter
from p2pfw.core.identity import network_id
from p2pfw.core.idtext import grouped_id
from p2pfw.core.times import rfc3339
from p2pfw.core.token import Token
from p2pfw.core.trust import parse_trust
from p2pfw.core.wire import JoinRequest
from p2pfw.errors import ConflictError, NotAcceptableError, PeerError
from p2pfw.rows import Put, Setting, Write

CERTIFICATE_SETTING: Final = "certificate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How this node is called, and where it can be reached."""

    name: str
    addresses: Callable[[], tuple[str, ...]]
    is_named: Callable[[bytes], bool]


class Desk:
    """Both sides of an invitation, on a running node."""

    def __init__(self, me: Ourselves, kit: Kit, invitations: Invitations, caller: Caller, place: Place) -> None:
        self._me, self._domain, self._store, self._enforcing = me, kit.domain, kit.store, kit.enforcing
        self._invitations, self._caller, self._place = invitations, caller, place
        self.on_joined: Callable[[Joined], Awaitable[None]] | None = None

    async def invite(self, request: schema.InviteRequest, seconds: int | None) -> schema.InviteAnswer:
        """See operations.Operations.invite."""
        if seconds is None:
            raise NotAcceptableError("an invitation must end", field="ttl", hint='write it like "1h"')
        if not self._me.by_name:
            raise NotAcceptableError(
                "this network's id is its charter's, which no token carries",
                hint="p2pfw charter export, and on the other server p2pfw join FILE",
            )
        trust = parse_trust(str(request.trust))
        token = await self._invitations.create(
            guest=request.guest, uses=request.uses, ttl=seconds, trust=trust, addresses=self._place.addresses()
        )
        return schema.InviteAnswer(
            token=str(token),
            line=f"p2pfw join {token}",
            expires=rfc3339(self._domain.now() + seconds),
            uses=request.uses,
            fingerprint=grouped_id(self._me.node),
        )

    async def join(self, request: schema.JoinRequest) -> schema.JoinAnswer:
        """See operations.Operations.join."""
        token = Token.parse(request.token)
        if token.network != self._me.network:
            raise ConflictError(
                f"the invitation is for the network {token.network!r}, this node is in {self._me.network!r}",
                overlap=token.network,
                field="token",
                hint=f'set node.network = "{token.network}" and start again',
            )
        trust = parse_trust(str(request.trust))
        asked = join_request(self._me, self._place.name, self._place.addresses(), trust)
        joined = await redeem(self._caller, token, asked, self._me.node, self._domain.now())
        # An inviter speaks for itself: whom the operator named already keeps the operator's word.
        own = tuple(row for row in joined.rows if row.id == joined.inviter or not self._place.is_named(row.id))
        joined = replace(joined, rows=own)
        writes: list[Write] = [Put(row=row) for row in joined.rows]
        if joined.answer.charter and joined.certificate is not None:  # of our own owner: whom a guest trusts is his
            writes.append(Setting(name=ROOT_SETTING, value=_root(joined.answer.charter, token.network).hex()))
        if joined.certificate is not None:
            kept = Setting(name=CERTIFICATE_SETTING, value=joined.certificate.encode().hex())
            await self._store.commit(kept, *writes)
        else:
            await self._store.commit(*writes)
        if self.on_joined is not None:
            await self.on_joined(joined)
        return closing_words(joined, self._place.name, self._me, self._enforcing.mode.value)


def _root(body: bytes, network: str) -> bytes:
    """The charter that an inviter sent, if it is one of that network."""
    try:
        signed = SignedCharter.decode(body)
        signed.check_signatures()
    except PeerError as error:
        raise NotAcceptableError(f"the inviter sent a charter that is none: {error}", field="token") from None
    if not signed.is_founded() or signed.charter.network_id != network_id(network):
        raise NotAcceptableError("the inviter sent a charter that does not hold in its network", field="token")
    return body


def join_request(me: Ourselves, name: str, addresses: tuple[str, ...], trust: float) -> JoinRequest:
    """What a joiner says of itself; whether it becomes a guest or of the fleet, the invitation decides."""
    return JoinRequest(
        guest=False, name=name, addresses=addresses, owner=me.owner, owner_name=me.owner_name, trust=trust
    )


def closing_words(joined: Joined, name: str, me: Ourselves, mode: str) -> schema.JoinAnswer:
    """What a person reads at the end of a join (identity "Joining")."""
    answer, nodes = joined.answer, len(joined.answer.nodes)
    fleet = answer.owner_name or grouped_id(answer.owner)[:15]
    if joined.certificate is not None:
        text = (
            f"{name} is now in fleet {fleet} ({nodes} nodes). A block on any of them is dropped here. "
            f"Mode: {mode}" + ("; p2pfw enforce on to start." if mode == "observe" else ".")
        )
    else:
        given = joined.rows[0].trust if joined.rows and joined.rows[0].trust is not None else 0.0
        text = (
            f"{name} and {fleet} know each other now. You give it trust {given:.2f}; it gives you {answer.trust:.2f}."
        )
    return schema.JoinAnswer(
        fleet=fleet,
        nodes=nodes,
        guest=joined.certificate is None,
        network=answer.network,
        mode=mode,  # type: ignore[arg-type]  # the two words of ModeName
        text=text,
        fingerprint=grouped_id(me.node),
        peer_fingerprint=grouped_id(joined.inviter),
    )
