"""The doors to the world, as Protocols: what the use cases need, and what an adapter must keep.

An adapter (net, firewall, store) implements a port; a test implements it in memory. Nothing here does anything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from p2pfw.core.localrule import LocalRule
from p2pfw.core.prefix import PrefixKey
from p2pfw.rows import Intention, Write

if TYPE_CHECKING:  # the enforcer's process knows some of these ports, and no cryptography
    from p2pfw.core.announcement import RawAnnouncement
    from p2pfw.core.identity import Certificate, NetworkId, NodeId, Signer

Row = TypeVar("Row")


class Clock(Protocol):
    """Three kinds of time, never mixed: wall, monotonic, and (elsewhere) sequence numbers."""

    def now(self) -> float:
        """Wall clock, Unix seconds: for everything that is signed or shown."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never backwards: for timers."""
        ...


class WatchedClock(Clock, Protocol):
    """One that does not follow the system's when that jumps, until it is told to."""

    def jump(self) -> float:
        """Seconds by which the system's wall clock has jumped away from `now`; 0: it has not."""
        ...

    def follow(self) -> None:
        """The system's is right: `now` is what it says."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelReport:
    """What the kernel holds of ours, as read by one check; nothing in it is assumed."""

    enforcing: bool
    """The rule of each family is in place exactly once per hook and both sets exist and are referenced."""
    entries4: int
    entries6: int
    repaired: tuple[str, ...] = ()
    """What was found wrong and put right, in words: "rule missing in raw/PREROUTING (ip)", "p2pfw-block4 flushed"."""
    membership_suspect: bool = False
    """True when entries may be missing (set was gone, flushed, or its count differs): reload with `replace`."""
    waiting: tuple[str, ...] = ()
    """Hooks whose chain does not exist yet (DOCKER-USER before Docker); the rule goes in when it does."""
    dropped4: int = 0
    dropped6: int = 0
    """Packets dropped by the rules as their counters stand; they begin anew when a rule is put right."""
    bytes4: int = 0
    bytes6: int = 0
    """And their bytes."""
    local_error: str = ""
    """Why the local rules could not be looked at, or put right."""
    faults: tuple[str, ...] = ()
    """What is wrong and was left so, in the words of `repaired`: only where a check was asked not to repair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallSurvey:
    """What a self-check saw around our rules. Empty where nothing could be read."""

    variant: str = ""
    """Of the `iptables` command: "nf_tables" or "legacy"."""
    other_variant: str = ""
    other_rules: int = 0
    """Rules that were made by the other variant, all families and tables."""
    other_is_ours: bool = False
    """Some of those are ours: somebody changed the variant under us."""
    open_ports: tuple[str, ...] = ()
    """Published ports whose packets pass none of our hooks, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """What of a change the kernel does not hold, although the change worked; the caller keeps it in mind."""

    no_room: frozenset[int] = frozenset()
    """Beyond max_entries, in the order in which it came."""
    refused: Mapping[int, str] = field(default_factory=dict)
    """Key → why whoever guards the kernel never lets it in, in words."""


class Firewall(Protocol):
    """The kernel. A call returns once the kernel has done it, or raises FirewallError with a text for the operator.

    Prefixes are keys (core.prefix); times are Unix seconds, 0 meaning no end. Calls are serialised by the adapter;
    after a failed call what the kernel holds is unknown, and the caller reads `membership` and plans again.
    """

    async def start(self) -> None:
        """Find programs and rights, remove our left-over temporary sets. Adopts what is there; changes no entry."""
        ...

    async def membership(self) -> dict[int, int]:
        """What our block sets hold now: key → expiry (Unix seconds, 0 = none)."""
        ...

    async def apply(self, add: Mapping[int, int], remove: Collection[int]) -> Shortfall:
        """One batch on the live block sets. `add` sets the expiry (longer or shorter), grows a full set first."""
        ...

    async def replace(self, block: Mapping[int, int]) -> Shortfall:
        """The block sets hold exactly this, by fresh sets swapped in: at no instant is a wanted entry missing.

        Where there is not room for all, the first ones of a family go in.
        """
        ...

    async def allow(self, allow: Collection[int]) -> None:
        """The allow sets hold exactly this; minimal difference or fresh set and swap."""
        ...

    async def enforce(self) -> None:
        """Sets exist, and one rule a family and hook stands at the head of its chain. Idempotent."""
        ...

    async def release(self) -> None:
        """Remove the rules, then the sets: the firewall is as it was before us."""
        ...

    async def local(self, wanted: Sequence[LocalRule]) -> Mapping[LocalRule, str]:
        """Chains of our own hold exactly these rules, in this order; `check` keeps them so, `release` removes them.

        Rule → why whoever guards the kernel never lets it in, in words.
        """
        ...

    async def local_counters(self) -> dict[LocalRule, tuple[int, int]]:
        """(packets, bytes) of the local rules that the kernel has."""
        ...

    async def check(self, expected4: int, expected6: int, *, repair: bool = True) -> KernelReport:
        """Compare rules and set headers with what must be, repair at once, and say what was wrong.

        `expected4` and `expected6` are how many block entries there should be now: more may be held (ends are rounded
        up to a second), fewer twice in a row, or none at all, are suspect. Without `repair` it only looks.
        """
        ...

    async def counters(self, key: int) -> tuple[int, int] | None:
        """(packets, bytes) dropped by this entry, or None when the kernel does not hold it."""
        ...

    async def survey(self) -> FirewallSurvey:
        """Look around, for a self-check; changes nothing, and what cannot be read is left out."""
        ...

    async def tallies(self) -> dict[int, tuple[int, int]]:
        """(packets, bytes) of every entry that dropped something. Kept over `replace`."""
        ...

    async def close(self) -> None:
        """The last call: nothing more is asked. The kernel keeps what it holds."""
        ...


# --- the disk ----------------------------------------------------------------------------------------------------


class Store(Protocol):
    """The disk. One writer, grouped commits; reading happens at start only."""

    @property
    def store_id(self) -> bytes:
        """16 bytes, new for every database file that begins or is restored."""
        ...

    async def commit(self, *writes: Write) -> None:
        """All of them in one transaction, synced when this returns. StoreError or DiskFullError: none of them."""
        ...

    def post(self, *writes: Write) -> None:
        """Written with the next group, soon; a crash may lose it. For what others can send again. Never blocks."""
        ...

    def announcements(self) -> Iterator[tuple[RawAnnouncement, int]]:
        """All kept announcements with the time they were recorded; certificates and revocations first."""
        ...

    def rows(self, table: type[Row]) -> list[Row]:
        """All rows of one kind."""
        ...

    def intentions(self) -> Iterator[tuple[PrefixKey, Intention]]:
        """All intentions, prefix by prefix; those that were put as one are one object. Read as they are walked."""
        ...

    def settings(self) -> dict[str, object]:
        """All settings."""
        ...

    @property
    def failing(self) -> str:
        """Why the last write failed, in the operator's words; "" while the disk works."""
        ...

    async def close(self) -> None:
        """Write what was posted, then close."""
        ...


