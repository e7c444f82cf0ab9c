"""What the service manager is told: the datagrams of sd_notify(3), and nothing where nobody asks."""

import os
import socket

import pytest

from p2pfw.host.supervisor import ALIVE, READY, Supervisor


@pytest.fixture
def manager(tmp_path):
    """A socket such as systemd's, and its path."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(10)
        yield listening, str(tmp_path / "notify")


def test_facts_arrive_one_a_datagram(manager):
    """At the path that the environment names."""
    listening, path = manager
    supervisor = Supervisor({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "2500000"})
    supervisor.tell(READY)
    supervisor.tell(ALIVE)

    assert [listening.recv(100), listening.recv(100)] == [b"READY=1", b"WATCHDOG=1"]
    assert supervisor.watchdog == 2.5


def test_an_abstract_socket_is_reached(tmp_path):
    """Written with an @."""
    name = f"p2pfw-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name)
        listening.settimeout(10)
        Supervisor({"NOTIFY_SOCKET": "@" + name}).tell(READY)

        assert listening.recv(100) == b"READY=1"


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"WATCHDOG_USEC": "1000000"},
        {"NOTIFY_SOCKET": "relative", "WATCHDOG_USEC": "1000000"},
        {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "soon"},
        {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"},
        {"NOTIFY_SOCKET": "/nowhere"},
    ],
)
def test_whoever_does_not_ask_is_not_told(environ):
    """No socket, a strange one, another process meant, no watchdog: no error, and no pings."""
    supervisor = Supervisor(environ)
    supervisor.tell(READY)

    assert supervisor.watchdog == 0
