"""What the operator and local clients can ask of a node: the port between web (asks) and app (answers).

Every method takes and gives values of `schema`. Errors: InputError (400, 404, 409, 422), StoreError (503, 507),
FirewallError (503), NotAllowed is web's own business. Methods that change something return once it is kept on disk;
where the docstring says so, once the kernel has it.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from p2pfw import schema
from p2pfw.core.localrule import LocalRule
from p2pfw.core.prefix import Prefix, PrefixKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, for protection (its address is not blocked by its own command) and for the event log."""

    name: str
    """"socket:uid", "token:NAME", "anonymous"."""
    address: str = ""
    """The address it came from, or the client address of its SSH session as its CLI told; "" when local."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptedRow:
    """One adopted prefix for the renderers: key, end (Unix seconds, 0 none), verdict reason word, category."""

    key: int
    until: int
    reason: str
    category: int


class Granted(NamedTuple):
    """Whose token a request carries, and what it may do."""

    name: str
    scope: str
    """read, feeds, write or admin; each includes the ones before."""
    rate: int
    """Requests a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnBlock:
    """A prefix that this node itself has blocked, with what it dropped since the kernel has it."""

    key: int
    packets: int = 0
    bytes: int = 0
    installed: bool = False
    """The kernel has it."""


class Operations(Protocol):
    """The running node, as web sees it."""

    def check_token(self, secret: str) -> Granted | None:
        """Whose it is; None when it is none of this node's, or is over."""
        ...

    def welcome(self, caller: Caller) -> bool:
        """Somebody authenticated from an address: it is not blocked for the next hour. True when that is new."""
        ...

    # reading; synchronous, from memory

    def status(self) -> schema.Status:
        """One screen of state; true at this instant."""
        ...

    def measures(self) -> "Measures":
        """What is counted and measured since the start, for metrics."""
        ...

    def ready(self) -> str:
        """Why this node is not ready (adopted is not installed yet, in enforce mode); "" when it is."""
        ...

    def generation(self) -> str:
        """Strong validator of the adopted set: changes with every change of it, and differs between processes."""
        ...

    async def adopted(self) -> Iterator[AdoptedRow]:
        """All adopted prefixes in key order; each row is true when it is read.

        The caller walks it in slices and yields to the loop.
        """
        ...

    def covering(self, prefix: Prefix) -> schema.BlocklistEntry | None:
        """The longest adopted entry that covers it."""
        ...

    async def own_blocks(self) -> list[OwnBlock]:
        """This node's own blocks that live, announced or not, in key order."""
        ...

    async def why(self, prefix: Prefix, *, counters: bool = False) -> schema.Why:
        """The explanation, for any prefix whatever. `counters`: with the kernel's, which may take 0.3 s to read."""
        ...

    async def listing(self, view: str, origin: str, contains: Prefix | None, limit: int, cursor: str) -> schema.Listing:
        """`view`: adopted, held, refused, installed, all; top: what dropped most, without pages."""
        ...

    def allow_list(self, *, protected: bool) -> schema.AllowList:
        """The whitelist; with `protected` also the ranges that keep the machine alive."""
        ...

    def allow_check(self, prefix: Prefix) -> schema.AllowCheck:
        """What of whitelist and protection overlaps it, either way."""
        ...

    def peers(self) -> schema.PeerList:
        """Configured, connected and fleet peers."""
        ...

    def peer(self, peer_id: str) -> schema.PeerView:
        """By id, short id or configured name; NotFoundError."""
        ...

    def owner(self) -> schema.OwnerView:
        """The fleet."""
        ...

    async def doctor(self) -> schema.Doctor:
        """Self-check."""
        ...

    # changing

    async def block(self, request: schema.BlockRequest, caller: Caller) -> schema.BlockAnswer:
        """Whole or not at all. With `wait`, answers once the kernel has it or says why not."""
        ...

    async def unblock(self, prefix: Prefix, scope: str, caller: Caller) -> schema.UnblockAnswer:
        """`scope` own: retract this node's block; owner: pardon the fleet's too. NotFoundError when there was none."""
        ...

    def import_blocks(
        self, keys: list[int], request: schema.BlockRequest, caller: Caller
    ) -> AsyncIterator[schema.ImportProgress]:
        """Whole or nothing, in announcements of 1,024; `request` gives all but the prefixes. Progress as it goes."""
        ...

    async def retract_all(self, caller: Caller) -> schema.RetractAnswer:
        """Take back everything that this node ever announced."""
        ...

    async def sighting(self, prefix: Prefix, request: schema.SightingRequest, caller: Caller) -> schema.SightingAnswer:
        """bad: the voice `self`, for a day, not announced. good: whoever had it blocked was wrong."""
        ...

    async def allow(self, prefix: Prefix, request: schema.AllowRequest, caller: Caller) -> schema.AllowAnswer:
        """In the kernel before it answers."""
        ...

    async def disallow(self, prefix: Prefix, caller: Caller) -> schema.AllowAnswer:
        """Remove a run-time entry; an entry of the configuration is ConflictError naming the file."""
        ...

    async def put_peer(self, peer_id: str, request: schema.PeerRequest, caller: Caller) -> schema.PeerView:
        """Add or change; the verdicts follow before it answers."""
        ...

    async def forget_peer(self, peer_id: str, caller: Caller) -> None:
        """Remove the operator's run-time word and addresses."""
        ...

    async def invite(self, request: schema.InviteRequest) -> schema.InviteAnswer:
        """A one-time line for another server."""
        ...

    async def join(self, request: schema.JoinRequest) -> schema.JoinAnswer:
        """Redeem somebody's line on this node."""
        ...

    async def set_mode(self, request: schema.ModeRequest, caller: Caller) -> schema.ModeAnswer:
        """Observe or enforce; enforce answers once the kernel follows."""
        ...

    async def confirm(self) -> schema.ModeAnswer:
        """Keep what a commit-confirm began; NotFoundError when nothing waits."""
        ...

    async def panic(self) -> schema.ModeAnswer:
        """Remove rule and sets at once, observe from now on; the node stays up."""
        ...

    async def reload(self) -> schema.ReloadAnswer:
        """Read the configuration again; ConfigError changes nothing."""
        ...

    async def renew_owner(self) -> schema.OwnerAnswer:
        """A new certificate for this node, with the owner key at hand."""
        ...

    async def revoke_node(self, request: schema.RevokeRequest) -> schema.OwnerAnswer:
        """Void a node's certificate, everywhere."""
        ...

    async def add_token(self, request: schema.TokenRequest, caller: Caller) -> schema.TokenAnswer:
        """A new one; its secret is in the answer and nowhere else. ConflictError: the name is taken."""
        ...

    async def revoke_token(self, name: str, caller: Caller) -> None:
        """It opens nothing any more when this returns. NotFoundError."""
        ...

    def tokens(self) -> schema.TokenList:
        """All, without their secrets."""
        ...

    def events(self, after: int) -> AsyncIterator[schema.Event]:
        """From the ring after that id (0: only new ones), then as they happen. Ends when the reader is too slow."""
        ...

    def recent_events(self, after: int, since: float) -> list[schema.Event]:
        """What the ring holds, without waiting."""
        ...

    def proven(self, event: schema.Event) -> schema.Event:
        """The event with the signed announcements that it rests on, as far as they are kept."""
        ...

    @property
    def bouncing(self) -> "BouncerOperations":
        """What bouncers follow."""
        ...

    @property
    def feeding(self) -> "FeedOperations":
        """What is asked and changed about feeds."""
        ...

    @property
    def trusting(self) -> "TrustOperations":
        """What is asked and changed about owners, vouches and charters."""
        ...


