"""A node under a service manager: it says when it is ready, that it is alive, and that it stops."""

import os
import socket

from tests.e2e.fleet import until


def test_the_node_tells_its_service_manager(lone, tmp_path):
    """READY once the API answers, WATCHDOG within each half of what was asked for, STOPPING at SIGTERM."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))
        listening.settimeout(30)
        lone.spawn(env={**os.environ, "NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "400000"})
        heard = []

        def ready():
            heard.append(listening.recv(100))
            return b"READY=1" in heard

        until(ready)
        assert lone.api.request("GET", "/healthz").status == 200
        until(lambda: heard.append(listening.recv(100)) or heard.count(b"WATCHDOG=1") >= 3)
        lone.stop()
        until(lambda: listening.recv(100) == b"STOPPING=1")
