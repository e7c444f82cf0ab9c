"""What the local API says: every request and answer as a typed value.

One place for web (serves them), app (fills them) and cli (prints them), and the source of the OpenAPI document.
Times are RFC 3339 in UTC, durations whole seconds, prefixes canonical with their length. Fields may be added, never
changed or removed within version 1. Nothing here does anything.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from p2pfw.core.duration import MAX_DURATION

Text = Annotated[str, Meta(max_length=256)]
PrefixText = Annotated[
    str, Meta(max_length=64, description="address or CIDR; canonical in answers", examples=["203.0.113.9/32"])
]
CategoryName = Literal["ssh", "web", "mail", "scan", "ddos", "voip", "other"]
ModeName = Literal["observe", "enforce"]
Time = Annotated[str, Meta(description="RFC 3339, UTC", examples=["2026-01-31T12:00:00Z"])]
Ttl = (
    Annotated[int, Meta(ge=1, le=MAX_DURATION, description="seconds")]
    | Annotated[str, Meta(max_length=32, description='"90s", "15m", "4h", "7d", "forever"')]
)


class Frozen(Struct, frozen=True):
    """Base of answers."""


class Request(Struct, frozen=True, forbid_unknown_fields=True):
    """Base of request bodies: an unknown field is an error, not a silent no-op."""


# --- problems (RFC 9457) -------------------------------------------------------------------------------------------


class Problem(Frozen, frozen=True, kw_only=True):
    """application/problem+json."""

    type: str
    title: str
    status: int
    detail: str
    field: str = ""
    hint: str = ""
    overlap: str = ""
    """409: the whitelist or protected range in the way."""
    index: int | None = None
    """Lists: which element is at fault, from 0."""


# --- state ---------------------------------------------------------------------------------------------------------


class HealthLine(Frozen, frozen=True, kw_only=True):
    """One thing that the operator should know, worst first."""

    level: Literal["error", "warning", "info"]
    code: str
    text: str
    remedy: str = ""


class Confirming(Frozen, frozen=True, kw_only=True):
    """A commit-confirm in progress."""

    reverts_at: Time
    reverts_to: ModeName


class Status(Frozen, frozen=True, kw_only=True):
    """GET /v1/status."""

    schema: Literal["p2pfw.status/1"] = "p2pfw.status/1"
    node_id: str
    owner_id: str
    name: str
    network: str
    version: str
    started: Time
    uptime: int
    mode: ModeName
    mode_origin: Literal["configuration", "command"]
    enforcing: bool
    """True only when the kernel has the rule and what is adopted."""
    confirming: Confirming | None = None
    adopted: int
    installed: int
    """Prefixes of ours that the kernel holds now, as read from it."""
    pending: int
    """Changes decided and not yet in the kernel."""
    held: int
    refused: int
    announcements: int
    entries: int
    whitelist: int
    peers: int
    peers_configured: int
    fleet: int
    """Nodes of this owner with a valid certificate, this one included."""
    generation: int
    last_error: str = ""
    dropped_packets: int = 0
    """By the rule, since it was last put in place."""
    dropped_bytes: int = 0
    drift: dict[str, int] = {}
    """What was found wrong in the kernel and repaired, by what it was."""
    refusals: dict[str, int] = {}
    """Statements, handshakes and frames refused since the start, by reason."""
    origins_not_carried: list[str] = []
    health: list[HealthLine] = []
    memory_bytes: int = 0
    loop_lag_ms: float = 0.0
    """Longest stall of the event loop in the last minute."""


class AdoptedEntry(Frozen, frozen=True, kw_only=True):
    """One adopted prefix in GET /v1/blocklist, which is the same for all who ask in one generation."""

    prefix: PrefixText
    reason: str
    """Verdict reason: operator, fleet, feed, local, ok."""
    expires: Time | None
    """None: no end."""
    category: CategoryName = "other"


class BlocklistEntry(AdoptedEntry, frozen=True, kw_only=True):
    """GET /v1/blocklist/{prefix}: with what the kernel has at this instant."""

    installed: bool = False
    packets: int | None = None


class ListEntry(Frozen, frozen=True, kw_only=True):
    """One prefix in `p2pfw list`, adopted or not."""

    prefix: PrefixText
    verdict: Literal["ADOPT", "HOLD", "REFUSE"]
    reason: str
    expires: Time | None
    installed: bool
    origins: list[str]
    category: CategoryName = "other"
    packets: int | None = None
    """Dropped by this entry; told in the view `top`."""
    bytes: int | None = None


class Listing(Frozen, frozen=True, kw_only=True):
    """GET /v1/list."""

    schema: Literal["p2pfw.list/1"] = "p2pfw.list/1"
    entries: list[ListEntry]
    total: int
    cursor: str = ""
    """Pass it back for the next page; "" at the end."""


# --- why -----------------------------------------------------------------------------------------------------------


class Evidence(Frozen, frozen=True, kw_only=True):
    """One statement about the prefix, counted or not."""

    source: str
    """signed, operator, feed, feed-voice, sighting."""
    origin: str = ""
    owner: str = ""
    name: str
    action: str
    category: CategoryName
    confidence: float
    trust: float
    trust_from: str
    """How the trust came about: "configured 0.90", "fleet", "operator"."""
    support: float
    counted: bool
    not_counted: str = ""
    """Reason when not counted."""
    signed: Time | None = None
    expires: Time | None = None
    note: str = ""
    """This node's operator's reason text, where there is one."""


class Related(Frozen, frozen=True, kw_only=True):
    """Another prefix that overlaps the asked one and is known here."""

    prefix: PrefixText
    verdict: Literal["ADOPT", "HOLD", "REFUSE"]
    reason: str


class KernelView(Frozen, frozen=True, kw_only=True):
    """What the kernel says about the matched prefix."""

    installed: bool
    set: str = ""
    packets: int | None = None
    bytes: int | None = None
    error: str = ""


class Why(Frozen, frozen=True, kw_only=True):
    """GET /v1/why/{prefix}."""

    schema: Literal["p2pfw.why/1"] = "p2pfw.why/1"
    prefix: PrefixText
    """As asked."""
    blocked: bool
    """Adopted, here or by a covering prefix."""
    dropped: bool
    """Blocked and in the kernel of an enforcing node."""
    matched: PrefixText | None = None
    """The entry that decides: the longest adopted one that covers it, else the exact one, else the longest known."""
    matched_of: int = 0
    """How many known entries cover the asked prefix."""
    verdict: Literal["ADOPT", "HOLD", "REFUSE", "UNKNOWN"]
    reason: str
    score: float | None = None
    threshold: float | None = None
    voices: int | None = None
    voices_needed: int | None = None
    since: Time | None = None
    expires: Time | None = None
    evidence: list[Evidence] = []
    flips: list[str] = []
    """What would change the verdict, in words."""
    overlap: str = ""
    """The whitelist or protected range that decided, with its source; "" when nothing overlaps."""
    whitelist_sources: int = 0
    whitelist_ranges: int = 0
    related: list[Related] = []
    kernel: KernelView
    undo: list[str] = []
    """Commands that would undo it."""


# --- blocks --------------------------------------------------------------------------------------------------------


class BlockRequest(Request, frozen=True, kw_only=True):
    """POST /v1/blocks: one prefix, or a list of up to 1,024 that becomes one announcement."""

    prefix: PrefixText | None = None
    prefixes: Annotated[list[PrefixText], Meta(max_length=1024)] | None = None
    ttl: Ttl = "4h"
    category: CategoryName = "other"
    reason: Text = ""
    confidence: Annotated[float, Meta(ge=0.125, le=1.0)] = 1.0
    local_only: bool = False
    force: bool = False
    wait: bool = False


class BlockResult(Frozen, frozen=True, kw_only=True):
    """What became of one prefix."""

    prefix: PrefixText
    state: Literal["recorded", "installed", "observed"]
    """recorded: kept, and on its way to the kernel. installed: the kernel has it. observed: mode is observe."""
    expires: Time | None
    extended: bool = False
    """It was blocked already; the later end holds."""


class BlockAnswer(Frozen, frozen=True, kw_only=True):
    """201 of POST /v1/blocks."""

    schema: Literal["p2pfw.block/1"] = "p2pfw.block/1"
    prefix: PrefixText
    """The first one."""
    announcement: str = ""
    """Id of the announcement, hex; "" for local-only."""
    state: Literal["recorded", "installed", "observed"]
    expires: Time | None
    results: list[BlockResult] = []
    not_installed: str = ""
    """With wait: why the kernel does not have it."""


class UnblockAnswer(Frozen, frozen=True, kw_only=True):
    """200 of DELETE /v1/blocks/{prefix}."""

    schema: Literal["p2pfw.unblock/1"] = "p2pfw.unblock/1"
    prefix: PrefixText
    retracted: bool
    """This node's own block was taken back."""
    pardoned: bool
    """The fleet's statements were taken back."""
    still_blocked_by: list[str] = []
    """Names of owners or feeds because of whom it is still adopted here."""
    hint: str = ""


