"""A terminal of the test's own: a real pseudo-terminal, read while the command runs at it."""

import os
import pty
import select
import subprocess
import time
from contextlib import contextmanager, suppress

PATIENCE = 60.0
"""Seconds to wait for what must be shown; only a failing test waits that long."""


class Terminal:
    """`process` runs with its stderr at the terminal and its stdout in a pipe."""

    def __init__(self, process, master):
        self.process, self._master, self.seen = process, master, ""

    def shows(self, words):
        """Wait until these words were written to it."""
        end = time.monotonic() + PATIENCE
        while words not in self.seen:
            ready = select.select([self._master], [], [], max(0.0, end - time.monotonic()))[0]
            assert ready, f"{words!r} was not shown: {self.seen!r}"
            piece = self._read()
            assert piece, f"the command ended without {words!r}: {self.seen!r}"

    def rest(self):
        """All that was written to it until the command ended, and stdout."""
        while self._read():
            pass
        return self.seen, self.process.communicate()[0].decode()

    def _read(self):
        with suppress(OSError):  # how a terminal ends
            piece = os.read(self._master, 65_536)
            self.seen += piece.decode(errors="replace")
            return piece
        return b""


@contextmanager
def at_terminal(argv, popen=subprocess.Popen):
    """Run a command at a terminal; `popen` starts it somewhere else than here."""
    master, slave = pty.openpty()
    try:
        env = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
        process = popen(argv, stdout=subprocess.PIPE, stderr=slave, env=env)
    finally:
        os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        os.close(master)
