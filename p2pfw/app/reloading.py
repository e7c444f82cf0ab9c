"""Reads the configuration again while the node runs; a bad file changes nothing.

Whitelist, peers, trust, policy and feeds follow at once, in this order: feeds are cut around the whitelist.
Certificates of open doors are read again as well, because they are renewed under the same names.
"""

import logging
from collections.abc import Callable

from p2pfw import schema
from p2pfw.app.assembly import Assembly
from p2pfw.app.feedlists import WHITELISTED
from p2pfw.app.loading import named_in, whitelist_of
from p2pfw.app.wanted import Mode
from p2pfw.config import Config, check_reloadable, load
from p2pfw.core.whitelist import COMMAND, WhitelistEntry
from p2pfw.errors import ConfigError, FirewallError

log = logging.getLogger(__name__)


class Reloading:
    """SIGHUP and `p2pfw config reload`."""

    def __init__(self, node: Assembly) -> None:
        self._node = node
        self.config = node.config
        self.renewing: list[Callable[[], None]] = []
        """What else is read again: the certificates of doors that are open. Each raises ConfigError, and goes on."""

    async def reload(self) -> schema.ReloadAnswer:
        """See operations.Operations.reload. ConfigError: nothing changed."""
        new = self._read()
        changes = check_reloadable(self.config, new)
        whitelist = whitelist_of(new)
        for renew in self.renewing:
            renew()
        self._apply_whitelist(whitelist)
        self._node.domain.policy.allow_private = new.policy.allow_private
        self._node.domain.trust.default = new.policy.default_trust
        self._node.book.load_file(named_in(new))
        self.config = new
        await self._node.peers.resolve()
        self._node.feed_desk.configure(new.feeds)
        self._node.judging.everything(*self._node.domain.sources())
        await self._node.judging.idle()
        await self._settle()
        self._node.events.tell("reload", reason=", ".join(changes.at_once))
        return schema.ReloadAnswer(changed=list(changes.at_once), needs_restart=list(changes.after_restart))

    async def hang_up(self) -> None:
        """SIGHUP: the same, where nobody waits for the answer."""
        try:
            await self.reload()
        except (ConfigError, FirewallError) as error:
            log.error("configuration not reloaded", extra={"error": str(error)})
            self._node.events.tell("reload-failed", reason=str(error))

    async def _settle(self) -> None:
        """A whitelist edit is in the kernel before it is answered (enforcement 6)."""
        enforcing = self._node.enforcing
        ticket = enforcing.allow_changed()
        if enforcing.mode is Mode.ENFORCE and (problem := await enforcing.settle(ticket)):
            raise FirewallError(f"read, but the kernel does not follow yet: {problem}")

    def _read(self) -> Config:
        return load(self.config.files[0] if self.config.files else None)

    def _apply_whitelist(self, whitelist: dict[str, list[WhitelistEntry]]) -> None:
        listed = self._node.domain.whitelist
        changed = []
        for source in listed.sources() - whitelist.keys() - {COMMAND}:
            if source.startswith(WHITELISTED):
                continue  # a feed's to take back
            changed += listed.replace(source, [])
        for source, entries in whitelist.items():
            changed += listed.replace(source, entries)
        self._node.whitelisting.changed(changed)
