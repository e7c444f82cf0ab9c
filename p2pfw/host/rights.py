"""The moment at which the node gives up what root could do: before it reads a byte from anybody else.

What still needs a right later is arranged first: the group of the API's socket, and ports below 1024.
"""

import contextlib
import os
from typing import Final

from p2pfw.config import Config
from p2pfw.host.capabilities import Capability, keep_only
from p2pfw.local.credentials import group_id

FIRST_FREE_PORT: Final = 1_024
"""From here on anybody may listen."""


def give_up_rights(config: Config) -> None:
    """Keep no capability, for this process and its children; CAP_NET_BIND_SERVICE only for a port that needs it.

    OSError when the kernel refuses. Call it while there is one thread.
    """
    _join_group()
    keep_only([Capability.NET_BIND_SERVICE] if _needs_low_port(config) else [])


def _join_group() -> None:
    """Root without capabilities gives a file only to a group that it is in."""
    group = group_id()
    if os.geteuid() == 0 and group is not None:
        with contextlib.suppress(PermissionError):
            os.setgroups(sorted({*os.getgroups(), group}))


def _needs_low_port(config: Config) -> bool:
    wanted = (config.listen.peer, config.api.http)
    return any(endpoint is not None and 0 < endpoint.port < FIRST_FREE_PORT for endpoint in wanted)
