"""Reconciliations with peers (protocol 5): opens them, answers them, and hands what is lacking to wants.

On connect the dialler opens two, one after the other: certificates and revocations, then all the rest; every few
minutes one with a peer by chance; and one of owners that were added. At most one opened by each side of a session at a
time. What runs over a bound, or stops moving, is given up and opened again later. Compares only; see reconcile.
"""

from collections.abc import Sequence
from typing import Final

from p2pfw.core.gossip.events import CaughtUp, Lane
from p2pfw.core.gossip.links import Context, Link, Sync
from p2pfw.core.gossip.reconcile import Round, Snapshot, frames_of
from p2pfw.core.identity import OwnerId
from p2pfw.core.rangeframes import MAX_SCOPE_OWNERS
from p2pfw.core.wire import DoneCode, Range, RDone, RMsg, ROpen, Scope
from p2pfw.errors import FrameError

MAX_ROUNDS: Final = 12
MAX_JOBS: Final = 16
MAX_SKEW_MS: Final = 3_600_000
"""Further apart than this no two clocks agree on what is live."""


class Syncs:
    """All reconciliations, over all links."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._periodic_at = self._next_periodic()

    def schedule(self, link: Link, owners: frozenset[OwnerId] = frozenset()) -> None:
        """Reconcile with this peer: these owners, or all that both carry. Opens now or after what is under way."""
        scope = tuple(sorted(owners)) if len(owners) <= MAX_SCOPE_OWNERS else ()
        jobs = [(Scope.AUTHORITY, scope), (Scope.STATEMENTS, scope)]
        if jobs[1] not in link.jobs and len(link.jobs) < MAX_JOBS:
            link.jobs.extend(jobs)
        self._advance(link)

    def again(self, link: Link) -> None:
        """Something was left out: reconcile with this peer after a while."""
        if link.sync_at is None:
            link.sync_at = self._context.now.mono + self._context.settings.sync_again

    def opened(self, link: Link, frame: ROpen) -> None:
        """The peer opens one."""
        if frame.token % 2 == (1 if link.outbound else 0):
            raise FrameError("a token of ours")
        if link.carried.owners is None:
            # Its set is on the way: it told us a hash that differed from ours meanwhile.
            link.waiting = [frame]
            return
        if abs(frame.t0_ms - self._context.now.wall_ms) > MAX_SKEW_MS:
            self._context.send(link, RDone(token=frame.token, code=DoneCode.REFUSED), Lane.BULK)
            return
        scope, owners = Scope(frame.scope), tuple(OwnerId(owner) for owner in frame.owners)
        link.theirs = self._sync(link, frame.token, scope, owners, frame.t0_ms, frame.salt)
        self._turn(link, link.theirs, frame.ranges, frame.more)

    def waited(self, link: Link) -> None:
        """The peer's owners are known now."""
        waiting, link.waiting = link.waiting, []
        for frame in waiting:
            self.opened(link, frame)

    def received(self, link: Link, frame: RMsg) -> None:
        """The peer's turn, or a part of it."""
        sync = self._find(link, frame.token)
        if sync is not None:
            self._turn(link, sync, frame.ranges, frame.more)

    def done(self, link: Link, frame: RDone) -> None:
        """The peer knows all that it wanted to know."""
        sync = self._find(link, frame.token)
        if sync is not None:
            self._finish(link, sync, complete=frame.code == DoneCode.EQUAL)

    def check_caught_up(self, link: Link) -> None:
        """Say so, once a session, when all that the peer had to offer is here."""
        if not link.synced or link.caught_up or self._context.wants.pending(link.peer):
            return
        link.caught_up = True
        carried = link.carried.owners or frozenset()
        owner = self._context.archive.own_owner(self._context.own, self._context.now.wall)
        self._context.effects.append(CaughtUp(peer=link.peer, own=owner in carried))

    def tick(self) -> None:
        """Give up what does not move, open what is due."""
        context, mono = self._context, self._context.now.mono
        for link in context.ready():
            for sync in (link.ours, link.theirs):
                if sync is not None and mono >= sync.moved + context.settings.sync_idle:
                    context.counts["sync-timeout"] += 1
                    link.jobs.clear()
                    self._finish(link, sync, complete=False)
            if link.sync_at is not None and mono >= link.sync_at:
                link.sync_at = None
                self.schedule(link)
        if mono >= self._periodic_at:
            self._periodic_at = self._next_periodic()
            ready = context.ready()
            if ready:
                self.schedule(ready[int(context.random.random() * len(ready))])

    def next_deadline(self) -> float:
        """Monotonic seconds."""
        due = [self._periodic_at]
        for link in self._context.ready():
            due.extend(sync.moved + self._context.settings.sync_idle for sync in (link.ours, link.theirs) if sync)
            due.extend([] if link.sync_at is None else [link.sync_at])
        return min(due)

    def _next_periodic(self) -> float:
        return self._context.now.mono + self._context.settings.sync_every * (0.5 + self._context.random.random())

    def _advance(self, link: Link) -> None:
        """Open the next one that is waiting, when none of ours is under way."""
        if link.ours is not None or not link.jobs:
            return
        context = self._context
        scope, owners = link.jobs.pop(0)
        link.tokens += 2
        token, t0, salt = link.tokens - (1 if link.outbound else 0), context.now.wall_ms, context.random.randbytes(16)
        link.ours = self._sync(link, token, scope, owners, t0, salt)
        context.counts["sync-opened"] += 1
        first = frames_of(link.ours.snapshot.opening())[0]
        opening = ROpen(token=token, scope=scope, t0_ms=t0, salt=salt, owners=owners, more=False, ranges=first)
        context.send(link, opening, Lane.BULK)

    def _sync(self, link: Link, token: int, scope: Scope, owners: Sequence[OwnerId], t0_ms: int, salt: bytes) -> Sync:
        context = self._context
        both = context.both_carry(link)
        among = both & frozenset(owners) if owners else both
        keys, origins = context.archive.listing(among, scope, t0_ms // 1000)
        return Sync(
            token=token,
            scope=scope,
            owners=tuple(owners),
            snapshot=Snapshot(keys, salt),
            origins=origins,
            moved=context.now.mono,
        )

    @staticmethod
    def _find(link: Link, token: int) -> Sync | None:
        return next((sync for sync in (link.ours, link.theirs) if sync is not None and sync.token == token), None)

    def _turn(self, link: Link, sync: Sync, ranges: Sequence[Range], more: bool) -> None:  # noqa: FBT001
        sync.moved = self._context.now.mono
        sync.round = sync.round or Round(sync.snapshot)
        sync.round.read(ranges)
        sync.whole &= self._lacking(link, sync, sync.round.take_lacking())
        if more:
            return
        answer, sync.round = sync.round.answer(), None
        sync.rounds += 1
        if answer and sync.rounds < MAX_ROUNDS:
            self._answer(link, sync, answer)
            return
        code = DoneCode.LIMIT if answer or not sync.whole else DoneCode.EQUAL
        self._context.send(link, RDone(token=sync.token, code=code), Lane.BULK)
        self._finish(link, sync, complete=code is DoneCode.EQUAL)

    def _answer(self, link: Link, sync: Sync, answer: Sequence[Range]) -> None:
        *parts, last = frames_of(answer)
        for part in parts:
            self._context.send(link, RMsg(token=sync.token, more=True, ranges=part), Lane.BULK)
        self._context.send(link, RMsg(token=sync.token, more=False, ranges=last), Lane.BULK)

    def _lacking(self, link: Link, sync: Sync, ids: Sequence[bytes]) -> bool:
        """Put on the list what is not here yet. False when not all of it found room."""
        wanted = [identity for identity in ids if self._context.archive.lacks(identity)]
        overflow = self._context.wants.offer(link.peer, wanted, urgent=sync.scope is Scope.AUTHORITY)
        self._context.counts["sync-lacking"] += len(wanted)
        if overflow:
            self._context.counts["wants-overflow"] += overflow
            self.again(link)
        return not overflow

    def _finish(self, link: Link, sync: Sync, *, complete: bool) -> None:
        if sync is link.ours:
            link.ours = None
        else:
            link.theirs = None
        if complete and sync.scope is Scope.AUTHORITY:
            # Both hold these now, or the one that does not has asked: no need to send them before announcements.
            for origin in sync.origins:
                link.certified.add(origin)
        if complete and sync.scope is Scope.STATEMENTS and not sync.owners:
            link.synced = True
        if not complete:
            self.again(link)
        self._advance(link)
