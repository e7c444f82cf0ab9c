"""Memory an entry, in fresh processes: the pure core with everything recorded and judged, beside a bare dictionary.

As a program (`python -m bench.weigh core|dict COUNT`) it is the child that is weighed, and prints bytes an entry.
"""

import gc
import subprocess
import sys
from collections.abc import Iterator

from bench.material import FIRST_HOST, STRIDE, Scene, hosts, judge_all, take
from bench.measure import Scale
from bench.table import Row
from p2pfw.host.process import memory_bytes

SLICE = 8_192
"""Hosts that are announced at a time: the list itself must not weigh."""


def memory(scale: Scale) -> Iterator[Row]:
    """Bytes a live entry at two sizes; the larger one by twelve owners, for each has limits."""
    for count in (scale.entries, scale.million):
        ours, bare = weighed("core", count), weighed("dict", count)
        yield Row(
            what=f"memory an entry at {count:,}, pure core",
            ours=f"{ours:.0f} B",
            beside=f"a dict of the same keys: {bare:.0f} B",
            ratio=f"{ours / max(bare, 1):.1f}",
            target="300 B",
            met=ours <= 300,
        )


def weighed(what: str, count: int) -> float:
    """Resident bytes an entry that a process of its own needs."""
    command = [sys.executable, "-m", "bench.weigh", what, str(count)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _core(count: int) -> object:
    scene = Scene()
    domain = scene.domain()
    part = -(-count // len(scene.strangers))
    for n, stranger in enumerate(scene.strangers):
        for at in range(n * part, min((n + 1) * part, count), SLICE):
            keys = hosts(min(SLICE, (n + 1) * part - at, count - at), at)
            for one in stranger.announce(keys):
                take(domain, one, scene.now)
            judge_all(domain, scene.now)
    assert domain.adoption.families()[0] == count
    return domain


def _dict(count: int) -> object:
    return {FIRST_HOST + n * STRIDE << 8 | 32: n for n in range(count)}


def main() -> None:
    what, count = sys.argv[1], int(sys.argv[2])
    make = {"core": _core, "dict": _dict}[what]
    make(1_000)  # once before, so that what is allocated on first use is not charged to the entries
    gc.collect()
    before = memory_bytes()
    kept = make(count)
    gc.collect()
    print((memory_bytes() - before) / count)
    del kept


if __name__ == "__main__":
    main()
