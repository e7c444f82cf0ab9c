"""Frames on a stream socket: whole ones, within a time. Both ends use it; what frames mean is protocol's."""

import socket
from collections.abc import Iterable
from typing import Final

from p2pfw.firewall.enforcer.protocol import Frame, Receive

STALL: Final = 30.0
"""Seconds in which the other end must take, or send on, what has begun."""


def send(connection: socket.socket, frames: Iterable[Frame]) -> None:
    """All of them. OSError, TimeoutError included, when the other end does not take them."""
    connection.settimeout(STALL)
    for frame in frames:
        connection.sendall(frame.encode())


def receiver(connection: socket.socket, patience: float | None) -> Receive:
    """Reads exactly so many bytes. The first ones may take `patience` seconds (None: for ever), the others STALL.

    EOFError when the other end is gone; OSError.
    """
    connection.settimeout(patience)

    def receive(size: int) -> bytes:
        data = bytearray(size)
        view, got = memoryview(data), 0
        while got < size:
            count = connection.recv_into(view[got:])
            if not count:
                raise EOFError("it hung up")
            got += count
            connection.settimeout(STALL)
        return bytes(data)

    return receive
