"""Takes everything of ours out of the kernel, with or without a node: for `panic` and `uninstall-rules`.

Needs the set prefix only: rules are found by their comment in whatever table, sets by their names. A node that is
running and enforcing would put them back: tell it first.
"""

import time

from p2pfw.firewall.ipset import KernelSets
from p2pfw.firewall.iptables import KernelRules
from p2pfw.firewall.kernel import release
from p2pfw.firewall.localchains import LocalChains
from p2pfw.firewall.names import SetNames
from p2pfw.firewall.runner import ProgramRunner, Runner


def uninstall(set_prefix: str, runner: Runner | None = None) -> tuple[str, ...]:
    """Remove rules and sets; returns what was removed, in words, () when nothing was there. FirewallError."""
    names = SetNames(set_prefix)
    runner = runner or ProgramRunner()
    rules = KernelRules(runner, names, ())
    return release(KernelSets(runner, names, 1, time.time), rules, LocalChains(rules, names))
