"""Sets and rules together, against a kernel in memory: order, healing, truth, and nothing of others touched."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.prefix import Family, Prefix, v4_key
from p2pfw.errors import FirewallError, MissingProgramError, PrivilegeError
from p2pfw.firewall.kernel import Kernel
from p2pfw.firewall.names import SetNames
from p2pfw.firewall.rules import parse_hooks, rule_text
from p2pfw.firewall.runner import Output, Program
from tests.firewall.fake_kernel import FakeClock, FakeKernel, FakeSet

RAW = "raw/PREROUTING"
SOON = 1_700_001_000
NAMES = SetNames("p2pfw")


def key(text: str) -> int:
    """Key of a prefix in text."""
    return Prefix.parse(text).key


BLOCK = {key("203.0.113.9"): SOON, key("198.51.100.0/24"): 0, key("2001:db8:bad::/48"): SOON}
ALLOW = [key("192.0.2.0/24"), key("2001:db8::1")]


def kernel_of(fake: FakeKernel, *, prefix: str = "p2pfw", hooks: Sequence[str] = (RAW,), room: int = 1_000) -> Kernel:
    """An instance that has done nothing yet."""
    return Kernel(fake, SetNames(prefix), parse_hooks(hooks), max_entries=room, clock=FakeClock())


@pytest.fixture
def fake() -> FakeKernel:
    """A kernel in which nobody has done anything."""
    return FakeKernel()


@pytest.fixture
def kernel(fake: FakeKernel) -> Kernel:
    """Enforcing BLOCK and ALLOW."""
    made = kernel_of(fake)
    made.start()
    made.allow(frozenset(ALLOW))
    made.replace(BLOCK)
    made.enforce()
    return made


def healed(kernel: Kernel) -> tuple[str, ...]:
    """What a check found, the entries reloaded where it asked for it, and nothing wrong after that."""
    report = kernel.check(2, 1)
    if report.membership_suspect:
        kernel.replace(BLOCK)
    after = kernel.check(2, 1)
    assert after.enforcing
    assert after.repaired == ()
    assert (after.entries4, after.entries6) == (2, 1)
    return report.repaired


# --- the way in ------------------------------------------------------------------------------------------------------


def test_what_is_wanted_is_in_the_kernel(fake: FakeKernel, kernel: Kernel):
    """Members, ends, rules: and the report says so."""
    assert kernel.membership() == BLOCK
    assert set(fake.sets["p2pfw-allow4"].members) == {"192.0.2.0/24"}
    assert set(fake.sets["p2pfw-allow6"].members) == {"2001:db8::1"}
    assert [len(fake.chain(family, RAW)) for family in Family] == [1, 1]
    report = kernel.check(2, 1)
    assert report.enforcing
    assert (report.entries4, report.entries6, report.dropped4, report.dropped6) == (2, 1, 3, 3)
    assert (report.repaired, report.membership_suspect, report.waiting) == ((), False, ())


def test_start_changes_no_entry(fake: FakeKernel, kernel: Kernel):
    """Enforcement 7: sets and rule are adopted as they are found; only temporary sets go."""
    fake.sets["p2pfw-block4-new"] = FakeSet(members={"1.2.3.4": 5})
    before = {name: dict(found.members) for name, found in fake.sets.items() if not name.endswith("-new")}
    again = kernel_of(fake)
    again.start()

    assert {name: dict(found.members) for name, found in fake.sets.items()} == before
    assert again.membership() == BLOCK
    assert again.check(2, 1).enforcing


def test_a_check_that_may_not_repair_tells_and_changes_nothing(fake: FakeKernel, kernel: Kernel):
    """All that it would have put right, in the same words; and it claims nothing that is not so."""
    fake.chain(Family.V4, RAW).clear()
    fake.sets["p2pfw-allow6"].members.clear()
    fake.sets["p2pfw-block6"].members.clear()
    looked = kernel.check(2, 1, repair=False)
    still = list(fake.chain(Family.V4, RAW)), dict(fake.sets["p2pfw-allow6"].members)
    repaired = kernel.check(2, 1).repaired

    assert (looked.enforcing, looked.repaired, looked.membership_suspect) == (False, (), False)
    assert looked.faults == repaired
    assert "rule missing in raw/PREROUTING (IPv4)" in looked.faults
    assert still == ([], {})


def test_no_rule_before_the_whitelist(fake: FakeKernel):
    """Enforcement 6: the allow set is written before anything can be dropped."""
    kernel = kernel_of(fake)
    kernel.replace(BLOCK)
    with pytest.raises(FirewallError, match="whitelist"):
        kernel.enforce()

    assert fake.chain(Family.V4, RAW) == []


def test_allow_sets_are_made_before_block_sets(fake: FakeKernel):
    """Always, also when a call about the block sets is the first."""
    kernel_of(fake).apply({key("1.2.3.4"): SOON}, [])
    created = [words[1] for _, _, text in fake.runs for words in [text.split()] if words[:1] == ["create"]]

    assert created == ["p2pfw-allow4", "p2pfw-allow6", "p2pfw-block4", "p2pfw-block6"]


def test_one_batch_adds_removes_shortens_and_lengthens(fake: FakeKernel, kernel: Kernel):
    """One process, both families; `add` sets the end, whichever way."""
    runs = len(fake.runs)
    kernel.apply({key("203.0.113.9"): SOON - 900, key("198.51.100.0/24"): SOON, key("9.9.9.9"): SOON}, [])
    kernel.apply({key("2001:db8:5::/48"): SOON}, [key("9.9.9.9"), key("2001:db8:bad::/48"), key("7.7.7.7")])

    assert len(fake.runs) == runs + 2
    assert kernel.membership() == {
        key("203.0.113.9"): SOON - 900,
        key("198.51.100.0/24"): SOON,
        key("2001:db8:5::/48"): SOON,
    }


def test_an_addition_whose_time_has_passed_is_a_removal(kernel: Kernel):
    """The entry may be there with a longer end: it must not stay."""
    kernel.apply({key("203.0.113.9"): 1_600_000_000}, [])

    assert key("203.0.113.9") not in kernel.membership()


def test_what_is_added_and_removed_in_one_batch_stays(kernel: Kernel):
    """The addition is the wanted state."""
    kernel.apply({key("203.0.113.9"): SOON}, [key("203.0.113.9")])

    assert key("203.0.113.9") in kernel.membership()


def test_additions_come_before_removals(fake: FakeKernel, kernel: Kernel):
    """A /24 that becomes a /16 is covered at every instant."""
    kernel.apply({key("198.51.0.0/16"): SOON}, [key("198.51.100.0/24")])
    lines = [line for line in fake.runs[-1][2].splitlines() if "198.51" in line]

    assert [line.split()[0] for line in lines] == ["add", "del"]


def test_replacing_never_empties_the_live_set(fake: FakeKernel, kernel: Kernel):
    """Fresh set and swap: after every single line the old entries or the new ones are there."""
    seen = []
    fake.after_line = lambda line: seen.append(frozenset(fake.sets["p2pfw-block4"].members))
    kernel.replace({key("9.9.9.9"): SOON, key("8.8.8.8"): SOON})

    assert set(seen) == {frozenset({"203.0.113.9", "198.51.100.0/24"}), frozenset({"9.9.9.9", "8.8.8.8"})}
    assert "p2pfw-block4-new" not in fake.sets


@given(st.integers(1, 12))
def test_a_failure_at_any_line_leaves_old_or_new(line: int):
    """ipset killed, or failing, half-way through a replacement: whole sets only, and the next call goes on."""
    fake = FakeKernel()
    kernel = kernel_of(fake)
    kernel.allow(frozenset(ALLOW))
    kernel.replace(BLOCK)
    count = iter(range(1, 1_000))

    def fail_at(_: str) -> None:
        if next(count) == line:
            raise FirewallError("stopped")

    fake.after_line = fail_at
    with pytest.raises(FirewallError, match="stopped"):
        kernel.replace({key(f"9.9.9.{n}"): SOON for n in range(8)} | {key("2001:db8:6::/48"): SOON})
    fake.after_line = lambda _: None

    assert set(fake.sets["p2pfw-block4"].members) in (
        {"203.0.113.9", "198.51.100.0/24"},
        {f"9.9.9.{n}" for n in range(8)},
    )
    kernel.replace(BLOCK)
    assert kernel.membership() == BLOCK
    assert not [name for name in fake.sets if name.endswith("-new")]


def test_everybody_is_never_blocked(fake: FakeKernel, kernel: Kernel):
    """A /0 in a block set would be a lock-out: refused before anything runs."""
    runs = len(fake.runs)
    with pytest.raises(FirewallError, match=r"0\.0\.0\.0/0 is everybody"):
        kernel.replace({v4_key(0, 0): SOON})
    with pytest.raises(FirewallError, match="is everybody"):
        kernel.apply({key("::/0"): SOON}, [])

    assert not [text for _, _, text in fake.runs[runs:] if "/0" in text]
    assert kernel.membership() == BLOCK


def test_the_whitelist_may_be_everybody(fake: FakeKernel, kernel: Kernel):
    """hash:net refuses /0, so its halves stand for it, and no check finds fault with that."""
    kernel.allow(frozenset({v4_key(0, 0)}))

    assert set(fake.sets["p2pfw-allow4"].members) == {"0.0.0.0/1", "128.0.0.0/1"}
    assert fake.sets["p2pfw-allow6"].members == {}
    assert kernel.check(2, 1).repaired == ()


def test_an_unchanged_whitelist_writes_nothing(fake: FakeKernel, kernel: Kernel):
    """Level-triggered: what is right is left alone."""
    runs = len(fake.runs)
    kernel.allow(frozenset(ALLOW))

    assert not [arguments for _, arguments, _ in fake.runs[runs:] if arguments[0] == "restore"]


def test_a_long_whitelist_is_not_cut(fake: FakeKernel, kernel: Kernel):
    """Its set grows with it; nobody who is allowed is left out."""
    allow = frozenset(v4_key(at << 8, 24) for at in range(70_000))
    kernel.allow(allow)

    assert len(fake.sets["p2pfw-allow4"].members) == 70_000
    assert kernel.check(2, 1).repaired == ()


def test_counters_of_an_entry(kernel: Kernel):
    """Packets and bytes, or None when the kernel does not hold it."""
    assert kernel.counters(key("203.0.113.9")) == (7, 420)
    assert kernel.counters(key("2001:db8:bad::/48")) == (7, 420)
    assert kernel.counters(key("203.0.113.8")) is None


def test_counters_without_sets(fake: FakeKernel):
    """No set, no entry."""
    assert kernel_of(fake).counters(key("203.0.113.9")) is None


def test_membership_without_sets_is_empty(fake: FakeKernel):
    """Before the first block, and after a release."""
    assert kernel_of(fake).membership() == {}


# --- limits ----------------------------------------------------------------------------------------------------------


def test_beyond_the_limit_the_best_are_kept(fake: FakeKernel):
    """Enforcement 5: the caller's order is best first; what found no room is told, never silent."""
    kernel = kernel_of(fake, room=3)
    kernel.allow(frozenset())
    short = kernel.replace({key(f"9.9.9.{n}"): SOON for n in range(5)} | {key("2001:db8:1::/48"): SOON})
    kernel.enforce()

    assert set(fake.sets["p2pfw-block4"].members) == {"9.9.9.0", "9.9.9.1", "9.9.9.2"}
    assert short.no_room == {key("9.9.9.3"), key("9.9.9.4")}
    report = kernel.check(3, 1)
    assert (report.membership_suspect, report.enforcing) == (False, True)