class ImportProgress(Frozen, frozen=True, kw_only=True):
    """One line of the NDJSON answer of POST /v1/import."""

    stage: Literal["parsed", "recorded", "installed", "failed"]
    entries: int
    announcements: int = 0
    skipped: dict[str, int] = {}
    """What was left out, by reason."""
    problem: Problem | None = None


class RetractAnswer(Frozen, frozen=True, kw_only=True):
    """200 of POST /v1/retract."""

    announcements: int
    prefixes: int


class SightingRequest(Request, frozen=True, kw_only=True):
    """POST /v1/sightings: something on this machine saw it misbehave."""

    prefix: PrefixText
    verdict: Literal["bad"] = "bad"
    category: CategoryName = "other"


# --- whitelist -----------------------------------------------------------------------------------------------------


class AllowRequest(Request, frozen=True, kw_only=True):
    """PUT /v1/allow/{prefix}."""

    ttl: Ttl = "forever"
    comment: Text = ""


class AllowEntry(Frozen, frozen=True, kw_only=True):
    """One whitelisted or protected range."""

    prefix: PrefixText
    source: str
    """configuration, command, a file name, or protected:hard / protected:soft."""
    comment: str = ""
    expires: Time | None = None


class AllowList(Frozen, frozen=True, kw_only=True):
    """GET /v1/allow."""

    schema: Literal["p2pfw.allow/1"] = "p2pfw.allow/1"
    entries: list[AllowEntry]


