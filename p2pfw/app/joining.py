"""One pasted line makes two servers work together: the inviting side, and the side that pastes it (identity "Joining").

The token's secret is proven inside the handshake, after the inviter has proven itself; what follows here is one request
and one answer. A fleet invitation gives a certificate by the owner key at hand; a guest invitation introduces two
owners, each of whom says which trust it gives; which of the two it is, the invitation says. Only the hash of a secret
is kept, and it is used up in the same transaction that keeps what it was used for.
"""

import asyncio
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from p2pfw.core.identity import DAY, Certificate, NodeId, OwnerId, Signer, Uses, certify
from p2pfw.core.token import SECRET_BYTES, Token, key_hash, secret_hash
from p2pfw.core.wire import JoinAnswer, JoinNode, JoinRefusal, JoinRequest
from p2pfw.errors import NotAcceptableError, StoreError
from p2pfw.ports import Clock, Store
from p2pfw.rows import Drop, InviteRow, PeerRow, Put, Write

MAX_INVITES: Final = 1_000
"""Open invitations at one time."""
CERTIFICATE_LIFE: Final = 90 * DAY
BACKDATE: Final = 60
"""Seconds before now at which a certificate begins, for clocks that are a little behind."""
ANSWER_WITHIN: Final = 10.0
"""Seconds a joiner waits for the answer to its request."""


class Household(Protocol):
    """What joining needs to know of this node and its fleet, and to change there."""

    def fleet_nodes(self) -> list[JoinNode]:
        """This owner's nodes with names and addresses, this one first."""
        ...

    def next_serial(self) -> int:
        """A certificate serial of this owner above all that were used."""
        ...

    def charter(self) -> bytes:
        """The charter that holds here, as a joiner begins with it; empty where there is none."""
        ...

    def peer_joined(self, row: PeerRow) -> None:
        """An invited peer's row was kept: resolve trust and targets again."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ourselves:
    """Who this node is, for invitations. `owner_key` is None where it is not at hand."""

    node: NodeId
    owner: OwnerId
    owner_key: Signer | None
    owner_name: str
    network: str
    by_name: bool = True
    """The network's id is that of its name: whoever has a token can find it by that."""


def fresh_certificate(owner_key: Signer, node: NodeId, serial: int, now: float, *, after: int = 0) -> Certificate:
    """A certificate for all uses, from now for as long as the protocol allows; newer than one that began at `after`."""
    begin = max(int(now) - BACKDATE, after + 1)
    return certify(owner_key, node, serial=serial, not_before=begin, not_after=begin + CERTIFICATE_LIFE, uses=Uses.ALL)


class Invitations:
    """The inviting side."""

    def __init__(
        self, me: Ourselves, household: Household, store: Store, clock: Clock, random: Callable[[int], bytes]
    ) -> None:
        self._me, self._household, self._store = me, household, store
        self._clock, self._random = clock, random
        self._rows: dict[bytes, InviteRow] = {}

    def load(self, rows: Sequence[InviteRow]) -> None:
        """At start."""
        self._rows = {row.secret_hash: row for row in rows}

    async def create(self, *, guest: bool, uses: int, ttl: int, trust: float, addresses: Sequence[str]) -> Token:
        """A new invitation; InputError where it could not be kept: no owner key, no address, too many open."""
        if not guest and self._me.owner_key is None:
            raise NotAcceptableError(
                "this node does not hold its owner's key, so it cannot take others into the fleet",
                hint="run it where node.owner_key_file is set, or use --guest",
            )
        if not addresses:
            raise NotAcceptableError(
                "nobody could reach this node: it listens on no address",
                hint="set listen.peer, and listen.advertise to what others can dial",
            )
        await self._prune()
        if len(self._rows) >= MAX_INVITES:
            raise NotAcceptableError(f"{MAX_INVITES} invitations are open already", hint="they expire by themselves")
        secret = self._random(SECRET_BYTES)
        expires = int(self._clock.now()) + ttl
        row = InviteRow(secret_hash=secret_hash(secret), guest=guest, trust=trust, uses_left=uses, expires=expires)
        await self._store.commit(Put(row=row))
        self._rows[row.secret_hash] = row
        return Token(
            key_hash=key_hash(self._me.node),
            secret=secret,
            network=self._me.network,
            addresses=tuple(addresses),
        )

    def find(self, secret: bytes) -> InviteRow | None:
        """The open invitation that a secret belongs to."""
        row = self._rows.get(secret_hash(secret)) if len(secret) == SECRET_BYTES else None
        return row if row is not None and row.uses_left > 0 and row.expires > self._clock.now() else None

    async def answer(
        self, secret: bytes, node: NodeId, proven: Certificate | None, request: JoinRequest
    ) -> JoinAnswer | JoinRefusal:
        """Redeem an invitation for the node that proved itself. What it used up is synced before the answer."""
        row = self.find(secret)
        if row is None:
            return JoinRefusal(code="unknown")
        certificate = b""
        if not row.guest:
            if self._me.owner_key is None:
                return JoinRefusal(code="no-owner-key")
            certificate = self._certify(self._me.owner_key, node, proven).encode()
        owner = OwnerId(proven.owner if proven is not None else node) if row.guest else self._me.owner
        peer = _peer_row(node, owner, request, row)
        try:
            await self._use(row, peer)
        except StoreError:
            return JoinRefusal(code="disk")
        self._household.peer_joined(peer)
        return JoinAnswer(
            certificate=certificate,
            owner=self._me.owner,
            owner_name=self._me.owner_name,
            network=self._me.network,
            nodes=tuple(self._household.fleet_nodes()),
            charter=self._household.charter(),
            trust=row.trust if row.guest else 0.0,
        )

    def _certify(self, owner_key: Signer, node: NodeId, proven: Certificate | None) -> Certificate:
        serial, now = self._household.next_serial(), self._clock.now()
        # Of two certificates the newer holds: this one must, also against the one that `init` made a moment ago.
        after = min(proven.not_before, int(now)) if proven is not None else 0
        return fresh_certificate(owner_key, node, serial, now, after=after)

    async def _use(self, row: InviteRow, peer: PeerRow) -> None:
        left = replace(row, uses_left=row.uses_left - 1)
        used: Write = Put(row=left) if left.uses_left else Drop(table=InviteRow, identity=row.secret_hash)
        self._rows[row.secret_hash] = left
        try:
            await self._store.commit(Put(row=peer), used)
        except StoreError:
            again = self._rows.get(row.secret_hash, left)
            self._rows[row.secret_hash] = replace(again, uses_left=again.uses_left + 1)
            raise

    async def _prune(self) -> None:
        now = self._clock.now()
        gone = [row for row in self._rows.values() if row.expires <= now or not row.uses_left]
        for row in gone:
            del self._rows[row.secret_hash]
        if gone:
            await self._store.commit(*(Drop(table=InviteRow, identity=row.secret_hash) for row in gone))


