"""What this process costs the machine."""

import ctypes
import gc
import resource
from pathlib import Path


def memory_bytes() -> int:
    """Resident memory now, in bytes; 0 where /proc does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * resource.getpagesize()


def settle_collector() -> None:
    """Make the garbage collector's pauses short; to be called once all that lives as long as the process is there.

    What is there is never walked again (a full walk takes 50 ms), and the young generation may grow to 10,000 objects
    before it is: a list of 100,000 makes as many values that are no garbage.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def give_back_memory() -> None:
    """Let the allocator return what is free to the system: a large import leaves tens of megabytes behind.

    glibc's malloc_trim(3); where there is none, nothing happens. Takes some milliseconds.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