Followed = tuple[PrefixKey, int, int]
"""An adopted prefix for those who follow the list: key, end (Unix seconds, 0 none), category."""


class BouncerOperations(Protocol):
    """What bouncers follow; synchronous, from memory."""

    def now(self) -> float:
        """The clock by which blocks end."""
        ...

    @property
    def position(self) -> int:
        """The number of the newest change of what is adopted."""
        ...

    def knows(self, position: int) -> bool:
        """True when every change after this number is still known."""
        ...

    def changes(self, position: int, most: int) -> list[tuple[PrefixKey, bool]]:
        """Up to `most` changes after a known number, oldest first: (prefix, whether it was adopted before)."""
        ...

    def row(self, key: PrefixKey) -> Followed | None:
        """As it is adopted now; None when it is not."""
        ...

    def rows(self) -> Iterator[Followed]:
        """All that is adopted, in no order; each as it is when it comes."""
        ...

    def covering(self, key: PrefixKey) -> list[Followed]:
        """The adopted prefixes that cover this one, itself included, longest first."""
        ...


class FeedOperations(Protocol):
    """Lists that the operator chose, as web sees them."""

    def feeds(self) -> schema.FeedList:
        """All, and how each stands."""
        ...

    def feed(self, name: str) -> schema.FeedView:
        """One; NotFoundError."""
        ...

    async def add_feed(self, request: schema.FeedRequest, caller: Caller) -> schema.FeedView:
        """Kept, then fetched once; what came of that is in the answer. ConflictError: there is one of that name."""
        ...

    async def remove_feed(self, name: str, caller: Caller) -> None:
        """With all that it said. ConflictError: it is the configuration's."""
        ...

    async def refresh_feed(self, name: str, request: schema.RefreshRequest) -> schema.FeedView:
        """Fetched now. NotAcceptableError: too soon for its publisher."""
        ...

    async def test_feed(self, request: schema.FeedRequest, caller: Caller) -> schema.FeedTest:
        """Fetched, read and judged; nothing changes."""
        ...


