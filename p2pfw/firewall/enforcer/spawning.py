"""Starts the enforcer as a child of the node, and keeps it there after the node gave up its rights.

The child is two processes: one that only waits, and the worker that it forks, again whenever one died. So an enforcer
that is killed is back at once, although the node could not start it any more. Both end when the node does.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from p2pfw.errors import FirewallError

log = logging.getLogger(__name__)

PROGRAM: tuple[str, ...] = (sys.executable, "-m", "p2pfw")
"""This very installation."""
PAUSE: Final = (0.0, 0.1, 0.5, 1.0)
"""Seconds before a worker that died is replaced; the last one repeats. One that lived for LASTED counts as new."""
LASTED: Final = 10.0


def spawn(config: Path | None) -> socket.socket:
    """Start `p2pfw enforcer` with this configuration file, if one was named; the node's end of the pair. FirewallError.

    In a session of its own: Ctrl-C in the node's terminal is the node's to hear, and it takes the enforcer with it.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [*PROGRAM, *(["-c", str(config)] if config is not None else [])]
    command += ["enforcer", "--fd", str(theirs.fileno())]
    try:
        subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], start_new_session=True)
    except OSError as error:
        ours.close()
        raise FirewallError(f"the enforcer cannot be started: {error.strerror or error}") from None
    finally:
        theirs.close()
    return ours


def supervise(work: Callable[[], None]) -> int:
    """Run `work` in a child, and again whenever it died of anything; returns when it ended by itself.

    SIGTERM ends both. Call it while there is one thread.
    """
    failures = 0
    while True:
        began = time.monotonic()
        try:
            child = _forked(work)
        except OSError as error:
            log.error("the enforcer's worker cannot be started", extra={"error": error.strerror})
        else:
            if _status_of(child) == 0:
                return 0
            log.error("the enforcer's worker died; another one takes its place", extra={"pid": child})
        failures = 0 if time.monotonic() - began >= LASTED else failures + 1
        time.sleep(PAUSE[min(failures, len(PAUSE) - 1)])


def _forked(work: Callable[[], None]) -> int:
    child = os.fork()
    if child:
        _pass_on(signal.SIGTERM, child)
        return child
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        log.exception("the enforcer's worker failed")
    finally:
        os._exit(code)


def _pass_on(number: int, child: int) -> None:
    def end(*_: object) -> None:
        os.kill(child, number)
        os._exit(0)

    signal.signal(number, end)


def _status_of(child: int) -> int:
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)
