"""Local rules: kept before the answer, in the kernel while enforcing, ended in time, refused where they must not be."""

import pytest

from p2pfw import schema
from p2pfw.app import localrules
from p2pfw.core.localrule import Chain, LocalRule, Target
from p2pfw.core.prefix import Prefix
from p2pfw.errors import ConflictError, FirewallError, InputError
from tests.app.world import CALLER, Running, World


def rule(source: str = "203.0.113.9", target: Target = Target.REJECT) -> LocalRule:
    """Of what comes in."""
    return LocalRule(chain=Chain.INPUT, target=target, source=Prefix.parse(source).key)


async def one(enforcing: bool = True) -> tuple[World, Running]:
    """A node."""
    world = World()
    a = await world.node("a", owner=1)
    if enforcing:
        await a.beside(a.app.set_mode(schema.ModeRequest(mode="enforce"), CALLER))
    return world, a


async def put(a: Running, said: LocalRule, until: int = 0, *, wait: bool = True) -> str:
    """What the node says of it."""
    return await a.beside(a.node.rules.put_rule(said, until, CALLER, wait=wait))


async def test_a_rule_is_in_the_kernel_and_over_a_crash():
    """The newest first; dropping one leaves the others; counters are the kernel's."""
    _, a = await one()
    assert await put(a, rule()) == ""
    assert await put(a, rule("198.51.100.0/24", Target.DROP)) == ""
    a.firewall.counted_rules = {rule(): (7, 420)}
    views = await a.node.rules.local_rules()

    assert a.firewall.rules == [rule("198.51.100.0/24", Target.DROP), rule()]
    assert [(view.rule, view.packets, view.installed) for view in views][1] == (rule(), 7, True)
    assert a.app.status().local_rules == 2
    await a.restart(crash=True)
    await a.beside(a.node.enforcing.settle(a.node.enforcing.local_changed()))
    assert a.firewall.rules == [rule("198.51.100.0/24", Target.DROP), rule()]
    assert await a.beside(a.node.rules.drop_rule(rule(), CALLER, wait=True)) == ""
    assert await a.beside(a.node.rules.drop_rule(rule(), CALLER)) is None
    assert a.firewall.rules == [rule("198.51.100.0/24", Target.DROP)]


async def test_a_thousand_end_together():
    """In one change; a repetition extends and never shortens; after a restart the time that is left."""
    world, a = await one()
    now = a.node.domain.now()
    for number in range(100):
        await put(a, rule(f"198.18.0.{number}"), now + 60, wait=False)
    await put(a, rule(), now + 60)
    await put(a, rule(), now + 30)
    await put(a, rule(), now + 600)
    await a.restart(crash=True)
    calls = a.firewall.calls.count("local")
    await world.advance(seconds=62)

    assert a.firewall.rules == [rule()]
    assert a.firewall.calls.count("local") - calls <= 3
    assert [view.until for view in await a.node.rules.local_rules()] == [now + 600]
    await world.advance(seconds=600)
    assert a.firewall.rules == []
    assert len(a.node.rules) == 0


async def test_the_kernel_is_told_when_to_let_go_of_each():
    """At its end, to the minute; of what has none in one to two weeks, moved on each week."""
    world, a = await one()
    now = a.node.domain.now()
    await put(a, rule(), now + 90)
    await put(a, rule("198.51.100.7"))
    ends = {one.source: one.ends for one in a.firewall.rules}
    await world.advance(seconds=localrules.WEEK)
    later = {one.source: one.ends for one in a.firewall.rules}

    assert 0 <= ends[rule().source] - (now + 90) < 60
    lasting = rule("198.51.100.7").source
    assert localrules.WEEK <= ends[lasting] - now <= 2 * localrules.WEEK
    assert later == {lasting: ends[lasting] + localrules.WEEK}


async def test_a_rule_that_the_kernel_keeps_is_not_gone():
    """Who waits is told why, also who asks again; and once the kernel follows, there is none."""
    world, a = await one()
    await put(a, rule())
    a.firewall.local_errors = [FirewallError("xtables is locked")] * 2

    assert await a.beside(a.node.rules.drop_rule(rule(), CALLER, wait=True)) == "xtables is locked"
    assert await a.beside(a.node.rules.drop_rule(rule(), CALLER, wait=True)) == "xtables is locked"
    assert a.firewall.rules == [rule()]
    await world.advance(seconds=40)
    assert a.firewall.rules == []
    assert await a.beside(a.node.rules.drop_rule(rule(), CALLER, wait=True)) is None


