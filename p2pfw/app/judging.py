"""Judges what is dirty a slice at a time, and passes what changed on: to the kernel's worker and to the event ring.

A few prefixes (a block, one announcement) are judged at once, whatever else waits; a hundred thousand are judged in
slices between which the loop turns, so that no stall grows with the data.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from p2pfw.app.enforcing import Enforcing
from p2pfw.app.events import Events
from p2pfw.app.pace import Pace
from p2pfw.core.adoption import Adoption, Change
from p2pfw.core.announcement import RawAnnouncement
from p2pfw.core.prefix import PrefixKey, key_text
from p2pfw.core.verdict import Decision
from p2pfw.ports import Clock

log = logging.getLogger(__name__)

SLICE: Final = 64
"""Prefixes judged between two looks at the clock."""
AT_ONCE: Final = 256
"""So many prefixes or fewer are judged as they come."""
TOLD_SINGLY: Final = 32
"""More changes than this in one slice are told as one event with a count."""
LONGEST_NAP: Final = 1.0
EXTENDED: Final = "extended"


class Judging:
    """The loop between the ledger and the kernel's worker."""

    def __init__(self, adoption: Adoption, enforcing: Enforcing, clock: Clock, events: Events) -> None:
        self._adoption, self._enforcing = adoption, enforcing
        self._clock, self._events = clock, events
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.ticket = 0
        self.proofs: Callable[[PrefixKey], Iterable[RawAnnouncement]] = lambda _: ()

    def dirty(self, keys: Sequence[PrefixKey]) -> int:
        """Judge these again: at once when they are few. Returns the ticket of the kernel's worker for `settle`."""
        if len(keys) <= AT_ONCE:
            return self._pass_on(self._adoption.judge_these(keys, self._clock.now()))
        self._adoption.mark(keys)
        return self._kick()

    def everything(self, *sources: Callable[[], Iterable[PrefixKey]]) -> None:
        """Full judgement: after an edit of trust or whitelist, and at start."""
        self._adoption.mark_all(*sources)
        self._kick()

    async def idle(self) -> int:
        """Wait until nothing is dirty; the ticket to settle for."""
        await self._idle.wait()
        return self.ticket

    async def run(self) -> None:
        """Judge for ever."""
        pace = Pace(self._clock)
        while True:
            await (pace.turn() if self.turn() else self._nap())

    def turn(self) -> bool:
        """One slice. True when more is dirty; else whoever waited for that goes on."""
        now = self._clock.now()
        self._adoption.tick(now)
        changes = self._adoption.judge_some(now, SLICE)
        more = bool(self._adoption.pending)
        if changes:
            self._pass_on(changes, more=more)
        if not more:
            self._idle.set()
            self._enforcing.hurry()
        return more

    def _kick(self) -> int:
        if self._adoption.pending:
            self._idle.clear()
        self._wake.set()
        return self.ticket

    async def _nap(self) -> None:
        deadline = self._adoption.next_deadline()
        nap = LONGEST_NAP if deadline is None else min(LONGEST_NAP, deadline - self._clock.now())
        try:
            async with asyncio.timeout(max(0.0, nap)):
                await self._wake.wait()
        except TimeoutError:
            return
        finally:
            self._wake.clear()

    def _pass_on(self, changes: Sequence[Change], *, more: bool = False) -> int:
        if changes:
            self.ticket = self._enforcing.changed([change.key for change in changes], more=more)
            self._tell(changes)
        return self.ticket

    def _tell(self, changes: Sequence[Change]) -> None:
        if len(changes) > TOLD_SINGLY:
            adopted = sum(change.until is not None for change in changes)
            self._events.tell("verdicts", adopted=adopted, others=len(changes) - adopted)
            log.info("verdicts", extra={"adopted": adopted, "others": len(changes) - adopted})
            return
        for change in changes:
            kind, reason = _kind(change)
            self._events.tell(kind, prefix=key_text(change.key), reason=reason)
            self._events.prove(self.proofs(change.key))
            # That a block lasts longer is no other verdict: repeats would bury what is new.
            level = logging.DEBUG if kind == EXTENDED else logging.INFO
            log.log(level, kind, extra={"prefix": key_text(change.key), "verdict": reason})


def _kind(change: Change) -> tuple[str, str]:
    """(event kind, reason word) of one change."""
    if change.new is None:
        return "released", "nobody says so any more"
    words = {Decision.ADOPT: "adopted", Decision.HOLD: "held", Decision.REFUSE: "refused"}
    if change.new.decision is Decision.ADOPT and change.old is not None and change.old.decision is Decision.ADOPT:
        return EXTENDED, change.new.reason.word
    return words[change.new.decision], change.new.reason.word
