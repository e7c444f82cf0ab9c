"""p2pfw on a machine whose wall clock is set: `python -m tests.e2e.stepped SHIFT_FILE ARGUMENTS`.

As tests.e2e.shifted, but the file is what the system's clock says, and not what time it is: the node may believe it.
"""

import sys
import time
from pathlib import Path

from p2pfw.cli.main import main
from p2pfw.host import clock


class SetClock(clock.SystemClock):
    """The system's, with a wall clock that a test sets."""

    def __init__(self) -> None:
        super().__init__(wall=lambda: time.time() + float(SHIFT.read_text()))


SHIFT = Path(sys.argv[1])
clock.SystemClock = SetClock
sys.argv[:2] = ["p2pfw"]
main()
