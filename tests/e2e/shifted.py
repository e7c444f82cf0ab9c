"""p2pfw with a wall clock of its own: `python -m tests.e2e.shifted SHIFT_FILE ARGUMENTS`.

The file holds seconds, as text, by which this process's wall clock is ahead; it is read at every look at the clock, so
a test moves time by writing it. Monotonic time is the machine's. The only stand-in in these tests: no other way to set
a process's wall clock needs neither root nor a preloaded library.
"""

import sys
from pathlib import Path

from p2pfw.cli.main import main
from p2pfw.host import clock


class ShiftedClock(clock.SystemClock):
    """The system's, and some seconds."""

    def now(self) -> float:
        """Unix seconds."""
        return super().now() + float(SHIFT.read_text())


SHIFT = Path(sys.argv[1])
clock.SystemClock = ShiftedClock
sys.argv[:2] = ["p2pfw"]
main()
