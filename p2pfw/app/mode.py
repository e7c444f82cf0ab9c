"""Observe or enforce, at the operator's word, kept over restarts; commit-confirm; panic.

The operator's last word wins over the configuration, visibly. A trial (`enforce on --confirm`) is kept on disk with its
end, so that the node's own death does not turn it into a decision.
"""

import logging
from typing import Final

from p2pfw import schema
from p2pfw.app.enforcing import Enforcing
from p2pfw.app.wanted import Mode, Trial
from p2pfw.core.times import rfc3339
from p2pfw.errors import FirewallError, NotFoundError, StoreError
from p2pfw.ports import Clock, Store
from p2pfw.rows import Setting

log = logging.getLogger(__name__)

MODE_SETTING: Final = "mode"
TRIAL_SETTING: Final = "trial"


class Modes:
    """The operator's word on enforcement."""

    def __init__(self, enforcing: Enforcing, store: Store, clock: Clock, configured: Mode) -> None:
        self._enforcing, self._store, self._clock = enforcing, store, clock
        self._configured = configured
        self.by_command = False
        self._words = 0
        enforcing.on_revert = self._reverted

    def begin(self, settings: dict[str, object]) -> Mode:
        """At start: the operator's last word, else the configuration's; an unconfirmed trial goes on or has ended."""
        word = settings.get(MODE_SETTING)
        mode = Mode(word) if isinstance(word, str) else self._configured
        self.by_command = isinstance(word, str)
        trial = settings.get(TRIAL_SETTING)
        if isinstance(trial, dict):
            kept = Trial(reverts_at=float(trial["reverts_at"]), reverts_to=Mode(trial["reverts_to"]))
            if kept.reverts_at <= self._clock.now():
                mode = kept.reverts_to
            else:
                self._enforcing.try_out(kept)
        self._enforcing.mode = mode
        return mode

    async def set(self, request: schema.ModeRequest) -> schema.ModeAnswer:
        """See operations.Operations.set_mode."""
        mode = Mode(request.mode)
        return await self._follow(mode, self._trial(mode, request.confirm))

    async def confirm(self) -> schema.ModeAnswer:
        """See operations.Operations.confirm."""
        if self._enforcing.trial is None:
            raise NotFoundError("nothing waits for a confirmation")
        return await self._follow(self._enforcing.mode, None)

    async def panic(self) -> schema.ModeAnswer:
        """See operations.Operations.panic: the kernel first, the disk after."""
        self._words += 1
        problem = await self._enforcing.set_mode(Mode.OBSERVE)
        await self._keep(Mode.OBSERVE, None)
        if problem:
            raise FirewallError(f"rules and sets could not be removed: {problem}; try p2pfw uninstall-rules as root")
        return self.answer("")

    def _trial(self, mode: Mode, seconds: int | None) -> Trial | None:
        """The trial that a request asks for; none where enforcement is confirmed already: nothing to revert."""
        running = self._enforcing.trial
        if not seconds or mode is Mode.OBSERVE or (self._enforcing.mode is Mode.ENFORCE and running is None):
            return None
        before = running.reverts_to if running is not None else self._enforcing.mode
        return Trial(reverts_at=self._clock.now() + seconds, reverts_to=before)

    async def _follow(self, mode: Mode, trial: Trial | None) -> schema.ModeAnswer:
        """Keep it, then do it, unless another word came while the disk was at it: the last one counts."""
        self._words += 1
        word = self._words
        await self._keep(mode, trial)
        if word != self._words:
            return self.answer("another command came meanwhile")
        return self.answer(await self._enforcing.set_mode(mode, trial))

    def confirming(self) -> schema.Confirming | None:
        """The trial that runs."""
        trial = self._enforcing.trial
        if trial is None:
            return None
        word = trial.reverts_to.value
        return schema.Confirming(reverts_at=rfc3339(trial.reverts_at), reverts_to=word)  # type: ignore[arg-type]

    async def _keep(self, mode: Mode, trial: Trial | None) -> None:
        self.by_command = True
        kept = {"reverts_at": trial.reverts_at, "reverts_to": trial.reverts_to.value} if trial else None
        await self._store.commit(Setting(name=MODE_SETTING, value=mode.value), Setting(name=TRIAL_SETTING, value=kept))

    async def _reverted(self) -> None:
        self._words += 1
        try:
            await self._keep(self._enforcing.mode, None)
        except StoreError as error:  # what is kept says when the trial ends: a restart comes to the same
            log.error("the end of a trial was not kept", extra={"error": str(error)})

    def answer(self, problem: str) -> schema.ModeAnswer:
        """The mode as it is now, with a word to it."""
        enforcing = self._enforcing
        return schema.ModeAnswer(
            mode=enforcing.mode.value,
            enforcing=enforcing.enforcing,
            installed=enforcing.installed,
            confirming=self.confirming(),
            text=problem,
        )
