"""Observe or enforce: the operator's last word, kept over restarts, confirmed or undone."""

import asyncio

import pytest

from p2pfw import schema
from p2pfw.app.wanted import Mode
from p2pfw.errors import FirewallError, NotFoundError, StoreError
from tests.app.world import CALLER, World

BAD = "203.0.113.9"


async def test_enforcing_answers_once_the_kernel_follows():
    """The answer says what the kernel holds."""
    world = World()
    a = await world.node("a")
    await a.block(BAD)
    answer = await a.enforce()

    assert (answer.mode, answer.enforcing, answer.installed, answer.text) == ("enforce", True, 1, "")
    assert a.drops(BAD)


async def test_the_last_word_survives_a_restart_and_wins_over_the_file():
    """`enforce off` on a node whose file says enforce: still off, and status says whose word it is."""
    world = World()
    a = await world.node("a", enforce=True)
    assert a.node.enforcing.mode is Mode.ENFORCE
    assert a.app.status().mode_origin == "configuration"
    await a.beside(a.app.set_mode(schema.ModeRequest(mode="observe"), CALLER))
    await a.restart()

    assert a.node.enforcing.mode is Mode.OBSERVE
    assert a.app.status().mode_origin == "command"


async def test_an_unconfirmed_trial_goes_back():
    """Without `confirm` in time, observe again, also for the next start."""
    world = World()
    a = await world.node("a")
    await a.block(BAD)
    answer = await a.enforce(confirm=60)
    assert answer.confirming is not None
    assert a.drops(BAD)
    assert {line.code for line in a.node.health.lines()} >= {"unconfirmed"}
    world.clock.pass_time(61)
    await a.node.enforcing.step()
    assert not a.drops(BAD)
    await a.restart()

    assert a.node.enforcing.mode is Mode.OBSERVE


async def test_a_confirmed_trial_stays():
    """`confirm` keeps it, over restarts and for the full time of each entry."""
    world = World()
    a = await world.node("a")
    await a.block(BAD)
    await a.enforce(confirm=60)
    answer = await a.beside(a.app.confirm())
    assert answer.confirming is None
    world.clock.pass_time(120)
    await a.node.enforcing.step()
    assert a.drops(BAD)
    await a.restart()

    assert a.node.enforcing.mode is Mode.ENFORCE


async def test_there_is_nothing_to_confirm_without_a_trial():
    """404, in words."""
    world = World()
    a = await world.node("a")

    with pytest.raises(NotFoundError, match="nothing waits"):
        await a.app.confirm()


async def test_a_trial_survives_the_nodes_death_and_still_ends():
    """Killed and started again within the trial it goes on; started after it, it has ended."""
    world = World()
    a = await world.node("a")
    await a.block(BAD)
    await a.enforce(confirm=60)
    world.clock.pass_time(30)
    await a.restart(crash=True)
    assert a.node.enforcing.mode is Mode.ENFORCE
    assert a.node.enforcing.trial is not None
    assert a.node.enforcing.trial.reverts_to is Mode.OBSERVE
    world.clock.pass_time(31)
    await a.restart(crash=True)

    assert a.node.enforcing.mode is Mode.OBSERVE
    assert a.node.enforcing.trial is None


async def test_a_confirmed_node_has_nothing_to_try():
    """`enforce on --confirm` where enforcement is confirmed already starts no timer: there is nothing to go back to."""
    world = World()
    a = await world.node("a", enforce=True)
    answer = await a.enforce(confirm=60)

    assert answer.confirming is None
    assert a.node.enforcing.trial is None


async def test_a_second_trial_goes_back_to_where_the_first_would():
    """Trying for longer does not make the trial itself what is gone back to."""
    world = World()
    a = await world.node("a")
    await a.enforce(confirm=60)
    world.clock.pass_time(30)
    await a.enforce(confirm=60)

    assert a.node.enforcing.trial is not None
    assert a.node.enforcing.trial.reverts_to is Mode.OBSERVE
    assert a.node.enforcing.trial.reverts_at == world.clock.wall + 60


async def test_a_trial_that_ends_on_a_full_disk_ends_all_the_same():
    """Letting the operator in again needs no disk; a restart comes to the same."""
    world = World()
    a = await world.node("a")
    await a.block(BAD)
    await a.enforce(confirm=60)
    a.store.fill_up()
    world.clock.pass_time(61)
    await a.node.enforcing.step()
    assert not a.firewall.ruled
    a.store.repair()
    await a.restart(crash=True)

    assert a.node.enforcing.mode is Mode.OBSERVE


async def test_panic_needs_no_disk():
    """The kernel first: rule and sets are gone even when the word cannot be kept."""
    world = World()
    a = await world.node("a")
    await a.block(BAD)
    await a.enforce()
    a.store.fill_up()
    with pytest.raises(StoreError):
        await a.beside(a.app.panic())

    assert not a.firewall.ruled
    assert a.node.enforcing.mode is Mode.OBSERVE


async def test_panic_that_cannot_remove_the_rule_says_what_would():
    """An error with the command that helps, and observe mode all the same."""
    world = World()
    a = await world.node("a")
    await a.enforce()
    a.firewall.fail(FirewallError("ipset: broken"))

    with pytest.raises(FirewallError, match="uninstall-rules"):
        await a.beside(a.app.panic())
    assert a.node.enforcing.mode is Mode.OBSERVE


async def test_panic_during_the_commit_of_enforce_wins():
    """The later word counts, in the kernel and on disk."""
    world = World()
    a = await world.node("a")
    a.store.gate = asyncio.Event()
    enforcing = asyncio.create_task(a.app.set_mode(schema.ModeRequest(mode="enforce"), CALLER))
    await asyncio.sleep(0)
    panic = asyncio.create_task(a.app.panic())
    for _ in range(5):
        await asyncio.sleep(0)
        await a.node.enforcing.step()
    a.store.gate.set()
    for _ in range(5):
        await asyncio.sleep(0)
        await a.node.enforcing.step()
    answer = await enforcing
    await panic
    assert answer.mode == "observe"
    assert not a.firewall.ruled
    a.store.gate = None
    await a.restart()

    assert a.node.enforcing.mode is Mode.OBSERVE


async def test_a_word_that_the_disk_refuses_changes_nothing():
    """Enforcement that would not survive a restart is not begun."""
    world = World()
    a = await world.node("a")
    a.store.fill_up()

    with pytest.raises(StoreError):
        await a.app.set_mode(schema.ModeRequest(mode="enforce"), CALLER)
    assert a.node.enforcing.mode is Mode.OBSERVE
