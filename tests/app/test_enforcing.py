"""The kernel equals what is wanted, whatever happens on the way; and what is told of it is true."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from p2pfw.app.enforcing import BULK, CHECK_INTERVAL, STUCK, Enforcing
from p2pfw.app.events import Events
from p2pfw.app.wanted import Mode, Trial
from p2pfw.config import Enforcer
from p2pfw.core.localrule import Chain, LocalRule, Target
from p2pfw.core.plan import MOST_TIMEOUT as KERNEL_MAXIMUM
from p2pfw.core.plan import RENEW_BEFORE
from p2pfw.core.prefix import PrefixKey, v4_key, v6_key
from p2pfw.errors import FirewallError, MissingProgramError, PrivilegeError
from p2pfw.ports import KernelReport
from tests.app.fakes import START, FakeClock, FakeFirewall

AUDIT = 60
HOUR = 3_600


def host(number: int) -> int:
    """A host's key: even numbers IPv4, odd ones IPv6."""
    return v6_key(0x20010DB8 << 96 | number, 128) if number % 2 else v4_key(45 << 24 | number, 32)


class Wants:
    """The wanted state: enforcing.Wanted."""

    def __init__(self) -> None:
        self.ends: dict[int, int] = {}

    def until(self, key: int) -> int | None:
        return self.ends.get(key)

    def adopted(self) -> Iterator[tuple[int, int]]:
        return iter(list(self.ends.items()))

    def score(self, key: int, now: float) -> float:
        return float(self.ends[key])

    def families(self) -> tuple[int, int]:
        six = sum(bool(key & 1 << 136) for key in self.ends)
        return len(self.ends) - six, six


class Bench:
    """A worker, and what it works on."""

    def __init__(self, mode: Mode = Mode.ENFORCE, room: int = 1 << 20) -> None:
        self.clock, self.wants = FakeClock(), Wants()
        self.firewall = FakeFirewall(self.clock)
        self.allowed: list[int] = []
        self.events = Events(self.clock)
        terms = Enforcer(audit_interval=AUDIT, max_entries=room)
        self.firewall.room = room
        self.worker = Enforcing(self.firewall, self.wants, lambda: self.allowed, self.clock, self.events, terms)
        self.worker.mode = mode

    def want(self, number: int, ttl: int = HOUR) -> int:
        """Block a host; 0: without end."""
        self.wants.ends[host(number)] = ttl and int(self.clock.now()) + ttl
        return self.worker.changed([host(number)])

    def drop(self, number: int) -> int:
        self.wants.ends.pop(host(number), None)
        return self.worker.changed([host(number)])

    async def steps(self, count: int = 3, seconds: float = CHECK_INTERVAL) -> None:
        for _ in range(count):
            await self.worker.step()
            self.clock.pass_time(seconds)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events.after(0)]

    def equal(self) -> bool:
        """True when the kernel holds what is wanted, to the tolerance of whole seconds."""
        held, now = self.firewall.held(), self.clock.now()
        wanted = {key: end - now if end else KERNEL_MAXIMUM for key, end in self.wants.ends.items()}
        wanted = {key: min(left, KERNEL_MAXIMUM) for key, left in wanted.items() if left > 3}
        late = {key for key, left in held.items() if key not in wanted and left > 3}
        slack = {key: 4 if left < KERNEL_MAXIMUM else RENEW_BEFORE + 4 for key, left in wanted.items()}
        return not late and all(key in held and abs(held[key] - wanted[key]) <= slack[key] for key in wanted)


async def test_a_change_is_in_the_kernel_after_one_step():
    """One batch, then the rule; installed is what the kernel says."""
    bench = Bench()
    ticket = bench.want(2)
    bench.want(3)
    await bench.worker.step()

    assert bench.equal()
    assert bench.firewall.ruled
    assert bench.worker.installed == 2
    assert bench.worker.enforcing
    assert bench.worker.holds(host(2))
    assert await bench.worker.settle(ticket) == ""


async def test_a_local_rule_that_comes_while_others_are_written_is_written_next():
    """Nothing that was asked for in between is taken for done."""
    bench = Bench()
    first, second = (LocalRule(chain=Chain.INPUT, target=Target.DROP, source=PrefixKey(host(two))) for two in (2, 4))
    wanted = [first]
    bench.worker.local.wanted = lambda: tuple(wanted)
    late = iter([lambda: (wanted.append(second), bench.worker.local_changed())])
    bench.firewall.watch = lambda name: next(late, tuple)() if name == "local" else None
    await bench.steps(1)
    once = list(bench.firewall.rules)
    await bench.steps(1)

    assert once == [first]
    assert bench.firewall.rules == [first, second]


