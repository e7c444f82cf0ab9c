"""What has to be done again and again: ends of certificates, entries and leases; protection; renewal; the clock.

One task, one look a second; each look does little. What it finds goes the same ways as everything else.
"""

import asyncio
import logging
from collections.abc import Iterator
from typing import Final

from p2pfw import schema
from p2pfw.app.assembly import Assembly
from p2pfw.app.loading import ADOPTED_SETTING
from p2pfw.app.marks import FORCE
from p2pfw.app.originating import MILLISECONDS
from p2pfw.app.protecting import REFRESH
from p2pfw.app.timekeeping import CLOCK, Timekeeping
from p2pfw.core.announcement import FUTURE
from p2pfw.core.duration import short_duration
from p2pfw.errors import InputError, StoreError
from p2pfw.rows import Drop, DropAnnouncements, LocalRow, Setting

log = logging.getLogger(__name__)

EVERY: Final = 1.0
COUNT_EVERY: Final = 60.0
STRANGERS_EVERY: Final = 5.0
LAG_EVERY: Final = 0.05
PEAK: Final = 1 << 20
"""Bytes of growth after which free memory is given back to the system."""


class Housekeeping:
    """The node's second hand."""

    def __init__(self, node: Assembly) -> None:
        self._node = node
        self._refreshed = float("-inf")
        self._memory = node.ports.memory_bytes()
        self._timekeeping = Timekeeping(node)
        self._counted = self._looked = float("-inf")
        self._adopted: dict[str, int] = {}
        node.health.complaints += [self._store_lines, self._voice_lines, node.rules.lines]

    async def run(self) -> None:
        """Every second, for ever."""
        while True:
            await self.tick()
            await asyncio.sleep(EVERY)

    async def tick(self) -> None:
        """One look."""
        node, now = self._node, self._node.ports.clock.now()
        dropped = node.domain.ledger.tick(now)
        if dropped.ids:
            node.ports.store.post(DropAnnouncements(ids=dropped.ids))
        node.judging.dirty([*dropped.dirty, *node.domain.local.tick(now), *node.domain.waiting.tick(now)])
        node.whitelisting.prune(now)
        node.rules.tick(now)
        node.witnessing.tick(now)
        self._keep_adopted()
        self._send_strangers_away()
        self._refresh_protection()
        self._timekeeping.tick()
        node.recording.watch_identity()
        self._give_back_memory()
        self._prune_marks(now)
        try:
            await node.recording.take_back()
            await node.owning.tick()
            await node.chartering.tick()
            await node.peers.revert(now)
            if not node.domain.adoption.pending:  # a start, or a large list: judging comes first
                await node.renewing.tick()
                await node.repeating.tick()
        except (StoreError, InputError) as error:
            log.error("could not announce", extra={"error": str(error)})

    async def measure_lag(self) -> None:
        """How late the loop wakes, for ever."""
        clock = self._node.ports.clock
        while True:
            asked = clock.monotonic()
            await asyncio.sleep(LAG_EVERY)
            late = clock.monotonic() - asked - LAG_EVERY
            self._node.health.lag.add(clock.monotonic(), max(0.0, late * 1000))

    def _send_strangers_away(self) -> None:
        """Whom a charter does not name any more, some seconds after it heard so."""
        now = self._node.ports.clock.monotonic()
        if now - self._looked >= STRANGERS_EVERY:
            self._looked = now
            self._node.peering.close_strangers()

    def _keep_adopted(self) -> None:
        """How much each voice has adopted, once a minute: after a restart that is not new."""
        now, adoption = self._node.ports.clock.monotonic(), self._node.domain.adoption
        if now - self._counted < COUNT_EVERY or adoption.pending:
            return
        self._counted = now
        adopted = {voice.hex(): count for voice, count in sorted(adoption.allowances.adopted().items())}
        if adopted != self._adopted:
            self._adopted = adopted
            self._node.ports.store.post(Setting(name=ADOPTED_SETTING, value=adopted))

    def _give_back_memory(self) -> None:
        """After a peak: what an import or a full judgement needed is not needed any more."""
        now = self._node.ports.memory_bytes()
        if now - self._memory > PEAK and not self._node.domain.adoption.pending:
            self._node.ports.give_back_memory()
            self._memory = self._node.ports.memory_bytes()
        self._memory = min(self._memory, now)

    def _prune_marks(self, now: float) -> None:
        ended = self._node.domain.marks.tick(now)
        self._node.ports.store.post(*(Drop(table=LocalRow, identity=row) for row in ended))
        if any(source == FORCE for source, _ in ended):
            self._node.enforcing.allow_changed()

    def _refresh_protection(self) -> None:
        now = self._node.ports.clock.monotonic()
        if now - self._refreshed >= REFRESH:
            self._refreshed = now
            self._node.whitelisting.changed(self._node.protecting.refresh())

    # --- complaints ----------------------------------------------------------------------------------------------

    def _store_lines(self) -> Iterator[schema.HealthLine]:
        failing = self._node.ports.store.failing
        if failing:
            remedy = "enforcement goes on; nothing new is acknowledged until the disk works"
            yield schema.HealthLine(level="error", code="store", text=failing, remedy=remedy)

    def _voice_lines(self) -> Iterator[schema.HealthLine]:
        originator = self._node.originator
        if originator.held:
            by_clock = originator.is_held_by(CLOCK)
            remedy = (
                "set this machine's clock (timedatectl, chrony)"
                if by_clock
                else "p2pfw run --alone, if it has no peers"
            )
            text = f"this node announces nothing: {originator.held}"
            yield schema.HealthLine(level="error", code="silent", text=text, remedy=remedy)
            return
        # protocol 1.4: peers refuse an epoch of the future, and epochs never go back
        ahead = originator.position[0] / MILLISECONDS - FUTURE - self._node.ports.clock.now()
        if ahead > 0:
            text = f"for {short_duration(ahead)} more peers refuse what this node says: its clock was ahead once"
            yield schema.HealthLine(level="error", code="unheard", text=text, remedy="wait; they take it then")
