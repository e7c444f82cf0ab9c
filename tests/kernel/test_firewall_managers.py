"""ufw and firewalld from Debian, reloaded and restarted beside us: our rule stands after the next look, theirs as was.

A look comes every second (test_enforcing.py).
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from p2pfw.demo.lab import Lab
from tests.kernel.firewalls import Box, key, soon
from tests.kernel.managers import Firewalld, Ufw

MANAGERS: dict[str, Callable[[Box], Ufw | Firewalld]] = {
    "ufw": Ufw,
    "firewalld iptables": lambda box: Firewalld(box, "iptables"),
    "firewalld nftables": lambda box: Firewalld(box, "nftables"),
}


@pytest.mark.parametrize("name", MANAGERS)
def test_a_manager_that_reloads_and_restarts_is_survived(lab: Lab, tmp_path: Path, name: str):
    """One rule a hook and family, first in its chain; not a byte of the manager's changed by the healing."""
    box = Box(lab.host("victim"), tmp_path)
    box.choose("nft")
    manager = MANAGERS[name](box)
    kernel = box.kernel(hooks=["raw/PREROUTING", "filter/INPUT"])
    kernel.start()
    kernel.allow(frozenset())
    kernel.replace({key("203.0.113.9"): soon()})
    kernel.enforce()
    for change in (manager.reload, manager.restart, manager.reload):
        change()
        theirs = _theirs(box)
        assert len(theirs) > 20
        kernel.check(1, 0)
        again = kernel.check(1, 0)

        assert again.enforcing
        assert again.repaired == ()
        assert box.rules().count("p2pfw:p2pfw") == 4
        assert _theirs(box) == theirs
        assert kernel.membership().keys() == {key("203.0.113.9")}


def _theirs(box: Box) -> list[str]:
    """All rules but ours, of iptables and of nft's own tables."""
    rules = [line for line in box.rules().splitlines() if "p2pfw" not in line and line.startswith("-A")]
    return rules + _table(box.sh("nft list table inet firewalld 2>&1 || true"))


def _table(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]
