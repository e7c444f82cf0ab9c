"""The worker itself on a real kernel and the machine's own clock: how soon it heals, and how it fights."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from p2pfw.app.contests import MANY
from p2pfw.app.enforcing import Enforcing
from p2pfw.app.events import Events
from p2pfw.app.wanted import Mode
from p2pfw.config import Enforcer
from p2pfw.demo.lab import Lab
from p2pfw.firewall.adapter import KernelFirewall
from tests.kernel.firewalls import VARIANTS, Box, SystemClock, key, soon
from tests.scale import trials

BAD = key("203.0.113.9")
GUARD = 60.0
"""Seconds after which what must come is not waited for any more."""


class Wants:
    """One blocked address: enforcing.Wanted."""

    def __init__(self) -> None:
        self.ends = {BAD: soon()}

    def until(self, key: int) -> int | None:
        return self.ends.get(key)

    def adopted(self) -> Iterator[tuple[int, int]]:
        return iter(self.ends.items())

    def score(self, key: int, now: float) -> float:
        return 1.0

    def families(self) -> tuple[int, int]:
        return len(self.ends), 0


LOCK_HELD = 10.0
"""Seconds; twice as long as any of our commands waits for the lock."""


class Counted(Enforcing):
    """It says how often it looked."""

    looks = 0

    async def _check(self) -> None:
        await super()._check()
        self.looks += 1


@asynccontextmanager
async def working(box: Box, *hooks: str) -> AsyncIterator["Counted"]:
    """A worker that enforces, its loop running."""
    clock = SystemClock()
    kernel = box.kernel(hooks=hooks or ["raw/PREROUTING"])
    worker = Counted(KernelFirewall(kernel), Wants(), list, clock, Events(clock), Enforcer())
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(worker.run())
        assert await worker.set_mode(Mode.ENFORCE) == ""
        yield worker
        task.cancel()


async def until(condition: Callable[[], object]) -> float:
    """Wait for what must come; how long that was, in seconds."""
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(GUARD):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in the kernel
            await asyncio.sleep(0.01)
    return asyncio.get_running_loop().time() - began


@pytest.fixture(params=VARIANTS)
def box(lab: Lab, tmp_path: Path, request: pytest.FixtureRequest) -> Box:
    """The protected host with either variant."""
    made = Box(lab.host("victim"), tmp_path)
    made.choose(request.param)
    return made


async def test_it_is_healed_within_two_seconds(box: Box, record_property: Callable[[str, object], None]):
    """Rules and sets gone at any moment of the second: whole again by the next look, and looks come every second.

    The seconds are noted and not judged; how many looks it took is.
    """
    took: list[float] = []
    looks: list[int] = []
    for _ in range(trials(1, 5)):
        async with working(box) as worker:  # anew: what is undone five times a minute is put right with pauses
            for number in range(4):
                repairs = sum(worker.drift.values())
                await asyncio.to_thread(box.sh, "ip6tables -w 5 -t raw -F; ipset flush")
                done = worker.looks
                took.append(await until(lambda w=worker, n=repairs + 2: sum(w.drift.values()) >= n and whole(box, w)))
                looks.append(worker.looks - done)
                await until(lambda turn=number: SystemClock().now() % 1 > turn * 0.37 % 0.9)
    took.sort()
    record_property("figure", f"healed after {took[len(took) // 2]:.2f} s (median), {took[-1]:.2f} s (longest)")

    assert max(looks) <= 3  # one under way, one that heals, one that sees it whole


def whole(box: Box, worker: Enforcing) -> bool:
    """True when the kernel has the rules and the entry, and the worker says so."""
    held = box.sh("ip6tables-save; ipset save p2pfw-block4")
    return worker.enforcing and "p2pfw:p2pfw" in held and "203.0.113.9" in held


async def test_a_lock_that_is_held_is_told_and_healed_when_it_is_free(lab: Lab, tmp_path: Path):
    """Legacy only: while somebody holds it, for ten seconds, nothing can be put right and nothing else is claimed."""
    box = Box(lab.host("victim"), tmp_path)
    box.choose("legacy")
    async with working(box) as worker:
        box.sh("iptables -w 5 -t raw -F")
        holder = box.host.popen(["flock", "/run/xtables.lock", "cat"], stdin=subprocess.PIPE)
        with holder:
            begun = SystemClock().monotonic()
            await until(lambda: worker.last_error)
            held_for = worker.last_error
            assert not worker.enforcing
            await asyncio.sleep(LOCK_HELD - (SystemClock().monotonic() - begun))
            assert not worker.enforcing
            assert holder.stdin is not None
            holder.stdin.close()
        await until(lambda: worker.enforcing)

    assert "exit code 4" in held_for
    assert worker.last_error == ""
    assert "p2pfw:p2pfw" in box.sh("iptables-save -t raw")


async def test_who_flushes_for_ever_is_told_and_outlasted(lab: Lab, tmp_path: Path):
    """Another program removes the rule several times a second: alarm, spaced repairs; it ends, and the rule stands."""
    box = Box(lab.host("victim"), tmp_path)
    box.choose("nft")
    async with working(box) as worker:
        flusher = box.host.popen(["sh", "-c", "while :; do iptables -w 5 -t raw -F; sleep 0.2; done"])
        await until(lambda: worker.fought)
        repaired = max(worker.drift.values())
        await until(lambda: not worker.report.enforcing)
        assert not worker.enforcing
        flusher.kill()
        await asyncio.to_thread(flusher.wait)
        await until(lambda: worker.enforcing)

    assert repaired >= MANY
    assert "p2pfw:p2pfw" in box.sh("iptables-save -t raw")


async def test_the_rule_comes_with_a_chain_that_appears(box: Box):
    """filter/DOCKER-USER of both families, whoever makes it."""
    async with working(box, "filter/DOCKER-USER") as worker:
        await until(lambda: len(worker.report.waiting) == 2)
        assert not worker.enforcing
        for tool in ("iptables", "ip6tables"):
            box.sh(f"{tool} -w 5 -N DOCKER-USER; {tool} -w 5 -A DOCKER-USER -j RETURN")
        await until(lambda: worker.enforcing)

    for tool in ("iptables", "ip6tables"):
        assert "p2pfw:p2pfw" in box.sh(f"{tool} -w 5 -S DOCKER-USER").splitlines()[1]
