"""Feeds: what is asked for at run time, how each stands, and what a list would become."""

from typing import Annotated, Literal

from msgspec import Meta

from p2pfw.schema.common import DURATION, LINE, CategoryName, Frozen, Request, Text, Time

FormatName = Literal["plain", "spamhaus", "dshield", "abuseipdb", "warninglist", "crowdsec"]
Place = Annotated[str, Meta(max_length=2_048, extra_json_schema=LINE)]
Duration = Annotated[str, Meta(max_length=32, examples=["6h"], extra_json_schema=DURATION)]


class FeedRequest(Request, frozen=True, kw_only=True):
    """POST /v1/feeds and /v1/test-feed; what is left out is as in the configuration."""

    name: Annotated[str, Meta(min_length=1, max_length=32, pattern="^[A-Za-z0-9][A-Za-z0-9_-]*$")]
    url: Place = ""
    file: Place = ""
    """An absolute path; from root or the node's own user only, and so are key_file and ca_file."""
    format: FormatName | None = None
    adopt: Literal["direct", "voice"] | None = None
    trust: Text | None = None
    category: CategoryName | None = None
    refresh: Duration | None = None
    minimum: int | None = None
    max_change: float | None = None
    max_age: Duration | None = None
    max_bytes: int | None = None
    key_file: Place | None = None
    ca_file: Place | None = None
    announce: bool | None = None
    """Tell peers what it names; only what is adopted directly."""


class RefreshRequest(Request, frozen=True, kw_only=True):
    """POST /v1/feeds/{id}: fetch it now."""

    accept: bool = False
    """Take it in however much of it changed, this once."""


class FeedView(Frozen, frozen=True, kw_only=True):
    """How a feed stands."""

    name: str
    place: str
    """URL without its query, where keys may stand, or path."""
    format: str
    adopt: str
    source: str
    """configuration or command."""
    entries: int
    cut: int
    """Entries that are not said as they came, because something in them must not be blocked."""
    announced: int = 0
    """Prefixes of it that this node announces."""
    left_out: dict[str, int] = {}
    """Of the last list, by reason."""
    fetched: Time | None = None
    date: Time | None = None
    """The list's own date, or when its source last confirmed it."""
    until: Time | None = None
    """When it counts no more, if nothing newer comes."""
    next_refresh: Time | None = None
    """None while it is being fetched."""
    problem: str = ""
    """Why the last attempt came to nothing."""
    remedy: str = ""


class FeedList(Frozen, frozen=True, kw_only=True):
    """GET /v1/feeds."""

    schema: Literal["p2pfw.feeds/1"] = "p2pfw.feeds/1"
    feeds: list[FeedView]


class FeedTest(Frozen, frozen=True, kw_only=True):
    """POST /v1/test-feed: what would come of it; nothing changed."""

    accepted: bool
    entries: int
    added: int
    """Against what the feed of this name holds now, as are those that would go."""
    removed: int
    left_out: dict[str, int]
    unreadable: list[str]
    """The first few lines that are no prefix."""
    date: Time
    problem: str = ""
    remedy: str = ""
