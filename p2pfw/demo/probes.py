"""An attacker's packets, sent and counted: what a host still receives, and from when on it does not.

Real UDP datagrams through the lab's network; the sockets live on the hosts, the counting here.
"""

import contextlib
import socket
import time
from dataclasses import dataclass
from typing import Final

from p2pfw.demo.lab import Host

PORT: Final = 7
"""The echo port; nobody answers, packets are only counted."""
PATIENCE: Final = 0.05
"""Seconds to wait for the last packets of a volley to arrive."""


@dataclass(frozen=True, slots=True)
class Count:
    """A volley: how many were sent, and how many arrived."""

    sent: int
    arrived: int

    def __str__(self) -> str:
        return f"{self.arrived} of {self.sent} packets arrived"


class Target:
    """A host's open UDP port."""

    def __init__(self, host: Host, port: int = PORT) -> None:
        self.name, self.address, self.port = host.name, host.address, port
        self._socket = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind((host.address, port))
        self._socket.settimeout(0)

    def drain(self, source: str) -> int:
        """How many packets from that address arrived since the last look."""
        arrived = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                _, (address, _) = self._socket.recvfrom(64)
                arrived += address == source
        return arrived

    def close(self) -> None:
        """Close the port."""
        self._socket.close()


class Attacker:
    """A host that sends from any of its addresses."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._sockets: dict[str, socket.socket] = {}

    def volley(self, source: str, target: Target, count: int = 20) -> Count:
        """Send so many packets, a millisecond apart, and count what arrives."""
        sender = self._sender(source)
        target.drain(source)
        for _ in range(count):
            sender.sendto(b"probe", (target.address, target.port))
            time.sleep(0.001)
        time.sleep(PATIENCE)
        return Count(count, target.drain(source))

    def until_silent(self, source: str, target: Target, patience: float) -> float | None:
        """Probe every millisecond until packets stop arriving; seconds to the first lost one, None for never."""
        sender = self._sender(source)
        target.drain(source)
        begin = time.monotonic()
        last_arrival = begin
        while time.monotonic() - begin < patience:
            sender.sendto(b"probe", (target.address, target.port))
            time.sleep(0.001)
            now = time.monotonic()
            if target.drain(source):
                last_arrival = now
            elif now - last_arrival > PATIENCE:
                return max(0.0, last_arrival - begin)
        return None

    def close(self) -> None:
        """Close the senders."""
        for sender in self._sockets.values():
            sender.close()

    def _sender(self, source: str) -> socket.socket:
        if source not in self._sockets:
            made = self._host.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.bind((source, 0))
            self._sockets[source] = made
        return self._sockets[source]
