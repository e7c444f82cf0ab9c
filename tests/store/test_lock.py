"""p2pfw.store.lock: one process a state directory, whoever dies."""

import errno
import os
import subprocess
import sys

import pytest

from p2pfw.errors import AlreadyRunningError, StoreError
from p2pfw.store.lock import LOCK_NAME, StateLock

HOLDER = """
import sys, time
from pathlib import Path
from p2pfw.store.lock import StateLock
lock = StateLock.take(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock until it is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_second_process_is_told_who_holds_the_directory(tmp_path, holder):
    """AlreadyRunningError names directory and process id: what the operator needs to end the other one."""
    with pytest.raises(AlreadyRunningError) as caught:
        StateLock.take(tmp_path)

    assert str(holder.pid) in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_lock_of_a_killed_process_is_free(tmp_path, holder):
    """The kernel gives it back; a file that names a dead process means nothing."""
    holder.kill()
    holder.wait()

    with StateLock.take(tmp_path) as lock:
        assert lock.path.read_text().strip() == str(os.getpid())


def test_released_lock_can_be_taken_again_and_the_file_stays(tmp_path):
    """The file is never removed: a lock on a removed file is nobody's."""
    with StateLock.take(tmp_path):
        inode = (tmp_path / LOCK_NAME).stat().st_ino
    with StateLock.take(tmp_path):
        assert (tmp_path / LOCK_NAME).stat().st_ino == inode


def test_two_locks_of_one_process_exclude_one_another(tmp_path):
    """The lock belongs to the open file, so a restore inside the node's own process is refused too."""
    with StateLock.take(tmp_path), pytest.raises(AlreadyRunningError):
        StateLock.take(tmp_path)


def test_lock_file_is_private(tmp_path):
    """Nobody else can hold the lock to keep the node from starting."""
    with StateLock.take(tmp_path) as lock:
        assert lock.path.stat().st_mode & 0o777 == 0o600


def test_planted_link_is_not_followed(tmp_path):
    """A link in place of the lock file would have us truncate somebody's file."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / LOCK_NAME).symlink_to(victim)

    with pytest.raises(StoreError, match="cannot lock"):
        StateLock.take(tmp_path)
    assert victim.read_text() == "precious"


def test_missing_directory_is_an_error_of_the_store(tmp_path):
    """The caller prepares the directory first."""
    with pytest.raises(StoreError, match="cannot lock"):
        StateLock.take(tmp_path / "nowhere")


def test_holder_without_a_readable_id_is_still_a_holder(tmp_path):
    """A full disk keeps the id from being written; the lock holds all the same."""
    with StateLock.take(tmp_path) as lock:
        lock.path.write_text("")
        with pytest.raises(AlreadyRunningError, match="another process"):
            StateLock.take(tmp_path)


def test_program_started_by_the_node_does_not_inherit_the_lock(tmp_path):
    """Else an iptables that hangs would keep the next node from starting."""
    with StateLock.take(tmp_path) as lock:
        assert not os.get_inheritable(lock.descriptor)


def test_full_disk_does_not_keep_a_node_from_starting(tmp_path, monkeypatch):
    """The lock holds without the text; enforcement matters more than a name in an error message."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with StateLock.take(tmp_path), pytest.raises(AlreadyRunningError, match="another process"):
        StateLock.take(tmp_path)
