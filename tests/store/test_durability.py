"""What was acknowledged is there: after kill -9, by the order of system calls, and on a disk that is full.

Killing a process proves that nothing acknowledged lives in its memory alone; that it has reached the disk, and not only
the kernel, is proven by the order of fdatasync and acknowledgement as strace sees it.
"""

import asyncio
import json
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from p2pfw.rows import AllowRow
from p2pfw.store import database
from p2pfw.store.sqlite import SqliteStore

ROOT = Path(__file__).parents[2]
KILLS = 30
"""reliability: the node is killed 30 times in `make test`."""
CALLERS = 16

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("strace"), reason="strace is not installed (Debian package: strace)"
)


def committing(state, *wrapper, callers=CALLERS):
    """A process that commits and prints what was acknowledged."""
    command = [*wrapper, sys.executable, "-m", "tests.store.committing", str(state), str(callers)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)


def kept_numbers(state):
    """What a node that starts now finds; the file is checked whole."""

    async def read():
        store = SqliteStore.open(state)
        numbers = {row.added for row in store.rows(AllowRow)}
        await store.close()
        return numbers

    numbers = asyncio.run(read())
    with closing(sqlite3.connect(database.database_path(state))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return numbers


@pytest.mark.slow
def test_acknowledged_writes_survive_kill_9(tmp_path):
    """Thirty kills at random instants under grouped commits from sixteen callers: none lost, none half."""
    state = tmp_path / "state"
    chance = random.Random(2)
    acknowledged = set()
    for _ in range(KILLS):
        with committing(state) as process:
            wanted = chance.randrange(1, 400)
            lines = [process.stdout.readline() for _ in range(wanted)]
            process.send_signal(signal.SIGKILL)
            lines += process.stdout.read().splitlines(keepends=True)
            assert process.stderr.read() == b""
        acknowledged |= {int(line) for line in lines if line.endswith(b"\n")} - {0}
        found = kept_numbers(state)

        assert acknowledged <= found
        # What was in flight may be there or not, and is no more than the callers had asked for.
        assert len(found - acknowledged) <= KILLS * CALLERS
    assert len(acknowledged) > KILLS * 50


LOG_WRITTEN = re.compile(rb"pwrite64\(\d+<[^>]*-wal>")
LOG_SYNCED = re.compile(rb"sync\(\d+<[^>]*-wal>\) += 0|sync resumed>\) += 0")
ACKNOWLEDGED = re.compile(rb'write\(1<[^>]*>, "[1-9]\d*\\n"')


@pytest.mark.slow
def test_acknowledgement_follows_the_sync_of_the_log(tmp_path):
    """Between the last write to the log and the answer there is always a sync of that log."""
    state, trace = tmp_path / "state", tmp_path / "trace"
    strace = ("strace", "-f", "-y", "-o", str(trace), "-e", "trace=write,pwrite64,fdatasync,fsync")
    with committing(state, *strace, callers=1) as process:
        lines = [process.stdout.readline() for _ in range(50)]
        process.kill()
    assert lines[-1].endswith(b"\n")
    acknowledged, unsynced, syncs = 0, False, 0
    # A call that another one interrupts is written as begun and "resumed": a write counts when it begins, a sync when
    # it has returned.
    for line in trace.read_bytes().splitlines():
        if LOG_WRITTEN.search(line):
            unsynced = True
        elif LOG_SYNCED.search(line):
            unsynced, syncs = False, syncs + 1
        elif ACKNOWLEDGED.search(line):
            acknowledged += 1
            assert not unsynced, f"acknowledged before the sync: {line!r}"

    assert acknowledged >= 49
    assert syncs >= acknowledged


@pytest.mark.slow
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_failed_sync_is_never_acknowledged(tmp_path, error):
    """The fifth sync of the writer fails once: the commits of that group are told, and the process goes on."""
    state = tmp_path / "state"
    kept_numbers(state)
    strace = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject=fdatasync:error={error}:when=5+")
    with committing(state, *strace, callers=1) as process:
        lines = process.stdout.read().splitlines()
        told = process.stderr.read().decode()
    acknowledged = {int(line) for line in lines} - {0}

    assert "StoreError" in told or "DiskFullError" in told
    assert len(acknowledged) < 10
    assert acknowledged <= kept_numbers(state)


@pytest.mark.kernel
@pytest.mark.slow
def test_full_disk_refuses_and_recovers_by_itself(tmp_path):
    """Three times: DiskFullError while full, reading goes on, `failing` says why; then empty again, nothing lost."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    namespace = ("unshare", "--user", "--map-root-user", "--mount")
    done = subprocess.run(
        [*namespace, sys.executable, "-m", "tests.store.filling", str(mounted)],
        cwd=ROOT,
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads(done.stdout)

    assert report["lost"] == []
    assert report["kept"] >= 60
    for number, seen in enumerate(report["rounds"]):
        assert "no room left" in seen["refused"]
        assert "no room left" in seen["told"]
        assert seen["readable"] >= 10
        assert seen["recovered"]
        # What was posted while the disk was full is written when there is room.
        assert seen["posted"] == number + 1
