"""Builds the firewall that the configuration asks for."""

import logging
from collections.abc import Sequence

from p2pfw.errors import ConfigError, FirewallError
from p2pfw.firewall.adapter import KernelFirewall
from p2pfw.firewall.dryrun import DryRunFirewall
from p2pfw.firewall.kernel import Kernel
from p2pfw.firewall.names import SetNames
from p2pfw.firewall.netlink import IpsetLink
from p2pfw.firewall.rules import parse_hooks
from p2pfw.firewall.runner import ProgramRunner
from p2pfw.ports import Clock, Firewall

log = logging.getLogger(__name__)


def make_firewall(*, backend: str, set_prefix: str, hooks: Sequence[str], max_entries: int, clock: Clock) -> Firewall:
    """The firewall of `[enforcer]`; runs nothing yet. ConfigError when a value cannot be used."""
    names, parsed = SetNames(set_prefix), parse_hooks(hooks)
    if max_entries < 1:
        raise ConfigError(f"max_entries {max_entries} leaves no room for a block")
    if backend == "dryrun":
        return DryRunFirewall(clock, max_entries)
    if backend != "ipset":
        raise ConfigError(f"backend {backend!r} is unknown", hint="ipset or dryrun")
    return KernelFirewall(
        Kernel(ProgramRunner(), names, parsed, max_entries=max_entries, clock=clock, link=_link_where_possible())
    )


def _link_where_possible() -> IpsetLink | None:
    """A sandbox may give no netlink socket; then everything goes through the programs, which say what is wrong."""
    try:
        return IpsetLink.open()
    except FirewallError as error:
        log.warning("ipset by its program only", extra={"error": str(error)})
        return None