def test_a_full_set_takes_renewals_and_what_fits(fake: FakeKernel):
    """A renewal never needs room; of the new ones the first ones get what is there."""
    kernel = kernel_of(fake, room=3)
    kernel.replace({key("9.9.9.0"): SOON, key("9.9.9.1"): SOON})
    new = [key("8.8.8.1"), key("8.8.8.2"), key("8.8.8.3")]
    short = kernel.apply(dict.fromkeys([*new, key("9.9.9.0")], SOON + 500), [])

    assert fake.sets["p2pfw-block4"].members == {"9.9.9.0": 1_500, "9.9.9.1": 1_000, "8.8.8.1": 1_500}
    assert short.no_room == set(new[1:])


def test_removals_make_room_first_in_a_full_set(fake: FakeKernel):
    """Otherwise the additions of the same batch would be lost."""
    kernel = kernel_of(fake, room=3)
    kernel.replace({key(f"9.9.9.{n}"): SOON for n in range(3)})
    short = kernel.apply({key("8.8.8.8"): SOON, key("8.8.4.4"): SOON}, [key("9.9.9.0"), key("9.9.9.1")])

    assert set(fake.sets["p2pfw-block4"].members) == {"9.9.9.2", "8.8.8.8", "8.8.4.4"}
    assert not short.no_room


