"""Blocks, sightings and the whitelist."""

from typing import Annotated, Literal

from msgspec import Meta

from p2pfw.schema.common import CategoryName, Frozen, PrefixText, Problem, Request, Text, Time, Ttl


class BlockRequest(Request, frozen=True, kw_only=True):
    """POST /v1/blocks: one prefix, or a list of up to 1,024 that becomes one announcement."""

    prefix: PrefixText | None = None
    prefixes: Annotated[list[PrefixText], Meta(min_length=1, max_length=1024)] | None = None
    ttl: Ttl = "4h"
    category: CategoryName = "other"
    reason: Text = ""
    confidence: Annotated[float, Meta(ge=0.125, le=1.0)] = 1.0
    local_only: bool = False
    force: bool = False
    wait: bool = False
    detected: bool = False
    """A detector on this machine saw it: whoever had said so before is confirmed (evidence)."""


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
    confirmed: list[str] = []
    """With detected: names of owners whose statements this confirms."""


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
    not_removed: str = ""
    """Why the kernel may still drop what is adopted no more; it is tried again."""
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
    """POST /v1/sightings: something on this machine saw it misbehave (bad), or its operator knows it as good."""

    prefix: PrefixText
    verdict: Literal["bad", "good"] = "bad"
    category: CategoryName = "other"


class SightingAnswer(Frozen, frozen=True, kw_only=True):
    """201 of POST /v1/sightings: what became of the prefix, and of whom had spoken of it."""

    schema: Literal["p2pfw.sighting/1"] = "p2pfw.sighting/1"
    prefix: PrefixText
    state: Literal["recorded", "installed", "observed", "released", "blocked"]
    """bad: as of a block. good: released, or still blocked by those who were not contradicted enough."""
    expires: Time | None
    confirmed: list[str] = []
    """Owners who had said so before this machine saw it: that speaks for them."""
    contradicted: list[str] = []
    """Owners who were wrong: that lowers their trust here."""


class AllowRequest(Request, frozen=True, kw_only=True):
    """PUT /v1/allow/{prefix}."""

    ttl: Ttl = "forever"
    comment: Text = ""
    false_positive: bool = False
    """Whoever had it blocked here was wrong: lowers the trust in them."""


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
    contradicted: list[str] = []
    """With false_positive: the owners who were wrong."""


class AllowCheck(Frozen, frozen=True, kw_only=True):
    """GET /v1/allow/{prefix}."""

    prefix: PrefixText
    allowed: bool
    overlaps: list[AllowEntry] = []
