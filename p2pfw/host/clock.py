"""The system's clocks, as the ports want them. A wall clock that jumps is not followed until somebody says so.

Leases are signed in wall time. If that were read as it comes, one wrong second from a time server would end every block
of the machine, and a clock that is set back would keep them all for a day too long. So what is called "now" goes on at
the pace of a clock that nobody sets (it counts while the machine sleeps, too), and follows the wall clock's small
corrections by itself.
"""

import time
from collections.abc import Callable
from typing import Final

JUMP: Final = 2.0
"""Seconds by which the wall clock may be corrected at once; more is a jump."""
Reading = Callable[[], float]


def _awake_or_asleep() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SteadyClock:
    """Wall time as it was when it was made, carried on: for a process that only counts seconds."""

    def __init__(self, wall: Reading = time.time, steady: Reading = _awake_or_asleep) -> None:
        self._wall, self._steady = wall, steady
        self._lead = wall() - steady()

    def now(self) -> float:
        """Unix seconds."""
        return self._steady() + self._lead

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()


class SystemClock(SteadyClock):
    """Wall and monotonic time of this machine."""

    def now(self) -> float:
        """Unix seconds; where the wall clock jumped, as if it had not."""
        lead = self._wall() - self._steady()
        if abs(lead - self._lead) <= JUMP:
            self._lead = lead
        return super().now()

    def jump(self) -> float:
        """Seconds by which the wall clock has jumped away from `now`; 0: it has not."""
        ahead = self._wall() - self._steady() - self._lead
        return ahead if abs(ahead) > JUMP else 0.0

    def follow(self) -> None:
        """The wall clock is right: `now` is what it says."""
        self._lead = self._wall() - self._steady()
