"""The state directory: made private, refused when it is not, and synced when a file in it appears.

Whoever can write here can replace the node's key and its whitelist, and whoever can read here is the node. A wrong mode
is reported, never repaired silently: something made it so, and the operator should know.
"""

import os
import stat
from pathlib import Path
from typing import Final

from p2pfw.errors import StoreError

PRIVATE_MODE: Final = 0o700


def prepare(state_dir: Path) -> None:
    """Make the directory (0700) and what leads to it where missing. StoreError when it cannot be used."""
    try:
        if not state_dir.exists():
            state_dir.parent.mkdir(parents=True, exist_ok=True)
            state_dir.mkdir(mode=PRIVATE_MODE, exist_ok=True)
            sync(state_dir.parent)
        found = state_dir.stat()
    except OSError as error:
        raise StoreError(f"cannot make the state directory {state_dir}: {error.strerror}") from None
    _check(state_dir, found)


def own_like(path: Path, state_dir: Path) -> None:
    """Give what root made in the directory of the node's user to that user; else the node could not use it."""
    if os.geteuid() == 0:
        found = state_dir.stat()
        os.chown(path, found.st_uid, found.st_gid, follow_symlinks=False)


def sync(directory: Path) -> None:
    """Make names in the directory (new, renamed, removed) survive a loss of power."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check(state_dir: Path, found: os.stat_result) -> None:
    if not stat.S_ISDIR(found.st_mode):
        raise StoreError(f"{state_dir} is not a directory")
    if found.st_uid != os.geteuid() and os.geteuid() != 0:
        raise StoreError(f"{state_dir} belongs to user {found.st_uid}, this process runs as user {os.geteuid()}")
    if found.st_mode & 0o077:
        raise StoreError(
            f"{state_dir} has mode {stat.S_IMODE(found.st_mode):04o}, others could read keys or change them: "
            f"chmod 700 {state_dir}"
        )
