"""No packet that is sent after the answer arrives, however it would have come in.

`wait` answers when the kernel has the block, so there is no deadline to miss: the first probe after the answer is lost.
"""

import itertools
import socket
import threading
import time

import pytest

from tests.e2e.fleet import Owner, Server, until
from tests.netns import lab_or_skip
from tests.scale import trials

BLOCKS = trials(20, 200)
GAP = 0.001
AFTER = 30
"""Probes after the answer."""
PORT, PUBLISHED = 7070, 8080
PATIENCE = 30.0


class Scene:
    """A server with a machine behind it, an attacker, and somebody who is never blocked."""

    def __init__(self, lab, folder):
        self.server = Server(lab.host("A"), folder, Owner(folder))
        self.inner, self.attacker = lab.host("inner"), lab.host("attacker")
        self.witness = lab.host("witness")
        host = self.server.host
        host.run(
            ["sh", "-ec", "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter"]
        )
        to = f"{self.inner.address}:{PORT}"
        rule = ["-p", "udp", "--dport", str(PUBLISHED), "-j", "DNAT", "--to-destination", to]
        host.run(["iptables", "-w", "5", "-t", "nat", "-A", "PREROUTING", *rule])
        self.server.start()
        until(lambda: self.server.api.status()["enforcing"])

    def listening(self, way):
        """(socket that hears, address to send to)."""
        six = way == "IPv6"
        host = self.inner if way == "published port" else self.server.host
        kind = socket.SOCK_STREAM if way == "established" else socket.SOCK_DGRAM
        ear = host.socket(socket.AF_INET6 if six else socket.AF_INET, kind)
        ear.bind(("::" if six else "0.0.0.0", PORT))
        if way == "established":
            ear.listen()
        to = self.server.host.address6 if six else self.server.host.address
        return ear, (to, PUBLISHED if way == "published port" else PORT)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """One for all ways."""
    folder = tmp_path_factory.mktemp("packets")
    folder.chmod(0o700)
    with lab_or_skip() as lab:
        made = Scene(lab, folder)
        try:
            yield made
        finally:
            made.server.close()


class Probes(threading.Thread):
    """Numbered probes, a millisecond apart, until told to stop."""

    def __init__(self, send):
        super().__init__(daemon=True)
        self._send, self._stopping = send, threading.Event()
        self.sent = 0

    def run(self):
        for number in itertools.count(1):
            if self._stopping.is_set():
                return
            self.sent = number  # before it leaves: what is numbered higher than `sent` was sent later
            try:
                self._send(number.to_bytes(8))
            except OSError:
                return  # the test is over
            time.sleep(GAP)

    def stop(self):
        """No more of them."""
        self._stopping.set()
        self.join()


def last_heard(ear, control=b""):
    """The highest number that came; datagrams up to `control`, a stream up to what is there."""
    highest = 0
    ear.settimeout(PATIENCE if control else 0.0)
    try:
        while (data := ear.recv(8)) and data != control:
            highest = max(highest, int.from_bytes(data))
    except BlockingIOError:
        pass
    return highest


def sender(host, address, to, *, stream=False):
    """A socket of this host, from this address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = host.socket(family, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)
    made.bind((address, 0))
    made.connect(to)
    return made


def dropped(server, address):
    """How many packets of it the kernel counted."""
    return server.api.get(f"/v1/why/{address}?counters=1")["kernel"]["packets"]


@pytest.mark.parametrize("way", ["local port", "published port", "IPv6"])
def test_no_datagram_sent_after_the_answer_arrives(scene, way):
    """At this machine, through DNAT to another behind it, and over IPv6."""
    ear, to = scene.listening(way)
    six = way == "IPv6"
    third = {"local port": 1, "published port": 2, "IPv6": 3}[way]
    witness = sender(scene.witness, scene.witness.address6 if six else scene.witness.address, to)
    with ear, witness:
        for number in range(BLOCKS):
            address = f"2001:db8:bad::{number + 1:x}" if six else f"203.{third}.113.{number + 1}"
            scene.attacker.add_addresses([f"{address}/{128 if six else 32}"])
            with sender(scene.attacker, address, to) as mouth:
                probes = Probes(mouth.send)
                probes.start()
                ear.settimeout(PATIENCE)
                assert ear.recv(8)
                scene.server.api.block(address, wait=True)
                answered = probes.sent
                until(lambda one=probes, at=answered: one.sent >= at + AFTER)
                probes.stop()
            control = b"control."
            witness.send(control)
            assert last_heard(ear, control) <= answered, f"{address} was let in after the answer"


def test_nothing_of_an_open_connection_arrives_after_the_answer(scene):
    """Established before the block: cut all the same, because the rule stands before connection tracking."""
    ear, to = scene.listening("established")
    with ear:
        for number in range(BLOCKS):
            address = f"203.4.113.{number + 1}"
            scene.attacker.add_addresses([f"{address}/32"])
            with sender(scene.attacker, address, to, stream=True) as mouth, ear.accept()[0] as served:
                probes = Probes(mouth.send)
                probes.start()
                served.settimeout(PATIENCE)
                assert served.recv(8)
                scene.server.api.block(address, wait=True)
                answered = probes.sent
                until(lambda one=probes, at=answered: one.sent >= at + AFTER)
                until(lambda one=address: dropped(scene.server, one))
                probes.stop()
                assert last_heard(served) <= answered
