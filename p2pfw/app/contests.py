"""When two programs fight over the firewall: whose repairs are spaced, and what the operator is told. PURE.

One repair is drift. The same thing undone again and again is another program at work, and repairing as fast as it
destroys wins nothing: repairs of that kind are then spaced, further and further, but never given up. Anything that
goes wrong for the first time is still repaired at once (enforcement 2).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

WINDOW: Final = 60.0
"""Seconds within which repairs of one kind count together; as long without one, and the contest is over."""
MANY: Final = 5
"""Repairs of one kind within the window that make it a contest."""
PAUSES: Final = (2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds between repairs of what is contested; the last one repeats."""


@dataclass(slots=True)
class _Kind:
    repairs: list[float]
    pauses: int = 0

    def pause(self) -> float:
        return PAUSES[min(self.pauses, len(PAUSES)) - 1] if self.pauses else 0.0


class Contests:
    """What was repaired lately, by kind. `now` is monotonic."""

    def __init__(self) -> None:
        self._kinds: dict[str, _Kind] = {}

    def repaired(self, kind: str, now: float) -> bool:
        """This was put right just now; True when that makes it contested, and it was not before."""
        known = self._kinds.setdefault(kind, _Kind([]))
        known.repairs = [at for at in known.repairs if now - at < WINDOW] + [now]
        began = not known.pauses and len(known.repairs) >= MANY
        known.pauses += bool(known.pauses) or began
        return began

    def rests(self, now: float) -> bool:
        """True while something contested is not yet to be repaired again."""
        self._forget(now)
        return any(now - known.repairs[-1] < known.pause() for known in self._kinds.values())

    def may_wait(self, faults: Iterable[str], now: float) -> bool:
        """True when all of this is contested and at rest: only then a fault may stay for a while."""
        waiting = {kind for kind, known in self._kinds.items() if now - known.repairs[-1] < known.pause()}
        return waiting.issuperset(faults)

    def contested(self, now: float) -> dict[str, float]:
        """What another program keeps undoing, and how many seconds apart it is put right."""
        self._forget(now)
        return {kind: known.pause() for kind, known in self._kinds.items() if known.pauses}

    def _forget(self, now: float) -> None:
        self._kinds = {kind: known for kind, known in self._kinds.items() if now - known.repairs[-1] < WINDOW}
