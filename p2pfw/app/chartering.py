"""The charter of a network of equals on a running node: kept, shown, proposed, signed, gossiped, applied.

Every node applies a version by itself as soon as enough members of the version before signed it; nobody is asked, and
nobody is in the centre. What is known is on disk, so that a restart begins where it was.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from p2pfw import schema
from p2pfw.app.joining import Ourselves
from p2pfw.app.kit import Kit
from p2pfw.app.originating import Document, Originator
from p2pfw.app.peerbook import PeerBook
from p2pfw.config.charterfile import render_charter, trust_text
from p2pfw.core.announcement import Kind, lifetime
from p2pfw.core.charter import Charter, SignedCharter
from p2pfw.core.charters import Charters
from p2pfw.core.duration import short_duration
from p2pfw.core.identity import DAY, NodeId, OwnerId
from p2pfw.core.idtext import encode_id
from p2pfw.core.times import rfc3339
from p2pfw.errors import ConflictError, InputError, NotAcceptableError, NotFoundError, PeerError
from p2pfw.ports import DialTarget
from p2pfw.rows import Setting

ROOT_SETTING: Final = "charter"
"""The charter that a join brought; the configuration's comes before it."""
CHAIN_SETTING: Final = "charter_chain"
MEMBERS_SETTING: Final = "charter_members"
WARN_BEFORE: Final = 30 * DAY
REPUBLISH: Final = 600.0
"""Seconds between looks whether the versions that hold are still announced by anybody."""