class AllowAnswer(Frozen, frozen=True, kw_only=True):
    """200 of PUT and DELETE /v1/allow/{prefix}: the kernel has it."""

    entry: AllowEntry
    released: list[PrefixText] = []
    """Adopted prefixes that are out of the kernel because of it."""


class AllowCheck(Frozen, frozen=True, kw_only=True):
    """GET /v1/allow/{prefix}."""

    prefix: PrefixText
    allowed: bool
    overlaps: list[AllowEntry] = []


# --- peers ---------------------------------------------------------------------------------------------------------


class PeerView(Frozen, frozen=True, kw_only=True):
    """One owner or node that this operator or a session knows."""

    id: str
    owner: str
    name: str
    state: Literal["connected", "connecting", "unreachable", "inbound-only", "known", "banned", "revoked"]
    fleet: bool = False
    address: str = ""
    trust: float = 0.0
    trust_for: dict[str, float] = {}
    trust_from: str = ""
    since: Time | None = None
    last_error: str = ""
    certificate_expires: Time | None = None
    announcements: int = 0
    entries: int = 0
    adopted: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    round_trip_ms: float | None = None
    clock_offset_ms: int | None = None
    addresses: list[str] = []


class PeerList(Frozen, frozen=True, kw_only=True):
    """GET /v1/peers."""

    schema: Literal["p2pfw.peers/1"] = "p2pfw.peers/1"
    peers: list[PeerView]


