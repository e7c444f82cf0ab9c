"""A whole list: imported on A, in A's and B's kernels, and in A's again after a restart.

Also what it weighs there, and how long the loops stood still meanwhile.
"""

import random
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from bench.material import SystemClock
from bench.measure import Scale, paired, wall
from bench.stage import BARE_SET, CREATE, Shell, Stage, stage
from bench.table import Row, number
from p2pfw.core.prefix import Prefix
from p2pfw.firewall.kernel import Kernel
from p2pfw.firewall.names import SetNames
from p2pfw.firewall.rules import DEFAULT_HOOK, parse_hooks
from p2pfw.firewall.runner import ProgramRunner
from tests.e2e.fleet import Server, until

POLL = 0.05
"""Seconds between two looks at a kernel; more often would disturb what is measured."""
AT_REST = 3.0
"""Seconds until what only the import needed is given back."""
MIB = 1 << 20
STALL_MS = 50


def import_list(scale: Scale) -> Iterator[Row]:
    """The whole of it, in one fleet."""
    with stage() as here:
        a, b = here.fleet.a, here.fleet.b
        addresses = public_list(scale.entries)
        lines = restore_file(here, addresses)
        bare = _bare_restore(here, lines, scale.runs)
        yield kernel_row(here, addresses, lines, scale.runs)
        here.only(a, b)
        b.meets()
        idle = {server.name: server.resident() for server in (a, b)}
        shells = {server.name: here.shell(server.host) for server in (a, b)}
        took = _import(a, addresses, shells)
        for name, target in ((a.name, 3.0), (b.name, 5.0)):
            yield _installed_row(scale.entries, name, took[name], (bare, target))
        until(lambda: not a.api.status()["pending"] and not b.api.status()["pending"])
        time.sleep(AT_REST)
        for server in (a, b):
            yield _memory_row(scale.entries, server, idle[server.name])
        for server in (a, b):
            yield _stall_row(server)
        yield from _restarts(here, scale, bare)


def public_list(count: int) -> list[str]:
    """Shaped like a public list of attackers: hosts all over the ordinary space."""
    chance = random.Random(1)
    found: set[str] = set()
    while len(found) < count:
        a = chance.choice((5, 23, 45, 61, 78, 93, 103, 150, 185, 203))
        found.add(f"{a}.{chance.randrange(113)}.{chance.randrange(256)}.{chance.randrange(1, 255)}")
    return sorted(found)


def restore_file(here: Stage, addresses: list[str]) -> Path:
    """What bare `ipset restore` reads: a set of the same shape, and the same list."""
    path = here.folder / "restore"
    path.write_text("\n".join([CREATE, *(f"add {BARE_SET} {one} timeout 14400" for one in addresses)]) + "\n")
    return path


def _bare_restore(here: Stage, lines: Path, runs: int) -> float:
    """Seconds for `ipset restore`, nothing else."""
    shell = here.shell(here.bare)
    took = []
    for _ in range(runs):
        took.append(wall(lambda: shell.run(f"ipset restore < {lines}")))
        shell.run(f"ipset destroy {BARE_SET}")
    return statistics.median(took)


def kernel_row(here: Stage, addresses: list[str], lines: Path, runs: int) -> Row:
    """Our way into the kernel, alone: keys to lines to a fresh set, swapped in. Both enter the namespace anew."""
    runner = ProgramRunner(through=here.bare.namespace.command([]))
    kernel = Kernel(runner, SetNames("alone"), parse_hooks([DEFAULT_HOOK]), max_entries=1 << 20, clock=SystemClock())
    kernel.start()
    kernel.allow(frozenset())
    block: dict[int, int] = {Prefix.parse(one).key: int(time.time()) + 14_400 for one in addresses}

    def bare() -> float:
        took = wall(lambda: here.bare.run(["ipset", "restore", "-file", str(lines)]))
        here.shell(here.bare).run(f"ipset destroy {BARE_SET}")
        return took

    def ours() -> float:
        kernel.replace({})  # a load, not a change: what was there before has its counters read
        return wall(lambda: kernel.replace(block))

    pair = paired(runs, ours, bare)
    kernel.release()
    return Row(
        what=f"{len(addresses):,} entries: the kernel part alone",
        ours=f"{pair.ours:.2f} s",
        beside=f"ipset restore: {pair.other:.2f} s",
        ratio=f"{pair.ratio:.2f}",
        target="1.3 x",
        met=pair.ratio <= 1.3,
    )


def _import(a: Server, addresses: list[str], shells: dict[str, Shell]) -> dict[str, float]:
    """Seconds from the beginning of the import until each kernel has all."""
    data = "\n".join(addresses).encode()
    begin = time.monotonic()
    sender = threading.Thread(target=lambda: a.api.request("POST", "/v1/import?ttl=4h", data))
    sender.start()
    took: dict[str, float] = {}
    while len(took) < len(shells):
        assert time.monotonic() - begin < 120, f"of A and B only {list(took)} ever had it all"
        for name, shell in shells.items():
            if name not in took and shell.entries() >= len(addresses):
                took[name] = time.monotonic() - begin
        time.sleep(POLL)
    sender.join()
    return took


def _installed_row(entries: int, name: str, took: float, limits: tuple[float, float]) -> Row:
    bare, target = limits
    return Row(
        what=f"{entries:,} entries imported on A → installed on {name}",
        ours=f"{took:.2f} s ({number(entries / took)}/s)",
        beside=f"ipset restore: {bare:.2f} s",
        ratio=f"{took / bare:.1f}",
        target=f"{target:.0f} s",
        met=took <= target,
    )


def _memory_row(entries: int, server: Server, idle: int) -> Row:
    now = server.resident()
    most = 70 * MIB + 300 * entries
    return Row(
        what=f"memory of {server.name} with {entries:,} entries",
        ours=f"{now / MIB:.0f} MiB (idle {idle / MIB:.0f}; {(now - idle) / entries:.0f} B an entry)",
        target=f"70 MiB idle, {most / MIB:.0f} MiB with them",
        met=now <= most and idle <= 70 * MIB,
    )


def _stall_row(server: Server) -> Row:
    longest = server.api.status()["loop_lag_ms"]
    return Row(
        what=f"longest stall of {server.name}'s loop meanwhile",
        ours=f"{longest:.0f} ms",
        target=f"{STALL_MS} ms",
        met=longest <= STALL_MS,
    )


def _restarts(here: Stage, scale: Scale, bare: float) -> Iterator[Row]:
    """A with the list on disk and an empty kernel, as after a reboot."""
    a, shell = here.fleet.a, here.shell(here.fleet.a.host)
    here.fleet.b.stop()
    installed, ready = [], []
    for _ in range(min(scale.runs, 3)):
        a.stop()
        a.forget_kernel()
        begin = time.monotonic()
        a.spawn()
        until(lambda: shell.entries() >= scale.entries)
        installed.append(time.monotonic() - begin)
        until(lambda: _is_ready(a))
        ready.append(time.monotonic() - begin)
    for what, took in (("installed", installed), ("readyz says so", ready)):
        seconds = statistics.median(took)
        yield Row(
            what=f"start of A with {scale.entries:,} entries → {what}",
            ours=f"{seconds:.2f} s",
            beside=f"ipset restore: {bare:.2f} s",
            ratio=f"{seconds / bare:.1f}",
            target="3 s",
            met=seconds <= 3,
        )


def _is_ready(server: Server) -> bool:
    try:
        return server.api.request("GET", "/readyz").status == 200
    except OSError:
        return False