class Chartering:
    """Members by charter."""

    def __init__(self, me: Ourselves, kit: Kit, originator: Originator, book: PeerBook) -> None:
        self._me, self._domain, self._store = me, kit.domain, kit.store
        self._clock, self._events, self._judging = kit.clock, kit.events, kit.judging
        self._originator, self._book = originator, book
        self._told = (b"", 0, False)
        self._kept: tuple[list[str], list[str]] = [], []
        self._published = float("-inf")

    def begin(self, root: SignedCharter | None, settings: Mapping[str, object]) -> None:
        """At start: what the operator began with, and what followed it here before."""
        if root is None:
            return
        later = list(_bodies(settings.get(CHAIN_SETTING)))
        known = settings.get(MEMBERS_SETTING)
        members = (
            [OwnerId(bytes.fromhex(one)) for one in known if isinstance(one, str)] if isinstance(known, list) else []
        )
        self._domain.membership.begin(root, members, later, self._clock.now())
        self.follow()

    # --- asking ----------------------------------------------------------------------------------------------------

    def view(self) -> schema.CharterView:
        """See operations.Operations.charter."""
        charters = self._charters()
        current = charters.current
        return schema.CharterView(
            network=current.charter.network,
            network_id=current.charter.network_id.hex(),
            current=self._one(current, current.charter),
            proposals=[
                self._one(one.signed, current.charter)
                for one in sorted(charters.proposals(), key=lambda one: one.signed.charter.hash)
            ],
            conflict=[self._one(one, current.charter) for one in charters.conflict],
            forked=charters.forked,
        )

    def targets(self) -> Iterator[DialTarget]:
        """Seeds: where to call, and who must answer."""
        charters = self._domain.membership.charters
        for seed in charters.current.charter.seeds if charters is not None else ():
            if seed.node != self._domain.me.node:
                yield DialTarget(url=seed.address, node=NodeId(seed.node))

    def lines(self) -> Iterator[schema.HealthLine]:
        """What the operator should know of it."""
        charters = self._domain.membership.charters
        if charters is None:
            return
        charter = charters.current.charter
        left = charter.valid_until - self._clock.now()
        if charters.conflict:
            hashes = ", ".join(one.charter.hash.hex()[:8] for one in charters.conflict)
            text = f"two valid versions {charter.number + 1} of the charter ({hashes}): neither is applied"
            remedy = "p2pfw charter show; the members settle it by a next version of one of them"
            yield schema.HealthLine(level="error", code="charter-conflict", text=text, remedy=remedy)
        if charters.forked:
            text = (
                "somebody signed another past of the charter than the one that this node followed; it is not followed"
            )
            yield schema.HealthLine(
                level="error", code="charter-forked", text=text, remedy="ask the members which one is theirs"
            )
        if left <= 0:
            text = f"the charter of {charter.network} has ended: members keep what they had, new ones get nothing"
            yield schema.HealthLine(level="error", code="charter", text=text, remedy="p2pfw charter propose --valid 1y")
        elif left < WARN_BEFORE:
            text = f"the charter of {charter.network} ends in {short_duration(left)}"
            yield schema.HealthLine(
                level="warning", code="charter", text=text, remedy="p2pfw charter propose --valid 1y"
            )

    # --- changing --------------------------------------------------------------------------------------------------

    async def submit(self, request: schema.CharterRequest) -> schema.CharterView:
        """See operations.Operations.submit_charter."""
        try:
            signed = SignedCharter.decode(bytes.fromhex(request.charter))
            signed.check_signatures()
        except (ValueError, PeerError) as error:
            raise InputError(f"this is no charter: {error}", field="charter") from None
        charters = self._charters()
        ours, theirs = charters.current.charter.network_id, signed.charter.network_id
        if ours != theirs:
            raise ConflictError(
                f"this charter is of {signed.charter.network}, another network",
                overlap=theirs.hex(),
                field="charter",
                hint=f"this node is in {charters.current.charter.network} ({ours.hex()[:16]})",
            )
        await self._announce(signed)
        await self._judging.idle()
        return self.view()

    async def sign(self, request: schema.CharterSign) -> schema.CharterView:
        """See operations.Operations.sign_charter."""
        if self._me.owner_key is None:
            raise NotAcceptableError(
                "this node does not hold its owner's key",
                hint="export the proposal, and sign the file where the key is",
            )
        charters = self._charters()
        found = charters.get(_hash(request.hash))
        if found is None:
            raise NotFoundError("there is no such version or proposal", field="hash", hint="p2pfw charter show")
        before = charters.get(found.charter.previous)
        if self._me.owner not in (found.charter.owners if before is None else before.charter.owners):
            raise ConflictError(
                "this owner is no member of the version before, so its signature would not count",
                overlap=found.charter.hash.hex(),
                field="hash",
            )
        await self._announce(found.signed_by(self._me.owner_key))
        await self._judging.idle()
        return self.view()

    async def tick(self) -> None:
        """What holds is announced by somebody; else by this node."""
        charters = self._domain.membership.charters
        if charters is None or self._originator.held or self._clock.monotonic() - self._published < REPUBLISH:
            return
        self._published = self._clock.monotonic()
        announced = {one.charter.hash: one for one in self._announced()}
        for one in charters.chain:
            known = announced.get(one.charter.hash)
            if one.charter.valid_until > self._clock.now() and (
                known is None or not known.signatures.keys() >= one.signatures.keys()
            ):
                await self._announce(one)

    def follow(self) -> None:
        """Something about charters is new: names, disk, events, and what those who count otherwise now had said."""
        charters = self._domain.membership.charters
        if charters is None:
            return
        current = charters.current.charter
        self._book.charter_names = {member.owner: member.name for member in current.members}
        chain = [one.encode().hex() for one in charters.chain[1:]]
        proposals = [one.signed.encode().hex() for one in charters.proposals()]
        known = sorted(owner.hex() for owner in self._domain.membership.known)
        kept = [*chain, *proposals], known
        if kept != self._kept:
            self._kept = kept
            self._store.post(Setting(name=CHAIN_SETTING, value=kept[0]), Setting(name=MEMBERS_SETTING, value=known))
        self._tell()

    # --- inside ----------------------------------------------------------------------------------------------------

    async def _announce(self, signed: SignedCharter) -> None:
        now = self._domain.now()
        expires = min(signed.charter.valid_until, now + lifetime(Kind.CHARTER))
        if expires <= now:
            raise InputError("this charter has ended", field="charter", hint="propose one that is valid longer")
        await self._originator.say([Document(kind=Kind.CHARTER, body=signed.encode(), expires=expires)])

    def _announced(self) -> Iterator[SignedCharter]:
        for body in self._domain.ledger.bodies(Kind.CHARTER, self._clock.now()):
            yield SignedCharter.decode(body)

    def _tell(self) -> None:
        charters = self._charters()
        current = charters.current.charter
        state = (bytes(current.hash), len(charters.conflict), charters.forked)
        if self._told[0] and state[0] != self._told[0]:
            text = f"version {current.number} holds: {len(current.members)} members"
            self._events.tell("charter", reason=text, hash=current.hash.hex())
        if state[1] and not self._told[1]:
            self._events.tell("charter-conflict", reason=f"two valid versions {current.number + 1}: neither applied")
        if state[2] and not self._told[2]:
            self._events.tell("charter-forked", reason="another past was signed; it is not followed")
        self._told = state

    def _charters(self) -> Charters:
        charters = self._domain.membership.charters
        if charters is None:
            raise NotFoundError(
                "this node has no charter", hint="p2pfw join bootstrap/<network>.toml, or discovery.charter"
            )
        return charters

    def _one(self, signed: SignedCharter, judged_by: Charter) -> schema.CharterVersion:
        charter = signed.charter
        members = [
            schema.CharterMember(
                owner=encode_id(member.owner),
                name=member.name,
                trust=trust_text(member),
                signed=member.owner in signed.signatures,
                ours=member.owner == self._me.owner,
            )
            for member in charter.members
        ]
        return schema.CharterVersion(
            hash=charter.hash.hex(),
            number=charter.number,
            members=members,
            changes_need=charter.changes_need,
            valid_until=rfc3339(charter.valid_until),
            signed_by=[self._book.name_of(owner) for owner in sorted(signed.signatures)],
            signatures=signed.voices(judged_by),
            needed=judged_by.changes_need,
            text=render_charter(signed),
        )


def _bodies(kept: object) -> Iterator[SignedCharter]:
    """Of what is on disk; what cannot be read any more is left out."""
    for text in kept if isinstance(kept, list) else []:
        try:
            yield SignedCharter.decode(bytes.fromhex(text))
        except (ValueError, TypeError, PeerError):
            continue


def _hash(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise InputError(
            "a hash is written in hexadecimal, whole bytes", field="hash", hint="8 digits are enough"
        ) from None
