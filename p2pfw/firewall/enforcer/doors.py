"""How connections come to be: handed over a socket pair by the node that started the enforcer, or by a unix socket.

With the pair, the node makes two ends for each connection and sends one of them over (SCM_RIGHTS): there is no path
that anybody else could open, and an enforcer that was started again finds what is still unread. With the socket, who
connects is known to the kernel (SO_PEERCRED), and only root and members of one group are let in.
"""

import logging
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from p2pfw.errors import FirewallError, PrivilegeError
from p2pfw.firewall.enforcer.serving import Desk, serve
from p2pfw.local.credentials import may_administrate, peer_of
from p2pfw.local.socketfile import SocketFile

log = logging.getLogger(__name__)

MOST: Final = 16
"""Connections at a time; a node has two."""
_CONNECT_SECONDS: Final = 5.0


class Door(Protocol):
    """Where connections to an enforcer come from."""

    def accept(self) -> socket.socket | None:
        """The next one; None when none will come any more."""
        ...


class HandedOver:
    """The enforcer's end of the pair."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control

    def accept(self) -> socket.socket | None:
        """See Door. None when the node is gone."""
        while True:
            data, descriptors, _, _ = socket.recv_fds(self._control, 1, MOST)
            if not data:
                return None
            for one in descriptors[1:]:
                os.close(one)
            for one in descriptors[:1]:
                try:
                    return socket.socket(fileno=one)
                except OSError:
                    log.warning("connection refused", extra={"reason": "what was handed over is no socket"})
                    os.close(one)


class UnixDoor:
    """A socket in the file system; who may not administrate p2pfw here is sent away."""

    def __init__(self, path: Path) -> None:
        """ListenError, AlreadyRunningError."""
        self._file = SocketFile(path, "enforcer.socket")
        self._file.socket.setblocking(True)  # noqa: FBT003  # the standard library's own signature
        self._file.socket.listen(MOST)

    def accept(self) -> socket.socket | None:
        """See Door. For ever."""
        while True:
            connection, _ = self._file.socket.accept()
            peer = peer_of(connection)
            if may_administrate(peer):
                return connection
            log.warning("connection refused", extra={"uid": peer.uid})
            connection.close()

    def close(self) -> None:
        """Give the path back."""
        self._file.close()


def open_house(door: Door, desk: Desk) -> None:
    """Serve every connection in a thread of its own, until none come any more."""
    places = threading.Semaphore(MOST)

    def stay(connection: socket.socket) -> None:
        try:
            serve(connection, desk)
        finally:
            places.release()

    while (connection := door.accept()) is not None:
        if not places.acquire(blocking=False):
            log.warning("connection refused", extra={"reason": f"{MOST} are open"})
            connection.close()
            continue
        threading.Thread(target=stay, args=(connection,), name="enforcer", daemon=True).start()


# --- the node's side -----------------------------------------------------------------------------------------------


def no_enforcer() -> socket.socket:
    """Connections where none is wanted."""
    raise FirewallError("this process has no enforcer")


def by_handing_over(control: socket.socket) -> Callable[[], socket.socket]:
    """Connections over the node's end of the pair."""

    def connect() -> socket.socket:
        ours, theirs = socket.socketpair()
        try:
            socket.send_fds(control, [b"+"], [theirs.fileno()])
        except OSError as error:
            ours.close()
            text = f"the enforcer has ended ({error.strerror}), and this node has no right to start another: restart it"
            raise FirewallError(text) from None
        finally:
            theirs.close()
        return ours

    return connect


def by_path(path: Path) -> Callable[[], socket.socket]:
    """Connections to an enforcer that listens there."""

    def connect() -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_CONNECT_SECONDS)
        try:
            connection.connect(str(path))
        except OSError as error:
            connection.close()
            text = f"no enforcer answers on {path} (enforcer.socket): {error.strerror or error}"
            if isinstance(error, PermissionError):
                raise PrivilegeError(f"{text}; members of the group p2pfw may use it") from None
            raise FirewallError(f"{text}; p2pfw enforcer --listen {path}, or systemctl start p2pfw-enforcer") from None
        return connection

    return connect