async def test_in_observe_mode_it_is_kept_and_not_installed():
    """Observe enforces nothing; it goes in when the node enforces, and out with panic."""
    _, a = await one(enforcing=False)
    assert await put(a, rule()) == ""
    assert [view.installed for view in await a.node.rules.local_rules()] == [False]
    assert a.firewall.rules == []
    await a.beside(a.app.set_mode(schema.ModeRequest(mode="enforce"), CALLER))
    assert a.firewall.rules == [rule()]
    await a.beside(a.app.panic())

    assert a.firewall.rules == []


async def test_whom_the_whitelist_keeps_in_no_rule_keeps_out():
    """Both ways, hard protection too; a whitelist entry that comes later takes the rule out of the kernel."""
    world, a = await one()
    await a.beside(a.app.allow(Prefix.parse("198.51.100.7"), schema.AllowRequest(), CALLER))
    for wrong in ("198.51.100.7", "198.51.100.0/24", "127.0.0.1"):
        with pytest.raises(ConflictError) as caught:
            await put(a, rule(wrong))
        assert caught.value.overlap
    assert await put(a, rule("198.51.100.7", Target.ACCEPT)) == ""
    await put(a, rule())
    await a.beside(a.app.allow(Prefix.parse("203.0.113.0/24"), schema.AllowRequest(), CALLER))
    await world.advance(seconds=2)

    assert a.firewall.rules == [rule("198.51.100.7", Target.ACCEPT)]


async def test_a_rule_that_does_not_go_in_is_told_and_retried():
    """The sets do not wait for it, and nothing says that it is installed."""
    world, a = await one()
    broken = FirewallError("iptables-restore: line 3 failed")
    a.firewall.local_errors = [broken, broken]
    problem = await put(a, rule())
    await a.block("203.0.113.10")
    await world.settle()
    complaint = {line.code: line.text for line in a.app.status().health}

    assert problem == str(broken)
    assert "line 3 failed" in complaint["local-rules"]
    assert a.drops("203.0.113.10")
    await world.advance(seconds=6, step=2)
    assert a.firewall.rules == [rule()]
    assert "local-rules" not in {line.code for line in a.app.status().health}


async def test_what_the_enforcer_refuses_is_told():
    """By rule, in words."""
    _, a = await one()
    a.firewall.refused_rules = {rule(): "it overlaps the allow set"}

    assert await put(a, rule()) == "it overlaps the allow set"
    assert [line.code for line in a.app.status().health if "local" in line.code] == ["local-rules-refused"]


async def test_their_number_is_bounded(monkeypatch: pytest.MonkeyPatch):
    """And an error says so; one that stands may still be extended."""
    monkeypatch.setattr(localrules, "MAX_RULES", 1)
    _, a = await one()
    await put(a, rule(), a.node.domain.now() + 5)
    await put(a, rule())

    with pytest.raises(InputError, match="1 local rules"):
        await put(a, rule("203.0.113.10"))


async def test_a_rule_comes_back_when_the_whitelist_entry_goes():
    """Also the only one: it was kept all the while."""
    world, a = await one()
    await put(a, rule())
    await a.beside(a.app.allow(Prefix.parse("203.0.113.0/24"), schema.AllowRequest(), CALLER))
    await world.advance(seconds=2)
    assert a.firewall.rules == []
    await a.beside(a.app.disallow(Prefix.parse("203.0.113.0/24"), CALLER))
    await world.advance(seconds=2)

    assert a.firewall.rules == [rule()]


async def test_what_fails_is_tried_at_growing_distances_and_at_once_when_it_changes():
    """A minute of failing takes few tries; a rule that is given then does not wait for the next one."""
    world, a = await one()
    a.firewall.local_errors = [FirewallError("no")] * 1_000
    await put(a, rule(), wait=False)
    before = a.firewall.calls.count("local")
    await world.advance(seconds=60, step=1)
    assert 4 <= a.firewall.calls.count("local") - before <= 8
    a.firewall.local_errors = []

    assert await put(a, rule("203.0.113.10")) == ""
    assert len(a.firewall.rules) == 2
