"""The running node as web sees it: every operation goes to the use case that knows it. No logic of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from msgspec import structs

from p2pfw import schema
from p2pfw.app.advising import Advising
from p2pfw.app.blocking import Blocking
from p2pfw.app.bouncing import Bouncing
from p2pfw.app.domain import Domain
from p2pfw.app.enforcing import Enforcing
from p2pfw.app.events import Events
from p2pfw.app.explaining import Explaining
from p2pfw.app.feeddesk import FeedDesk
from p2pfw.app.health import Health
from p2pfw.app.importing import Importing
from p2pfw.app.invitations import Desk
from p2pfw.app.measuring import Measuring
from p2pfw.app.mode import Modes
from p2pfw.app.ownblocks import OwnBlocks
from p2pfw.app.owning import Owning
from p2pfw.app.peers import PeerDesk
from p2pfw.app.protecting import Protecting
from p2pfw.app.renewing import Renewing
from p2pfw.app.repeating import Repeating
from p2pfw.app.terms import seconds_of
from p2pfw.app.tokens import Tokens
from p2pfw.app.trusting import Trusting
from p2pfw.app.unblocking import Unblocking
from p2pfw.app.views import Views
from p2pfw.app.whitelisting import Whitelisting
from p2pfw.core.prefix import Prefix, PrefixKey
from p2pfw.operations import AdoptedRow, Caller, Granted, Measures, OwnBlock


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """Implements operations.Operations."""

    domain: Domain
    views: Views
    explaining: Explaining
    blocking: Blocking
    ownblocks: OwnBlocks
    unblocking: Unblocking
    importing: Importing
    renewing: Renewing
    repeating: Repeating
    whitelisting: Whitelisting
    peers_desk: PeerDesk
    joining: Desk
    owning: Owning
    modes: Modes
    enforcing: Enforcing
    health: Health
    protecting: Protecting
    event_ring: Events
    bouncing: Bouncing
    trusting: Trusting
    feeding: FeedDesk
    advising: Advising
    api_tokens: Tokens
    measuring: Measuring
    reloader: Callable[[], Awaitable[schema.ReloadAnswer]]

    # --- reading ---------------------------------------------------------------------------------------------------

    def welcome(self, caller: Caller) -> bool:
        """Whoever gives commands must not be locked out by them (policy "Precedence": soft protection)."""
        how = "SSH client of the operator's command" if caller.name.startswith("socket:") else "API client"
        new = bool(caller.address) and self.protecting.welcome(caller.address, f"{how} ({caller.name})")
        if new:
            self.whitelisting.changed(self.protecting.refresh())
        return new

    def status(self) -> schema.Status:
        """See operations."""
        return self.views.status()

    def measures(self) -> Measures:
        """See operations."""
        return self.measuring.measures()

    def ready(self) -> str:
        """See operations."""
        return self.enforcing.unready()

    def generation(self) -> str:
        """See operations."""
        return self.views.generation()

    async def adopted(self) -> Iterator[AdoptedRow]:
        """See operations."""
        return await self.views.adopted()

    def covering(self, prefix: Prefix) -> schema.BlocklistEntry | None:
        """See operations."""
        return self.views.covering(prefix)

    async def own_blocks(self) -> list[OwnBlock]:
        """See operations."""
        return await self.ownblocks.listing()

    async def why(self, prefix: Prefix, *, counters: bool = False) -> schema.Why:
        """See operations."""
        return await self.explaining.why(prefix.key, counters=counters)

    async def listing(self, view: str, origin: str, contains: Prefix | None, limit: int, cursor: str) -> schema.Listing:
        """See operations."""
        return await self.views.listing(view, origin, contains, limit, cursor)

    def allow_list(self, *, protected: bool) -> schema.AllowList:
        """See operations."""
        return self.whitelisting.listing(protected=protected)

    def allow_check(self, prefix: Prefix) -> schema.AllowCheck:
        """See operations."""
        return self.whitelisting.check(prefix)

    def peers(self) -> schema.PeerList:
        """See operations."""
        return self.peers_desk.all()

    def peer(self, peer_id: str) -> schema.PeerView:
        """See operations."""
        return self.peers_desk.one(peer_id)

    def owner(self) -> schema.OwnerView:
        """See operations."""
        return self.owning.view(self.peers_desk.fleet().peers)

    async def doctor(self) -> schema.Doctor:
        """See operations."""
        report, checks = await self.advising.report()
        return self.health.doctor(await self.enforcing.survey(), checks, report)

    def check_token(self, secret: str) -> Granted | None:
        """See operations."""
        return self.api_tokens.check(secret)

    def tokens(self) -> schema.TokenList:
        """See operations."""
        return self.api_tokens.all()

    def events(self, after: int) -> AsyncIterator[schema.Event]:
        """See operations."""
        return self.event_ring.follow(after)

    def recent_events(self, after: int, since: float) -> list[schema.Event]:
        """See operations."""
        return [event for event in self.event_ring.after(after) if _seconds(event.time) >= since]

    def proven(self, event: schema.Event) -> schema.Event:
        """See operations."""
        return self.event_ring.with_proofs(event)

    # --- changing --------------------------------------------------------------------------------------------------

    async def block(self, request: schema.BlockRequest, caller: Caller) -> schema.BlockAnswer:
        """See operations."""
        self.welcome(caller)
        confirmed = await self.trusting.witnessing.detect(request)
        return structs.replace(await self.blocking.block(request, caller), confirmed=confirmed)

    async def unblock(self, prefix: Prefix, scope: str, caller: Caller) -> schema.UnblockAnswer:
        """See operations."""
        self.welcome(caller)
        return await self.unblocking.unblock(prefix.key, scope, caller)

    def import_blocks(
        self, keys: list[int], request: schema.BlockRequest, caller: Caller
    ) -> AsyncIterator[schema.ImportProgress]:
        """See operations."""
        self.welcome(caller)
        return self.importing.import_blocks([PrefixKey(key) for key in keys], request, caller)

    async def retract_all(self, caller: Caller) -> schema.RetractAnswer:
        """See operations."""
        self.welcome(caller)
        announcements, prefixes = await self.renewing.retract_all(self.repeating.hush())
        self.event_ring.tell("retract-all", announcements=announcements, prefixes=prefixes, by=caller.name)
        return schema.RetractAnswer(announcements=announcements, prefixes=prefixes)

    async def sighting(self, prefix: Prefix, request: schema.SightingRequest, caller: Caller) -> schema.SightingAnswer:
        """See operations."""
        return await self.trusting.witnessing.saw(prefix.key, request, caller)

    async def allow(self, prefix: Prefix, request: schema.AllowRequest, caller: Caller) -> schema.AllowAnswer:
        """See operations."""
        self.welcome(caller)
        answer = await self.whitelisting.allow(prefix, request, caller)
        return structs.replace(answer, contradicted=await self._contradicted(prefix, request, caller))

    async def disallow(self, prefix: Prefix, caller: Caller) -> schema.AllowAnswer:
        """See operations."""
        self.welcome(caller)
        return await self.whitelisting.disallow(prefix, caller)

    async def put_peer(self, peer_id: str, request: schema.PeerRequest, caller: Caller) -> schema.PeerView:
        """See operations."""
        self.welcome(caller)
        return await self.peers_desk.put(peer_id, request, caller)

    async def forget_peer(self, peer_id: str, caller: Caller) -> None:
        """See operations."""
        self.welcome(caller)
        await self.peers_desk.forget(peer_id, caller)

    async def invite(self, request: schema.InviteRequest) -> schema.InviteAnswer:
        """See operations."""
        return await self.joining.invite(request, seconds_of(request.ttl))

    async def join(self, request: schema.JoinRequest) -> schema.JoinAnswer:
        """See operations."""
        return await self.joining.join(request)

    async def set_mode(self, request: schema.ModeRequest, caller: Caller) -> schema.ModeAnswer:
        """See operations."""
        if self.welcome(caller):
            await self.whitelisting.judged()
        return await self.modes.set(request)

    async def confirm(self) -> schema.ModeAnswer:
        """See operations."""
        if await self.peers_desk.confirm() and self.enforcing.trial is None:
            return self.modes.answer("the trust edit stays")
        return await self.modes.confirm()

    async def panic(self) -> schema.ModeAnswer:
        """See operations."""
        return await self.modes.panic()

    async def add_token(self, request: schema.TokenRequest, caller: Caller) -> schema.TokenAnswer:
        """See operations."""
        return await self.api_tokens.add(request, caller)

    async def revoke_token(self, name: str, caller: Caller) -> None:
        """See operations."""
        await self.api_tokens.revoke(name, caller)

    async def reload(self) -> schema.ReloadAnswer:
        """See operations."""
        return await self.reloader()

    async def renew_owner(self) -> schema.OwnerAnswer:
        """See operations."""
        return await self.owning.renew()

    async def revoke_node(self, request: schema.RevokeRequest) -> schema.OwnerAnswer:
        """See operations."""
        return await self.owning.revoke(request.node)

    async def _contradicted(self, prefix: Prefix, request: schema.AllowRequest, caller: Caller) -> list[str]:
        if not request.false_positive:
            return []
        return (await self.trusting.witnessing.contradict(prefix.key, caller)).contradicted


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
