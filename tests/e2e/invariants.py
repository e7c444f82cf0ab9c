"""What may not be false at any instant, looked at again and again while something else goes wrong.

I3: nothing that is whitelisted or protected is in the kernel's block sets. I4: nothing there outlives its lease by more
than two seconds.
"""

import ipaddress
import threading
import time

PAUSE = 0.05
SLACK = 2


class Watch:
    """Samples one server's kernel in a thread. `longest`: seconds of the longest lease that was asked for."""

    def __init__(self, server, *, never, longest):
        self._server, self._longest = server, longest
        self._never = [ipaddress.ip_network(one) for one in (*never, server.host.address, "127.0.0.0/8")]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.samples, self.hits, self.late = 0, set(), {}

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        self._stopping.set()
        self._thread.join()
        if kind is None:
            assert self.samples
            assert not self.hits, "whitelisted or protected, and in the block set (I3)"
            assert not self.late, "outlives its lease (I4)"

    def _look(self):
        while not self._stopping.is_set():
            for member, left in self._server.installed().items():
                network = ipaddress.ip_network(member)
                if any(network.version == one.version and network.overlaps(one) for one in self._never):
                    self.hits.add(member)
                if left > self._longest + SLACK or not left:
                    self.late[member] = left
            self.samples += 1
            time.sleep(PAUSE)