async def test_a_comparison_that_is_asked_for_during_another_is_made():
    """The clock was set while the kernel was being read: what was read was compared by the old one."""
    bench = Bench()
    late = iter([bench.worker.time_changed])
    bench.firewall.watch = lambda name: next(late, int)() if name == "membership" else None
    await bench.steps(3)

    assert bench.firewall.calls.count("membership") == 2


async def test_the_allow_set_is_written_before_anything_is_blocked():
    """No instant in which a whitelisted address is dropped (enforcement 6)."""
    bench = Bench()
    bench.allowed = [host(8)]
    bench.want(2)
    await bench.worker.step()

    calls = bench.firewall.calls
    assert calls.index("allow") < calls.index("apply") < calls.index("enforce")


async def test_a_failed_allow_set_keeps_the_block_set_as_it_is():
    """What cannot be exempted is not blocked either, until it works."""
    bench = Bench()
    bench.want(2)
    bench.firewall.fail(None, FirewallError("ipset: broken"))
    await bench.worker.step()

    assert bench.firewall.held() == {}
    assert bench.worker.last_error == "ipset: broken"
    await bench.steps(1)
    assert bench.equal()


async def test_an_error_is_state_until_it_works_and_is_tried_again():
    """Status, readiness and the waiting caller all say so; then recovery is told once."""
    bench = Bench()
    ticket = bench.want(2)
    bench.firewall.fail(*[FirewallError("no luck")] * 3)
    await bench.worker.step()
    assert await bench.worker.settle(ticket) == "no luck"
    assert not bench.worker.enforcing
    assert bench.worker.unready() == "no luck"
    assert not bench.worker.holds(host(2))

    await bench.steps(2)
    assert bench.worker.last_error == "no luck"
    await bench.steps(2)
    assert bench.worker.last_error == ""
    assert bench.equal()
    assert await bench.worker.settle(ticket) == ""
    assert bench.kinds() == ["enforcement-failed", "enforcement-recovered"]


async def test_a_batch_that_failed_half_way_is_repaired():
    """Some of it may be in the kernel: it is read again, and what is missing or too much is put right."""
    bench = Bench()
    bench.want(2)
    bench.want(4)
    await bench.worker.step()
    bench.want(6)
    bench.drop(2)
    bench.firewall.halfway = True
    bench.firewall.fail(FirewallError("half"))
    await bench.worker.step()
    assert not bench.equal()

    await bench.steps(1)
    assert bench.equal()


async def test_a_failing_command_does_not_end_the_task():
    """The real loop: it goes on by itself after any number of failures."""
    bench = Bench()
    bench.want(2)
    bench.firewall.fail(*[FirewallError("no luck")] * 2)
    task = asyncio.create_task(bench.worker.run())
    async with asyncio.timeout(10):
        while not bench.worker.enforcing:  # noqa: ASYNC110  # it tells nobody when it is done
            await asyncio.sleep(0.02)
    task.cancel()

    assert bench.equal()


@pytest.mark.parametrize("error", [MissingProgramError("ipset", "ipset"), PrivilegeError("no right")])
async def test_without_programs_or_rights_it_starts_anew_each_time(error: FirewallError):
    """An operator may install the package or give the right while the node runs."""
    bench = Bench()
    bench.firewall.fail(error)
    await bench.worker.step()
    assert bench.worker.last_error == str(error)

    await bench.steps(1)
    assert bench.firewall.calls.count("start") == 2
    assert bench.worker.enforcing


async def test_in_observe_mode_nothing_is_dropped_and_nothing_piles_up():
    """Rule and sets are removed once; changes are not collected for later."""
    bench = Bench(Mode.OBSERVE)
    bench.want(2)
    await bench.steps(3)

    assert bench.firewall.calls == ["start", "release"]
    assert bench.worker.pending == 0
    assert bench.worker.unready() == ""
    assert not bench.worker.holds(host(2))


