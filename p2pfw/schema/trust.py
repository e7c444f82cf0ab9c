"""Owners: trust, vouches, scorecards, charters, and who could make this machine block what."""

from typing import Annotated, Literal, get_args

from msgspec import Meta

from p2pfw.schema.common import CategoryName, Frozen, PrefixText, Request, Text, Time, Trust, Ttl


class PeerLimits(Frozen, frozen=True, kw_only=True):
    """What a voice has adopted by its score, and may have."""

    adopted: int
    adopted_limit: int
    new_10min: int
    alone_hour: int
    rate_limit: int
    """For both of them."""
    hosts: int
    hosts_limit: int
    held: int
    """Prefixes that wait because a limit is used up."""


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
    weight: float = 0.0
    """What it counts for in its best category, after evidence."""
    rep: float = 1.0
    """The factor by evidence."""
    muted: bool = False
    sponsor: str = ""
    """Who vouches for it, where that is what its trust comes from: one voice with it."""
    confirmed: int = 0
    contradicted: int = 0
    limits: PeerLimits | None = None


class PeerList(Frozen, frozen=True, kw_only=True):
    """GET /v1/peers."""

    schema: Literal["p2pfw.peers/1"] = "p2pfw.peers/1"
    peers: list[PeerView]


class PeerRequest(Request, frozen=True, kw_only=True):
    """PUT /v1/peers/{id}: add, or change trust, name, addresses."""

    trust: Trust | None = None
    trust_for: (
        Annotated[
            dict[CategoryName, Annotated[float, Meta(ge=0, le=1)]],
            Meta(extra_json_schema={"propertyNames": {"enum": list(get_args(CategoryName))}}),
        ]
        | None
    ) = None
    name: Text | None = None
    addresses: list[Text] | None = None
    distrust: bool = False
    confirm: Annotated[int, Meta(ge=0, le=3600)] = 0
    """Seconds until the change is taken back unless confirmed; 0: it stays."""


class ForgiveRequest(Request, frozen=True, kw_only=True):
    """POST /v1/forgive: what was seen of an owner counts no more."""

    id: Text


class TextAnswer(Frozen, frozen=True, kw_only=True):
    """What was done, in words."""

    text: str


class VouchRequest(Request, frozen=True, kw_only=True):
    """POST /v1/vouches: this node's owner vouches for another."""

    id: Text
    level: Annotated[float, Meta(ge=0.01, le=1.0)] = 1.0
    """Share of what a vouch can give."""
    ttl: Ttl = "90d"


class VouchView(Frozen, frozen=True, kw_only=True):
    """One vouch that holds."""

    voucher: str
    voucher_name: str
    subject: str
    subject_name: str
    level: float
    expires: Time
    counts: bool
    """False where the operator or the charter named the subject, the voucher is not one who may, or a better one is."""


class VouchList(Frozen, frozen=True, kw_only=True):
    """GET /v1/vouches."""

    schema: Literal["p2pfw.vouches/1"] = "p2pfw.vouches/1"
    vouches: list[VouchView]


class Hit(Frozen, frozen=True, kw_only=True):
    """A client of this machine that would be cut off."""

    address: str
    what: str
    prefix: PrefixText


class TryRequest(Request, frozen=True, kw_only=True):
    """POST /v1/try: what if an owner had another trust."""

    id: Text
    trust: Trust


class TryAnswer(Frozen, frozen=True, kw_only=True):
    """200 of POST /v1/try: what another trust would do, from what is stored. Nothing changed."""

    schema: Literal["p2pfw.try/1"] = "p2pfw.try/1"
    owner: str
    trust_now: float
    trust: float
    adopted: int
    """Prefixes that would be adopted in the end; limits may spread them over hours."""
    dropped: int
    adopts: list[PrefixText]
    """The first of them."""
    drops: list[PrefixText]
    prefixes_limit: int
    rate_limit: int
    clients: list[Hit]
    """Who is connected to this machine now and would be blocked."""


class Scorecard(Frozen, frozen=True, kw_only=True):
    """What one owner's statements were worth here."""

    owner: str
    name: str
    trust: float
    trust_from: str
    confirmed: int
    contradicted: int
    entries: int
    alone_share: float
    """Share of its entries that nobody else has."""
    first: int
    """Of those that others have too: how many arrived here from it first."""
    lead_seconds: int | None
    """By how long, by signed times; the median."""
    suggested: float
    suggested_because: str


class Scorecards(Frozen, frozen=True, kw_only=True):
    """GET /v1/scorecards."""

    schema: Literal["p2pfw.scorecards/1"] = "p2pfw.scorecards/1"
    cards: list[Scorecard]


class CharterMember(Frozen, frozen=True, kw_only=True):
    """One member."""

    owner: str
    name: str
    trust: str
    signed: bool
    ours: bool


class CharterVersion(Frozen, frozen=True, kw_only=True):
    """One version of the charter, or a proposal for one."""

    hash: str
    number: int
    members: list[CharterMember]
    changes_need: int
    valid_until: Time
    signed_by: list[str]
    signatures: int
    """Of members of the version before."""
    needed: int
    text: str
    """As a file."""


class CharterView(Frozen, frozen=True, kw_only=True):
    """GET /v1/charter."""

    schema: Literal["p2pfw.charter/1"] = "p2pfw.charter/1"
    network: str
    network_id: str
    current: CharterVersion
    """The one that holds."""
    proposals: list[CharterVersion]
    conflict: list[CharterVersion]
    """Two valid next versions that exclude one another: neither is applied."""
    forked: bool
    """Another past than the one that this node followed was signed; it is not followed."""


class CharterRequest(Request, frozen=True, kw_only=True):
    """POST /v1/charter: a version or proposal with its signatures."""

    charter: Annotated[
        str,
        Meta(
            description="the signed bytes, hexadecimal; the body's limit is theirs",
            extra_json_schema={"format": "charter"},
        ),
    ]


class CharterSign(Request, frozen=True, kw_only=True):
    """POST /v1/charter/sign."""

    hash: Annotated[
        str,
        Meta(
            max_length=64, pattern="^([0-9A-Fa-f]{2})*$", description="hexadecimal; its beginning, where that is unique"
        ),
    ]


class Coalition(Frozen, frozen=True, kw_only=True):
    """The fewest owners who could together have an arbitrary prefix blocked here."""

    prefix: str
    """Of which width: "/32 or /64"."""
    number: int | None
    """None: not even all together."""
    owners: list[str]
    score: float
    threshold: float
    voices_needed: int


class Alone(Frozen, frozen=True, kw_only=True):
    """What one voice can do by itself."""

    owner: str
    trust: float
    can_block: list[str]
    prefixes: int
    prefixes_limit: int
    lone_hour_limit: int


class Needed(Frozen, frozen=True, kw_only=True):
    """Without whom how many prefixes would not be adopted any more."""

    owner: str
    prefixes: int


class TrustReport(Frozen, frozen=True, kw_only=True):
    """Who could make this machine block what."""

    coalitions: list[Coalition]
    alone: list[Alone]
    needed_now: list[Needed]
    fleet: int
    """Nodes whose word needs nobody else's: the own fleet."""
