"""The simulator's own alarms ring: a promise that is broken is reported."""

import pytest

from p2pfw.core.announcement import Action, parse
from p2pfw.sim import Announce, Scenario, World
from p2pfw.sim.checks import Checks
from p2pfw.sim.report import Report

pytestmark = pytest.mark.swarm


@pytest.fixture
def world():
    """Two nodes of one owner, and a block that both know."""
    scenario = Scenario(nodes=2, until=10, owners=1, clock_spread=0.0, actions=[Announce(at=5, node=0, first=1)])
    made = World(scenario, seed=1)
    made.play()
    return made


@pytest.mark.parametrize(
    "action, rule", [(Action.RETRACT, "retract safety"), (Action.PARDON, "pardon safety"), (Action.BLOCK, None)]
)
def test_a_block_that_outlives_what_takes_it_back_is_a_violation(world, action, rule):
    """A node that was told and did not listen is found out (protocol 8)."""
    speaker, deaf = world.machines
    checks = Checks(world.machines)
    for row in deaf.ledger.announcements_of(speaker.node, deaf.wall(10)):
        checks.recorded(deaf, world_announcement(deaf, row.id), 10)
    told = speaker.say(10, action, [1], 30 * 86_400 if action is Action.PARDON else 3_600)
    checks.recorded(deaf, told, 10)

    assert [one.rule for one in checks.violations] == ([rule] if rule else [])


def world_announcement(machine, identity):
    """What a machine holds under an id."""
    return parse(machine.ledger.get(identity))


def test_what_is_adopted_without_a_reason_is_a_violation(world):
    """An adopted prefix that nobody speaks of any more (protocol 8)."""
    _, node = world.machines
    checks = Checks(world.machines)
    own = node.say(10, Action.BLOCK, [7], 3_600)
    node.ledger.revoke([node.node])
    checks.recorded(node, own, 10)

    assert [one.rule for one in checks.violations] == ["reasons"]


def test_a_node_that_lacks_something_is_named(world):
    """Convergence is compared, not assumed (protocol 8)."""
    world.machines[1].say(10, Action.BLOCK, [9], 3_600)

    assert world.report().missing == {0: 1}
    assert not world.report().converged


def test_a_report_of_nothing_has_no_delays():
    """No announcement, no delay."""
    scenario = Scenario(nodes=1, until=1)
    world = World(scenario, seed=1)
    world.play()
    report: Report = world.report()

    assert report.delay(0.99) == 0.0
    assert report.converged
