"""What was found wrong in the kernel and put right: counted, told, and told from a contest. Repairs nothing itself."""

import logging
from collections.abc import Iterable

from p2pfw.app.contests import Contests
from p2pfw.app.events import Events

log = logging.getLogger(__name__)


class Drift:
    """What was put right since the start, by what it was."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self.counts: dict[str, int] = {}
        self.contests = Contests()

    def repaired(self, found: Iterable[str], now: float) -> None:
        """These were, in words, at a monotonic time."""
        for one in found:
            self.counts[one] = self.counts.get(one, 0) + 1
            log.warning("drift repaired", extra={"found": one})
            self._events.tell("drift", reason=one)
            if self.contests.repaired(one, now):
                log.error("another program keeps undoing it", extra={"found": one})
                self._events.tell("drift-again", reason=one)