# --- feeds -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPlace:
    """Where a list is (`url` or `file`), how much of it may be read, and by what it is known already."""

    url: str = ""
    file: Path | None = None
    max_bytes: int
    """Of what is transferred, and of what comes out when it is unpacked."""
    etag: str = ""
    modified: str = ""
    key_file: Path | None = None
    """Holds the API key that goes into `key_header`; told to nobody but the host of `url`."""
    key_header: str = ""
    ca_file: Path | None = None
    """Who may have signed the publisher's certificate, instead of the system's authorities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """The content of a list as it is now, unpacked, and by what to recognise it next time."""

    data: bytes
    etag: str
    modified: str
    """An HTTP date, as the publisher wrote it."""
    date: int
    """The same in Unix seconds: the list's own date. 0 when it says none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotModified:
    """It is as it was when it had that etag or date."""


class FeedSource(Protocol):
    """Where lists come from."""

    async def fetch(self, place: FeedPlace) -> Fetched | NotModified:
        """One attempt. FeedError says what is wrong in words for the operator. Ends by itself within minutes."""
        ...


# --- this machine ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """An address that this machine needs, and what for, in words."""

    key: PrefixKey
    reason: str


class Machine(Protocol):
    """What keeps this machine reachable."""

    def hard(self) -> list[Neighbour]:
        """Own addresses."""
        ...

    def soft(self) -> list[Neighbour]:
        """Gateways, resolvers, remote hosts of logged-in sessions."""
        ...

    def clients(self) -> list[Neighbour]:
        """Remote hosts that have a TCP connection with this machine now, whoever they are."""
        ...


# --- peers -------------------------------------------------------------------------------------------------------


class SendClass(IntEnum):
    """What a frame is for, most urgent first: a session sends nothing of a class while one above it waits."""

    CONTROL = 0
    EAGER = 1
    IHAVE = 2
    REPLY = 3
    BULK = 4


