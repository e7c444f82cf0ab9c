"""The operator's word on peers at run time, and what is known of each: kept, resolved, judged before the answer."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from msgspec import structs

from p2pfw import schema
from p2pfw.app.kit import Kit
from p2pfw.app.peerbook import Named, PeerBook
from p2pfw.app.peering import Peering
from p2pfw.app.trials import Trials
from p2pfw.core.allowance import VOICE_SPACE
from p2pfw.core.duration import short_duration
from p2pfw.core.gossip.swarm import Gossip
from p2pfw.core.gossip.swarm import PeerView as Link
from p2pfw.core.identity import NodeId, OwnerId
from p2pfw.core.idtext import encode_id
from p2pfw.core.times import rfc3339
from p2pfw.core.trust import parse_trust
from p2pfw.errors import NotAcceptableError, NotFoundError
from p2pfw.operations import Caller
from p2pfw.ports import DialState, DialTarget, Discovery, PeerSession, Transport
from p2pfw.rows import Drop, PeerRow, Put

MILLISECONDS: Final = 1_000


class PeerDesk:
    """Edits and views of peers."""

    def __init__(self, kit: Kit, book: PeerBook, peering: Peering, gossip: Gossip) -> None:
        self._domain, self._judging, self._store, self._events = kit.domain, kit.judging, kit.store, kit.events
        self._book, self._peering, self._gossip = book, peering, gossip
        self._clock = kit.clock
        self.trials = Trials(kit.store, kit.clock)
        self.seeds: Callable[[], Iterator[DialTarget]] = lambda: iter(())
        self.transport: Transport | None = None
        self.discovery: Discovery | None = None
        self.on_change: Callable[[], None] | None = None

    # --- edits -----------------------------------------------------------------------------------------------------

    async def put(self, peer_id: str, request: schema.PeerRequest, caller: Caller) -> schema.PeerView:
        """See operations.Operations.put_peer."""
        peer = self._book.find(peer_id)
        if peer == self._domain.me.node:
            raise NotAcceptableError("this is this node's own id", field="id")
        row, before = self._row(peer, request), self._book.row(peer)
        await self._store.commit(Put(row=row), *self.trials.begin(peer, before, request.confirm))
        self._book.put(row)
        self._events.tell("peer-edit", peer=self._book.name_of(peer), by=caller.name)
        await self.resolve()
        return self.one(peer_id if peer_id == row.name else encode_id(peer))

    async def forget(self, peer_id: str, caller: Caller) -> None:
        """See operations.Operations.forget_peer."""
        peer = self._book.find(peer_id)
        named = self._book.get(peer)
        if named is None:
            raise NotFoundError(f"no peer {peer_id} is named here", field="id")
        if named.from_file:
            row = PeerRow(id=peer, owner=named.owner, name="", trust=None, forgotten=True)
            await self._store.commit(Put(row=row))
            self._book.put(row)
        else:
            await self._store.commit(Drop(table=PeerRow, identity=peer))
            self._book.drop(peer)
        self._events.tell("peer-forgotten", peer=named.name, by=caller.name)
        await self.resolve()

    async def confirm(self) -> bool:
        """The edits on trial stay. False when there are none."""
        return await self.trials.confirm()

    async def revert(self, now: float) -> None:
        """Take back the edits whose time to be confirmed is over."""
        due = self.trials.due(now)
        if not due:
            return
        for peer, row in due:
            await self._store.commit(Put(row=row) if row is not None else Drop(table=PeerRow, identity=peer))
            self._book.drop(peer)
            if row is not None:
                self._book.put(row)
            self._events.tell("peer-reverted", peer=self._book.name_of(peer), reason="not confirmed in time")
        await self.trials.end(due)
        await self.resolve()

    def trial_lines(self) -> Iterator[schema.HealthLine]:
        """Edits of trust that wait for a word, for health."""
        for peer, until in self.trials.waiting():
            left = short_duration(max(1, until - self._clock.now()))
            text = f"the edit of {self._book.name_of(peer)} is taken back in {left} unless confirmed"
            yield schema.HealthLine(level="warning", code="unconfirmed-peer", text=text, remedy="p2pfw confirm")

    async def resolve(self) -> None:
        """Names, trust and addresses changed: dial, carry and judge accordingly, and wait for the verdicts."""
        changed = self._book.resolve()
        self.redial()
        if self.on_change is not None:
            self.on_change()
        self._peering.carried_changed()
        if changed:
            self._judging.everything(*self._domain.sources())
            await self._judging.idle()

    def redial(self) -> None:
        """Tell the transport whom to call: who was named, then who may be nearby (protocol 7)."""
        if self.transport is None:
            return
        targets: dict[str, DialTarget] = {}
        for url, named in self._book.dialled():
            node = NodeId(named.id) if self._is_node(named) else None
            targets.setdefault(url, DialTarget(url=url, node=node))
        for seed in self.seeds():
            targets.setdefault(seed.url, seed)
        for url in self.discovery.found() if self.discovery is not None else ():
            targets.setdefault(url, DialTarget(url=url, persistent=False))
        self.transport.dial(list(targets.values()))

    def _is_node(self, named: Named) -> bool:
        """True when the id is known to be a node's, so that whoever answers must be that node."""
        known = self._domain.directory.certificate_of(NodeId(named.id)) is not None
        return known or (bool(named.owner) and named.owner != named.id)

    def _row(self, peer: bytes, request: schema.PeerRequest) -> PeerRow:
        row = self._book.row(peer) or PeerRow(id=peer, owner=b"", name="", trust=None)
        named = self._book.get(peer) or Named(id=peer)
        owner = self._book.owner_for(named) or b""
        pinned = row.owner or (owner if owner != peer else b"")
        trust = row.trust if request.trust is None else _trust(request.trust)
        if trust is None and named.trust is None and not request.distrust:
            trust = self._domain.trust.default
        return replace(
            row,
            owner=pinned,
            name=row.name if request.name is None else request.name,
            trust=trust,
            trust_for=row.trust_for if request.trust_for is None else tuple(sorted(request.trust_for.items())),
            addresses=row.addresses if request.addresses is None else _urls(request.addresses),
            distrusted=request.trust is None and (request.distrust or row.distrusted),
            forgotten=False,
        )

    def discovery_lines(self) -> Iterator[schema.HealthLine]:
        """What keeps this node from finding peers nearby, for health."""
        if self.discovery is not None and self.discovery.problem:
            remedy = "name peers with addresses, or set discovery.mdns = false"
            yield schema.HealthLine(level="warning", code="discovery", text=self.discovery.problem, remedy=remedy)

    # --- views -----------------------------------------------------------------------------------------------------

    def all(self) -> schema.PeerList:
        """See operations.Operations.peers."""
        return schema.PeerList(peers=sorted(self._views(), key=lambda one: (not one.fleet, one.name, one.id)))

    def one(self, peer_id: str) -> schema.PeerView:
        """See operations.Operations.peer."""
        peer = self._book.find(peer_id)
        owner = self._domain.directory.owner_of(NodeId(peer), self._domain.now())
        shown, is_owner = encode_id(peer), owner == peer
        theirs = [one for one in self._views() if one.id == shown or (is_owner and one.owner == shown)]
        if theirs:  # named by the owner's id, the owner itself comes before its nodes
            return min(theirs, key=lambda one: (one.id != shown, one.id))
        raise NotFoundError(f"no peer {peer_id} is known here", field="id", hint="p2pfw peers lists them")

    def fleet(self) -> schema.PeerList:
        """Nodes of the own owner, this one included."""
        now = self._domain.now()
        nodes = set(self._domain.directory.nodes_of(self._domain.me.owner, now)) | {self._domain.me.node}
        return schema.PeerList(peers=[self._view(node, self._links(), self._dials()) for node in sorted(nodes)])

    def _views(self) -> Iterator[schema.PeerView]:
        links, dials = self._links(), self._dials()
        now = self._domain.now()
        known = {named.id for named in self._book.all()} | {session.node for session in self._peering.sessions}
        known |= set(self._domain.directory.nodes_of(self._domain.me.owner, now))
        for peer in known - {self._domain.me.node}:
            yield self._view(peer, links, dials)

    def _links(self) -> dict[int, Link]:
        return {view.peer: view for view in self._gossip.peers()}

    def _dials(self) -> dict[str, DialState]:
        return {state.target.url: state for state in self.transport.dialling()} if self.transport else {}

    def _view(self, peer: bytes, links: dict[int, Link], dials: dict[str, DialState]) -> schema.PeerView:
        node, now = NodeId(peer), self._domain.now()
        named = self._book.get(peer) or Named(id=peer)
        owner = self._book.owner_for(named) or OwnerId(peer)
        nodes = {node, *self._domain.directory.nodes_of(OwnerId(peer), now)}
        session = next(filter(None, map(self._peering.session_with, sorted(nodes))), None)
        dial = next((dials[url] for url in named.addresses if url in dials), None)
        certificate = self._domain.directory.certificate_of(node)
        given, ours = self._domain.trust.given(owner), owner == self._domain.me.owner
        worth = self._domain.trust.worth(owner)
        account = self._domain.trust.evidence.account(owner)
        view = schema.PeerView(
            id=encode_id(peer),
            owner=encode_id(owner),
            name=self._book.name_of(peer),
            state=self._state(node, session, dial, named),  # type: ignore[arg-type]  # one of its words
            fleet=ours,
            address=session.address if session else "",
            trust=1.0 if ours else worth.overall if worth else 0.0,
            trust_for={c.name.lower(): value for c, value in given.trust_for.items()} if given else {},
            trust_from="own fleet" if ours else worth.source if worth else "none",
            weight=1.0 if ours else self._domain.trust.most(owner),
            rep=round(worth.rep, 4) if worth else 1.0,
            muted=worth.muted if worth else False,
            sponsor=self._book.name_of(worth.sponsor) if worth and worth.sponsor != owner else "",
            confirmed=account.confirmed if account else 0,
            contradicted=account.contradicted if account else 0,
            limits=None if ours or worth is None else self._limits(worth.sponsor),
            adopted=self._domain.adoption.allowances.usage(worth.sponsor, now).prefixes if worth and not ours else 0,
            last_error="" if session or dial is None else dial.problem,
            certificate_expires=rfc3339(certificate.not_after) if certificate else None,
            announcements=sum(len(self._domain.ledger.announcements_of(one, now)) for one in nodes),
            entries=sum(self._domain.ledger.used_by(one).prefixes for one in nodes),
            addresses=list(named.addresses),
        )
        return self._with_session(view, session, links)

    def _limits(self, voice: OwnerId) -> schema.PeerLimits:
        usage = self._domain.adoption.allowances.usage(voice, self._clock.now())
        return schema.PeerLimits(
            adopted=usage.prefixes,
            adopted_limit=usage.prefixes_limit,
            new_10min=usage.new,
            alone_hour=usage.alone,
            rate_limit=usage.rate_limit,
            hosts=usage.space,
            hosts_limit=VOICE_SPACE,
            held=usage.held,
        )

    def _with_session(
        self, view: schema.PeerView, session: PeerSession | None, links: dict[int, Link]
    ) -> schema.PeerView:
        stats = self.transport.stats(session) if self.transport is not None and session is not None else None
        if stats is None or session is None:
            return view
        link = links.get(session.number)
        view = structs.replace(view, since=rfc3339(stats.opened), bytes_in=stats.bytes_in, bytes_out=stats.bytes_out)
        if link is None:
            return view
        return structs.replace(
            view,
            round_trip_ms=None if link.rtt is None else round(link.rtt * MILLISECONDS, 1),
            clock_offset_ms=None if link.offset is None else round(link.offset * MILLISECONDS),
        )

    def _state(self, node: NodeId, session: PeerSession | None, dial: DialState | None, named: Named) -> str:
        if self._domain.directory.is_revoked(node):
            return "revoked"
        if session is not None:
            return "connected"
        if self.transport is not None and any(ban.node == node for ban in self.transport.bans()):
            return "banned"
        if dial is not None:
            return "unreachable" if dial.problem else "connecting"
        return "known" if not named.addresses else "inbound-only"


def _trust(given: str | float) -> float:
    return parse_trust(str(given))


def _urls(addresses: Sequence[str]) -> tuple[str, ...]:
    return tuple(url if "://" in url else f"ws://{url}" for url in addresses)
