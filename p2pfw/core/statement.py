"""One statement about one prefix, as the policy sees it: who says what, since when, until when, and what became of it.

The ledger makes statements of signed entries, the local book makes them of the operator's own words, feeds and
sightings; the policy needs no third kind. A named tuple, not a dataclass: a full judgement makes 100,000 of them, and
a frozen dataclass costs six times as much to build.
"""

from enum import Enum
from typing import NamedTuple

from p2pfw.core.announcement import Action, AnnouncementId, Category
from p2pfw.core.identity import NodeId, OwnerId


class Source(Enum):
    """Where a statement comes from."""

    SIGNED = "signed"
    OPERATOR = "operator"
    """The operator's own word that is not announced (`--local-only`)."""
    FEED = "feed"
    """A local feed with `adopt = "direct"`."""
    FEED_VOICE = "feed-voice"
    """A local feed that counts as one voice."""
    SIGHTING = "sighting"
    """Something on this machine saw it misbehave; the voice `self`."""


class Standing(Enum):
    """What became of a statement; everything but LIVE is shown by `why` and counted for nothing."""

    LIVE = "live"
    EXPIRED = "expired"
    FUTURE = "future"
    RETRACTED = "retracted"
    PARDONED = "pardoned"
    VOIDED = "voided"
    """By a checkpoint of its origin, or its origin was revoked or quarantined."""
    UNCERTIFIED = "uncertified"
    """Its origin has no certificate that is valid now."""


class Statement(NamedTuple):
    """One origin (or local source) about one prefix. Times are Unix seconds; `expires` 0 means no end (local only)."""

    source: Source
    origin: NodeId | None
    owner: OwnerId | None
    """The owner by the certificate that is valid now; None when there is none, or for local sources."""
    fleet: bool
    """True when the certificate allows `fleet` statements (Uses.FLEET)."""
    action: Action
    category: Category
    confidence: float
    """(k + 1) / 8; 1.0 for local sources."""
    created: int
    stated: int
    """When it was first made: created - age."""
    expires: int
    basis: int
    """0 first-hand, else the hash of the feed it came from."""
    standing: Standing
    announcement: AnnouncementId | None
    name: str = ""
    """Feed name or operator's reason, for local sources."""
    trust: float = 0.0
    """The feed's own trust, for FEED_VOICE."""
    forced: bool = False
    """The operator said --force."""

    @property
    def repeats(self) -> bool:
        """True when it repeats what a feed says."""
        return self.basis != 0
