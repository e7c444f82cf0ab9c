"""`ports.Firewall` over the kernel, here or in the enforcer: a serialised worker thread, so that the loop never waits.

A call that is cancelled while its program runs is carried to its end in the worker; the next one waits for it.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from p2pfw.core.localrule import LocalRule
from p2pfw.firewall.enforcer.remote import RemoteKernel
from p2pfw.firewall.kernel import Kernel
from p2pfw.ports import FirewallSurvey, KernelReport, Shortfall

P = ParamSpec("P")
R = TypeVar("R")


class KernelFirewall:
    """The kernel's firewall, for the loop. Mappings that are passed must not change until the call returns."""

    def __init__(self, kernel: Kernel | RemoteKernel) -> None:
        self._kernel = kernel
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="firewall")
        # reading one counter can take as long as reading the set; no batch waits for that
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="firewall-read")

    async def start(self) -> None:
        """See ports.Firewall."""
        await self._run(self._kernel.start)

    async def membership(self) -> dict[int, int]:
        """See ports.Firewall. Ends are right to about a second."""
        return await self._run(self._kernel.membership)

    async def apply(self, add: Mapping[int, int], remove: Collection[int]) -> Shortfall:
        """See ports.Firewall. An addition whose time has passed is a removal."""
        return await self._run(self._kernel.apply, add, remove)

    async def replace(self, block: Mapping[int, int]) -> Shortfall:
        """See ports.Firewall."""
        return await self._run(self._kernel.replace, block)

    async def allow(self, allow: Collection[int]) -> None:
        """See ports.Firewall. From then on the allow sets are kept so, also by `check`."""
        await self._run(self._kernel.allow, frozenset(allow))

    async def enforce(self) -> None:
        """See ports.Firewall."""
        await self._run(self._kernel.enforce)

    async def release(self) -> None:
        """See ports.Firewall."""
        await self._run(self._kernel.release)

    async def local(self, wanted: Sequence[LocalRule]) -> Mapping[LocalRule, str]:
        """See ports.Firewall."""
        return await self._run(self._kernel.local, tuple(wanted))

    async def local_counters(self) -> dict[LocalRule, tuple[int, int]]:
        """See ports.Firewall."""
        return await self._run(self._kernel.local_counters)

    async def check(self, expected4: int, expected6: int, *, repair: bool = True) -> KernelReport:
        """See ports.Firewall. Before `enforce` and after `release` it only looks."""
        return await self._run(self._kernel.check, expected4, expected6, repair=repair)

    async def counters(self, key: int) -> tuple[int, int] | None:
        """See ports.Firewall."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reader, self._kernel.counters, key)

    async def survey(self) -> FirewallSurvey:
        """See ports.Firewall."""
        return await asyncio.get_running_loop().run_in_executor(self._reader, self._kernel.survey)

    async def tallies(self) -> dict[int, tuple[int, int]]:
        """See ports.Firewall."""
        return await asyncio.get_running_loop().run_in_executor(self._reader, self._kernel.tallies)

    async def close(self) -> None:
        """See ports.Firewall. Waits for what is under way."""
        for worker in (self._worker, self._reader):
            await asyncio.get_running_loop().run_in_executor(None, worker.shutdown)
        self._kernel.close()

    async def _run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, lambda: call(*args, **kwargs))
