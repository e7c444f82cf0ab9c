"""The unix socket as a file: whose it is, who may open it, and what becomes of one that was left behind.

Two nodes that start at the same moment must not take the path from one another: whoever clears and binds holds a
lock beside it for as long as it listens. The mode is set before anybody can connect, so the umask of the whole process
is left alone.
"""

import contextlib
import errno
import fcntl
import os
import socket
import stat
from pathlib import Path
from typing import Final

from p2pfw.errors import AlreadyRunningError, ListenError
from p2pfw.local.credentials import group_id

MODE: Final = 0o660
DIRECTORY_MODE: Final = 0o755
PROBE_SECONDS: Final = 1.0
"""For finding out whether somebody answers."""


class SocketFile:
    """A bound unix socket, not yet listening. Close it to give the path back."""

    def __init__(self, path: Path, setting: str) -> None:
        """`setting` names the path's key for the operator. ListenError, AlreadyRunningError."""
        self._path = path
        try:
            path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            self._lock = _lock(path, setting)
        except OSError as error:
            raise ListenError(f"cannot listen on {path} ({setting}): {error.strerror or error}") from None
        try:
            _clear(path, setting)
            self.socket = _bind(path, setting)
        except BaseException:
            self._unlock()
            raise
        self._identity = _identity(path)

    def close(self) -> None:
        """Remove it, unless somebody put another in its place."""
        self.socket.close()
        with contextlib.suppress(OSError):
            if _identity(self._path) == self._identity:
                self._path.unlink()
        self._unlock()

    def _unlock(self) -> None:
        # While the lock is held: whoever waits for it sees that its file is gone and makes a new one.
        _lock_path(self._path).unlink(missing_ok=True)
        os.close(self._lock)


def _lock_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _lock(path: Path, setting: str) -> int:
    """Descriptor of the locked file beside the socket; AlreadyRunningError when another process holds it."""
    place = _lock_path(path)
    while True:
        held = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
            raise _running(path, setting) from None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(held), place.stat()):
                return held
        os.close(held)


def _clear(path: Path, setting: str) -> None:
    """Remove a socket that nobody listens on; AlreadyRunningError when somebody does."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ListenError(f"{path} exists and is no socket; remove it, or set {setting}")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(PROBE_SECONDS)
        found = probe.connect_ex(str(path))
    # Only a refusal proves that nobody is there: a full queue or a missing right is somebody's.
    if found not in (errno.ECONNREFUSED, errno.ENOENT):
        raise _running(path, setting)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def _bind(path: Path, setting: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.setblocking(False)  # noqa: FBT003  # the standard library's own signature
        sock.bind(str(path))
        path.chmod(MODE)
        group = group_id()
        if group is not None:
            with contextlib.suppress(PermissionError):
                os.chown(path, -1, group)
    except OSError as error:
        sock.close()
        raise ListenError(f"cannot listen on {path} ({setting}): {error.strerror or error}") from None
    return sock


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino


def _running(path: Path, setting: str) -> AlreadyRunningError:
    return AlreadyRunningError(f"another one answers on {path}; set {setting} for a second one")
