"""A process of its own that replaces the block sets for ever: for tests that kill it. Prints a line when it goes."""

import sys
import time

from p2pfw.core.prefix import v4_key
from p2pfw.firewall.kernel import Kernel
from p2pfw.firewall.names import SetNames
from p2pfw.firewall.rules import DEFAULT_HOOK, parse_hooks
from p2pfw.firewall.runner import ProgramRunner

ENTRIES = 5_000


class Clock:
    """The machine's own time."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


def batch(number: int) -> dict[int, int]:
    """One of two sets of entries that share none."""
    return {v4_key((number + 20 << 24) + at, 32): int(time.time()) + 3_600 for at in range(ENTRIES)}


def main() -> None:
    """Never returns."""
    kernel = Kernel(ProgramRunner(), SetNames("p2pfw"), parse_hooks([DEFAULT_HOOK]), max_entries=9_999, clock=Clock())
    kernel.start()
    kernel.allow(frozenset({v4_key(0x0A000000, 8)}))
    kernel.replace(batch(0))
    kernel.enforce()
    sys.stdout.write("going\n")
    sys.stdout.flush()
    while True:
        kernel.replace(batch(1))
        kernel.replace(batch(0))


if __name__ == "__main__":
    main()
