"""Where in the kernel, and how much of it; and the kernel itself, for whoever may change it.

Apart from backends.py, because the enforcer's process has no event loop and needs none of its modules.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from p2pfw.errors import ConfigError, FirewallError
from p2pfw.firewall.kernel import Kernel
from p2pfw.firewall.names import SetNames
from p2pfw.firewall.netlink import IpsetLink
from p2pfw.firewall.rules import Hook, parse_hooks
from p2pfw.firewall.runner import ProgramRunner
from p2pfw.ports import Clock

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`[enforcer]`, checked. ConfigError when a value cannot be used."""

    set_prefix: str
    hook: Sequence[str]
    max_entries: int
    names: SetNames = field(init=False)
    hooks: Sequence[Hook] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", SetNames(self.set_prefix))
        object.__setattr__(self, "hooks", parse_hooks(self.hook))
        if self.max_entries < 1:
            raise ConfigError(f"max_entries {self.max_entries} leaves no room for a block")


def make_kernel(place: Place, clock: Clock) -> Kernel:
    """The kernel there; runs nothing yet."""
    return Kernel(
        ProgramRunner(),
        place.names,
        place.hooks,
        max_entries=place.max_entries,
        clock=clock,
        link=_link_where_possible(),
    )


def _link_where_possible() -> IpsetLink | None:
    """A sandbox may give no netlink socket; then everything goes through the programs, which say what is wrong."""
    try:
        return IpsetLink.open()
    except FirewallError as error:
        log.warning("ipset by its program only", extra={"error": str(error)})
        return None