async def test_observing_without_rights_is_no_error():
    """What cannot be there need not be removed; but it is remembered, for the operator who wants to enforce."""
    bench = Bench(Mode.OBSERVE)
    bench.firewall.fail(PrivilegeError("no right"))
    await bench.steps(2)

    assert bench.worker.last_error == ""
    assert bench.worker.rights_error == "no right"


async def test_turning_off_that_fails_is_told_and_tried_again():
    """As long as the rule is there, packets are dropped: that is an error in observe mode."""
    bench = Bench()
    bench.want(2)
    await bench.worker.step()
    bench.firewall.fail(PrivilegeError("gone"), PrivilegeError("gone"))
    waiting = asyncio.create_task(bench.worker.set_mode(Mode.OBSERVE))
    await asyncio.sleep(0)
    await bench.worker.step()
    assert await waiting == "gone"
    assert bench.firewall.ruled

    await bench.steps(3)
    assert not bench.firewall.ruled
    assert bench.worker.last_error == ""


async def test_a_large_difference_is_swapped_in_whole():
    """From 20,000 changes on the sets are replaced, never emptied first."""
    bench = Bench()
    for number in range(BULK + 2):
        bench.wants.ends[host(number)] = START + HOUR
    bench.worker.changed(list(bench.wants.ends))
    await bench.worker.step()

    assert bench.firewall.calls.count("replace") == 1
    assert "apply" not in bench.firewall.calls
    assert bench.equal()


async def test_a_long_judgement_is_gathered():
    """`more`: the worker is not woken for each slice, and `hurry` writes what is left."""
    bench = Bench()
    await bench.worker.step()
    bench.wants.ends[host(2)] = START + HOUR
    bench.worker.changed([host(2)], more=True)
    assert not bench.worker._wake.is_set()
    bench.worker.hurry()
    assert bench.worker._wake.is_set()
    await bench.worker.step()

    assert bench.equal()


async def test_a_flush_is_seen_within_a_second_and_repaired():
    """`ipset flush` by somebody else: the next look finds too few, reads all, and writes what is missing."""
    bench = Bench()
    bench.want(2)
    await bench.steps(1)
    bench.firewall.flush()
    await bench.steps(2)

    assert bench.equal()


async def test_drift_is_counted_with_what_it_was():
    """What the check repaired, in its words; and entries that only the audit misses."""
    bench = Bench()
    bench.want(2)
    bench.want(4)
    await bench.steps(2)
    bench.firewall.repairs = ["rule missing in raw/PREROUTING (ip)"]
    await bench.steps(2)
    del bench.firewall.block[host(4)]
    bench.clock.pass_time(AUDIT)
    await bench.steps(2)

    assert bench.worker.drift == {"rule missing in raw/PREROUTING (ip)": 1, "membership": 1}
    assert bench.equal()
    assert bench.kinds() == ["drift", "drift"]


async def test_who_undoes_repairs_again_and_again_is_answered_with_pauses():
    """The first four are repaired at the next look, within a second; then 2, 4, 8 s and more lie between. Told once."""
    bench = Bench()
    bench.want(2)
    await bench.steps(1)
    looks = []
    bench.firewall.watch = lambda name: looks.append(bench.clock.mono) if name == "check" else None
    for _ in range(40):
        bench.firewall.repairs = ["rule not first in raw/PREROUTING (IPv4)"]
        await bench.steps(1)
    gaps = [round(after - before) for before, after in pairwise(looks)]

    assert gaps[:8] == [1, 1, 1, 1, 2, 4, 8, 16]
    assert bench.worker.fought == "rule not first in raw/PREROUTING (IPv4)"
    assert bench.kinds().count("drift-again") == 1
    bench.firewall.repairs = []
    await bench.steps(100)
    assert not bench.worker.fought


async def test_a_worker_that_no_longer_comes_round_is_stuck():
    """Not before it runs, and not while it turns; what the service manager is told hangs on it."""
    bench = Bench()
    bench.clock.pass_time(2 * STUCK)
    assert not bench.worker.is_stuck()
    running = asyncio.create_task(bench.worker.run())
    await asyncio.sleep(0)
    assert not bench.worker.is_stuck()
    bench.clock.pass_time(STUCK + 1)

    assert bench.worker.is_stuck()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_ends_or_changes_by_itself_is_no_drift():
    """Entries that run out, and changes made while the audit reads, are not somebody else's doing."""
    bench = Bench()
    bench.want(2, ttl=int(AUDIT) + 1)
    bench.want(4)
    await bench.steps(1)
    bench.clock.pass_time(AUDIT)
    reads = iter([lambda: bench.want(6)])
    bench.firewall.watch = lambda name: next(reads, int)() if name == "membership" else None
    await bench.steps(2)

    assert bench.worker.drift == {}
    assert bench.equal()


