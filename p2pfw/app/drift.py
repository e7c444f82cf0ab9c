"""What was found wrong in the kernel and put right: counted, told, and told from a fight.

A fight is somebody else who undoes our repairs again and again, as we undo his. The first repairs come at once
(enforcement 2). From the fifth in a row on there is a pause between them, up to half a minute, so that two managers do
not keep a machine busy with one another, and the operator is told. It is over when nothing needed repair for as long as
a repair counts. Repairs nothing itself.
"""

import logging
from collections.abc import Sequence
from typing import Final

from p2pfw.app.events import Events

log = logging.getLogger(__name__)

ENOUGH: Final = 5
"""Repairs in a row that are no coincidence: a reload of another firewall takes one or two."""
IN_A_ROW: Final = 60.0
"""Seconds after a repair within which the next one belongs to it."""
LONGEST: Final = 30.0
"""Seconds between two repairs at the most."""


class Fight:
    """How often in a row something was put right. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._count = 0
        self._last = float("-inf")
        self.about = ""
        """What was found wrong last, in words."""

    def repaired(self, found: Sequence[str], now: float) -> bool:
        """These were put right. True when that made a fight of it."""
        self._count = self._count + 1 if self._lasts(now) else 1
        self._last, self.about = now, ", ".join(found)
        return self._count == ENOUGH

    def is_on(self, now: float) -> bool:
        """True while somebody is at it."""
        return self._count >= ENOUGH and self._lasts(now)

    def pause(self, now: float) -> float:
        """Seconds to leave between two looks; 0 when nobody fights."""
        return min(LONGEST, 2.0 ** (self._count - ENOUGH + 1)) if self.is_on(now) else 0.0

    def _lasts(self, now: float) -> bool:
        return now - self._last <= IN_A_ROW


class Drift:
    """What was put right since the start, by what it was."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self.counts: dict[str, int] = {}
        self.fight = Fight()

    def repaired(self, found: Sequence[str], now: float) -> None:
        """These were, in words, at a monotonic time."""
        for one in found:
            self.counts[one] = self.counts.get(one, 0) + 1
            log.warning("drift repaired", extra={"found": one})
            self._events.tell("drift", reason=one)
        if found and self.fight.repaired(found, now):
            self._events.tell("drift-again", reason=self.fight.about)
