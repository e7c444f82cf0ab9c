"""Packets from any address of a host, a millisecond apart, and when they stop arriving.

The sockets live on the hosts, the counting is here. Whether something was dropped is known by its number: probes are
counted, and whatever was sent after the first lost one did not arrive either.
"""

import contextlib
import socket
import struct
import threading
import time

from p2pfw.demo.lab import Host

GAP = 0.001
SETTLED = 0.05
"""Seconds without an arrival after which the last arrival is taken for the last one."""
PATIENCE = 30.0
_PKTINFO = struct.Struct("=I4s4s")
_IP_PKTINFO = 8
"""From linux/in.h; Python 3.11 does not name it."""


class Ear:
    """A UDP port of a host."""

    def __init__(self, host: Host, port: int = 7070):
        self.to = (host.address, port)
        self._socket = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind(self.to)
        self._socket.setblocking(False)

    def heard(self):
        """Numbers and sources of what arrived since the last look."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                data, (address, _) = self._socket.recvfrom(64)
                found.append((int.from_bytes(data), address))
        return found

    def close(self):
        self._socket.close()


class Mouth:
    """A host that sends from any of its addresses, over one socket."""

    def __init__(self, host: Host):
        self._socket = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._number = 0

    def send(self, source, ear):
        """One probe; its number."""
        self._number += 1
        info = _PKTINFO.pack(0, socket.inet_aton(source), bytes(4))
        self._socket.sendmsg([self._number.to_bytes(8)], [(socket.IPPROTO_IP, _IP_PKTINFO, info)], 0, ear.to)
        return self._number

    def arrives(self, source, ear, witness):
        """True when a probe of `source` arrives; known as soon as one of `witness`, sent after it, is there."""
        asked, control = self.send(source, ear), self.send(witness, ear)
        seen = set()
        end = time.monotonic() + PATIENCE
        while control not in seen:
            assert time.monotonic() < end, "the witness's probe did not arrive"
            seen.update(number for number, _ in ear.heard())
        return asked in seen

    def first_lost(self, source, ear, act):
        """Probe every millisecond while `act` runs; seconds from its return to the first probe that is lost."""
        done = []
        ear.heard()
        thread = threading.Thread(target=lambda: (act(), done.append(time.monotonic())))
        thread.start()
        sent, arrived = {}, 0
        last = time.monotonic()
        end = last + PATIENCE
        while not done or time.monotonic() - last < SETTLED:
            assert time.monotonic() < end, f"probes from {source} go on arriving"
            sent[self.send(source, ear)] = time.monotonic()
            time.sleep(GAP)
            for number, _ in ear.heard():
                arrived, last = max(arrived, number), time.monotonic()
        thread.join()
        return sent[min(number for number in sent if number > arrived)] - done[0]

    def close(self):
        self._socket.close()
