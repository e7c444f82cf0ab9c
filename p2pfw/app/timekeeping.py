"""This machine's clock, and what its peers' say of it: jumps, and the silence of a node whose clock is wrong."""

import logging
import statistics
from collections.abc import Iterator
from typing import Final

from p2pfw import schema
from p2pfw.app.assembly import Assembly
from p2pfw.app.health import CLOCK_WARN
from p2pfw.core.clockstep import is_right
from p2pfw.core.duration import short_duration

log = logging.getLogger(__name__)

CLOCK: Final = "clock"
CLOCK_LIMIT: Final = 60.0
"""Seconds by which the median of three or more peers must differ before this node falls silent (protocol 7)."""
CLOCK_WITNESSES: Final = 3


class Timekeeping:
    """Looks once a second."""

    def __init__(self, node: Assembly) -> None:
        self._node = node
        self._jumped_at: float | None = None
        node.health.complaints.append(self._lines)

    def tick(self) -> None:
        """One look."""
        self._watch_jumps()
        self._watch_peers()

    def _offsets(self) -> list[float]:
        return [peer.offset for peer in self._node.gossip.peers() if peer.offset is not None]

    def _watch_jumps(self) -> None:
        clock = self._node.ports.clock
        jump = clock.jump()
        if not jump:
            self._jumped_at = None
            return
        if self._jumped_at is None:
            self._jumped_at = clock.monotonic()
            log.error("the wall clock jumped", extra={"seconds": round(jump)})
            self._node.events.tell("clock-jumped", seconds=round(jump))
        if is_right(jump, self._offsets(), clock.monotonic() - self._jumped_at):
            clock.follow()
            self._jumped_at = None
            log.warning("following the wall clock", extra={"seconds": round(jump)})
            self._node.events.tell("clock-followed", seconds=round(jump))
            self._node.enforcing.time_changed()

    def _watch_peers(self) -> None:
        offsets = self._offsets()
        originator = self._node.originator
        wrong = len(offsets) >= CLOCK_WITNESSES and abs(statistics.median(offsets)) > CLOCK_LIMIT
        if wrong:
            originator.hold(CLOCK, f"its clock differs by {statistics.median(offsets):.0f} s from its peers'")
        elif originator.is_held_by(CLOCK):
            originator.release(CLOCK)
            self._node.announcing.released()

    def _lines(self) -> Iterator[schema.HealthLine]:
        jump = self._node.ports.clock.jump()
        if jump and self._jumped_at is not None:
            by = f"{'+' if jump > 0 else '-'}{short_duration(abs(jump))}"
            since = self._node.ports.clock.monotonic() - self._jumped_at
            known = is_right(jump, self._offsets(), since) is False
            text = f"this machine's clock jumped by {by}, and is not followed: "
            text += "its peers say that it was right before" if known else "nobody knows yet whether it is right now"
            remedy = "set it right (timedatectl, chrony)" if known else "it is believed after ten minutes"
            yield schema.HealthLine(level="error", code="clock-jumped", text=text, remedy=remedy)
        for peer in self._node.gossip.peers():
            if peer.offset is not None and abs(peer.offset) > CLOCK_WARN:
                name = self._node.book.name_of(peer.node)
                text = f"the clock of {name} differs from this machine's by {peer.offset:+.0f} s"
                remedy = "set the clock of the one that is wrong (timedatectl, chrony)"
                yield schema.HealthLine(level="warning", code="clock", text=text, remedy=remedy)