async def test_a_lease_of_a_month_is_renewed_before_the_kernel_forgets_it():
    """The kernel holds no timeout beyond 24.8 days; the audit renews it, and not at every audit."""
    bench = Bench()
    bench.want(2, ttl=0)
    await bench.steps(1)
    writes = bench.firewall.calls.count("apply")
    for _ in range(10):
        bench.clock.pass_time(AUDIT)
        await bench.worker.step()
    assert bench.firewall.calls.count("apply") == writes
    bench.clock.pass_time(86_400)
    await bench.steps(2)
    bench.clock.pass_time(86_400 * 20)
    await bench.steps(3)

    assert bench.firewall.calls.count("apply") > writes
    assert bench.equal()
    assert bench.worker.drift == {"membership": 2}


async def test_an_ended_lease_is_not_written():
    """What is over by the time of the batch is removed, not added with a timeout of nothing."""
    bench = Bench()
    bench.want(2, ttl=5)
    bench.clock.pass_time(6)
    await bench.worker.step()

    assert host(2) not in bench.firewall.block


async def test_a_trial_ends_by_itself():
    """Unconfirmed: back to observe, the rule is gone, and it is told."""
    bench = Bench(Mode.OBSERVE)
    bench.wants.ends[host(2)] = START + HOUR
    await enforce(bench, Trial(reverts_at=START + 60, reverts_to=Mode.OBSERVE))
    assert bench.firewall.ruled
    bench.clock.pass_time(61)
    await bench.worker.step()

    assert bench.worker.mode is Mode.OBSERVE
    assert not bench.firewall.ruled
    assert bench.kinds()[-1] == "mode"


async def test_the_kernel_ends_an_unconfirmed_trial_without_the_node():
    """Entries get a timeout of the trial: with the node dead the operator gets in again (enforcement 8)."""
    bench = Bench(Mode.OBSERVE)
    bench.wants.ends[host(2)] = 0
    await enforce(bench, Trial(reverts_at=START + 60, reverts_to=Mode.OBSERVE))
    assert host(2) in bench.firewall.held()

    bench.clock.pass_time(61)
    assert bench.firewall.held() == {}


async def test_a_clock_that_is_set_back_does_not_prolong_a_trial():
    """A lock-out must not last a day longer because somebody corrects the time."""
    bench = Bench(Mode.OBSERVE)
    bench.wants.ends[host(2)] = START + HOUR
    await enforce(bench, Trial(reverts_at=START + 60, reverts_to=Mode.OBSERVE))
    bench.clock.wall -= 86_400
    bench.clock.pass_time(30)
    await bench.steps(1)
    assert max(bench.firewall.held().values()) <= 31
    bench.clock.pass_time(31)
    await bench.steps(1)

    assert bench.worker.mode is Mode.OBSERVE
    assert not bench.firewall.ruled


async def test_a_confirmed_trial_gives_the_entries_their_full_time():
    """The same words as any change of mode: enforce, no trial."""
    bench = Bench(Mode.OBSERVE)
    bench.wants.ends[host(2)] = START + HOUR
    await enforce(bench, Trial(reverts_at=START + 60, reverts_to=Mode.OBSERVE))
    await enforce(bench, None)
    bench.clock.pass_time(90)
    await bench.steps(1)

    assert bench.worker.mode is Mode.ENFORCE
    assert bench.equal()


async def test_a_trial_that_goes_back_to_enforcing_leaves_no_gap():
    """Its entries end with it: they are written anew at that moment, not at the next audit."""
    bench = Bench()
    bench.wants.ends[host(2)] = START + HOUR
    await enforce(bench, Trial(reverts_at=START + 30, reverts_to=Mode.ENFORCE))
    bench.clock.pass_time(31)
    await bench.worker.step()

    assert bench.worker.mode is Mode.ENFORCE
    assert bench.equal()


async def test_settling_gives_up_in_time():
    """Who waits gets an answer even when the worker does not turn at all."""
    bench = Bench()

    assert "did not follow" in await bench.worker.settle(bench.want(2), within=0.01)


