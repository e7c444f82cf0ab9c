"""A firewall on a host of the lab: our code in this process, the real programs in the host's namespaces."""

import re
import shutil
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from p2pfw.core.prefix import Prefix
from p2pfw.demo.lab import Host
from p2pfw.demo.namespaces import search_path
from p2pfw.firewall.kernel import Kernel
from p2pfw.firewall.names import SetNames
from p2pfw.firewall.netlink import NETLINK_NETFILTER, IpsetLink
from p2pfw.firewall.rules import DEFAULT_HOOK, parse_hooks
from p2pfw.firewall.runner import ProgramRunner

VARIANTS = ("nft", "legacy")
"""What the `iptables` command can be."""
_TOOLS = ("iptables", "iptables-save", "iptables-restore")


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


def key(text: str) -> int:
    """Key of a prefix in text."""
    return Prefix.parse(text).key


def soon(seconds: int = 3_600) -> int:
    """Unix seconds that far from now."""
    return int(time.time()) + seconds


@dataclass
class Box:
    """One host, the folder that its programs are looked for first, and the rights they are run with."""

    host: Host
    folder: Path
    without_rights: bool = False

    def choose(self, variant: str) -> None:
        """Make `iptables` and its relatives this variant."""
        for tool in _TOOLS:
            for name in (tool, tool.replace("iptables", "ip6tables")):
                real = shutil.which(f"xtables-{variant}-multi", path=search_path({}))
                assert real, f"xtables-{variant}-multi is not installed"
                (self.folder / name).symlink_to(real)

    def kernel(
        self,
        prefix: str = "p2pfw",
        *,
        hooks: Sequence[str] = (DEFAULT_HOOK,),
        room: int = 1 << 20,
        by_netlink: bool = True,
    ) -> Kernel:
        """An instance of the firewall that has done nothing yet."""
        link = self.link() if by_netlink else None
        names, chosen = SetNames(prefix), parse_hooks(hooks)
        return Kernel(self.runner(), names, chosen, max_entries=room, clock=SystemClock(), link=link)

    def link(self) -> IpsetLink:
        """To the host's sets."""
        return IpsetLink(self.host.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER))

    def runner(self) -> ProgramRunner:
        """Runs programs on the host."""
        dropped = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if self.without_rights else []
        environ = {"PATH": str(self.folder), "XTABLES_LOCKFILE": "/run/xtables.lock"}
        return ProgramRunner(environ, through=[*self.host.namespace.command([]), *dropped])

    def sh(self, script: str, *, check: bool = True) -> str:
        """What another administrator does on this host, with the same programs."""
        path = f"{self.folder}:{search_path({})}"
        done = self.host.run(["env", f"PATH={path}", "sh", "-ec", script], check=check)
        return done.stdout

    def rules(self) -> str:
        """Both families' rules as iptables-save prints them, without the dates and what the packets count up."""
        text = re.sub(r"\[[0-9]+:[0-9]+\]", "[0:0]", self.sh("iptables-save; ip6tables-save"))
        return "".join(f"{line}\n" for line in text.splitlines() if not line.startswith("#"))

    def sets(self) -> list[str]:
        """Names of all sets, sorted."""
        return sorted(self.sh("ipset list -name").split())

    def replace_program(self, name: str, script: str) -> None:
        """Put a script before the real program, which it finds under $REAL."""
        real = shutil.which(name, path=search_path({}))
        path = self.folder / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\nREAL={real}\n{script}\n")
        path.chmod(0o755)

    def restore_program(self, name: str) -> None:
        """Take the script away."""
        (self.folder / name).unlink()


def until(condition, seconds: float = 60.0) -> None:
    """Wait for what must come; the limit is a guard against a hang."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)