def test_a_set_found_too_small_grows_with_its_entries(fake: FakeKernel):
    """Growth is a bigger set and a swap: nothing is missing at any instant, ends included."""
    small = kernel_of(fake, room=2)
    small.allow(frozenset(ALLOW))
    small.replace({key("9.9.9.0"): SOON, key("9.9.9.1"): 0})
    grown = kernel_of(fake, room=500)
    grown.apply({key("9.9.9.2"): SOON}, [])

    assert fake.sets["p2pfw-block4"].maxelem == 500
    assert fake.sets["p2pfw-block4"].members == {"9.9.9.0": 1_000, "9.9.9.1": 0, "9.9.9.2": 1_000}


# --- drift -----------------------------------------------------------------------------------------------------------


def test_a_flushed_chain_is_healed(fake: FakeKernel, kernel: Kernel):
    """`iptables -t raw -F`."""
    fake.chain(Family.V4, RAW).clear()

    assert healed(kernel) == ("rule missing in raw/PREROUTING (IPv4)",)


def test_a_flushed_ruleset_is_healed(fake: FakeKernel, kernel: Kernel):
    """`nft flush ruleset`: sets stay, rules and tables go."""
    fake.flush_rules()

    assert healed(kernel) == ("rule missing in raw/PREROUTING (IPv4)", "rule missing in raw/PREROUTING (IPv6)")


