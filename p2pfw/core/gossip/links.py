"""What is known of each peer while its session lasts, and what all parts of gossip share.

Everything in a link is bounded: what it holds of ids is `Recent`, what is queued for it leaves at the end of the same
event (the caller's queues are bounded in bytes, protocol 6), all the rest are single values.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from p2pfw.core.gossip.archive import Archive
from p2pfw.core.gossip.events import Drop, Effect, Lane, Moment, Refused, Send
from p2pfw.core.gossip.limits import COURTESY, Allowance, Limits
from p2pfw.core.gossip.recent import Recent
from p2pfw.core.gossip.reconcile import Round, Snapshot
from p2pfw.core.gossip.wants import Wants
from p2pfw.core.identity import NetworkId, NodeId, OwnerId
from p2pfw.core.wire import Bye, ByeCode, Frame, Pushed, ROpen, Scope
from p2pfw.errors import PeerError

KNOWN_IDS: Final = 16_384
"""Ids that a peer is remembered to know, so that it does not get them back: 1.5 MB a peer."""
KNOWN_ORIGINS: Final = 16_384
GLOBAL_FACTOR: Final = 10
"""All peers together may send so many times what one may."""


class Randomness(Protocol):
    """Chance, from outside: random.Random has it."""

    def random(self) -> float:
        """A number in [0, 1)."""
        ...

    def randbytes(self, n: int, /) -> bytes:
        """So many bytes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Gossip's numbers. Seconds unless named otherwise."""

    network: NetworkId
    store_id: bytes
    """16 bytes; new for every database that begins or is restored."""
    record: bytes = b""
    """Our own signed peer record, for HELLO."""
    limits: Limits = field(default_factory=Limits)
    ping_every: float = 15.0
    """± 20 %."""
    dead_after: float = 45.0
    """Without any frame."""
    hello_within: float = 10.0
    sync_every: float = 300.0
    """± 50 %: a reconciliation with one peer by chance."""
    sync_idle: float = 30.0
    """A reconciliation in which nothing moves for so long is given up."""
    sync_again: float = 10.0
    """Wait before another one where one did not fit or was given up."""


@dataclass(slots=True)
class Carried:
    """Which owners the peer says that it carries."""

    owners: frozenset[OwnerId] | None = None
    """None until it told."""
    telling: set[OwnerId] | None = None
    """What was told so far of a set whose digest does not fit yet."""


@dataclass(slots=True, kw_only=True)
class Sync:
    """One reconciliation with this peer, on one side of it."""

    token: int
    scope: Scope
    owners: tuple[OwnerId, ...]
    snapshot: Snapshot
    origins: frozenset[NodeId]
    """Whose certificates are in the snapshot."""
    moved: float
    round: Round | None = None
    rounds: int = 0
    whole: bool = True
    """All that was found to be lacking is on the list."""


@dataclass(slots=True, kw_only=True)
class Link:
    """One session with one peer."""

    peer: int
    node: NodeId
    outbound: bool
    opened: float
    heard: float
    ping_at: float
    inbox: Allowance
    outbox: Allowance
    greeted: bool = False
    """Its HELLO came."""
    choked: bool = False
    """It wants IHAVE only."""
    ihave_until: float = 0.0
    """Monotonic: it refused our PUSH for a while."""
    refused_at: float = float("-inf")
    """When we last told it that it sends too much."""
    known: Recent = field(default_factory=lambda: Recent(KNOWN_IDS))
    """Ids (16 bytes) that it sent, announced or was sent."""
    certified: Recent = field(default_factory=lambda: Recent(KNOWN_ORIGINS))
    """Origins whose certificate went before (protocol 5.0)."""
    carried: Carried = field(default_factory=Carried)
    pushes: list[Pushed] = field(default_factory=list)
    ihaves: list[bytes] = field(default_factory=list)
    hop: int = 0
    serving: list[bytes] = field(default_factory=list)
    """Ids that it asked for and that go out piece by piece, the next one last."""
    serve_at: float = 0.0
    jobs: list[tuple[Scope, tuple[OwnerId, ...]]] = field(default_factory=list)
    """Reconciliations to open, one after the other."""
    ours: Sync | None = None
    """That we opened."""
    theirs: Sync | None = None
    """That the peer opened."""
    waiting: list[ROpen] = field(default_factory=list)
    """Opened before the peer told which owners it carries; at most one."""
    sync_at: float | None = None
    """When to reconcile again, because something was left out."""
    tokens: int = 0
    synced: bool = False
    caught_up: bool = False
    ping_sent: tuple[int, float, float] | None = None
    """Token, monotonic and wall time of the ping in flight."""
    rtt: float | None = None
    """Seconds."""
    offset: float | None = None
    """How far its wall clock is ahead of ours, in seconds."""


class Context:
    """What the parts of gossip share: the archive, the links, the effects of the event at hand."""

    def __init__(
        self,
        own: NodeId,
        archive: Archive,
        carried: Callable[[], frozenset[OwnerId]],
        settings: Settings,
        random: Randomness,
        now: Moment,
    ) -> None:
        self.own, self.archive, self.carried, self.settings, self.random = own, archive, carried, settings, random
        self.links: dict[int, Link] = {}
        self.wants = Wants()
        self.counts: Counter[str] = Counter()
        self.effects: list[Effect] = []
        self.now = now

    def link(self, peer: int, node: NodeId, *, outbound: bool) -> Link:
        """A new link, ready for HELLO."""
        mono, limits = self.now.mono, self.settings.limits
        link = Link(
            peer=peer,
            node=node,
            outbound=outbound,
            opened=mono,
            heard=mono,
            ping_at=mono,
            inbox=Allowance(limits, mono),
            outbox=Allowance(limits.times(COURTESY), mono),
        )
        self.links[peer] = link
        self.wants.open(peer)
        return link

    def ready(self) -> list[Link]:
        """Links whose peer has said which owners it carries."""
        return [link for link in self.links.values() if link.carried.owners is not None]

    def both_carry(self, link: Link) -> frozenset[OwnerId]:
        """The owners that this node and the peer carry."""
        return self.carried() & (link.carried.owners or frozenset())

    def send(self, link: Link, frame: Frame, cls: Lane = Lane.CONTROL) -> None:
        """One frame to one peer."""
        self.effects.append(Send(peer=link.peer, frame=frame, cls=cls))

    def refuse(self, link: Link, error: PeerError) -> None:
        """Count what a peer sent and did not count; end the session where it answers for that."""
        self.counts[error.reason] += 1
        self.effects.append(Refused(peer=link.peer, error=error))
        if error.blame:
            self.drop(link, error.reason, ByeCode.FAULT, ban=True)

    def drop(self, link: Link, reason: str, code: ByeCode, *, ban: bool = False) -> None:
        """Say good-bye and forget the peer."""
        del self.links[link.peer]
        self.wants.close(link.peer)
        self.send(link, Bye(code=code))
        self.effects.append(Drop(peer=link.peer, reason=reason, ban=ban))
