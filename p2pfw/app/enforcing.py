"""Keeps the kernel equal to what is adopted, and tells the truth about how far it is.

Level-triggered (enforcement 1): whoever changes a verdict only names the prefix; what to do about it is read from the
wanted state at the moment of doing. A failed batch stays to be done, the kernel is read again, and the error is state
until it works. One task runs `run`; it cannot die of a failing command. Decides nothing about verdicts.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Final

from p2pfw.app.comparing import differences, ends_of
from p2pfw.app.counters import SyncTimes
from p2pfw.app.drift import Drift
from p2pfw.app.events import Events
from p2pfw.app.installing import LocalInstalling
from p2pfw.app.pace import Pace
from p2pfw.app.shortage import Shortage
from p2pfw.app.wanted import Mode, Trial, Wanted
from p2pfw.config import Enforcer as Settings
from p2pfw.core.localrule import LocalRule
from p2pfw.core.plan import kernel_end
from p2pfw.errors import FirewallError, MissingProgramError, PrivilegeError
from p2pfw.ports import Clock, Firewall, FirewallSurvey, KernelReport

log = logging.getLogger(__name__)

CHECK_INTERVAL: Final = 1.0
"""Seconds between looks at rule and set headers; drift must be healed within 2 s (enforcement 2)."""
CHECK_AFTER_WRITE: Final = 0.2
"""Seconds after the last look at which a write is looked at: a check costs more than the write of one entry."""
STUCK: Final = 600.0
"""Seconds: more than the longest time-out of a command, which grows with what it carries."""
GATHER: Final = 10_000
"""Changes of a long judgement that are written together: one program start for all, and the kernel not far behind."""
BACKOFF: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds before a failed command is tried again; the last one repeats."""
BULK: Final = 20_000
"""From this many changes on a fresh set and a swap are cheaper and safer than changing the live one."""