def test_a_moved_rule_comes_back_to_the_head(fake: FakeKernel, kernel: Kernel):
    """Somebody inserted above: theirs stays, below."""
    fake.chain(Family.V4, RAW).insert(0, "-s 9.9.9.9/32 -j ACCEPT")

    assert healed(kernel) == ("rule not first in raw/PREROUTING (IPv4)",)
    assert fake.chain(Family.V4, RAW)[1:] == ["-s 9.9.9.9/32 -j ACCEPT"]


def test_a_doubled_rule_is_one_again(fake: FakeKernel, kernel: Kernel):
    """`-I` twice makes two."""
    fake.chain(Family.V6, RAW).append(rule_text(NAMES, Family.V6))

    assert healed(kernel) == ("rule doubled in raw/PREROUTING (IPv6)",)
    assert len(fake.chain(Family.V6, RAW)) == 1


def test_an_altered_rule_is_ours_again(fake: FakeKernel, kernel: Kernel):
    """The comment says whose it is, the text says what it must be."""
    rules = fake.chain(Family.V4, RAW)
    rules[0] = rules[0].replace("-j DROP", "-j ACCEPT")

    assert healed(kernel) == ("rule altered in raw/PREROUTING (IPv4)",)
    assert rules[0].endswith("-j DROP")