class Credentials(Protocol):
    """What this node proves in a handshake. Read for every handshake: the certificate changes when it is renewed."""

    @property
    def signer(self) -> Signer:
        """The node key."""
        ...

    @property
    def certificate(self) -> bytes:
        """The encoded certificate, or empty."""
        ...

    @property
    def network(self) -> NetworkId:
        """The network that sessions are for."""
        ...

    @property
    def features(self) -> int:
        """Bits of optional abilities."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DialTarget:
    """Whom to call. `node` or `key_hash` (core.token): who must answer, else our own name is never shown."""

    url: str
    """ws:// or wss://; without a path, /p2p is meant."""
    node: NodeId | None = None
    key_hash: bytes = b""
    token: bytes = field(default=b"", repr=False)
    persistent: bool = True
    """Called for ever; else given up after some attempts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerProof:
    """Who has proven to be at the other end, before it is let in."""

    node: NodeId
    certificate: Certificate | None
    """Valid now and signed by its owner; revocations are the listener's to check."""
    token: bytes = field(repr=False)
    """The join secret that an inbound peer showed, or empty."""
    inbound: bool
    address: str
    """The peer's address as text; behind a trusted proxy, the one that the proxy names."""
    features: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PeerSession:
    """One open session; compared by identity."""

    number: int
    """Unique in this process."""
    node: NodeId
    certificate: Certificate | None
    inbound: bool
    address: str
    url: str
    """What was dialled; empty when inbound."""
    token: bytes = field(repr=False)
    features: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStats:
    """What went through one session so far, in bytes of sealed frames; `queued`: bytes that wait to be sent."""

    opened: float
    """Unix seconds."""
    bytes_in: int
    bytes_out: int
    frames_in: int
    frames_out: int
    queued: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DialState:
    """How calling one target goes."""

    target: DialTarget
    connected: bool
    attempts: int
    """Since the last session with it."""
    problem: str
    """Why the last attempt failed, in words for the operator; "" when it did not."""
    retry_in: float
    """Seconds until the next attempt; 0 while connected or trying."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ban:
    """A node that is not let in for a while, and why (a stable word)."""

    node: NodeId
    reason: str
    seconds_left: float


class SessionListener(Protocol):
    """Who is told of sessions. All calls come from the event loop, and must be quick."""

    def admit(self, proof: PeerProof) -> None:
        """Let it in by returning; AdmissionError with a code refuses. For outbound ones: before we show who we are."""
        ...

    def opened(self, session: PeerSession) -> None:
        """Frames can be sent from now on. The first one that an inbound session sends tells the caller it is let in."""
        ...

    def received(self, session: PeerSession, frame: bytes) -> None:
        """The next frame, in order. A PeerError ends the session, and bans the node for an hour if it is to blame."""
        ...

    def closed(self, session: PeerSession, reason: str) -> None:
        """The session is over, for this stable word."""
        ...

    def refused(self, address: str, node: NodeId | None, reason: str) -> None:
        """A connection did not become a session, for this stable word; `node` where it had been proven."""
        ...


class Transport(Protocol):
    """Sessions with peers."""

    async def listen(self, address: str) -> str:
        """Accept sessions on "host:port"; the bound "host:port". ListenError says what is in the way and what to do."""
        ...

    def dial(self, targets: Sequence[DialTarget]) -> None:
        """These, and no others, are to be connected from now on. Open sessions stay."""
        ...

    async def dial_once(self, target: DialTarget) -> PeerSession:
        """One attempt; HandshakeError or AdmissionError when it comes to nothing."""
        ...

    def send(self, session: PeerSession, frame: bytes, send_class: SendClass) -> bool:
        """Queue a frame. False when the session is over, or ends now because the peer is too slow. Never blocks."""
        ...

    def close(self, session: PeerSession, code: str, *, ban_s: int = 0) -> None:
        """Say goodbye and end it; `closed` follows with this code as its reason."""
        ...

    def sessions(self) -> list[PeerSession]:
        """All open ones."""
        ...

    def stats(self, session: PeerSession) -> SessionStats | None:
        """None when it is over."""
        ...

    def traffic(self) -> tuple[int, int]:
        """Bytes of sealed frames in and out of all sessions since the start, those that are over included."""
        ...

    def dialling(self) -> list[DialState]:
        """The state of each target."""
        ...

    def bans(self) -> list[Ban]:
        """Who is banned now. Configured peers are called again when their ban ends, and shown until then."""
        ...

    async def stop(self) -> None:
        """Say goodbye to all; nothing is accepted, dialled or delivered when this returns."""
        ...


class Poster(Protocol):
    """The one address that a webhook posts to."""

    async def post(self, body: bytes, headers: Mapping[str, str]) -> int:
        """The status of the answer, redirects included; DeliveryError when there was none."""
        ...


class Discovery(Protocol):
    """Who may be a peer nearby. Rumours: an address to call, and nothing about who is there."""

    def found(self) -> list[str]:
        """Addresses as ws:// URLs, bounded; without this node's own."""
        ...

    @property
    def problem(self) -> str:
        """What keeps it from finding anybody, in words for the operator; "" while nothing does."""
        ...

    async def run(self, changed: Callable[[], None]) -> None:
        """Look, for ever, and never fail; `changed` is called when `found` changed, and now and then."""
        ...
