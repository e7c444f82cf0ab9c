"""What this process costs the machine."""

import ctypes
import resource
from pathlib import Path


def memory_bytes() -> int:
    """Resident memory now, in bytes; 0 where /proc does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * resource.getpagesize()


def give_back_memory() -> None:
    """Let the allocator return what is free to the system: a large import leaves tens of megabytes behind.

    glibc's malloc_trim(3); where there is none, nothing happens. Takes some milliseconds.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