class Enforcing:
    """The worker between the wanted state and the kernel."""

    def __init__(
        self,
        firewall: Firewall,
        wanted: Wanted,
        allowed: Callable[[], Collection[int]],
        clock: Clock,
        events: Events,
        settings: Settings,
    ) -> None:
        self._firewall, self._wanted, self._allowed = firewall, wanted, allowed
        self._clock, self._events, self._audit_interval = clock, events, settings.audit_interval
        self.mode = Mode.OBSERVE
        self.trial: Trial | None = None
        self._trial_ends = 0.0
        self.last_error = ""
        self.rights_error = ""
        self._drift = Drift(events)
        self.shortage = Shortage(settings.max_entries)
        self.sync = SyncTimes()
        self.local = LocalInstalling(firewall, clock)
        self.report = KernelReport(enforcing=False, entries4=0, entries6=0)
        self.on_revert: Callable[[], Awaitable[None]] | None = None
        self._dirty: set[int] = set()
        self._allow_dirty = True
        self._started = False
        self._compare, self._compares = True, 0
        self._comparing = False
        self._ruled = self._placed = False
        self._released = False
        self._unseen = False
        self._failures = 0
        self._checked = self._audited = clock.monotonic()
        self._turned_at: float | None = None
        self._ticket = self._settled = 0
        self._wake = asyncio.Event()
        self._turned = asyncio.Condition()

    # --- what others say -------------------------------------------------------------------------------------------

    def changed(self, keys: Iterable[int], *, more: bool = False) -> int:
        """These verdicts or leases changed. Returns a ticket for `settle`.

        `more`: others follow at once (a long judgement); they are written together, some thousands at a time.
        """
        # A comparison that is still to come finds them by itself: after a start, nearly all are in the kernel already.
        if self.mode is Mode.ENFORCE and (self._comparing or not self._compare):
            self._dirty.update(keys)
            self.sync.waits(self._clock.monotonic())
        if more and len(self._dirty) < GATHER:
            self._ticket += 1
            return self._ticket
        return self._nudge()

    def hurry(self) -> None:
        """Nothing more follows for now: write what was gathered."""
        if self._dirty:
            self._wake.set()

    def allow_changed(self) -> int:
        """Whitelist or protection changed. Returns a ticket for `settle`."""
        self._allow_dirty = True
        return self._nudge()

    def local_changed(self) -> int:
        """The local rules are others. Returns a ticket for `settle`."""
        self.local.changed()
        return self._nudge()

    def time_changed(self) -> int:
        """The clock is another one: every end in the kernel is compared with it. Returns a ticket for `settle`."""
        self._compare, self._compares = True, self._compares + 1
        return self._nudge()

    async def settle(self, ticket: int, within: float = 10.0) -> str:
        """Wait until the kernel has what the ticket stands for. Returns "" or why it does not (enforce mode)."""
        try:
            async with asyncio.timeout(within):
                async with self._turned:
                    await self._turned.wait_for(lambda: self._settled >= ticket or bool(self.last_error))
        except TimeoutError:
            return f"the kernel did not follow within {within:.0f} s"
        return self.last_error

    async def set_mode(self, mode: Mode, trial: Trial | None = None) -> str:
        """Change what is wanted of the kernel and wait for it. Returns "" or the error that now is state."""
        previous, self.mode = self.mode, mode
        self.try_out(trial)
        self.last_error, self._failures = "", 0
        self._compare = mode is Mode.ENFORCE
        self._released = False
        self._allow_dirty = True
        self.local.changed()
        if previous is not mode:
            self._events.tell("mode", reason=mode.value, reverts_at=trial.reverts_at if trial else None)
        return await self.settle(self._nudge())

    def try_out(self, trial: Trial | None) -> None:
        """Enforcement is a trial from now on, or none. It ends by whichever clock says so first."""
        self.trial = trial
        if trial is not None:
            self._trial_ends = self._clock.monotonic() + trial.reverts_at - self._clock.now()

    @property
    def pending(self) -> int:
        """Changes decided and not yet in the kernel."""
        return len(self._dirty) if self.mode is Mode.ENFORCE else 0

    @property
    def enforcing(self) -> bool:
        """True only when the kernel holds the rule and what is adopted."""
        return self.mode is Mode.ENFORCE and self._ruled and not self.last_error and self.report.enforcing

    @property
    def fought(self) -> str:
        """What another program undoes again and again; "" when none does."""
        return ", ".join(sorted(self._drift.contests.contested(self._clock.monotonic())))

    @property
    def drift(self) -> dict[str, int]:
        """What was found wrong in the kernel and put right since the start, by what it was."""
        return self._drift.counts

    @property
    def installed(self) -> int:
        """Entries of ours in the kernel, as last read from it."""
        return self.report.entries4 + self.report.entries6

    def holds(self, key: int) -> bool:
        """True when the kernel has this adopted prefix, as far as what was acknowledged and checked tells."""
        return self.enforcing and not self._compare and not self._is_known(key) and self._end(key) is not None

    async def counters(self, key: int) -> tuple[int, int] | None:
        """(packets, bytes) that an entry dropped; None when the kernel does not hold it. FirewallError."""
        return await self._firewall.counters(key) if self.mode is Mode.ENFORCE and self._started else None

    async def tallies(self) -> dict[int, tuple[int, int]]:
        """(packets, bytes) of the entries that dropped something; none where nothing is enforced. FirewallError."""
        return await self._firewall.tallies() if self.mode is Mode.ENFORCE and self._started else {}

    async def local_counters(self) -> dict[LocalRule, tuple[int, int]]:
        """(packets, bytes) of the local rules that the kernel has. FirewallError."""
        return await self._firewall.local_counters() if self.mode is Mode.ENFORCE and self._started else {}

    async def survey(self) -> FirewallSurvey:
        """What is around our rules, for a self-check; nothing while nothing is enforced."""
        return await self._firewall.survey() if self.mode is Mode.ENFORCE and self._started else FirewallSurvey()

    def unready(self) -> str:
        """Why what is adopted is not all installed; "" when it is, or in observe mode."""
        if self.mode is Mode.OBSERVE:
            return ""
        if self.last_error:
            return self.last_error
        if self._compare:
            return "the kernel is not yet compared with what is adopted"
        if self._dirty:
            return f"{len(self._dirty)} changes are on their way to the kernel"
        return "" if self.enforcing else "the rules are not in place"

    # --- the worker ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow the wanted state for ever; ends by cancellation only."""
        while True:
            self._turned_at = self._clock.monotonic()
            await self._rest()
            await self.step()

    async def step(self) -> None:
        """One turn: do what is to be done, check what is due. FirewallError becomes state."""
        self._wake.clear()
        ticket = self._ticket
        await self._end_trial()
        try:
            await (self._enforce() if self.mode is Mode.ENFORCE else self._observe())
            await self._worked(ticket)
            if self.mode is Mode.ENFORCE:
                await self._look()
        except FirewallError as error:
            await self._failed(error)

    def is_stuck(self) -> bool:
        """True when the worker has not come round for so long that no command can still be running."""
        return self._turned_at is not None and self._clock.monotonic() - self._turned_at > STUCK

    def _nudge(self) -> int:
        self._ticket += 1
        self._wake.set()
        return self._ticket

    async def _rest(self) -> None:
        pause = BACKOFF[min(self._failures, len(BACKOFF)) - 1] if self._failures else CHECK_INTERVAL
        every = self._check_every()
        looks = self.mode is Mode.ENFORCE and not self._failures  # there is nothing to look at while only watching
        due = self._checked + every - self._clock.monotonic() if looks else pause
        try:
            async with asyncio.timeout(max(0.0, min(due, pause))):
                await (asyncio.sleep(pause) if self._failures else self._wake.wait())
        except TimeoutError:
            return

    async def _failed(self, error: FirewallError) -> None:
        if not self._failures:
            log.error("enforcement failed", extra={"error": str(error)})
            self._events.tell("enforcement-failed", reason=str(error))
        self._failures += 1
        self.sync.failures += 1
        self.last_error = str(error)
        self._compare, self._ruled, self.local.dirty = True, False, True
        self._started = self._started and not isinstance(error, (MissingProgramError, PrivilegeError))
        await self._tell_waiting()

    async def _worked(self, ticket: int) -> None:
        """Whoever waits for the kernel need not wait for the checks that follow."""
        if self._failures:
            log.info("enforcement recovered", extra={"failures": self._failures})
            self._events.tell("enforcement-recovered", failures=self._failures)
        self._failures, self.last_error, self._settled = 0, "", ticket
        await self._tell_waiting()

    async def _tell_waiting(self) -> None:
        async with self._turned:
            self._turned.notify_all()

    async def _observe(self) -> None:
        self._dirty.clear()
        self.sync.dropped()
        if self._released:
            return
        try:
            await self._start()
            await self._firewall.release()
        except (MissingProgramError, PrivilegeError) as error:
            if self._placed:
                raise
            self.rights_error = str(error)  # nothing of ours can be there without the right to put it there
        self._ruled = self._placed = False
        self._released = True
        self.report = KernelReport(enforcing=False, entries4=0, entries6=0)

    async def _start(self) -> None:
        if not self._started:
            await self._firewall.start()
            self._started, self.rights_error = True, ""

    async def _enforce(self) -> None:
        await self._start()
        if self._allow_dirty:
            self._allow_dirty = False
            await self._guard_allow()
            self.local.changed()
        if self._compare:
            await self._read_and_compare()
        if self._dirty:
            await self._write()
            self._unseen = True
        await self.local.follow()  # before any check, which would take away what is not known to be wanted
        if not self._ruled:
            self._placed = True
            await self._firewall.enforce()
            self._ruled = True
            await self._check()

    async def _look(self) -> None:
        """Checks that are due: rule and headers every second, sooner after a write; membership now and then."""
        since = self._clock.monotonic() - self._checked
        if since >= self._check_every():
            await self._check()
        if self._clock.monotonic() - self._audited >= self._audit_interval:
            self._allow_dirty = True  # its membership is compared by writing it: only a difference is written
            await self._read_and_compare()
            self._nudge()

    def _check_every(self) -> float:
        """Seconds between two looks at rule and headers."""
        return CHECK_AFTER_WRITE if self._unseen else CHECK_INTERVAL

    async def _guard_allow(self) -> None:
        try:
            await self._firewall.allow(self._allowed())
        except FirewallError:
            self._allow_dirty = True
            raise

    async def _read_and_compare(self) -> None:
        """Full comparison of membership: what differs is to be done."""
        self._comparing, asked = True, self._compares
        try:
            installed = await self._firewall.membership()
            self._audited = self._clock.monotonic()
            found = await differences(installed, self._wanted.adopted(), self._end, self._is_known, self._clock)
            self._dirty.update(found.keys, self.shortage.to_try(found.installed))
            if found.wrong and not self._compare:
                self._drift.repaired(["membership"], self._audited)
            self._compare = self._compares != asked  # asked for again meanwhile
        finally:
            self._comparing = False

    def _is_known(self, key: int) -> bool:
        """On its way to the kernel, or known not to get there."""
        return key in self._dirty or key in self.shortage

    def _end(self, key: int) -> int | None:
        """Wanted end of one entry, cut by a trial that runs; None when it must not be there."""
        now = self._clock.now()
        cut = now + self._trial_left(self.trial) if self.trial is not None else 0.0
        return kernel_end(self._wanted.until(key), now, cut=cut)

    def _trial_left(self, trial: Trial) -> float:
        """Seconds that a trial has left. A wall clock that is set back does not prolong it."""
        return min(trial.reverts_at - self._clock.now(), self._trial_ends - self._clock.monotonic())

    async def _write(self) -> None:
        keys, self._dirty = self._dirty, set()
        try:
            if len(keys) >= BULK:
                await self._replace()
            else:
                await self._apply(keys)
        except FirewallError:
            self._dirty |= keys
            raise
        if not self._dirty:
            self.sync.done(self._clock.monotonic())

    async def _apply(self, keys: set[int]) -> None:
        self.shortage.wrote(keys, await self._firewall.apply(*await ends_of(keys, self._end, self._clock)))

    async def _replace(self) -> None:
        keys = await self.shortage.in_order(self._wanted, self._clock, Pace(self._clock))
        block, _ = await ends_of(keys, self._end, self._clock)
        self.shortage.replaced(await self._firewall.replace(block))

    async def _check(self) -> None:
        self._checked, self._unseen = self._clock.monotonic(), False
        # While changes are on their way the kernel lags behind: then only a flush would be seen, not a missing entry.
        expected = (0, 0) if self._dirty else self.shortage.held(self._wanted.families())
        if self._drift.contests.rests(self._checked):
            self.report = await self._firewall.check(*expected, repair=False)
            if self._drift.contests.may_wait(self.report.faults, self._checked):
                return
        self.report = await self._firewall.check(*expected)
        self._drift.repaired(self.report.repaired, self._checked)
        self.local.dirty = self.local.dirty or bool(self.report.local_error)
        self._ruled = self.report.enforcing or bool(self.report.waiting)  # taken out past us (panic): asked for anew
        if self.report.membership_suspect:
            self._compare = True
            self._nudge()

    async def _end_trial(self) -> None:
        if self.trial is None or self._trial_left(self.trial) > 0:
            return
        self.mode, self.trial, self._released = self.trial.reverts_to, None, False
        self._compare = self.mode is Mode.ENFORCE
        self._events.tell("mode", reason=self.mode.value, unconfirmed=True)
        if self.on_revert is not None:
            await self.on_revert()
