"""How things are timed: in pairs, interleaved, so that a busy machine is busy for both; and what machine this was.

Work that is one core's own is measured in CPU seconds of this process, which other programs disturb less than the
clock on the wall. Whatever crosses a process is measured by the clock.
"""

import gc
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.latency import percentile


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much of everything. Whoever wants a smaller run says so by name, never by editing a benchmark."""

    runs: int
    entries: int
    million: int
    blocks: int
    networks: int
    requests: int
    calls: int


FULL = Scale(runs=5, entries=100_000, million=1_000_000, blocks=200, networks=25, requests=6_000, calls=31)
QUICK = Scale(runs=1, entries=4_096, million=20_000, blocks=6, networks=3, requests=300, calls=3)


@dataclass(frozen=True, slots=True)
class Pair:
    """Medians of ours and of the other's, and of the ratios of each run."""

    ours: float
    other: float
    ratio: float


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of this process, the collector of garbage as it is."""
    gc.collect()
    begin = time.process_time()
    work()
    return time.process_time() - begin


def wall(work: Callable[[], object]) -> float:
    """Seconds by the clock."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def paired(runs: int, ours: Callable[[], float], other: Callable[[], float]) -> Pair:
    """Both, one after the other, so many times; each returns what it measured."""
    measured = [(ours(), other()) for _ in range(runs)]
    mine, others = zip(*measured, strict=True)
    ratios = [one / another for one, another in measured]
    return Pair(statistics.median(mine), statistics.median(others), statistics.median(ratios))


def spread(values: list[float]) -> str:
    """Milliseconds as text: p50 3.1, p99 12.0 ms."""
    return f"p50 {percentile(values, 50):.1f}, p99 {percentile(values, 99):.1f} ms"


def machine() -> str:
    """What the figures were taken on, and how busy it was."""
    loads = " ".join(f"{load:.1f}" for load in os.getloadavg())
    system = f"Linux {platform.release()}, Python {platform.python_version()}"
    return f"{_processor()}, {os.cpu_count()} cores, {system}; load {loads}"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
