"""Sets and rules of one instance together: what is asked of the firewall, as plain blocking calls.

Keeps the order that no packet may see otherwise: allow sets before block sets, sets before rules, rules gone before
sets. After any failure what the kernel holds is unknown: the next call looks first. Everything of other programs is
left alone. Runs in a worker thread; adapter.py is the asynchronous face.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from p2pfw.core.localrule import LocalRule
from p2pfw.core.prefix import Family
from p2pfw.errors import FirewallError
from p2pfw.firewall.chains import Counted
from p2pfw.firewall.ipset import Fault, Found, KernelSets
from p2pfw.firewall.iptables import KernelRules
from p2pfw.firewall.localchains import LocalChains
from p2pfw.firewall.names import SLOTS, Role, SetNames, Slot
from p2pfw.firewall.netlink import IpsetLink
from p2pfw.firewall.rules import Hook, Verdict
from p2pfw.firewall.runner import Program, Runner
from p2pfw.firewall.survey import survey
from p2pfw.ports import Clock, FirewallSurvey, KernelReport, Shortfall

Verdicts = Sequence[tuple[Family, Verdict]]

_EMPTYING: Final = frozenset({Fault.MISSING, Fault.FOREIGN, Fault.SHAPE})
"""What cannot be healed with its entries kept."""
_STRIKES: Final = 2
"""Checks in a row that must miss entries before they count as lost: some may end between the count and the look."""


class Kernel:
    """`ports.Firewall` without the asynchrony; each method may block for as long as its programs take."""

    def __init__(
        self,
        runner: Runner,
        names: SetNames,
        hooks: Sequence[Hook],
        *,
        max_entries: int,
        clock: Clock,
        link: IpsetLink | None = None,
    ) -> None:
        self._runner, self._names, self._hooks = runner, names, hooks
        self._sets = KernelSets(runner, names, max_entries, clock.now, link)
        self._rules = KernelRules(runner, names, hooks)
        self._chains = LocalChains(self._rules, names, clock.monotonic)
        self._local_trouble = ""
        self._wanted = False
        self._sure = False
        self._strikes = 0

    def start(self) -> None:
        """MissingProgramError, PrivilegeError; removes left-over temporary sets, changes nothing else."""
        self._runner.find(Program.IPSET)
        self._sets.clean(self._sets.find())
        self._rules.start()

    def membership(self) -> dict[int, int]:
        """What is held: key → expiry."""
        return self._sets.membership()

    def look(self) -> None:
        """Read the headers of the sets, and nothing else. FirewallError when that does not work."""
        self._sets.find()

    def apply(self, add: Mapping[int, int], remove: Collection[int]) -> Shortfall:
        """One batch on the live block sets."""
        with self._doubting():
            self._make_sure()
            return Shortfall(no_room=self._sets.apply(add, remove))

    def replace(self, block: Mapping[int, int]) -> Shortfall:
        """Fresh block sets, swapped in."""
        with self._doubting():
            self._make_sure()
            self._strikes = 0
            return Shortfall(no_room=self._sets.replace(block))

    def allow(self, allow: frozenset[int]) -> None:
        """The allow sets hold exactly this."""
        with self._doubting():
            self._sets.want_allowed(allow)
            self._make_sure()
            self._sets.write_allowed()

    def enforce(self) -> None:
        """Sets, then the rules. FirewallError when the allow sets were never written (enforcement 6)."""
        if not self._sets.guarded:
            raise FirewallError("the whitelist has not been written to the kernel yet: no rule goes in before it")
        with self._doubting():
            self._make_sure()
            self._wanted = True
            self._rules.repair(self._rules.read())
            self._rules.clean_elsewhere()

    def release(self) -> tuple[str, ...]:
        """Rules, then sets. Returns what was removed, in words. Idempotent."""
        self._wanted = False
        self._sure = False
        self._local_trouble = ""
        return release(self._sets, self._rules, self._chains)

    def local(self, wanted: Sequence[LocalRule]) -> Mapping[LocalRule, str]:
        """See ports.Firewall.local. Nothing is refused here."""
        self._chains.want(wanted)
        self._local_trouble = ""
        try:
            self._chains.repair()
        except FirewallError as error:
            self._local_trouble = str(error)
            raise
        return {}

    def local_counters(self) -> dict[LocalRule, Counted]:
        """(packets, bytes) of the local rules that the kernel has."""
        return self._chains.counted()

    def check(self, expected4: int, expected6: int, *, repair: bool = True) -> KernelReport:
        """Look, and where enforcing is wanted put right what is wrong; then look again."""
        with self._doubting():
            found = self._sets.find()
            expected = {Family.V4: expected4, Family.V6: expected6}
            if self._wanted and not repair:
                return self._looked(found, expected)
            missed = self._missed(found, expected) if self._wanted else ()
            trouble = ""
            repaired = self._repair_sets(found) if self._wanted else ()
            verdicts = self._rules.read()
            if self._wanted:
                repaired += self._rules.repair(verdicts)
                local, trouble = self._tend_local()
                repaired += local
            if repaired:
                found, verdicts = self._sets.find(), self._rules.read()
            self._sure = not self._faults(found)
            return replace(self._report(found, verdicts, repaired, missed), local_error=trouble)

    def counters(self, key: int) -> tuple[int, int] | None:
        """(packets, bytes) of one entry."""
        return self._sets.counters(key)

    def survey(self) -> FirewallSurvey:
        """See ports.Firewall."""
        return survey(self._runner, self._hooks)

    def tallies(self) -> dict[int, tuple[int, int]]:
        """(packets, bytes) of every entry that dropped something."""
        return self._sets.tallies()

    def close(self) -> None:
        """Nothing more is asked; there is nothing to give back."""

    # --- parts -------------------------------------------------------------------------------------------------------

    @contextmanager
    def _doubting(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._sure = False
            raise

    def _make_sure(self) -> None:
        """All four sets stand as they must. One look, only when the last call failed or none was made."""
        if not self._sure:
            self._repair_sets(self._sets.find())
            self._sure = True

    def _tend_local(self, *, repair: bool = True) -> tuple[tuple[str, ...], str]:
        """(what was wrong with the local rules, why it could not be put right): the sets do not suffer for them.

        After a failure it is `local` that tries again, at its caller's pace.
        """
        if self._local_trouble:
            return (), self._local_trouble
        try:
            return self._chains.repair() if repair else self._chains.faults(), ""
        except FirewallError as error:
            self._local_trouble = str(error)
            return (), self._local_trouble

    def _faults(self, found: Found) -> dict[Slot, Fault]:
        return {slot: fault for slot in SLOTS if (fault := self._sets.fault(slot, found))}

    def _repair_sets(self, found: Found) -> tuple[str, ...]:
        said = self._set_faults(found)
        self._sets.clean(found)
        faults = self._faults(found)
        for slot in SLOTS:  # the allow sets first
            if slot in faults:
                self._heal(slot, faults[slot])
            elif self._sets.allow_differs(slot, found):
                self._sets.rebuild(slot, Fault.SHAPE)
        return said

    def _heal(self, slot: Slot, fault: Fault) -> None:
        if fault is Fault.MISSING:
            self._sets.create(slot)
        elif fault is Fault.FOREIGN:
            # another type cannot be swapped; only because the name is ours it may go, and our rule first
            self._rules.remove(slot.family)
            self._sets.destroy(slot)
            self._sets.create(slot)
        else:
            self._sets.rebuild(slot, fault)

    def _missed(self, found: Found, expected: Mapping[Family, int]) -> tuple[str, ...]:
        """Block sets that lost entries, in words. Some missing count at the second look, all missing at once."""
        slots = [slot for slot in SLOTS if slot.role is Role.BLOCK]
        gone = [slot for slot in slots if self._sets.fault(slot, found) in _EMPTYING]
        short = [slot for slot in slots if found.entries(slot) < expected[slot.family]]
        flushed = [slot for slot in short if not found.entries(slot)]
        self._strikes = self._strikes + 1 if short else 0
        lost = dict.fromkeys(gone + (short if self._strikes >= _STRIKES else flushed))
        return tuple(f"entries of set {self._names.live(slot)} gone" for slot in lost)

    def _looked(self, found: Found, expected: Mapping[Family, int]) -> KernelReport:
        """The report of a check that changes nothing, with all that it would have put right."""
        verdicts = self._rules.read()
        self._sure = not self._faults(found)
        faults = self._set_faults(found) + tuple(fault for _, verdict in verdicts for fault in verdict.faults)
        local, trouble = self._tend_local(repair=False)
        missed = self._missed(found, expected)
        report = self._report(found, verdicts, (), ())
        enforcing = report.enforcing and not missed
        return replace(report, enforcing=enforcing, faults=faults + local + missed, local_error=trouble)

    def _set_faults(self, found: Found) -> tuple[str, ...]:
        """What `_repair_sets` would put right, in its words."""
        said = tuple(f"temporary set {name} left over" for name in found.leftovers)
        faults = self._faults(found)
        for slot in SLOTS:
            name = self._names.live(slot)
            if slot in faults:
                said += (f"set {name} {faults[slot].value}",)
            elif self._sets.allow_differs(slot, found):
                said += (f"set {name} changed by somebody else",)
        return said

    def _report(
        self, found: Found, verdicts: Verdicts, repaired: tuple[str, ...], missed: tuple[str, ...]
    ) -> KernelReport:
        block4, block6 = (slot for slot in SLOTS if slot.role is Role.BLOCK)
        return KernelReport(
            enforcing=self._stands(found, verdicts),
            entries4=found.entries(block4),
            entries6=found.entries(block6),
            repaired=repaired + missed,
            membership_suspect=bool(missed),
            waiting=tuple(hook for _, verdict in verdicts for hook in verdict.waiting),
            dropped4=sum(verdict.packets for family, verdict in verdicts if family is Family.V4),
            dropped6=sum(verdict.packets for family, verdict in verdicts if family is Family.V6),
            bytes4=sum(verdict.bytes for family, verdict in verdicts if family is Family.V4),
            bytes6=sum(verdict.bytes for family, verdict in verdicts if family is Family.V6),
        )

    def _stands(self, found: Found, verdicts: Verdicts) -> bool:
        """Every rule right, at least one a family, and the kernel itself counts them as users of our sets."""
        if self._faults(found) or any(verdict.faults for _, verdict in verdicts):
            return False
        for slot, header in found.headers.items():
            standing = sum(verdict.standing for family, verdict in verdicts if family is slot.family)
            if not 0 < standing <= header.references:
                return False
        return True


def release(sets: KernelSets, rules: KernelRules, chains: LocalChains) -> tuple[str, ...]:
    """Remove the rules, local ones too, then the sets.

    What cannot be removed is at least emptied, the block sets first, and told.
    """
    trouble: list[FirewallError] = []
    removed: tuple[str, ...] = ()
    for family in Family:
        try:
            removed += rules.remove(family)
        except FirewallError as error:
            trouble.append(error)
    try:
        removed += chains.remove()
    except FirewallError as error:
        trouble.append(error)
    found = sets.find()
    removed += tuple(f"set {name}" for name in sets.clean(found))
    for slot in (slot for slot in reversed(SLOTS) if slot in found.headers):
        try:
            removed += (f"set {sets.destroy(slot)}",)
        except FirewallError as error:
            sets.flush(slot)
            trouble.append(error)
    if trouble:
        raise trouble[0]
    return removed
