"""A million entries: loaded afresh, changed, and compared in full while an event loop goes on beside it."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench import bulk, kernel
from bench.material import SystemClock, hosts
from bench.measure import Scale
from bench.stage import Stage, stage
from bench.table import Row
from p2pfw.app.enforcing import Enforcing
from p2pfw.app.events import Events
from p2pfw.app.wanted import Mode
from p2pfw.config import Enforcer
from p2pfw.firewall.adapter import KernelFirewall
from p2pfw.firewall.enforcer.doors import by_path
from p2pfw.firewall.enforcer.remote import RemoteKernel
from p2pfw.host.process import settle_collector
from tests.e2e.fleet import until

RUNS = 3
ROOM = 1 << 20
TICK = 0.005
STALL_MS = 50


def million(scale: Scale) -> Iterator[Row]:
    """All three, at `million` entries."""
    large = replace(scale, entries=scale.million, runs=min(RUNS, scale.runs))
    with stage() as here:
        addresses = bulk.public_list(large.entries)
        yield bulk.kernel_row(here, addresses, bulk.restore_file(here, addresses), large.runs)
    yield from kernel.changes(large)
    with stage() as here:
        yield asyncio.run(_audit(here, large.entries))


class Wants:
    """app.wanted.Wanted: a million, and nobody who changes his mind."""

    def __init__(self, entries: int) -> None:
        self._ends = dict.fromkeys(hosts(entries), int(time.time()) + 7_200)

    def until(self, key: int) -> int | None:
        """All alike."""
        return self._ends.get(key)  # type: ignore[call-overload, no-any-return]

    def adopted(self) -> Iterator[tuple[int, int]]:
        """All."""
        return iter(self._ends.items())

    def score(self, key: int, now: float) -> float:  # noqa: ARG002 - the port's signature
        """All alike."""
        return 1.0

    def families(self) -> tuple[int, int]:
        """IPv4 only."""
        return len(self._ends), 0


async def _audit(here: Stage, entries: int) -> Row:
    """The node's worker against a real enforcer and the real kernel; how late a loop that does nothing else wakes."""
    server, path = here.fleet.a, here.folder / "enforcer.sock"
    server.write_config()
    process = server.host.popen(server.argv("enforcer", "--listen", str(path)))
    try:
        until(path.exists)
        return await _watched(path, entries)
    finally:
        process.kill()
        process.wait()


async def _watched(path: Path, entries: int) -> Row:
    clock, wants = SystemClock(), Wants(entries)
    firewall = KernelFirewall(RemoteKernel(by_path(path), ROOM, clock.now))
    worker = Enforcing(firewall, wants, list, clock, Events(clock), Enforcer())
    worker.mode = Mode.ENFORCE
    await worker.step()
    assert worker.enforcing, worker.last_error
    settle_collector()  # as a node does
    lag = asyncio.create_task(_longest_stall())
    begin = time.perf_counter()
    worker.time_changed()  # asks for a full comparison
    await worker.step()
    took = time.perf_counter() - begin
    lag.cancel()
    stall = 1000 * await lag
    assert not worker.drift
    await firewall.close()
    return Row(
        what=f"full comparison of {entries:,} entries: longest stall of the loop",
        ours=f"{stall:.0f} ms (the whole: {took:.1f} s)",
        target=f"{STALL_MS} ms",
        met=stall <= STALL_MS,
    )


async def _longest_stall() -> float:
    """Seconds by which a sleeper woke too late at most, until it is cancelled."""
    longest = 0.0
    try:
        while True:
            begin = time.perf_counter()
            await asyncio.sleep(TICK)
            longest = max(longest, time.perf_counter() - begin - TICK)
    except asyncio.CancelledError:
        return longest
