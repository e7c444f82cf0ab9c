"""What the operator is told is wrong, worst first, with what helps; and the doctor's report."""

from dataclasses import replace

import pytest

from p2pfw.app.health import LAG_WINDOW, LoopLag
from p2pfw.errors import FirewallError, PrivilegeError
from p2pfw.ports import FirewallSurvey
from tests.app.world import Running, World

BAD = "203.0.113.9"


def codes(one: Running) -> list[tuple[str, str]]:
    """(level, code) of each line, in order."""
    return [(line.level, line.code) for line in one.node.health.lines()]


async def test_a_fresh_node_says_that_it_observes():
    """One line, and the command that changes it; the doctor has no complaint."""
    world = World()
    a = await world.node("a", owner=1)
    (line,) = a.node.health.lines()
    assert (line.level, line.code, line.remedy) == ("info", "observe", "p2pfw enforce on")
    doctor = await a.app.doctor()

    assert doctor.level == "ok"
    assert {check.code for check in doctor.checks} == {"certificate", "collusion", "loop"}


async def test_a_failure_to_enforce_comes_first():
    """NOT enforcing, with the error, above everything else; an error for the doctor."""
    world = World()
    a = await world.node("a", enforce=True)
    a.firewall.fail(FirewallError("ipset: no luck"))
    await a.node.enforcing.step()
    a.store.failing = "no room left"

    assert codes(a)[:2] == [("error", "enforcement"), ("error", "store")]
    assert a.node.health.lines()[0].text == "NOT enforcing: ipset: no luck"
    assert a.app.status().last_error == "ipset: no luck"
    assert a.app.ready() == "ipset: no luck"
    assert (await a.app.doctor()).level == "error"


async def test_a_fight_over_the_rule_is_told_while_it_lasts():
    """What is undone, and what helps: an error, for in the pauses nothing may be dropped."""
    world = World()
    a = await world.node("a", enforce=True)
    for _ in range(6):
        a.firewall.repairs = ["rule missing in raw/PREROUTING (IPv4)"]
        await a.node.enforcing.step()
        world.clock.pass_time(1.0)
    line = next(line for line in a.node.health.lines() if line.code == "drift")

    assert line.level == "error"
    assert "rule missing in raw/PREROUTING (IPv4)" in line.text
    assert "enforcer.hook" in line.remedy
    world.clock.pass_time(100.0)
    assert "drift" not in {line.code for line in a.node.health.lines()}


async def test_the_doctor_names_what_other_rules_mean_for_ours():
    """Published ports that the hook leaves open, and rules of the variant that is not in use; each with a remedy."""
    world = World()
    a = await world.node("a", enforce=True)
    await a.beside(a.block(BAD, wait=True))
    a.firewall.around = FirewallSurvey(
        variant="nf_tables",
        other_variant="legacy",
        other_rules=3,
        other_is_ours=True,
        open_ports=("tcp 8080 to 172.17.0.2:80",),
    )
    doctor = await a.app.doctor()
    checks = {check.code: check for check in doctor.checks}

    assert doctor.level == "warning"
    assert "tcp 8080 to 172.17.0.2:80" in checks["hook"].text
    assert "filter/DOCKER-USER" in checks["hook"].remedy
    assert "3 rules are legacy" in checks["variant"].text
    assert "uninstall-rules" in checks["variant"].remedy


async def test_missing_rights_are_a_warning_while_observing():
    """It could not enforce if it were asked to."""
    world = World()
    a = await world.node("a")
    a.firewall.fail(PrivilegeError("CAP_NET_ADMIN is missing"))
    await a.node.enforcing.step()

    assert ("warning", "enforcement") in codes(a)
    assert (await a.app.doctor()).level == "warning"


async def test_enforcing_is_reported_with_what_is_held():
    """What is fine is said, too."""
    world = World()
    a = await world.node("a", enforce=True)
    await a.beside(a.block(BAD, wait=True))
    texts = {check.code: check.text for check in (await a.app.doctor()).checks}

    assert texts["enforcement"] == "the kernel holds the rule and 1 entries"
    assert a.app.ready() == ""


async def test_a_fleet_node_over_its_budget_is_an_alarm():
    """One stolen node must not blackhole the rest: it is named, with the command that ends it."""
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b", owner=1)
    await world.meet(a, b)
    for number in range(258):
        await b.block(f"{11 + number // 256}.{number % 256}.0.0/16", force=True)
    await world.settle()
    lines = [line for line in a.node.health.lines() if line.code == "budget"]

    assert len(lines) == 1
    assert "owner revoke" in lines[0].remedy


def test_the_longest_stall_of_the_last_minute():
    """Old ones are forgotten, smaller ones beside a greater one are not shown; memory is bounded."""
    lag = LoopLag()
    assert lag.longest() == 0.0
    lag.add(0.0, 80.0)
    lag.add(10.0, 20.0)
    assert lag.longest() == 80.0
    lag.add(LAG_WINDOW + 1, 5.0)
    assert lag.longest() == pytest.approx(20.0)
    for number in range(10_000):
        lag.add(100.0 + number / 100, number % 7)

    assert len(lag._samples) <= 8


async def test_the_loop_is_fine_below_fifty_milliseconds():
    """A longer stall is not called fine."""
    world = World()
    a = await world.node("a")
    assert "loop" in {check.code for check in (await a.app.doctor()).checks}
    a.node.health.lag.add(world.clock.mono, 80.0)

    assert "loop" not in {check.code for check in (await a.app.doctor()).checks if check.level == "ok"}
    assert a.app.status().loop_lag_ms == 80.0


async def test_a_hook_that_waits_for_its_chain_is_told():
    """Nothing is dropped where there is no chain; the line names the hook and what helps."""
    world = World()
    a = await world.node("a", enforce=True)
    a.node.enforcing.report = replace(a.node.enforcing.report, waiting=("filter/DOCKER-USER (IPv6)",))
    (line,) = [line for line in a.node.health.lines() if line.code == "hook-waiting"]

    assert "filter/DOCKER-USER (IPv6)" in line.text
    assert "raw/PREROUTING" in line.remedy
