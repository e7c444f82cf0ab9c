"""What is simulated: how many nodes, how they are linked, and what happens when. Times are seconds from the start."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from p2pfw.core.gossip.limits import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Announce:
    """A node blocks `count` prefixes under one signature. `first`: their number, of all that the scenario uses."""

    at: float
    node: int
    first: int
    count: int = 1
    ttl: int = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Retract:
    """A node takes back what it announced."""

    at: float
    node: int
    first: int
    count: int = 1
    ttl: int = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Pardon:
    """A node takes back what nodes of its owner announced."""

    at: float
    node: int
    first: int
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """No traffic between `group` and the rest. Silent: nobody is told, frames get lost."""

    at: float
    group: frozenset[int]
    silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Heal:
    """Traffic everywhere again."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """A node stops; it keeps what it holds, as on a disk."""

    at: float
    node: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """A node that was not there, or stopped, starts."""

    at: float
    node: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """A node dials another one, and keeps dialling."""

    at: float
    node: int
    to: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """A node's owner signs a version of the charter, which is called by a name and follows another one ("" the first).

    `members`: owners by the number of a node of theirs. The signatures that the node knows of it travel with it.
    """

    at: float
    node: int
    version: str
    after: str = ""
    members: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """A node announces a version again as it first was, with the signature of its proposer alone."""

    at: float
    node: int
    version: str = ""


class Lies(Enum):
    """What a dishonest node may send."""

    FORGED = "forged"
    """A header of somebody else's with a made-up signature."""
    TAMPERED = "tampered"
    """A true header and signature with another body."""
    GARBAGE = "garbage"
    """Bytes that are no frame."""
    NOT_CANONICAL = "not-canonical"
    """Signed by itself, with host bits set."""
    FUTURE = "future"
    """Signed by itself, dated a year ahead."""
    STRANGER = "stranger"
    """Well signed, by a key that nobody carries."""
    NUMBERED = "numbered"
    """A HELLO that claims to hold our own announcement 2^63 - 1."""
    FLOOD = "flood"
    """As many announcements as it can sign, at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lie:
    """A node sends this to all its peers."""

    at: float
    node: int
    lie: Lies
    first: int = 0


Action = Announce | Retract | Pardon | Cut | Heal | Leave | Join | Connect | Lie | Sign | Repeat


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Everything but chance."""

    nodes: int
    until: float
    actions: Sequence[Action] = ()
    owners: int = 0
    """Nodes belong to so many owners in turn; 0: each to its own."""
    ring: bool = True
    links: int = 3
    """Others that each node dials beside the next of the ring."""
    latency: float = 0.040
    """Median of one way between two nodes; lognormal."""
    latency_sigma: float = 0.7
    jitter: float = 0.5
    """Each message takes up to this part longer."""
    bandwidth: float = 12_500_000.0
    """Bytes a second a link and direction."""
    breaks: float = 0.0
    """Chance a second that a session breaks; it is dialled again."""
    clock_spread: float = 2.0
    """Clocks differ by up to so many seconds either way."""
    cpu: float = 0.000_2
    """Seconds that a node needs for an event."""
    absent: frozenset[int] = frozenset()
    """Nodes that are not there at the beginning."""
    changes_need: int = 0
    """All owners are members of a charter that so many of them change; 0: there is none."""
    dishonest: frozenset[int] = frozenset()
    """Nodes of which nothing is expected."""
    limits: Limits = field(default_factory=Limits)