def test_a_correction_has_no_gap(fake: FakeKernel, kernel: Kernel):
    """Deletion and insertion are one transaction."""
    fake.chain(Family.V4, RAW).insert(0, "-s 9.9.9.9/32 -j ACCEPT")
    kernel.check(2, 1)
    changes = [text for program, _, text in fake.runs if program is Program.IPTABLES_RESTORE]

    assert re.fullmatch(r"\*raw\n-D PREROUTING .+\n-I PREROUTING 1 .+\nCOMMIT\n", changes[-1])


def test_flushed_sets_are_told_and_the_whitelist_is_back_at_once(fake: FakeKernel, kernel: Kernel):
    """A bare `ipset flush`: the allow sets are refilled by the check itself, the block sets by the caller."""
    for found in fake.sets.values():
        found.members.clear()
    report = kernel.check(2, 1)

    assert report.membership_suspect
    assert set(report.repaired) == {
        "set p2pfw-allow4 changed by somebody else",
        "set p2pfw-allow6 changed by somebody else",
        "entries of set p2pfw-block4 gone",
        "entries of set p2pfw-block6 gone",
    }
    assert set(fake.sets["p2pfw-allow4"].members) == {"192.0.2.0/24"}
    healed(kernel)


def test_destroyed_sets_are_made_again(fake: FakeKernel, kernel: Kernel):
    """A tear-down by somebody who destroys all sets of the host."""
    fake.flush_rules()
    fake.sets.clear()
    found = healed(kernel)

    assert "set p2pfw-allow4 missing" in found
    assert "entries of set p2pfw-block6 gone" in found
    assert set(fake.sets["p2pfw-allow4"].members) == {"192.0.2.0/24"}


def test_some_missing_entries_count_at_the_second_look(fake: FakeKernel, kernel: Kernel):
    """One may end between the caller's count and ours; two looks a second apart are no coincidence."""
    del fake.sets["p2pfw-block4"].members["203.0.113.9"]

    assert not kernel.check(2, 1).membership_suspect
    second = kernel.check(2, 1)
    assert second.membership_suspect
    assert second.repaired == ("entries of set p2pfw-block4 gone",)


def test_an_entry_that_ends_is_no_drift(fake: FakeKernel, kernel: Kernel):
    """The count is right again at the next look."""
    del fake.sets["p2pfw-block4"].members["203.0.113.9"]
    kernel.check(2, 1)

    assert not kernel.check(1, 1).membership_suspect
    del fake.sets["p2pfw-block4"].members["198.51.100.0/24"]
    fake.sets["p2pfw-block4"].members["9.9.9.9"] = 5
    assert not kernel.check(1, 1).membership_suspect


def test_a_set_of_ours_of_another_type_is_replaced(fake: FakeKernel, kernel: Kernel):
    """The name is ours: what stands there goes, also when our rule names it."""
    fake.sets["p2pfw-block4"] = FakeSet(type="hash:ip", members={"1.2.3.4": 0})
    found = healed(kernel)

    assert "set p2pfw-block4 another type of set" in found
    assert fake.sets["p2pfw-block4"].type == "hash:net"
    assert "1.2.3.4" not in fake.sets["p2pfw-block4"].members


def test_a_set_without_timeouts_is_not_kept(fake: FakeKernel, kernel: Kernel):
    """Its entries would be permanent (promise 3): they are not ours."""
    fake.sets["p2pfw-block4"] = FakeSet(members={"1.2.3.4": 0})
    found = healed(kernel)

    assert "set p2pfw-block4 made by somebody else" in found
    assert "1.2.3.4" not in fake.sets["p2pfw-block4"].members


