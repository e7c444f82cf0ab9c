"""Gossip: the one door to everything in this folder (protocol 3 to 6).

    effects = gossip.handle(now, event)      and again no later than gossip.next_deadline()

Pure: the same events at the same moments with the same randomness give the same effects. It records through intake,
and sends nothing that intake has not accepted. It never waits: whoever runs it sends the frames, bounds the queues in
bytes, keeps on disk what was recorded, and closes what is dropped. First form of the protocol: every announcement to
every peer, reconciliation by ranges on connect and now and then.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import assert_never

from p2pfw.core.gossip.archive import Archive
from p2pfw.core.gossip.broadcast import Broadcast
from p2pfw.core.gossip.carry import CarryExchange
from p2pfw.core.gossip.events import (
    CarriedChanged,
    Drop,
    Effect,
    Event,
    Lane,
    Moment,
    PeerDown,
    PeerUp,
    Published,
    Received,
    Tick,
    Unhandled,
)
from p2pfw.core.gossip.greeting import Greeting
from p2pfw.core.gossip.inflow import Inflow
from p2pfw.core.gossip.links import Context, Link, Randomness, Settings
from p2pfw.core.gossip.sync import Syncs
from p2pfw.core.identity import NodeId, OwnerId
from p2pfw.core.wire import (
    Bye,
    Carry,
    Choke,
    Frame,
    Hello,
    Ihave,
    JoinAnswer,
    JoinRefusal,
    JoinRequest,
    Miss,
    Peers,
    Ping,
    Pong,
    Push,
    RDone,
    Refuse,
    RefuseCode,
    RefuseScope,
    RMsg,
    ROpen,
    Since,
    Unchoke,
    UnknownFrame,
    Want,
)
from p2pfw.errors import FrameError, PeerError


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerView:
    """A peer as shown to the operator. Seconds; None where nothing was measured yet."""

    peer: int
    node: NodeId
    outbound: bool
    rtt: float | None
    offset: float | None
    """How far its clock is ahead of ours."""
    caught_up: bool
    wanted: int
    """Announcements that it has and that we still lack."""


class Gossip:
    """The state of this node's gossip. `carried`: the owners that it carries, its own included."""

    def __init__(
        self,
        own: NodeId,
        archive: Archive,
        carried: Callable[[], frozenset[OwnerId]],
        settings: Settings,
        random: Randomness,
        now: Moment,
    ) -> None:
        self._context = Context(own, archive, carried, settings, random, now)
        self._greeting = Greeting(self._context)
        self._carry = CarryExchange(self._context)
        self._syncs = Syncs(self._context)
        self._broadcast = Broadcast(self._context)
        self._inflow = Inflow(self._context, self._broadcast, self._syncs)

    @property
    def counts(self) -> Mapping[str, int]:
        """What happened so far, by name: recorded, duplicates, silent, and what was refused, by PeerError.reason."""
        return self._context.counts

    def peers(self) -> Iterator[PeerView]:
        """The open sessions, oldest first."""
        for link in self._context.links.values():
            yield PeerView(
                peer=link.peer,
                node=link.node,
                outbound=link.outbound,
                rtt=link.rtt,
                offset=link.offset,
                caught_up=link.caught_up,
                wanted=self._context.wants.pending(link.peer),
            )

    def handle(self, now: Moment, event: Event) -> list[Effect]:
        """Take in one event; what is to be done, in order."""
        context = self._context
        context.now, context.effects = now, []
        match event:
            case Received():
                self._received(event)
            case Published():
                for one in event.announcements:
                    self._broadcast.relay(one, 0, eager=True)
            case PeerUp():
                self._up(event)
            case PeerDown():
                self._down(event.peer)
            case CarriedChanged():
                self._carried_changed()
            case Tick():
                self._tick()
            case _:
                assert_never(event)
        self._flush()
        return context.effects

    def next_deadline(self) -> float:
        """Monotonic seconds: when `handle` wants a Tick at the latest."""
        due = (
            self._greeting.next_deadline(),
            self._broadcast.next_deadline(),
            self._context.wants.next_deadline(),
            self._syncs.next_deadline(),
        )
        return min(at for at in due if at is not None)

    def _up(self, event: PeerUp) -> None:
        link = self._context.link(event.peer, event.node, outbound=event.outbound)
        self._greeting.greet(link)
        self._carry.greet(link)

    def _down(self, peer: int) -> None:
        if self._context.links.pop(peer, None) is not None:
            self._context.wants.close(peer)

    def _carried_changed(self) -> None:
        self._inflow.forget_refused()
        added = self._carry.changed()
        for link in self._context.ready():
            # An owner that the peer carried all along: what it has of it is news to us (protocol 5.0).
            both = added & self._context.both_carry(link)
            if both:
                self._syncs.schedule(link, both)

    def _tick(self) -> None:
        self._greeting.tick()
        self._inflow.tick()
        self._syncs.tick()
        self._broadcast.tick()

    def _flush(self) -> None:
        context = self._context
        self._broadcast.flush()
        for link in context.links.values():
            wanted = context.wants.take(link.peer, context.now.mono)
            if wanted:
                context.send(link, Want(ids=wanted), Lane.REPLY)
            self._syncs.check_caught_up(link)

    def _received(self, event: Received) -> None:
        link = self._context.links.get(event.peer)
        if link is None:
            return
        link.heard = self._context.now.mono
        try:
            self._dispatch(link, event.frame)
        except PeerError as error:
            self._context.refuse(link, error)

    def _dispatch(self, link: Link, frame: Frame | UnknownFrame) -> None:
        # protocol 3: HELLO first in each direction, and nothing else is processed before.
        if isinstance(frame, Hello):
            self._greeting.receive(link, frame)
        elif not link.greeted:
            raise FrameError("a frame before HELLO")
        elif isinstance(frame, Push):
            self._inflow.pushed(link, frame)
        elif isinstance(frame, Ihave):
            self._inflow.announced(link, frame)
        elif link.inbox.frame(self._context.now.mono):
            self._control(link, frame)
        else:
            self._context.counts["frames-over-limit"] += 1

    def _control(self, link: Link, frame: Frame | UnknownFrame) -> None:
        match frame:
            case Ping():
                self._greeting.pinged(link, frame)
            case Pong():
                self._greeting.ponged(link, frame)
            case Choke() | Unchoke():
                link.choked = isinstance(frame, Choke)
            case Want():
                self._broadcast.asked(link, frame)
            case Miss():
                self._inflow.missed(link, frame)
            case Carry():
                self._carried(link, frame)
            case Refuse():
                self._refused(link, frame)
            case _:
                self._rare(link, frame)

    def _rare(self, link: Link, frame: Frame | UnknownFrame) -> None:
        match frame:
            case ROpen():
                self._syncs.opened(link, frame)
            case RMsg():
                self._syncs.received(link, frame)
            case RDone():
                self._syncs.done(link, frame)
            case Bye():
                self._context.effects.append(Unhandled(peer=link.peer, frame=frame))
                self._down(link.peer)
                self._context.effects.append(Drop(peer=link.peer, reason="bye", ban=False))
            case Since():
                # protocol 5.1 is an optimisation that this version does not have: the peer reconciles instead.
                self._context.send(link, Refuse(code=RefuseCode.UNSUPPORTED, scope=RefuseScope.SESSION))
            case JoinRequest() | JoinAnswer() | JoinRefusal() | Peers():
                self._context.effects.append(Unhandled(peer=link.peer, frame=frame))
            case _:
                self._context.counts["unknown-frames"] += 1

    def _carried(self, link: Link, frame: Carry) -> None:
        first = link.carried.owners is None
        new = self._carry.receive(link, frame)
        if new is None:
            return
        self._syncs.waited(link)
        if first and link.outbound:
            self._syncs.schedule(link)
        elif new and not first:
            self._syncs.schedule(link, new)

    def _refused(self, link: Link, frame: Refuse) -> None:
        self._context.counts["refused-by-peer"] += 1
        if frame.code == RefuseCode.RATE:
            # Its clock is not ours: the length of its wish is what counts, within reason.
            link.ihave_until = self._context.now.mono + 10.0
