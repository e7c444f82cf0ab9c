"""The k-th system call fails, in a node, its enforcer and the programs that it starts: nothing acknowledged is lost.

strace makes the kernel answer with an error of its choice. Whatever that hits (the database, a socket, a pipe to
ipset), a success that was answered stays true, a failure is answered or seen as a broken connection, and once the
calls work again the node works again, or starts again.
"""

import contextlib
import http.client
import itertools
import random
import subprocess
from pathlib import Path

import pytest

from tests.e2e.fleet import Owner, Server, enforcer_of, until
from tests.netns import lab_or_skip
from tests.scale import trials

SEED = 8
REQUESTS = 8
CALLS = ("write", "pwrite64", "fsync", "fdatasync", "rename", "openat", "accept4", "sendmsg", "socket", "clone3,vfork")
ERRORS = ("EIO", "ENOSPC", "ENOMEM", "EMFILE")
KTHS = (1, 2, 3, 5, 8, 13, 21, 34)
"""The first call that fails, counted from when the node runs; every fifth one after it fails, too."""
CASES = list(itertools.product(CALLS, ERRORS, KTHS))
SAMPLE = random.Random(SEED).sample(CASES, trials(20, len(CASES)))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One enforcing node by itself; each trial starts it anew."""
    folder = tmp_path_factory.mktemp("faults")
    folder.chmod(0o700)
    with lab_or_skip() as lab:
        made = Server(lab.host("A"), folder, Owner(folder))
        try:
            yield made
        finally:
            made.close()


@contextlib.contextmanager
def failing(server, call, error, kth):
    """While this lasts, every fifth such call fails, from the k-th on; the node's, the enforcer's, its programs'."""
    pids = (server.process.pid, *enforcer_of(server))
    injection = f"inject={call}:error={error}:when={kth}+5"
    of = [word for pid in pids for word in ("-p", str(pid))]
    command = ["strace", "-I", "1", "-f", *of, "-e", f"trace={call}", "-e", injection, "-o", "/dev/null"]
    tracer = server.host.popen(command, stderr=subprocess.DEVNULL)
    try:
        until(lambda: all(map(traced, pids)) or tracer.poll() is not None)
        assert tracer.poll() is None or server.process.wait(30), "strace ended"  # or what it traced did
        yield
    finally:
        tracer.terminate()
        tracer.wait(30)


def traced(pid):
    """True once somebody traces every thread of a process."""
    tasks = list(Path(f"/proc/{pid}/task").glob("*/status"))
    return bool(tasks) and all("TracerPid:\t0\n" not in task.read_text() for task in tasks)


def asked(server, prefix):
    """Whether a block was acknowledged; anything but a success or a clear failure is a fault of its own."""
    try:
        answer = server.api.request("POST", "/v1/blocks", {"prefix": prefix, "ttl": "1d"})
    except (OSError, http.client.HTTPException):
        return False
    assert answer.status == 201 or answer.json["detail"], answer
    return answer.status == 201


def died(server):
    """How the node ended; None: it lives. A failing call may end the loop's library, and with it the node."""
    return server.process.poll()


@pytest.mark.parametrize(("call", "error", "kth"), SAMPLE, ids=["-".join(map(str, case)) for case in SAMPLE])
def test_what_was_acknowledged_outlives_failing_calls(server, figure, call, error, kth):
    """Blocks one after another while calls fail; then kill -9, a start, and every acknowledged one is dropped."""
    tens, trial = divmod(SAMPLE.index((call, error, kth)), 250)
    network = f"{55 + tens}.{trial}"
    acknowledged = []
    if server.process is None or server.process.poll() is not None:
        server.start()
    with failing(server, call, error, kth):
        for number in range(REQUESTS):
            prefix = f"{network}.{number}.9"
            if server.process.poll() is None and asked(server, prefix):
                acknowledged.append(prefix)

    figure(f"{call} {error} from the {kth}. on: {len(acknowledged)} of {REQUESTS} acknowledged")
    if until(lambda: asked(server, f"{network}.200.9") or died(server)) is True:  # it works again by itself
        acknowledged.append(f"{network}.200.9")
        until(lambda: server.api.status()["enforcing"])
        server.kill()
    server.start()
    server.has(*acknowledged)
    until(lambda: server.api.status()["enforcing"])
    assert all(server.api.why(prefix)["dropped"] for prefix in acknowledged)