def test_a_foreign_rule_on_a_set_of_another_type_is_told(fake: FakeKernel, kernel: Kernel):
    """It cannot be healed without touching somebody else's rule: an error, with the name."""
    fake.sets["p2pfw-block4"] = FakeSet(type="hash:ip")
    fake.chain(Family.V4, "filter/INPUT").append("-m set --match-set p2pfw-block4 src -j LOG")
    with pytest.raises(FirewallError, match=r"destroy p2pfw-block4: exit code 1: .*in use"):
        kernel.check(2, 1)

    assert fake.chain(Family.V4, "filter/INPUT") == ["-m set --match-set p2pfw-block4 src -j LOG"]


def test_left_over_temporary_sets_go(fake: FakeKernel, kernel: Kernel):
    """Those of ours only."""
    fake.sets["p2pfw-block4-new"] = FakeSet()
    fake.sets["other-block4-new"] = FakeSet()

    assert healed(kernel) == ("temporary set p2pfw-block4-new left over",)
    assert "other-block4-new" in fake.sets


def test_before_enforcing_a_check_only_looks(fake: FakeKernel):
    """Observe mode: nothing is made, nothing is claimed."""
    report = kernel_of(fake).check(0, 0)

    assert not report.enforcing
    assert report.repaired == ()
    assert fake.sets == {}
    assert fake.tables == {family: {} for family in Family}


def test_a_program_that_only_pretends_is_found_out(fake: FakeKernel, kernel: Kernel):
    """Exit code 0 without an effect: the second look says that it does not stand."""
    fake.chain(Family.V4, RAW).clear()

    def pretend(program: Program, arguments: Sequence[str]) -> Output | None:
        return Output(command="x", code=0) if program is Program.IPTABLES_RESTORE else None

    fake.before = pretend

    assert not kernel.check(2, 1).enforcing


def test_a_rule_that_the_kernel_does_not_count_does_not_stand(fake: FakeKernel, kernel: Kernel):
    """References is the kernel's own word for "this set is used"; rules read from elsewhere prove nothing."""
    fake.references = lambda name: 0

    assert not kernel.check(2, 1).enforcing


# --- hooks -----------------------------------------------------------------------------------------------------------


def test_several_hooks_have_a_rule_each(fake: FakeKernel):
    """One transaction a table; DOCKER-USER follows when Docker makes it."""
    kernel = kernel_of(fake, hooks=["filter/INPUT", "filter/FORWARD", "filter/DOCKER-USER", RAW])
    kernel.allow(frozenset(ALLOW))
    kernel.replace(BLOCK)
    kernel.enforce()
    before = kernel.check(2, 1)
    for family in Family:
        fake.chain(family, "filter/DOCKER-USER")
    after = kernel.check(2, 1)

    assert before.enforcing
    assert before.waiting == ("filter/DOCKER-USER (IPv4)", "filter/DOCKER-USER (IPv6)")
    assert after.waiting == ()
    assert [len(fake.chain(Family.V4, f"filter/{name}")) for name in ("INPUT", "FORWARD", "DOCKER-USER")] == [1, 1, 1]


def test_only_waiting_is_not_enforcing(fake: FakeKernel):
    """Promise 5: with no chain to stand in, nothing is dropped."""
    kernel = kernel_of(fake, hooks=["filter/DOCKER-USER"])
    kernel.allow(frozenset())
    kernel.enforce()

    assert not kernel.check(0, 0).enforcing


def test_another_hook_takes_the_old_rule_away(fake: FakeKernel, kernel: Kernel):
    """The configuration changed: exactly one rule a configured hook is left."""
    moved = kernel_of(fake, hooks=["filter/INPUT"])
    moved.allow(frozenset(ALLOW))
    moved.enforce()

    assert [len(fake.chain(Family.V4, hook)) for hook in (RAW, "filter/INPUT")] == [0, 1]
    assert moved.check(2, 1).enforcing


# --- the way out -----------------------------------------------------------------------------------------------------