async def test_counters_are_read_only_where_something_is_held():
    """In observe mode nothing asks the kernel."""
    bench = Bench()
    assert await bench.worker.counters(host(2)) is None
    bench.want(2)
    await bench.worker.step()
    bench.firewall.packets[host(2)] = (41, 2_460)
    assert await bench.worker.counters(host(2)) == (41, 2_460)


async def test_readiness_says_what_is_on_its_way():
    """In enforce mode the node is not ready until the kernel has it all."""
    bench = Bench()
    assert bench.worker.unready() == "the kernel is not yet compared with what is adopted"
    await bench.worker.step()
    bench.want(2)
    assert bench.worker.unready() == "1 changes are on their way to the kernel"
    await bench.worker.step()
    assert bench.worker.unready() == ""
    bench.worker.report = KernelReport(enforcing=False, entries4=0, entries6=0)

    assert bench.worker.unready() == "the rules are not in place"


async def test_what_is_judged_before_the_first_comparison_is_not_written_again():
    """A start judges everything; what the kernel holds already is found by comparing, and left as it is."""
    bench = Bench()
    bench.want(1)
    await bench.worker.step()
    again = Bench()
    again.firewall.block = dict(bench.firewall.block)
    again.want(1)

    await again.worker.step()

    assert "apply" not in again.firewall.calls
    assert "replace" not in again.firewall.calls


async def enforce(bench: Bench, trial: Trial | None) -> None:
    """Set the mode with the worker at work."""
    asked = asyncio.create_task(bench.worker.set_mode(Mode.ENFORCE, trial))
    await asyncio.sleep(0)
    await bench.worker.step()
    assert await asked == ""


numbers = st.integers(0, 12)
happenings = st.one_of(
    st.tuples(st.just("want"), numbers, st.sampled_from([0, 5, 60, HOUR, 60 * 86_400])),
    st.tuples(st.just("drop"), numbers),
    st.tuples(st.just("fail"), st.integers(0, 3), st.booleans()),
    st.tuples(st.just("flush")),
    st.tuples(st.just("foreign"), numbers),
    st.tuples(st.just("stolen"), numbers),
    st.tuples(st.just("step")),
    st.tuples(st.just("pass"), st.sampled_from([0.5, 3.0, 30.0, 61.0])),
    st.tuples(st.just("mode"), st.booleans()),
    st.tuples(st.just("allow"), numbers),
)


@given(st.lists(happenings, max_size=40))
@settings(max_examples=150)
def test_after_any_history_the_kernel_equals_what_is_wanted(history: list[tuple]):
    """Changes, failures half-way, flushes, foreign edits, modes, time: two quiet audits later all is as wanted."""
    note(str(history))
    asyncio.run(_play(history))


async def _play(history: list[tuple]) -> None:  # noqa: C901, PLR0912  # one branch a kind of event
    bench = Bench()
    for what, *values in history:
        match what:
            case "want":
                bench.want(*values)
            case "drop":
                bench.drop(*values)
            case "fail":
                bench.firewall.halfway = values[1]
                bench.firewall.fail(*[None] * values[0], FirewallError("no luck"))
            case "flush":
                bench.firewall.flush()
            case "foreign":
                if bench.firewall.exists:
                    bench.firewall.block[host(values[0] + 100)] = bench.clock.monotonic() + HOUR
            case "stolen":
                bench.firewall.block.pop(host(values[0]), None)
            case "step":
                await bench.worker.step()
            case "pass":
                bench.clock.pass_time(values[0])
            case "mode":
                bench.worker.mode = Mode.ENFORCE if values[0] else Mode.OBSERVE
                bench.worker._compare, bench.worker._released = True, False
            case "allow":
                bench.allowed = [host(values[0] + 200)]
                bench.worker.allow_changed()
        assert bench.firewall.ruled or not bench.worker.enforcing
    bench.firewall.errors.clear()
    for _ in range(2):
        bench.clock.pass_time(AUDIT)
        await bench.steps(3)

    if bench.worker.mode is Mode.ENFORCE:
        assert bench.equal()
        assert bench.firewall.allowed == set(bench.allowed)
        assert bench.worker.enforcing
    else:
        assert not bench.firewall.ruled
        assert bench.firewall.held() == {}


