"""Real firewall managers of Debian on a host of the lab, on private copies of their configuration."""

import shutil

import pytest

from p2pfw.demo.namespaces import search_path
from tests.kernel.firewalls import Box, until

_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=/run/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/>
<allow eavesdrop="true"/></policy></busconfig>
"""
_ON_BUS = "export DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/bus;"


def _private(box: Box, *paths: str) -> None:
    """Give the host copies of its own of these: what is changed there is changed nowhere else."""
    for number, path in enumerate(paths):
        box.sh(f"cp -a --no-preserve=ownership {path} /run/etc{number} && mount --bind /run/etc{number} {path}")


def _needs(program: str, package: str) -> None:
    if shutil.which(program, path=search_path({})) is None:
        pytest.skip(f"{program} is not installed (Debian package {package})")


class Ufw:
    """Debian's ufw, enabled."""

    def __init__(self, box: Box) -> None:
        _needs("ufw", "ufw")
        self._box = box
        _private(box, "/etc/ufw", "/etc/default/ufw")
        box.sh("ufw allow 22/tcp; ufw --force enable")

    def reload(self) -> None:
        """As an administrator does."""
        self._box.sh("ufw reload")

    def restart(self) -> None:
        """Off and on: its chains go and come."""
        self._box.sh("ufw --force disable; ufw --force enable")


class Firewalld:
    """Debian's firewalld with one of its two backends, on a message bus of its own."""

    def __init__(self, box: Box, backend: str) -> None:
        _needs("firewalld", "firewalld")
        self._box = box
        _private(box, "/etc/firewalld")
        box.sh(f"sed -i 's/^FirewallBackend=.*/FirewallBackend={backend}/' /etc/firewalld/firewalld.conf")
        (box.folder / "bus").write_text(_BUS)
        box.sh(f"dbus-daemon --config-file={box.folder}/bus --fork")
        self._start()

    def reload(self) -> None:
        """As an administrator does."""
        self._box.sh(f"{_ON_BUS} firewall-cmd --complete-reload")

    def restart(self) -> None:
        """Stopped and started: its rules go and come."""
        self._box.sh("kill $(cat /run/firewalld.pid)")
        until(lambda: not self._runs())
        self._start()

    def _start(self) -> None:
        self._box.sh(f"{_ON_BUS} firewalld >/run/firewalld.out 2>&1")
        until(self._runs)

    def _runs(self) -> bool:
        return self._box.sh(f"{_ON_BUS} firewall-cmd --state 2>&1 || true").strip() == "running"