def test_release_takes_all_of_ours_and_nothing_else(fake: FakeKernel, kernel: Kernel):
    """Rules, sets, temporary sets; and says what it was. A second time there is nothing."""
    fake.chain(Family.V4, RAW).append("-s 9.9.9.9/32 -j DROP")
    fake.chain(Family.V4, "filter/INPUT").append(rule_text(NAMES, Family.V4))
    fake.sets |= {"mine": FakeSet(), "p2pfw-block4-new": FakeSet()}
    removed = kernel.release()

    assert removed[:3] == ("rule in raw (IPv4)", "rule in filter (IPv4)", "rule in raw (IPv6)")
    assert fake.sets.keys() == {"mine"}
    assert fake.chain(Family.V4, RAW) == ["-s 9.9.9.9/32 -j DROP"]
    assert kernel.release() == ()
    assert not kernel.check(2, 1).enforcing


def test_after_a_release_everything_can_come_back(kernel: Kernel):
    """`enforce off`, `enforce on`: the whitelist is remembered, entries are the caller's."""
    kernel.release()
    kernel.replace(BLOCK)
    kernel.enforce()

    assert kernel.check(2, 1).enforcing


def test_a_set_that_somebody_uses_is_emptied_and_told(fake: FakeKernel, kernel: Kernel):
    """Panic must unblock, whatever cannot be removed; the rest goes all the same."""
    fake.chain(Family.V4, "filter/INPUT").append("-m set --match-set p2pfw-block4 src -j LOG")
    with pytest.raises(FirewallError, match="destroy p2pfw-block4"):
        kernel.release()

    assert fake.sets.keys() == {"p2pfw-block4"}
    assert fake.sets["p2pfw-block4"].members == {}
    assert fake.chain(Family.V4, RAW) == []


def test_panic_empties_the_sets_even_when_rules_cannot_be_removed(fake: FakeKernel, kernel: Kernel):
    """iptables broken: no entry, no drop; block sets first, so that nobody allowed is dropped on the way."""
    order: list[str] = []

    def broken(program: Program, arguments: Sequence[str]) -> Output | None:
        order.extend(arguments[1:] if arguments[:1] in (["destroy"], ["flush"]) else [])
        return Output(command="iptables-restore", code=1, stderr="broken") if "RESTORE" in program.name else None

    fake.before = broken
    with pytest.raises(FirewallError, match="broken"):
        kernel.release()
    asked = [program for program, _, _ in fake.runs if program in {Program.IPTABLES_RESTORE, Program.IP6TABLES_RESTORE}]

    assert asked[-2:] == [Program.IPTABLES_RESTORE, Program.IP6TABLES_RESTORE]
    assert all(not found.members for found in fake.sets.values())
    assert list(dict.fromkeys(order)) == ["p2pfw-block6", "p2pfw-block4", "p2pfw-allow6", "p2pfw-allow4"]


def test_two_instances_do_not_meet(fake: FakeKernel, kernel: Kernel):
    """Enforcement 9: other names, other comment; neither finds fault with the other, and one's end is its own."""
    other = kernel_of(fake, prefix="other")
    other.allow(frozenset())
    other.replace({key("9.9.9.9"): SOON})
    other.enforce()

    assert kernel.check(2, 1).repaired == other.check(1, 0).repaired == ()
    other.release()
    assert kernel.check(2, 1).enforcing
    assert kernel.membership() == BLOCK


# --- failures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", [Program.IPSET, Program.IPTABLES_SAVE, Program.IP6TABLES_RESTORE])
def test_a_missing_program_is_told_at_the_start(fake: FakeKernel, program: Program):
    """With the package that has it."""
    fake.missing.add(program)
    with pytest.raises(MissingProgramError, match=f"Debian package: {program.package}"):
        kernel_of(fake).start()


