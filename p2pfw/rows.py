"""What is kept on disk, row by row, and what is written: values that the store keeps and the use cases understand.

One class a table; a row is found by its identity (key, source and key, id, secret_hash or name).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the enforcer's process knows ports, and no cryptography
    from p2pfw.core.announcement import AnnouncementId, RawAnnouncement


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowRow:
    """One whitelist entry that was added at run time. `until` 0: no end."""

    key: int
    until: int
    comment: str
    added: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRow:
    """One local statement that is neither signed nor gossiped: `--local-only` blocks, sightings, forced marks."""

    source: str
    """Source.value, or "force" for the mark that the operator forced this prefix past soft protection."""
    key: int
    until: int
    category: int
    reason: str
    added: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Intention:
    """How this node's operator means to keep something blocked by announcements: renewed until `until` (0: for ever).

    One object for all prefixes of a list.
    """

    until: int
    category: int
    confidence: int
    reason: str
    """Free text; stays on this node."""
    added: int
    basis: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentionRow:
    """An intention, and a prefix that it is about."""

    key: int
    until: int
    category: int
    confidence: int
    reason: str
    added: int
    basis: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRow:
    """The operator's run-time word on an owner (or on a node by its id): trust, addresses, name. Wins over the file."""

    id: bytes
    """The 32 bytes that the operator named: a node's or an owner's key."""
    owner: bytes
    """The owner that the trust is given to, as known when it was given."""
    name: str
    trust: float | None
    """None: no word of the operator's on trust."""
    trust_for: tuple[tuple[str, float], ...] = ()
    addresses: tuple[str, ...] = ()
    distrusted: bool = False
    forgotten: bool = False
    """Removed at run time although the file still names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteRow:
    """One open invitation; only the hash of its secret is kept."""

    secret_hash: bytes
    guest: bool
    trust: float
    uses_left: int
    expires: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRow:
    """The last good content of a feed: canonical keys, when it was fetched, its validators."""

    name: str
    fetched: int
    etag: str
    modified: str
    keys: bytes
    """Packed: each key as 18 bytes big-endian, sorted."""
    source: str = ""
    """Where it came from, and how it is written; validators and last good content are of no use for another."""
    date: int = 0
    """Unix second that the content itself says it is of; 0 when it says none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRow:
    """One local rule; `until` 0: no end; `from_key` and `to_key` 0: any address."""

    chain: str
    target: str
    in_interface: str
    out_interface: str
    from_key: int
    to_key: int
    until: int
    added: int
    """A greater number stands further ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRow:
    """What this node has seen of one owner (core.evidence), as it stood at `at`."""

    owner: bytes
    pos: float
    neg: float
    at: float
    confirmed: int
    contradicted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationRow:
    """One observation that counts once: of which owner (empty: this node itself), which prefix, what, when."""

    owner: bytes
    key: int
    what: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PutAnnouncement:
    """Keep these signed bytes."""

    raw: RawAnnouncement
    id: AnnouncementId
    kind: int
    expires: int
    recorded: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DropAnnouncements:
    """Forget announcements that are dead."""

    ids: tuple[AnnouncementId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """One token of the local API; only the hash of its secret is kept. `expires`, `used`: Unix seconds, 0 never."""

    secret_hash: bytes = field(repr=False)
    name: str
    scope: str
    rate: int
    """Requests a second."""
    created: int
    expires: int
    used: int


Kept = (
    AllowRow
    | LocalRow
    | IntentionRow
    | PeerRow
    | InviteRow
    | FeedRow
    | EvidenceRow
    | ObservationRow
    | TokenRow
    | RuleRow
)
"""Every kind of row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """Insert or replace one row (by its key, source+key, id, secret_hash or name)."""

    row: Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class PutIntentions:
    """Insert or replace the rows of one intention about many prefixes: a list of 100,000 takes no object for each."""

    keys: Sequence[int]
    intention: Intention


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Remove the row of that table with this identity, if there is one."""

    table: type[Kept]
    identity: int | bytes | str | tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One named value (JSON); None removes it. Names: "mode", "epoch", "restored", ... (app.settings)."""

    name: str
    value: object


Write = PutAnnouncement | DropAnnouncements | Put | PutIntentions | Drop | Setting