async def test_rules_that_were_taken_out_past_the_node_come_back():
    """By a panic that did not reach it: what is wanted is the mode, and until the rule is back nothing is claimed."""
    bench = Bench()
    bench.want(2)
    await bench.steps(2)
    bench.firewall.ruled = False
    await bench.worker.step()
    claimed = bench.worker.enforcing
    await bench.steps(2)

    assert not claimed
    assert bench.firewall.ruled
    assert bench.worker.enforcing


# --- room, and the guard ---------------------------------------------------------------------------------------------


async def test_what_found_no_room_is_not_said_to_be_installed():
    """Best first: the weakest are left out, which health says, and which no check takes for lost."""
    bench = Bench(room=BULK)
    for number in range(0, 2 * BULK + 4, 2):
        bench.want(number, HOUR + number)
    await bench.steps(3)

    assert len(bench.firewall.held()) == BULK
    assert not bench.worker.holds(host(0))
    assert bench.worker.holds(host(2 * BULK + 2))
    assert [line.code for line in bench.worker.shortage.lines(bench.wants.families())] == ["full"]
    assert bench.worker.drift == {}


async def test_room_that_opens_is_used():
    """At the next full comparison, without anybody asking."""
    bench = Bench(room=2)
    for number in (2, 4, 6):
        bench.want(number)
        await bench.worker.step()
    (left,) = bench.wants.ends.keys() - bench.firewall.held().keys()
    bench.drop(4)
    await bench.steps(AUDIT + 2)

    assert left in bench.firewall.held()
    assert bench.worker.holds(left)
    assert bench.worker.drift == {}


async def test_what_the_guard_refuses_keeps_nothing_else_out():
    """It is named, not installed, tried again by the full comparison, and in when the reason is gone."""
    bench = Bench()
    bench.firewall.refuses = {host(2): "it holds an address of this machine"}
    bench.want(2)
    bench.want(4)
    await bench.steps(2)
    told = list(bench.worker.shortage.lines(bench.wants.families()))

    assert bench.worker.enforcing
    assert (bench.worker.holds(host(2)), bench.worker.holds(host(4))) == (False, True)
    assert [line.code for line in told] == ["refused-by-enforcer"]
    assert "address of this machine" in told[0].text
    bench.firewall.refuses = {}
    await bench.steps(AUDIT + 2)
    assert bench.worker.holds(host(2))
    assert bench.worker.drift == {}


def test_a_set_that_fills_up_is_told_before_it_is_full():
    """At eighty percent."""
    shortage = Bench(room=10).worker.shortage

    assert list(shortage.lines((7, 7))) == []
    assert [(line.code, line.level) for line in shortage.lines((8, 0))] == [("full", "warning")]
    assert [(line.code, line.level) for line in shortage.lines((0, 11))] == [("full", "error")]


async def test_a_worker_that_only_watches_rests(monkeypatch):
    """In observe mode nothing is looked at, so nothing is ever due: a turn a second, not as many as there can be."""
    bench = Bench(Mode.OBSERVE)
    bench.clock.mono += 3_600
    turns = 0

    async def step():
        nonlocal turns
        turns += 1

    monkeypatch.setattr(bench.worker, "step", step)
    work = asyncio.get_running_loop().create_task(bench.worker.run())
    for _ in range(1_000):
        await asyncio.sleep(0)
    work.cancel()

    assert turns == 0


async def test_how_long_a_change_waited_for_the_kernel_is_measured_through_failures():
    """From the first change that waits; a batch is one measurement, and the time of its failures is part of it."""
    bench = Bench()
    await bench.steps()
    bench.firewall.fail(FirewallError("busy"))
    bench.want(1)
    await bench.worker.step()
    bench.clock.pass_time(3.0)
    bench.want(2)
    assert (bench.worker.sync.failures, bench.worker.sync.taken.snapshot().counts[-1]) == (1, 0)

    await bench.worker.step()

    found = bench.worker.sync.taken.snapshot()
    assert (found.counts[-1], found.total) == (1, 3.0)


async def test_what_nobody_wants_in_the_kernel_any_more_is_not_measured():
    """Observe: the change that waited will never be there."""
    bench = Bench()
    await bench.steps()
    bench.want(1)
    bench.worker.mode = Mode.OBSERVE
    await bench.worker.step()
    bench.worker.sync.done(bench.clock.monotonic())

    assert bench.worker.sync.taken.snapshot().counts[-1] == 0
