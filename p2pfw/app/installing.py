"""Local rules on their way to the kernel: part of enforcing's worker, with a failure of its own.

A rule that iptables does not take must not keep the sets from being written: the error is state here, and tried again
at growing distances until it works, or at once when the rules are others.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from p2pfw.core.localrule import LocalRule
from p2pfw.errors import FirewallError
from p2pfw.ports import Clock, Firewall

log = logging.getLogger(__name__)

PAUSES: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before the next try, after so many failures: one that waits for a lock holds the sets up as well."""


class LocalInstalling:
    """What of the local rules the kernel has."""

    def __init__(self, firewall: Firewall, clock: Clock) -> None:
        self._firewall, self._clock = firewall, clock
        self._failures, self._not_before = 0, 0.0
        self.wanted: Callable[[], Sequence[LocalRule]] = tuple
        self.dirty = True
        self.error = ""
        """Why the kernel does not have them; "" when it has."""
        self.refused: Mapping[LocalRule, str] = {}
        """What the enforcer never lets in, and why."""

    def changed(self) -> None:
        """Other rules are wanted, or may stand beside the whitelist: what failed before may work now."""
        self.dirty, self._not_before = True, 0.0

    async def follow(self) -> None:
        """Write what is wanted, if anything changed. FirewallError becomes `error`."""
        if not self.dirty or self._clock.monotonic() < self._not_before:
            return
        wanted = self.wanted()
        self.dirty = False  # what changes from here on is not in what is written now
        try:
            self.refused = await self._firewall.local(wanted)
        except FirewallError as error:
            self.dirty = True
            if str(error) != self.error:
                log.error("local rules not installed", extra={"error": str(error)})
            self.error = str(error)
            self._not_before = self._clock.monotonic() + PAUSES[min(self._failures, len(PAUSES) - 1)]
            self._failures += 1
            return
        self.error, self._failures = "", 0
