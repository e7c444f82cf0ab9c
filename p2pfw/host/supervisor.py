"""Tells the service manager how this process is: ready, alive, stopping (sd_notify(3), sd_watchdog_enabled(3)).

A datagram to the socket that NOTIFY_SOCKET names; where there is none, nobody is told. What "alive" means is the
caller's to find out.
"""

import os
import socket
from collections.abc import Mapping
from typing import Final

READY: Final = "READY=1"
ALIVE: Final = "WATCHDOG=1"
STOPPING: Final = "STOPPING=1"
_MICROSECONDS: Final = 1_000_000


class Supervisor:
    """Whoever started this process, if it wants to know."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.watchdog = _watchdog(environ) if self._address else 0.0
        """Seconds within which it wants to hear that this process is alive; 0: it does not ask."""

    def tell(self, fact: str) -> None:
        """One fact. A manager that does not listen is no reason to fail."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(0)
                channel.sendto(fact.encode(), self._address)
        except OSError:
            return


def _watchdog(environ: Mapping[str, str]) -> float:
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    text = environ.get("WATCHDOG_USEC", "")
    return int(text) / _MICROSECONDS if text.isascii() and text.isdecimal() else 0.0


def _address(text: str) -> str:
    """A path, or an abstract name, which is written with an @."""
    return "\0" + text[1:] if text.startswith("@") else text if text.startswith("/") else ""