class TrustOperations(Protocol):
    """Trust and membership, as web sees them."""

    async def vouch(self, request: schema.VouchRequest, caller: Caller) -> schema.TextAnswer:
        """This node's owner vouches for another; needs its key. InputError without it."""
        ...

    async def unvouch(self, peer_id: str, caller: Caller) -> schema.TextAnswer:
        """Take it back; NotFoundError when there is nothing to take back."""
        ...

    def vouches(self) -> schema.VouchList:
        """All that hold."""
        ...

    async def forgive(self, request: schema.ForgiveRequest, caller: Caller) -> schema.TextAnswer:
        """What was seen of an owner counts no more."""
        ...

    async def try_trust(self, peer_id: str, trust: str) -> schema.TryAnswer:
        """What another trust would do; nothing changes."""
        ...

    async def scorecards(self, peer_id: str) -> schema.Scorecards:
        """Of one owner, or of everybody ("")."""
        ...

    def charter(self) -> schema.CharterView:
        """The version that holds, and what may come after it; NotFoundError where there is no charter."""
        ...

    async def submit_charter(self, request: schema.CharterRequest) -> schema.CharterView:
        """A version, proposal or signatures that came as a file: known here, and gossiped."""
        ...

    async def succeed(self, request: schema.SuccessionRequest) -> schema.OwnerAnswer:
        """This node's owner takes another key: gossiped; who trusted the old one trusts the new one."""
        ...

    async def sign_charter(self, request: schema.CharterSign) -> schema.CharterView:
        """Sign with the owner's key that is at hand, and gossip."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """How many of what was measured were at most as large as each bound, and last: how many there were."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float
    """Sum of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What metrics say beyond the status. Counts are since the start; families are "ipv4" and "ipv6"."""

    entries: Mapping[tuple[str, str], int]
    """Prefixes by (family, state): adopted, installed, held, refused."""
    announcements: Mapping[str, int]
    """By what became of them: own, recorded, duplicate, refused."""
    verdicts: Mapping[tuple[str, str], int]
    """Given, by (adopted, held, refused or released, reason)."""
    peers: Mapping[str, bool]
    """By name, at most MOST_PEERS: whether there is a session."""
    received: int
    sent: int
    """Bytes of sessions with peers."""
    propagation: Distribution
    """Seconds from an origin's stamp, by its clock, until the announcement was recorded here."""
    sync: Distribution
    """Seconds from a verdict until the kernel had it."""
    sync_failures: int
    dropped_packets: Mapping[str, int]
    dropped_bytes: Mapping[str, int]
    """By family."""
    feeds: Mapping[str, tuple[int, int]]
    """By name: Unix seconds of the last success, 0: none yet; entries."""
    webhook: Mapping[str, int]
    """Events by what became of them: delivered, dropped, waiting; empty where there is no webhook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleView:
    """A local rule as it stands. `until` Unix seconds, 0: no end."""

    rule: LocalRule
    until: int
    packets: int = 0
    bytes: int = 0
    installed: bool = False
    """The kernel has it."""


class RuleOperations(Protocol):
    """Rules of this machine alone, as web sees them."""

    async def put_rule(self, rule: LocalRule, until: int, caller: Caller, *, wait: bool = False) -> str:
        """Kept when it returns; a rule that stands already is extended, never shortened. The newest stands first.

        With `wait`: why the kernel does not have it, "" when it has. ConflictError: whitelist or protection.
        """
        ...

    async def drop_rule(self, rule: LocalRule, caller: Caller, *, wait: bool = False) -> str | None:
        """Take it out; None when there was none. With `wait`: why the kernel still has it, "" when it has not."""
        ...

    async def local_rules(self) -> list[RuleView]:
        """All, in the order in which the kernel asks them (the newest first), with their counters."""
        ...
