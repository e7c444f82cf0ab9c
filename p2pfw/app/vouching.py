"""This node's owner vouches for others, and takes it back: signed words that travel as their own kind."""

from p2pfw import schema
from p2pfw.app.joining import Ourselves
from p2pfw.app.kit import Kit
from p2pfw.app.originating import Document, Originator
from p2pfw.app.owning import no_key
from p2pfw.app.peerbook import PeerBook
from p2pfw.app.terms import seconds_of
from p2pfw.core.announcement import Kind
from p2pfw.core.identity import OwnerId
from p2pfw.core.idtext import encode_id
from p2pfw.core.times import rfc3339
from p2pfw.core.vouch import MAX_LEVEL, MAX_LIFE, vouch
from p2pfw.errors import NotAcceptableError, NotFoundError
from p2pfw.operations import Caller


class Vouching:
    """Vouches of the own owner, and those of others."""

    def __init__(self, me: Ourselves, kit: Kit, originator: Originator, book: PeerBook) -> None:
        self._me, self._domain, self._events = me, kit.domain, kit.events
        self._judging, self._originator, self._book = kit.judging, originator, book

    async def vouch(self, request: schema.VouchRequest, caller: Caller) -> schema.TextAnswer:
        """See operations.TrustOperations.vouch."""
        subject = self._subject(request.id)
        if subject == self._me.owner:
            raise NotAcceptableError("nobody vouches for himself", field="id")
        seconds = seconds_of(request.ttl)
        if seconds is None or seconds > MAX_LIFE:
            raise NotAcceptableError(
                "a vouch lives for at most 90 days", field="ttl", hint="say it again before it ends"
            )
        until = await self._say(subject, round(request.level * MAX_LEVEL), seconds)
        name = self._book.name_of(subject)
        self._events.tell("vouch", peer=name, by=caller.name)
        return schema.TextAnswer(
            text=f"vouched for {name} until {rfc3339(until)}: whoever trusts you gives it at most half of that, "
            "and hears you both as one voice"
        )

    async def unvouch(self, peer_id: str, caller: Caller) -> schema.TextAnswer:
        """See operations.TrustOperations.unvouch."""
        subject = self._subject(peer_id)
        held = self._domain.trust.vouches.held(self._me.owner, subject)
        now = self._domain.now()
        if held is None or not held.level or not held.lives(now):
            raise NotFoundError(f"there is no vouch for {self._book.name_of(subject)}", field="id")
        await self._say(subject, 0, max(1, held.expires - now), after=held.created)
        name = self._book.name_of(subject)
        self._events.tell("unvouch", peer=name, by=caller.name)
        return schema.TextAnswer(text=f"no longer vouched for {name}")

    def all(self) -> schema.VouchList:
        """See operations.TrustOperations.vouches."""
        trust, now = self._domain.trust, self._domain.now()
        found = [one for subject in sorted(trust.vouches.subjects()) for one in trust.vouches.of(subject, now)]
        return schema.VouchList(
            vouches=[
                schema.VouchView(
                    voucher=encode_id(one.voucher),
                    voucher_name=self._book.name_of(one.voucher),
                    subject=encode_id(one.subject),
                    subject_name=self._book.name_of(one.subject),
                    level=one.level / MAX_LEVEL,
                    expires=rfc3339(one.expires),
                    counts=trust.sponsor(one.subject) == one.voucher,
                )
                for one in found
            ]
        )

    def _subject(self, text: str) -> OwnerId:
        if self._me.owner_key is None:
            raise no_key()
        return self._book.owner_of(text)

    async def _say(self, subject: OwnerId, level: int, seconds: int, *, after: int = -1) -> int:
        """Announced and judged; when it ends."""
        if self._me.owner_key is None:
            raise no_key()
        held = self._domain.trust.vouches.held(self._me.owner, subject)
        created = max(self._domain.now(), after + 1, held.created + 1 if held is not None else 0)
        until = created + min(seconds, MAX_LIFE)
        signed = vouch(self._me.owner_key, subject, level=level, created=created, expires=until)
        await self._originator.say([Document(kind=Kind.VOUCH, body=signed.encode(), expires=until)])
        await self._judging.idle()
        return until
