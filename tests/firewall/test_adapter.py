"""The asynchronous face: one call after another in one thread, the loop free, counters beside."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from p2pfw.core.prefix import Prefix
from p2pfw.errors import ConfigError, FirewallError
from p2pfw.firewall.adapter import KernelFirewall
from p2pfw.firewall.backends import make_firewall
from p2pfw.firewall.dryrun import DryRunFirewall
from p2pfw.firewall.enforcer.doors import no_enforcer
from p2pfw.firewall.kernel import Kernel
from p2pfw.firewall.names import SetNames
from p2pfw.firewall.place import Place
from p2pfw.firewall.rules import DEFAULT_HOOK, parse_hooks
from p2pfw.firewall.runner import Output, Program
from p2pfw.firewall.uninstall import uninstall
from tests.firewall.fake_kernel import FakeClock, FakeKernel

KEY = Prefix.parse("203.0.113.9").key
SIX = Prefix.parse("2001:db8:bad::/48").key
SOON = 1_700_001_000


def firewall_on(fake: FakeKernel) -> KernelFirewall:
    """The port over a kernel in memory."""
    hooks = parse_hooks([DEFAULT_HOOK])
    return KernelFirewall(Kernel(fake, SetNames("p2pfw"), hooks, max_entries=1_000, clock=FakeClock()))


async def test_the_port_from_start_to_release():
    """Each call has happened when it returns."""
    fake = FakeKernel()
    firewall = firewall_on(fake)
    await firewall.start()
    await firewall.allow([KEY])
    await firewall.replace({KEY: SOON})
    await firewall.apply({SIX: SOON}, [])
    await firewall.enforce()

    assert (await firewall.check(1, 1)).enforcing
    assert await firewall.membership() == {KEY: SOON, SIX: SOON}
    assert await firewall.counters(KEY) == (7, 420)
    await firewall.release()
    assert fake.sets == {}


async def test_a_slow_program_does_not_stop_the_loop():
    """The loop turns while a program hangs; calls wait for one another; a counter waits for none of them."""
    fake, gate = FakeKernel(), threading.Event()
    firewall = firewall_on(fake)
    await firewall.replace({KEY: SOON})
    entered = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait_for_gate(program: Program, arguments: Sequence[str]) -> Output | None:
        if arguments[0] == "restore":
            loop.call_soon_threadsafe(entered.set)
            gate.wait(60)
        return None

    fake.before = wait_for_gate
    slow = asyncio.create_task(firewall.apply({SIX: SOON}, []))
    behind = asyncio.create_task(firewall.membership())
    await entered.wait()

    assert await firewall.counters(KEY) == (7, 420)
    assert not slow.done()
    assert not behind.done()
    gate.set()
    await slow
    assert await behind == {KEY: SOON, SIX: SOON}


async def test_a_cancelled_call_is_carried_to_its_end():
    """The caller has gone, the kernel is not left half-way, and the next call comes after it."""
    fake, gate = FakeKernel(), threading.Event()
    firewall = firewall_on(fake)
    await firewall.replace({})
    entered = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait_for_gate(program: Program, arguments: Sequence[str]) -> Output | None:
        if arguments[0] == "restore":
            loop.call_soon_threadsafe(entered.set)
            gate.wait(60)
        return None

    fake.before = wait_for_gate
    call = asyncio.create_task(firewall.apply({KEY: SOON}, []))
    await entered.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    gate.set()

    assert await firewall.membership() == {KEY: SOON}


async def test_a_failing_command_does_not_end_the_worker():
    """rfw's worker died of the first one and answered "ok" for ever after."""
    fake = FakeKernel()
    firewall = firewall_on(fake)
    fake.before = lambda program, _: Output(command="ipset restore", code=1, stderr="ipset: no memory")
    for _ in range(3):
        with pytest.raises(FirewallError, match="no memory"):
            await firewall.replace({KEY: SOON})
    fake.before = lambda program, _: None
    await firewall.replace({KEY: SOON})

    assert await firewall.membership() == {KEY: SOON}


def test_the_configuration_chooses_the_backend():
    """ipset or dryrun; nothing is run while it is built."""
    place = Place(set_prefix="p2pfw", hook=[DEFAULT_HOOK], max_entries=5)

    assert isinstance(make_firewall("ipset", place, FakeClock(), no_enforcer), KernelFirewall)
    assert isinstance(make_firewall("dryrun", place, FakeClock(), no_enforcer), DryRunFirewall)


def test_a_backend_that_is_unknown_is_refused():
    """With the ones that there are."""
    place = Place(set_prefix="p2pfw", hook=[DEFAULT_HOOK], max_entries=5)
    with pytest.raises(ConfigError, match="ipset or dryrun"):
        make_firewall("pf", place, FakeClock(), no_enforcer)


@pytest.mark.parametrize("wrong", [{"set_prefix": ""}, {"hook": ["x/y"]}, {"hook": []}, {"max_entries": 0}])
def test_values_that_cannot_work_are_refused(wrong: dict[str, object]):
    """Before anything runs, and by the dry run too: it must find what the real one would."""
    with pytest.raises(ConfigError):
        Place(**{"set_prefix": "p2pfw", "hook": [DEFAULT_HOOK], "max_entries": 5, **wrong})


async def test_uninstalling_needs_no_node():
    """Only the prefix; says what it removed; a second time there is nothing."""
    fake = FakeKernel()
    firewall = firewall_on(fake)
    await firewall.allow([KEY])
    await firewall.replace({KEY: SOON})
    await firewall.enforce()

    assert uninstall("other", fake) == ()
    assert len(fake.sets) == 4
    removed = uninstall("p2pfw", fake)
    assert removed[:2] == ("rule in raw (IPv4)", "rule in raw (IPv6)")
    assert fake.sets == {}
    assert uninstall("p2pfw", fake) == ()
