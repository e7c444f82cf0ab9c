"""A desk over a kernel in memory, and connections to it that are real sockets."""

import socket
import threading
from contextlib import contextmanager

from p2pfw.core.prefix import Prefix
from p2pfw.firewall.enforcer.remote import RemoteKernel
from p2pfw.firewall.enforcer.serving import Desk, serve
from p2pfw.firewall.kernel import Kernel
from p2pfw.firewall.names import SetNames
from p2pfw.firewall.rules import DEFAULT_HOOK, parse_hooks
from tests.firewall.fake_kernel import FakeClock, FakeKernel

SOON = 1_700_001_000
OWN = Prefix.parse("198.51.100.7").key


class Office:
    """One enforcer: its kernel, its desk, and a thread for each connection."""

    def __init__(self, room=1_000):
        self.room = room
        self.fake, self.clock, self.own = FakeKernel(), FakeClock(), [OWN]
        self.threads = []
        self.reopen()

    def reopen(self):
        """As after a kill: the kernel is the same, nothing else."""
        hooks = parse_hooks([DEFAULT_HOOK])
        kernel = Kernel(self.fake, SetNames("p2pfw"), hooks, max_entries=self.room, clock=self.clock)
        self.desk = Desk(kernel, self.room, self.clock, lambda: self.own)
        self.connections = []

    def connect(self):
        """A connection that is served."""
        ours, theirs = socket.socketpair()
        thread = threading.Thread(target=serve, args=(theirs, self.desk), daemon=True)
        thread.start()
        self.threads.append(thread)
        self.connections.append(ours)
        return ours

    def die(self):
        """Every connection breaks, and another enforcer takes its place."""
        for connection in self.connections:
            connection.shutdown(socket.SHUT_RDWR)
        self.reopen()

    def close(self):
        """End everything; every thread must."""
        for connection in self.connections:
            connection.close()
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive()

    @property
    def blocked(self):
        """What the kernel holds."""
        return set(self.fake.sets["p2pfw-block4"].members)


@contextmanager
def office(**options):
    """One, closed at the end."""
    made = Office(**options)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def node(at, room=1_000):
    """A node's way to the kernel."""
    remote = RemoteKernel(at.connect, room, at.clock.now)
    try:
        yield remote
    finally:
        remote.close()
