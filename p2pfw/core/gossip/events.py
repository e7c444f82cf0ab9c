"""What gossip is told (events), what it wants done (effects), and the time in which it is told.

Peers are small integers that the caller gives out, one for every session, never twice: a peer that comes back is
another. Frames come decoded and verified for form; what is in them is not verified yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from p2pfw.core.announcement import Announcement
from p2pfw.core.identity import NodeId
from p2pfw.core.intake import Recorded as Outcome
from p2pfw.core.wire import Frame, UnknownFrame
from p2pfw.errors import PeerError


class Moment(NamedTuple):
    """One instant on both clocks: the wall clock judges signed times, the monotonic one runs the timers."""

    wall: float
    """Unix seconds."""
    mono: float
    """Seconds since some start, never backwards."""

    @property
    def wall_ms(self) -> int:
        """Unix milliseconds; 0 for a clock before 1970."""
        return max(0, int(self.wall * 1000))


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerUp:
    """A session is open and its other side's identity proven and admitted."""

    peer: int
    node: NodeId
    outbound: bool
    """True when we dialled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerDown:
    """The session is gone."""

    peer: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A frame came in."""

    peer: int
    frame: Frame | UnknownFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """This node said something. It is in the ledger already, and on disk."""

    announcements: Sequence[Announcement]


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedChanged:
    """The set of carried owners is another now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """`next_deadline` has come."""


Event = PeerUp | PeerDown | Received | Published | CarriedChanged | Tick


class Lane(IntEnum):
    """The class of a frame in a peer's queue: the smaller goes first (protocol 6)."""

    CONTROL = 0
    EAGER = 1
    IHAVE = 2
    REPLY = 3
    BULK = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Put this frame into the peer's queue. One frame object may be sent to many peers: encode it once."""

    peer: int
    frame: Frame
    cls: Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An announcement of somebody else's was verified and is in the ledger: keep it, judge its prefixes."""

    outcome: Outcome
    peer: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Something that a peer sent did not count, and why. `error.blame` tells whether the session ended for it."""

    peer: int
    error: PeerError


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """End this session, after its queue of control frames. Gossip has forgotten the peer already."""

    peer: int
    reason: str
    ban: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unhandled:
    """A frame that is not gossip's: JOIN, PEERS, BYE."""

    peer: int
    frame: Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Overtaken:
    """A peer proved, by our own signature, that we have numbered further than we know: number above this."""

    epoch: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaughtUp:
    """All that this peer held and we both carry has been asked for and came (or was refused)."""

    peer: int
    own: bool
    """The peer carries our own owner, so what it held of our own is here again."""


Effect = Send | Recorded | Refused | Drop | Unhandled | Overtaken | CaughtUp