class PeerRequest(Request, frozen=True, kw_only=True):
    """PUT /v1/peers/{id}: add, or change trust, name, addresses."""

    trust: Annotated[str | float, Meta(description="preset solo, pair, trio, quad, watch, or 0..1")] | None = None
    trust_for: dict[CategoryName, float] | None = None
    name: Text | None = None
    addresses: list[Text] | None = None
    distrust: bool = False


# --- joining -------------------------------------------------------------------------------------------------------


class InviteRequest(Request, frozen=True, kw_only=True):
    """POST /v1/invites."""

    guest: bool = False
    ttl: Ttl = "1h"
    uses: Annotated[int, Meta(ge=1, le=1000)] = 1
    trust: str | float = "trio"


class InviteAnswer(Frozen, frozen=True, kw_only=True):
    """201 of POST /v1/invites."""

    token: str
    line: str
    """The whole command to paste on the other server."""
    expires: Time
    uses: int
    fingerprint: str
    """This node's id in groups, to be compared over the telephone."""


class JoinRequest(Request, frozen=True, kw_only=True):
    """POST /v1/join."""

    token: Annotated[str, Meta(max_length=2048)]
    trust: str | float = "trio"


class JoinAnswer(Frozen, frozen=True, kw_only=True):
    """200 of POST /v1/join."""

    fleet: str
    nodes: int
    guest: bool
    network: str
    mode: ModeName
    text: str
    """The closing words."""
    fingerprint: str = ""
    peer_fingerprint: str = ""


# --- enforcement ---------------------------------------------------------------------------------------------------


class ModeRequest(Request, frozen=True, kw_only=True):
    """PUT /v1/mode."""

    mode: ModeName
    confirm: Annotated[int, Meta(ge=0, le=3600)] = 0
    """Seconds until it reverts unless confirmed; 0: no timer."""


class ModeAnswer(Frozen, frozen=True, kw_only=True):
    """200 of PUT /v1/mode, POST /v1/confirm, POST /v1/panic."""

    mode: ModeName
    enforcing: bool
    installed: int
    confirming: Confirming | None = None
    text: str = ""


# --- operations ----------------------------------------------------------------------------------------------------


class Event(Frozen, frozen=True, kw_only=True):
    """One line of GET /v1/events."""

    id: int
    time: Time
    kind: str
    """adopted, released, held, refused, block, unblock, allow, peer-up, peer-down, refused-peer, mode, drift, ..."""
    prefix: str = ""
    peer: str = ""
    reason: str = ""
    detail: dict[str, str | int | float | bool | None] = field(default_factory=dict)


class Check(Frozen, frozen=True, kw_only=True):
    """One line of the doctor's report."""

    code: str
    level: Literal["ok", "warning", "error"]
    text: str
    remedy: str = ""


class Doctor(Frozen, frozen=True, kw_only=True):
    """GET /v1/doctor."""

    schema: Literal["p2pfw.doctor/1"] = "p2pfw.doctor/1"
    level: Literal["ok", "warning", "error"]
    checks: list[Check]


class ReloadAnswer(Frozen, frozen=True, kw_only=True):
    """200 of POST /v1/reload."""

    changed: list[str]
    needs_restart: list[str] = []


class OwnerView(Frozen, frozen=True, kw_only=True):
    """GET /v1/owner: the fleet as this node knows it."""

    schema: Literal["p2pfw.owner/1"] = "p2pfw.owner/1"
    owner_id: str
    holds_key: bool
    nodes: list[PeerView]


class RevokeRequest(Request, frozen=True, kw_only=True):
    """POST /v1/owner/revoke."""

    node: Annotated[str, Meta(max_length=128)]


class OwnerAnswer(Frozen, frozen=True, kw_only=True):
    """200 of POST /v1/owner/renew and /v1/owner/revoke."""

    text: str
    expires: Time | None = None
