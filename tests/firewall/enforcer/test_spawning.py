"""The enforcer's two processes: a worker that died is replaced, one that is done is not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from p2pfw.errors import FirewallError
from p2pfw.firewall.enforcer import spawning

DIES_TWICE = """
import os, signal, sys
from pathlib import Path
from p2pfw.firewall.enforcer.spawning import supervise
log = Path(sys.argv[1])
def work():
    with log.open("a") as lines:
        lines.write("x")
    times = log.stat().st_size
    if times == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if times == 2:
        raise ValueError("a bug")
sys.exit(supervise(work))
"""
WAITS = """
import sys, time
from pathlib import Path
from p2pfw.firewall.enforcer.spawning import supervise
def work():
    Path(sys.argv[1]).write_text(str(__import__("os").getpid()))
    time.sleep(600)
sys.exit(supervise(work))
"""


def test_a_worker_is_replaced_until_it_ends_by_itself(tmp_path):
    """Killed, failed, then done."""
    log = tmp_path / "log"
    done = subprocess.run([sys.executable, "-c", DIES_TWICE, str(log)], check=False, capture_output=True, timeout=60)

    assert done.returncode == 0
    assert log.read_text() == "xxx"


def test_sigterm_ends_both(tmp_path):
    """Nobody is left behind."""
    file = tmp_path / "pid"
    with subprocess.Popen([sys.executable, "-c", WAITS, str(file)]) as waiting:
        while not (file.exists() and file.read_text()):
            time.sleep(0.01)
        worker = int(file.read_text())
        waiting.send_signal(signal.SIGTERM)
        waiting.wait(60)
    end = time.monotonic() + 60
    while Path(f"/proc/{worker}").exists() and "Z" not in Path(f"/proc/{worker}/stat").read_text().split()[2]:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_an_enforcer_that_cannot_be_started_is_an_error(monkeypatch):
    """In words."""
    monkeypatch.setattr(spawning, "PROGRAM", (os.devnull,))
    with pytest.raises(FirewallError, match="cannot be started"):
        spawning.spawn(None)
