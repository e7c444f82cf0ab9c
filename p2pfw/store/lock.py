"""One process a state directory: an advisory lock that the kernel gives back however the process ends.

The file names the holder for people; the lock itself is the kernel's, so a stale file means nothing. The file is never
removed: a second process that had opened it before the removal would lock a file that nobody else can see.
"""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from p2pfw.errors import AlreadyRunningError, StoreError
from p2pfw.store import directory

LOCK_NAME: Final = "lock"

# No other process inherits it, and a planted link is not followed.
_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_PID_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class StateLock:
    """Held until `release`, or until the process ends."""

    path: Path
    descriptor: int

    @classmethod
    def take(cls, state_dir: Path) -> Self:
        """Lock the state directory, which must exist. AlreadyRunningError names the process that holds it."""
        path = state_dir / LOCK_NAME
        try:
            descriptor = os.open(path, _FLAGS, 0o600)
        except OSError as error:
            raise StoreError(f"cannot lock the state directory: {path}: {error.strerror}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise AlreadyRunningError(f"{state_dir} is in use by {holder}; two nodes cannot share it") from None
        directory.own_like(path, state_dir)
        _write_pid(descriptor)
        return cls(path=path, descriptor=descriptor)

    def release(self) -> None:
        """Let the next process in. Call it once."""
        os.ftruncate(self.descriptor, 0)
        os.close(self.descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _write_pid(descriptor: int) -> None:
    # A full disk must not keep the node from enforcing; the lock holds without the text.
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError:
        return


def _holder(descriptor: int) -> str:
    text = os.pread(descriptor, _PID_BYTES, 0).strip()
    return f"process {int(text)}" if text.isdigit() else "another process"
