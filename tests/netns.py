"""Private networks for tests: where to get a lab, and probes that say whether packets arrive.

The lab itself is a part of the product (p2pfw/demo/lab.py). Here is only what a test needs around it. No probe waits
for an absence: that a packet was dropped is known because one sent after it, on the same way, came through.
"""

import socket
from typing import Self

import pytest

from p2pfw.demo.lab import Host, Lab
from p2pfw.demo.namespaces import LabError, Namespace
from p2pfw.errors import MissingProgramError

ARRIVAL_SECONDS = 20.0
"""How long a packet that must arrive may take; generous, as only a failing test waits that long."""


def lab_or_skip() -> Lab:
    """A new lab; skips (in CI: fails) where the machine refuses namespaces or lacks their programs."""
    try:
        return Lab()
    except (LabError, MissingProgramError) as refused:
        pytest.skip(str(refused))


def root_lab_or_skip() -> Lab:
    """The same for programs that need the machine's real root (a container engine); skips for everybody else."""
    try:
        return Lab(Namespace.of_root())
    except (LabError, MissingProgramError) as refused:
        pytest.skip(str(refused))


class Probe:
    """A UDP service on a host, and one-way datagrams to it from any other host.

    The control datagrams come from a host of their own (`witness`), which the firewall under test must let in: each
    question is one datagram in question, then a control datagram. Both cross the same bridge into the same queue, so
    once the control is there, the one in question is there too, or was dropped.
    """

    def __init__(self, target: Host, witness: Host, *, port: int = 7000) -> None:
        self._target, self._port, self._count = target, port, 0
        self._receivers = {4: _bound(target, socket.AF_INET, port), 6: _bound(target, socket.AF_INET6, port)}
        self._witnesses = {4: _sender(witness, socket.AF_INET), 6: _sender(witness, socket.AF_INET6)}
        self._senders: dict[tuple[str, str], socket.socket] = {}

    def arrives(self, source: Host, address: str = "") -> bool:
        """True when a datagram of `source` (from this address of it, else its first IPv4) reaches the target."""
        address = address or source.address
        version = 6 if ":" in address else 4
        to = (self._target.address6 if version == 6 else self._target.address, self._port)
        self._count += 1
        asked, control = f"asked {self._count}".encode(), f"control {self._count}".encode()
        self._sender_of(source, address).sendto(asked, to)
        self._witnesses[version].sendto(control, to)
        seen = []
        while control not in seen:
            seen.append(self._receivers[version].recv(100))
        return asked in seen

    def close(self) -> None:
        """Give the sockets back."""
        for one in (*self._receivers.values(), *self._witnesses.values(), *self._senders.values()):
            one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _sender_of(self, source: Host, address: str) -> socket.socket:
        key = (source.name, address)
        if key not in self._senders:
            self._senders[key] = _sender(source, socket.AF_INET6 if ":" in address else socket.AF_INET)
            self._senders[key].bind((address, 0))
        return self._senders[key]


def _bound(host: Host, family: socket.AddressFamily, port: int) -> socket.socket:
    receiver = host.socket(family, socket.SOCK_DGRAM)
    receiver.settimeout(ARRIVAL_SECONDS)
    if family is socket.AF_INET6:
        receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    receiver.bind(("::" if family is socket.AF_INET6 else "0.0.0.0", port))
    return receiver


def _sender(host: Host, family: socket.AddressFamily) -> socket.socket:
    return host.socket(family, socket.SOCK_DGRAM)