def _peer_row(node: NodeId, owner: OwnerId, request: JoinRequest, row: InviteRow) -> PeerRow:
    return PeerRow(
        id=node,
        owner=owner,
        name=request.name,
        trust=row.trust if row.guest else None,
        addresses=request.addresses,
    )


class Caller(Protocol):
    """One exchange with the inviter, over a session that proved the token's secret."""

    async def ask(self, token: Token, request: JoinRequest) -> tuple[NodeId, JoinAnswer | JoinRefusal]:
        """Dial the token's addresses in turn, check the inviter's key hash before anything secret is sent, ask.

        Raises InputError saying what happened at each address when none of them worked.
        """
        ...


REFUSALS: Final = {
    "unknown": "the invitation is unknown, used up or expired; ask for a new line",
    "disk": "the inviting node could not keep it: its disk is full or failing; try again later",
    "no-owner-key": "the inviting node no longer holds its owner's key",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What an answered invitation gave. `certificate` is None for a guest."""

    inviter: NodeId
    answer: JoinAnswer
    certificate: Certificate | None
    rows: tuple[PeerRow, ...]


async def redeem(caller: Caller, token: Token, request: JoinRequest, me: NodeId, now: float) -> Joined:
    """Ask the inviter, and check what it answers. InputError with the operator's words when it refuses."""
    try:
        inviter, answer = await asyncio.wait_for(caller.ask(token, request), ANSWER_WITHIN * len(token.addresses))
    except TimeoutError:
        hint = "is it running, and can its address be reached?"
        raise NotAcceptableError("the inviter did not answer", hint=hint) from None
    if isinstance(answer, JoinRefusal):
        raise NotAcceptableError(REFUSALS.get(answer.code, f"the inviter refused: {answer.code}"), field="token")
    if not hmac.compare_digest(key_hash(inviter), token.key_hash):
        raise NotAcceptableError("somebody else than the inviter answered", field="token")
    certificate = _checked(answer, me, now) if answer.certificate else None
    trust = request.trust if certificate is None else None
    rows = tuple(_row_of(node, answer, trust) for node in answer.nodes if node.node != me)
    return Joined(inviter=inviter, answer=answer, certificate=certificate, rows=rows)


def _checked(answer: JoinAnswer, me: NodeId, now: float) -> Certificate:
    certificate = Certificate.decode(answer.certificate)
    certificate.check_signature()
    if certificate.node != me or certificate.owner != answer.owner or not certificate.valid_at(now + BACKDATE / 2):
        raise NotAcceptableError(
            "the inviter's certificate is not for this node and now", hint="is this machine's clock right?"
        )
    return certificate


def _row_of(node: JoinNode, answer: JoinAnswer, trust: float | None) -> PeerRow:
    return PeerRow(id=node.node, owner=answer.owner, name=node.name, trust=trust, addresses=node.addresses)
