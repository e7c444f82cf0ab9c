"""What strangers may cost before they have proven who they are, and what a session may cost after (protocol 2.6 and 6).

The gate decides at the very first byte, by address alone. It keeps no clock and no sockets: `now` is monotonic seconds,
and a connection is a ticket with a way to drop it.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from p2pfw.errors import AdmissionError

_GROUPS_KEPT: Final = 32_768
"""Addresses remembered for their rate: more than can be new in the two minutes after which a bucket is full again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """All numbers of net, with the protocol's values; tests make them smaller."""

    header_s: float = 3.0
    """For the whole HTTP header of an inbound connection."""
    handshake_s: float = 5.0
    """From accepted connection (or the start of a call) to the open session."""
    connect_s: float = 5.0
    """For name look-up and TCP of a call, before its handshake."""
    in_flight: int = 64
    """Handshakes at once; the oldest gives way."""
    reserved: int = 16
    """Of these, kept for configured addresses."""
    per_group: int = 4
    """Handshakes at once from one IPv4 address or IPv6 /64."""
    group_burst: int = 20
    group_per_minute: float = 10.0
    """New connections of one IPv4 address or IPv6 /64."""
    new_per_second: float = 200.0
    """New connections of all strangers together."""
    queue_bytes: int = 4 << 20
    """Queued for one peer; above, it is too slow."""
    stall_s: float = 30.0
    """Without progress in sending."""
    session_s: float = 12 * 3600.0
    """A session is renewed after this, give or take a tenth."""
    ban_s: int = 3600
    """For a fault that the sender answers for."""
    read_bytes_s: float = 16.0 * (1 << 20)
    read_burst: int = 8 << 20
    """Above this, reading from a peer pauses."""
    goodbye_s: float = 1.0
    """For BYE and the websocket's close."""
    young_s: float = 10.0
    """Two sessions of one node within this time were dialled by both sides at once; later, the older one is dead."""
    retry_first_s: float = 1.0
    retry_most_s: float = 300.0
    steady_s: float = 60.0
    """A session that lasted this long makes the next call start from the first delay again."""
    attempts: int = 8
    """To call a target that is not persistent."""


class TokenBucket:
    """Holds up to `burst`, refilled at `rate` a second."""

    __slots__ = ("_at", "_burst", "_level", "_rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._level, self._at = float(burst), now

    def has(self, amount: float, now: float) -> bool:
        """True when `amount` could be taken now."""
        self._level = min(self._burst, self._level + (now - self._at) * self._rate)
        self._at = now
        return self._level >= amount

    def take(self, amount: float) -> None:
        """Take it, into debt if need be."""
        self._level -= amount

    def wait(self) -> float:
        """Seconds until a debt is paid."""
        return max(0.0, -self._level / self._rate)


@dataclass(slots=True, eq=False)
class Ticket:
    """One connection that has not become a session yet. `group`: whom its rate is counted under, "" while unknown."""

    address: str
    group: str
    reserved: bool
    drop: Callable[[], None] = field(repr=False)


class Gate:
    """Counts connections before authentication. A refused one raises AdmissionError with a stable code."""

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._all = TokenBucket(limits.new_per_second, limits.new_per_second, now)
        self._groups: OrderedDict[str, TokenBucket] = OrderedDict()
        self._waiting: dict[bool, OrderedDict[Ticket, None]] = {False: OrderedDict(), True: OrderedDict()}
        self._held: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._waiting[False]) + len(self._waiting[True])

    def enter(self, ticket: Ticket, now: float) -> Ticket | None:
        """Let a connection begin. Returns the one that has to give way for it: already left, still to be dropped."""
        if not ticket.reserved:
            self._charge(ticket.group, now)
        self._hold(ticket)
        places = self._waiting[ticket.reserved]
        places[ticket] = None
        share = self._limits.reserved if ticket.reserved else self._limits.in_flight - self._limits.reserved
        if len(places) <= share:
            return None
        oldest = next(iter(places))
        self.leave(oldest)
        return oldest

    def name(self, ticket: Ticket, address: str, group: str, now: float) -> None:
        """Count a connection that came through a trusted proxy under the address that the proxy names."""
        ticket.address = address
        self._charge(group, now, everybody=False)
        ticket.group = group
        self._hold(ticket)

    def leave(self, ticket: Ticket) -> None:
        """It became a session, failed or went away. Leaving twice is nothing."""
        places = self._waiting[ticket.reserved]
        if ticket not in places:
            return
        del places[ticket]
        if not ticket.group:
            return
        left = self._held.get(ticket.group, 0) - 1
        if left > 0:
            self._held[ticket.group] = left
        else:
            self._held.pop(ticket.group, None)

    def _hold(self, ticket: Ticket) -> None:
        if not ticket.group:
            return
        held = self._held.get(ticket.group, 0)
        if held >= self._limits.per_group:
            ticket.group = ""
            raise AdmissionError("address-in-flight")
        self._held[ticket.group] = held + 1

    def _charge(self, group: str, now: float, *, everybody: bool = True) -> None:
        """Take one from both buckets, or from none."""
        if everybody and not self._all.has(1, now):
            raise AdmissionError("busy")
        if group:
            bucket = self._bucket(group, now)
            if not bucket.has(1, now):
                raise AdmissionError("address-rate")
            bucket.take(1)
        if everybody:
            self._all.take(1)

    def _bucket(self, group: str, now: float) -> TokenBucket:
        bucket = self._groups.get(group)
        if bucket is None:
            bucket = TokenBucket(self._limits.group_per_minute / 60, self._limits.group_burst, now)
            self._groups[group] = bucket
            if len(self._groups) > _GROUPS_KEPT:
                self._groups.popitem(last=False)
        self._groups.move_to_end(group)
        return bucket
