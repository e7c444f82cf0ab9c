"""Local rules on their way to the kernel: part of enforcing's worker, with a failure of its own.

A rule that iptables does not take must not keep the sets from being written: the error is state here, and tried again
at every turn until it works.
"""

import logging
from collections.abc import Callable, Mapping, Sequence

from p2pfw.core.localrule import LocalRule
from p2pfw.errors import FirewallError
from p2pfw.ports import Firewall

log = logging.getLogger(__name__)


class LocalInstalling:
    """What of the local rules the kernel has."""

    def __init__(self, firewall: Firewall) -> None:
        self._firewall = firewall
        self.wanted: Callable[[], Sequence[LocalRule]] = tuple
        self.dirty = True
        self.error = ""
        """Why the kernel does not have them; "" when it has."""
        self.refused: Mapping[LocalRule, str] = {}
        """What the enforcer never lets in, and why."""
        self._any = True

    def allow_changed(self) -> None:
        """The whitelist in the kernel is another one: what may stand beside it may be, too."""
        self.dirty = self.dirty or self._any

    async def follow(self) -> None:
        """Write what is wanted, if anything changed. FirewallError becomes `error`."""
        if not self.dirty:
            return
        wanted = self.wanted()
        try:
            self.refused = await self._firewall.local(wanted)
        except FirewallError as error:
            if str(error) != self.error:
                log.error("local rules not installed", extra={"error": str(error)})
            self.error = str(error)
            return
        self.dirty, self.error, self._any = False, "", bool(wanted)
