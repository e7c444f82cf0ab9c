"""What peers send: announcements and ids of announcements, on their way to intake (protocol 4 and 6).

Order of the checks: known already, within the limits, then intake with all of its own. What a peer sends beyond its
limits is not taken but put on the list of what is wanted, so that it comes at our pace, and the peer is told to
announce only. Nothing is remembered about an announcement before intake has judged it.
"""

from hashlib import blake2b
from typing import Final

from p2pfw.core.announcement import Kind, RawAnnouncement
from p2pfw.core.gossip.broadcast import LARGE, Broadcast
from p2pfw.core.gossip.events import Recorded
from p2pfw.core.gossip.limits import Allowance
from p2pfw.core.gossip.links import GLOBAL_FACTOR, Context, Link
from p2pfw.core.gossip.recent import Recent
from p2pfw.core.gossip.sync import Syncs
from p2pfw.core.header import Header
from p2pfw.core.intake import Known
from p2pfw.core.records import Action, split_code
from p2pfw.core.wire import ByeCode, Ihave, Miss, Push, Pushed, Refuse, RefuseCode, RefuseScope
from p2pfw.errors import FutureError, PeerError, ShareError

REFUSED_IDS: Final = 8_192
FORGET_REFUSED: Final = 300.0
"""Seconds after which what was refused may be asked for again: clocks, shares and trust change."""
QUIET: Final = 10.0
"""How long a peer that sent too much is asked to announce only."""
_HEADER_DECIDES: Final = frozenset({Kind.ENTRIES, Kind.PARDON, Kind.CHECKPOINT})
"""Kinds whose owner is that of the header's origin, whatever the body says."""
_UNBLOCKS: Final = frozenset({Kind.PARDON, Kind.REVOCATION, Kind.CHECKPOINT})


class Inflow:
    """What comes in."""

    def __init__(self, context: Context, broadcast: Broadcast, syncs: Syncs) -> None:
        self._context, self._broadcast, self._syncs = context, broadcast, syncs
        self._everyone = Allowance(context.settings.limits.times(GLOBAL_FACTOR), context.now.mono)
        self._refused = Recent(REFUSED_IDS)
        self._forget_at = context.now.mono + FORGET_REFUSED

    def pushed(self, link: Link, frame: Push) -> None:
        """Announcements, asked for or not."""
        for item in frame.items:
            self._take(link, item)
            if link.peer not in self._context.links:
                return

    def announced(self, link: Link, frame: Ihave) -> None:
        """Ids that the peer holds."""
        now = self._context.now.mono
        for identity in frame.ids:
            link.known.add(identity)
        if not (self._everyone.ids(len(frame.ids), now) and link.inbox.ids(len(frame.ids), now)):
            self._over(link, "ids-over-limit", int(self._context.settings.limits.ids_rate))
            self._syncs.again(link)
            return
        self._want(link, frame.ids)

    def missed(self, link: Link, frame: Miss) -> None:
        """The peer does not hold what we asked for."""
        for identity in frame.ids:
            self._context.wants.missed(link.peer, identity, self._context.now.mono)

    def forget_refused(self) -> None:
        """Trust changed: what was refused may count now."""
        self._refused.clear()

    def tick(self) -> None:
        """Forget old refusals; take from peers that do not answer."""
        mono = self._context.now.mono
        if mono >= self._forget_at:
            self._refused.age()
            self._forget_at = mono + FORGET_REFUSED
        self._context.counts["want-stalled"] += len(self._context.wants.stalled(mono))

    def _take(self, link: Link, item: Pushed) -> None:
        context = self._context
        identity = blake2b(item.header, digest_size=32).digest()[:16]
        link.known.add(identity)
        solicited = context.wants.is_asked(link.peer, identity)
        if solicited:
            context.wants.arrived(link.peer, item.size, context.now.mono)
        if not context.archive.lacks(identity):
            context.counts["duplicates"] += 1
            context.wants.settle(identity)
        elif identity in self._refused:
            context.counts["refused-again"] += 1
            context.wants.settle(identity)
        elif solicited or self._allowed(link, item):
            self._receive(link, item, identity, eager=not solicited)
        else:
            self._over(link, "push-over-limit", int(context.settings.limits.announcements_rate))
            self._want(link, (identity,))

    def _receive(self, link: Link, item: Pushed, identity: bytes, *, eager: bool) -> None:
        context = self._context
        try:
            outcome = context.archive.receive(RawAnnouncement(item.header, item.signature, item.body), context.now.wall)
        except PeerError as error:
            self._not_counted(link, item, identity, error)
            return
        context.wants.settle(identity)
        if isinstance(outcome, Known):
            context.counts["duplicates"] += 1
            return
        context.counts["recorded"] += 1
        if outcome.certified and len(self._refused):
            # What was refused for want of this certificate counts now; the peer will have it.
            self._refused.clear()
            self._syncs.again(link)
        context.effects.append(Recorded(outcome=outcome, peer=link.peer))
        if outcome.kept:
            self._broadcast.relay(outcome.announcement, item.hop + 1, eager=eager)
        for revoked in [one for one in context.links.values() if one.node in outcome.revoked]:
            context.drop(revoked, "revoked", ByeCode.REVOKED)

    def _not_counted(self, link: Link, item: Pushed, identity: bytes, error: PeerError) -> None:
        context = self._context
        if error.blame:
            # Somebody else may have the true one: it stays wanted, and is not marked as refused.
            context.refuse(link, error)
            return
        context.wants.settle(identity)
        context.refuse(link, error)
        if Header.decode(item.header).kind in _HEADER_DECIDES:
            self._refused.add(identity)
        if isinstance(error, FutureError):
            context.send(link, Refuse(code=RefuseCode.FUTURE, scope=RefuseScope.ID, subject=identity))
        elif isinstance(error, ShareError):
            context.send(link, Refuse(code=RefuseCode.SHARE, scope=RefuseScope.ID, subject=identity))

    def _allowed(self, link: Link, item: Pushed) -> bool:
        now = self._context.now.mono
        if self._everyone.push(item.size, now) and link.inbox.push(item.size, now):
            return True
        return _takes_back(item) and link.inbox.reserve(now)

    def _want(self, link: Link, ids: tuple[bytes, ...]) -> None:
        wanted = [one for one in ids if self._context.archive.lacks(one) and one not in self._refused]
        overflow = self._context.wants.offer(link.peer, wanted)
        if overflow:
            self._context.counts["wants-overflow"] += overflow
            self._syncs.again(link)

    def _over(self, link: Link, what: str, limit: int) -> None:
        """Count it, and tell the peer, once in a while."""
        context = self._context
        context.counts[what] += 1
        if context.now.mono < link.refused_at + QUIET / 2:
            return
        link.refused_at = context.now.mono
        until = context.now.wall_ms + int(QUIET * 1000)
        context.send(link, Refuse(code=RefuseCode.RATE, scope=RefuseScope.SESSION, until_ms=until, limit=limit))


def _takes_back(item: Pushed) -> bool:
    """True when it may un-block, which no limit must eat (protocol 6). Unverified bytes, hence the small reserve."""
    try:
        header = Header.decode(item.header)
    except PeerError:
        return False
    if header.kind in _UNBLOCKS:
        return True
    if header.kind != Kind.ENTRIES or len(item.body) > LARGE:
        return False
    codes = item.body[11 : header.n4 * 12 : 12] + item.body[header.n4 * 12 + 23 :: 24]
    return any(split_code(code)[0] is Action.RETRACT for code in set(codes))
