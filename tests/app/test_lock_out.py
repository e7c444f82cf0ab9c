"""Nobody is locked out: random lists, supernets, addresses that become protected later, trials that nobody confirms.

After every step the kernel's block set and what is whitelisted or protected share no address. Before every single call
to the kernel, too, no address that was protected when the last step ended would be dropped: the allow set names it.
"""

import ipaddress
import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import pytest

from p2pfw import schema
from p2pfw.app.protecting import REFRESH
from p2pfw.core.prefix import Prefix, PrefixKey, v4_key, v6_key
from p2pfw.core.protected import Strength
from p2pfw.errors import ConflictError, NotAcceptableError
from p2pfw.ports import Neighbour
from tests.app.world import CALLER, Running, World
from tests.scale import trials

STEPS: Final = 20
WORLDS: Final = 50
CASES: Final = WORLDS * STEPS
"""Steps in `make test`; ten times as many in `make soak`."""


def test_the_count_is_that_of_the_fault_matrix():
    """1,000 in `make test`."""
    assert CASES == 1_000


@pytest.mark.parametrize("part", range(10))
async def test_the_kernel_never_holds_what_may_not_be_blocked(part: int):
    """Every step is a case; the seed is in the message."""
    for number in range(trials(WORLDS, 10 * WORLDS) // 10):
        await Story(random.Random(f"{part} {number}"), f"part {part}, number {number}").play()


class Story:
    """One node, a fleet mate that says what it wants, and things that happen."""

    def __init__(self, dice: random.Random, seed: str) -> None:
        self._dice, self._seed = dice, seed
        self._safe: list[PrefixKey] = []
        self.held = 0

    async def play(self) -> None:
        """All of it; AssertionError where somebody is locked out."""
        self.world = World()
        self.a, self.b = await self.world.node("a", owner=1), await self.world.node("b", owner=1)
        await self.world.meet(self.a, self.b)
        self.a.firewall.watch = lambda _: self._no_drop()
        await self.a.enforce()
        happenings = (self._list, self._list, self._said, self._said, self._login, self._allow, self._ssh, self._trial)
        for _ in range(STEPS):
            await self._dice.choice(happenings)()
            await self.world.advance(seconds=REFRESH + 1, step=2)
            self._sample()
        assert self.held, f"{self._seed}: nothing was ever blocked"

    # --- what happens ----------------------------------------------------------------------------------------------

    async def _list(self) -> None:
        """A list of the operator's own, applied whole or refused whole; then one by one."""
        await self._block(self.a)

    async def _said(self) -> None:
        await self._block(self.b)

    async def _block(self, one: Running) -> None:
        for _ in range(5):
            force = self._dice.random() < 0.2 and one is self.b  # what another forces there binds nobody here
            try:
                await one.block(str(Prefix(self._network())), ttl=self._dice.choice(["1h", "30s"]), force=force)
            except (ConflictError, NotAcceptableError):
                continue

    async def _login(self) -> None:
        """Addresses come and go, under blocks that stand."""
        found = Neighbour(key=self._host(), reason="login session of root")
        kind = self._dice.choice(["near", "own"])
        setattr(self.a.machine, kind, [*getattr(self.a.machine, kind)[-2:], found])

    async def _allow(self) -> None:
        await self.a.beside(self.a.allow(str(Prefix(self._network())), ttl=self._dice.choice(["1h", 20])))

    async def _ssh(self) -> None:
        client = str(Prefix(self._host())).partition("/")[0]
        await self._mode("enforce", 0, client)

    async def _trial(self) -> None:
        """Observe, then a trial that is confirmed or not."""
        await self._mode("observe", 0, "")
        await self._mode("enforce", 10, "")
        if self._dice.random() < 0.5:
            await self.a.beside(self.a.app.confirm())
        await self.world.advance(seconds=12, step=2)
        self._sample()
        await self._mode("enforce", 0, "")

    async def _mode(self, mode: schema.ModeName, confirm: int, client: str) -> None:
        request = schema.ModeRequest(mode=mode, confirm=confirm)
        await self.a.beside(self.a.app.set_mode(request, replace(CALLER, address=client)))

    # --- a small world, so that things meet --------------------------------------------------------------------------

    def _host(self) -> PrefixKey:
        if self._dice.random() < 0.3:
            return v6_key(0x20010DB8 << 96 | self._dice.randrange(64) << 64 | self._dice.randrange(4), 128)
        return v4_key(45 << 24 | self._dice.randrange(1 << 9), 32)

    def _network(self) -> PrefixKey:
        host = Prefix(self._host())
        text, _, length = str(host).partition("/")
        wider = self._dice.choice([0, 0, 1, 4, 8])
        return Prefix.parse(str(ipaddress.ip_network(f"{text}/{int(length) - wider}", strict=False))).key

    # --- the rule ----------------------------------------------------------------------------------------------------

    def _protected(self) -> list[PrefixKey]:
        domain = self.a.node.domain
        guarded = [one.key for one in domain.protected.entries() if one.strength is not Strength.PEER]
        return [*guarded, *self.a.node.whitelisting.kernel_keys()]

    def _sample(self) -> None:
        held = self.a.firewall.held()
        self.held += len(held)
        self._safe = self._protected()
        wrong = [(one, other) for one in held for other in _overlapping(PrefixKey(one), self._safe)]
        assert not wrong, f"{self._seed}: blocked {wrong}"
        if self.a.firewall.ruled:
            assert self.a.firewall.allowed.issuperset(self._safe), f"{self._seed}: not in the allow set"

    def _no_drop(self) -> None:
        firewall = self.a.firewall
        still = [key for key in set(self._safe).intersection(self._protected()) if key not in firewall.allowed]
        dropped = [key for key in still if firewall.ruled and list(_overlapping(key, map(PrefixKey, firewall.held())))]
        assert not dropped, f"{self._seed}: {dropped} would be dropped"


def _overlapping(key: PrefixKey, others: Iterable[PrefixKey]) -> Iterable[PrefixKey]:
    return (other for other in others if Prefix(other).overlaps(Prefix(key)))
