"""Sorts what is said about one prefix by the class of who says it (policy, Classes of statements).

Every statement ends in exactly one place: a class that is adopted at once, the scale, or the list of those that do not
count, with the reason. Times are checked here again, whatever the ledger says of a statement's standing. Decides
nothing; see policy.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from typing import Final

from p2pfw.core.announcement import FUTURE, MAX_LIFETIME, Action
from p2pfw.core.identity import NodeId, OwnerId
from p2pfw.core.prefix import is_v6, key_width
from p2pfw.core.statement import Source, Standing, Statement
from p2pfw.core.trust import TrustTable
from p2pfw.core.verdict import Uncounted, Verdict
from p2pfw.core.voices import LEAST_SUPPORT, Weighed, voice_of

# Bound once: looking a member up in its enumeration costs as much as a whole comparison.
_LIVE, _BLOCK = Standing.LIVE, Action.BLOCK
_SIGNED, _OPERATOR, _FEED = Source.SIGNED, Source.OPERATOR, Source.FEED
_SILENCED: Final = {
    Standing.EXPIRED: Uncounted.EXPIRED,
    Standing.FUTURE: Uncounted.FUTURE,
    Standing.RETRACTED: Uncounted.RETRACTED,
    Standing.PARDONED: Uncounted.PARDONED,
    Standing.VOIDED: Uncounted.VOIDED,
    Standing.UNCERTIFIED: Uncounted.VOIDED,
}
# How many bits wider than a host each class may go, for IPv4 and IPv6.
OTHERS_WIDTH: Final = (32 - 24, 64 - 48)
FLEET_WIDTH: Final = (32 - 16, 64 - 32)
FEED_WIDTH: Final = (32 - 10, 64 - 24)


class Hearing:
    """What was said about one prefix, sorted. A full judgement makes one for each prefix."""

    __slots__ = (
        "feed",
        "fleet",
        "forced",
        "is_v6",
        "operator",
        "sighted",
        "silent",
        "verdict",
        "waiting",
        "weighed",
        "width",
    )

    def __init__(self, key: int) -> None:
        self.operator: list[Statement] = []
        self.fleet: list[Statement] = []
        self.feed: list[Statement] = []
        self.weighed: list[Weighed] = []
        self.silent: list[tuple[Statement, Uncounted | None]] = []
        """None: nothing is wrong with it, but its class may not go as wide as this prefix."""
        self.forced = False
        """The operator's own block said --force."""
        self.sighted = False
        """This machine's own detectors saw it."""
        self.waiting = False
        """Somebody's block was set aside for now."""
        self.width = key_width(key)
        self.is_v6 = is_v6(key)
        self.verdict: tuple[bool, Verdict] | None = None
        """What the policy made of it (where nothing stood in the way), and whether it was adopted before."""

    def too_wide(self) -> bool:
        """True when no class of those who speak (or, of nobody, no stranger) may go as wide as this prefix."""
        spoken = self.operator or self.fleet or self.feed or self.waiting
        return self.width > OTHERS_WIDTH[self.is_v6] and not spoken


@dataclass(slots=True, kw_only=True)
class Listener:
    """Who this node is and whom it trusts: what it takes to sort statements."""

    own_node: NodeId
    own_owner: OwnerId
    trust: TrustTable
    _last: tuple[list[Statement], float, int, Hearing] | None = field(init=False, default=None)

    def hear(
        self, key: int, statements: Sequence[Statement], now: float, *, waiting: Set[NodeId] = frozenset()
    ) -> Hearing:
        """Sort the statements about this prefix. What `waiting` origins say is set aside; this node never waits.

        Lists come by the thousand, so in a full judgement most prefixes have statements that are equal to their
        neighbour's: those are not sorted again.
        """
        if not statements or waiting:
            return self._sort(key, statements, now, waiting)
        alike = now, self.trust.version << 16 | is_v6(key) << 8 | key_width(key)
        last = self._last
        if last is None or (last[1], last[2]) != alike or last[0] != statements:
            last = self._last = (list(statements), *alike, self._sort(key, statements, now, waiting))
        return last[3]

    def _sort(self, key: int, statements: Sequence[Statement], now: float, waiting: Set[NodeId]) -> Hearing:
        hearing = Hearing(key)
        for said in statements:
            silence = silence_of(said, now)
            if silence is not None:
                hearing.silent.append((said, silence))
            elif said.source is _OPERATOR or (said.origin == self.own_node and not said.basis):
                hearing.operator.append(said)
                hearing.forced |= said.forced
            elif said.origin == self.own_node:  # told to others; here the feed speaks for itself
                hearing.silent.append((said, Uncounted.FEED_DUPLICATE))
            elif said.origin in waiting:
                hearing.silent.append((said, Uncounted.MUTED))
                hearing.waiting = True
            else:
                self._place(hearing, said)
        return hearing

    def _place(self, hearing: Hearing, said: Statement) -> None:
        family, width = hearing.is_v6, hearing.width
        if said.source is _SIGNED and said.owner == self.own_owner and said.fleet:
            if width <= FLEET_WIDTH[family] or said.forced:
                hearing.fleet.append(said)
            else:
                hearing.silent.append((said, None))
        elif said.source is _FEED:
            if width <= FEED_WIDTH[family]:
                hearing.feed.append(said)
            else:
                hearing.silent.append((said, None))
        elif width > OTHERS_WIDTH[family]:
            hearing.silent.append((said, None))
        else:
            self._weigh(hearing, said)

    def _weigh(self, hearing: Hearing, said: Statement) -> None:
        support = round(self.trust_in(said) * said.confidence, 6)
        if support >= LEAST_SUPPORT:
            hearing.weighed.append(Weighed(support, said, self.voice(said)))
            if said.source is Source.SIGHTING:
                hearing.sighted = True
        elif said.source is not _SIGNED or (said.owner is not None and self.trust.carries(said.owner)):
            muted = said.source is _SIGNED and self.trust.is_muted(said.owner)
            hearing.silent.append((said, Uncounted.MUTED if muted else Uncounted.WATCH))
        else:
            hearing.silent.append((said, Uncounted.NOT_CARRIED))

    def voice(self, said: Statement) -> bytes:
        """With whom it is one voice."""
        return voice_of(said, self.trust.sponsor)

    def trust_in(self, said: Statement) -> float:
        """The trust that a statement is weighed with."""
        if said.source is _SIGNED:
            return self.trust.trust(said.owner, said.category)
        return 1.0 if said.source is Source.SIGHTING else said.trust


def silence_of(said: Statement, now: float) -> Uncounted | None:
    """Why a statement does not speak now, whoever made it; None when it does (policy: live entry)."""
    if said.standing is not _LIVE:
        return _SILENCED[said.standing]
    if said.action is not _BLOCK:
        return Uncounted.PARDONED if said.action is Action.PARDON else Uncounted.RETRACTED
    is_signed = said.source is _SIGNED
    if said.expires <= now and (said.expires or is_signed):
        return Uncounted.EXPIRED
    if said.created > now + FUTURE:
        return Uncounted.FUTURE
    if is_signed and said.expires - said.stated > MAX_LIFETIME:
        return Uncounted.LIFETIME_TOO_LONG
    return None