@pytest.mark.parametrize("program", [Program.IPSET, Program.IPTABLES])
def test_missing_rights_are_told_at_the_start(fake: FakeKernel, program: Program):
    """CAP_NET_ADMIN for ipset, CAP_NET_RAW for the set match of iptables."""

    def refuse(asked: Program, arguments: Sequence[str]) -> Output | None:
        said = "Can't open socket to ipset." if asked is Program.IPTABLES else "Operation not permitted"
        return Output(command=asked.file, code=1, stderr=said) if asked is program else None

    fake.before = refuse
    with pytest.raises(PrivilegeError, match="CAP_NET_ADMIN and CAP_NET_RAW"):
        kernel_of(fake).start()


def test_a_busy_kernel_is_asked_again(fake: FakeKernel, kernel: Kernel):
    """Exit code 4: somebody was faster."""
    fake.chain(Family.V4, RAW).clear()
    answers = iter([Output(command="x", code=4, stderr="Resource temporarily unavailable")])
    fake.before = lambda program, _: next(answers, None) if program is Program.IPTABLES_RESTORE else None

    assert healed(kernel) == ("rule missing in raw/PREROUTING (IPv4)",)


def test_a_refusal_for_want_of_rights_is_not_asked_again(fake: FakeKernel, kernel: Kernel):
    """The nft variant uses the same exit code for it."""
    fake.chain(Family.V4, RAW).clear()
    asked = []

    def refuse(program: Program, arguments: Sequence[str]) -> Output | None:
        asked.append(program)
        denied = "Permission denied (you must be root)"
        return Output(command="x", code=4, stderr=denied) if program is Program.IPTABLES_RESTORE else None

    fake.before = refuse
    with pytest.raises(PrivilegeError):
        kernel.check(2, 1)

    assert asked.count(Program.IPTABLES_RESTORE) == 1


def test_after_a_failure_the_next_call_looks_first(fake: FakeKernel, kernel: Kernel):
    """What the kernel holds is unknown then: sets that vanished are made before they are written."""
    fake.flush_rules()
    fake.sets.clear()
    with pytest.raises(FirewallError, match="does not exist"):
        kernel.apply({key("9.9.9.9"): SOON}, [])
    kernel.apply({key("9.9.9.9"): SOON}, [])

    assert kernel.membership() == {key("9.9.9.9"): SOON}
    assert set(fake.sets["p2pfw-allow4"].members) == {"192.0.2.0/24"}


@pytest.mark.parametrize("program", [Program.IPSET, Program.IPTABLES_SAVE])
def test_garbage_is_an_error_and_changes_nothing(fake: FakeKernel, kernel: Kernel, program: Program):
    """A program that prints garbage with exit code 0 must not look like an empty kernel."""
    before = {name: dict(found.members) for name, found in fake.sets.items()}
    fake.before = lambda asked, _: Output(command="x", code=0, stdout=b"\xff\x00?") if asked is program else None
    with pytest.raises(FirewallError, match="printed what it never prints"):
        kernel.check(2, 1)

    assert {name: dict(found.members) for name, found in fake.sets.items()} == before


def test_a_table_that_iptables_cannot_work_with_is_told(fake: FakeKernel, kernel: Kernel):
    """Made by nft itself."""
    said = b"# Table `raw' is incompatible, use 'nft' tool.\n"
    fake.before = lambda asked, _: Output(command="x", code=0, stdout=said) if "SAVE" in asked.name else None
    with pytest.raises(FirewallError, match="made by nft"):
        kernel.check(2, 1)


def test_no_command_names_no_set(fake: FakeKernel, kernel: Kernel):
    """`ipset flush` or `destroy` without a name would hit every set of the host."""
    fake.chain(Family.V4, "filter/INPUT").append("-m set --match-set p2pfw-block4 src -j LOG")
    with pytest.raises(FirewallError):
        kernel.release()
    ipset = [arguments for program, arguments, _ in fake.runs if program is Program.IPSET]

    assert all(len(arguments) == 2 for arguments in ipset)
    assert all(re.fullmatch(r"p2pfw-\w+", words[1]) for words in ipset if words[0] in {"destroy", "flush", "save"})
