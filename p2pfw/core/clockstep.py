"""A wall clock that jumped: was it wrong before, or is it wrong now? Peers know; else patience does. PURE."""

import statistics
from collections.abc import Collection
from typing import Final

AGREES: Final = 60.0
"""Seconds by which the peers' median may differ from what it agrees with (protocol 7: more is wrong)."""
PATIENCE: Final = 600.0
"""Seconds after which a jump that nobody can judge is believed: a clock that is wrong is usually put right by then."""


def is_right(jump: float, offsets: Collection[float], since: float) -> bool | None:
    """Whether the clock is right now, after it jumped by `jump` seconds; None: not known yet.

    `offsets`: of the peers' clocks from ours as it would be without the jump; `since`: seconds since the jump.
    """
    if offsets:
        median = statistics.median(offsets)
        if abs(median - jump) <= AGREES:
            return True
        if abs(median) <= AGREES:
            return False
    return True if since >= PATIENCE else None
