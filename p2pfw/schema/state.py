"""What a node is and knows: its state, its verdicts, and why."""

from typing import Literal

from p2pfw.schema.common import CategoryName, Frozen, ModeName, PrefixText, Time


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
    local_rules: int = 0
    """Rules of this machine alone."""
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
    """Nodes whose announcements were not taken: nobody here names their owner. Not verified, the newest first."""
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
