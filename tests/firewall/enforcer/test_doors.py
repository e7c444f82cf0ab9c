"""How connections come to be: who is let in, and what is said where nobody is."""

import socket
import stat
import threading

import pytest

from p2pfw.errors import AlreadyRunningError, FirewallError, PrivilegeError
from p2pfw.firewall.enforcer import doors
from p2pfw.firewall.enforcer.doors import MOST, HandedOver, UnixDoor, by_handing_over, by_path, no_enforcer, open_house
from p2pfw.firewall.enforcer.remote import RemoteKernel
from p2pfw.local import socketfile
from tests.firewall.enforcer.desks import office
from tests.firewall.fake_kernel import FakeClock


@pytest.fixture
def pair():
    """The node's end, and the enforcer's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    yield ours, theirs
    ours.close()
    theirs.close()


def test_connections_are_handed_over_until_the_node_is_gone(pair):
    """Each with a thread of its own; then the enforcer ends."""
    ours, theirs = pair
    with office() as at:
        house = threading.Thread(target=open_house, args=(HandedOver(theirs), at.desk))
        house.start()
        for _ in range(3):
            remote = RemoteKernel(by_handing_over(ours), 10, FakeClock().now)
            remote.survey()
            remote.close()
        ours.close()
        house.join(30)
        assert not house.is_alive()


def test_what_was_handed_over_waits_for_the_next_enforcer(pair):
    """One that died before it took a connection lost none."""
    ours, theirs = pair
    connection = by_handing_over(ours)()
    taken = HandedOver(theirs).accept()
    taken.sendall(b"here")

    assert connection.recv(4) == b"here"
    connection.close()
    taken.close()


def test_what_is_no_connection_is_dropped(pair, tmp_path):
    """Nothing, a file, two at once: the enforcer goes on to the next."""
    ours, theirs = pair
    with (tmp_path / "file").open("wb") as file:
        ours.send(b"+")
        socket.send_fds(ours, [b"+"], [file.fileno()])
    one, other = socket.socketpair()
    socket.send_fds(ours, [b"+"], [one.fileno(), other.fileno()])
    with one, other, HandedOver(theirs).accept() as taken:
        taken.sendall(b"here")
        assert other.recv(4) == b"here"


def test_an_enforcer_that_is_gone_is_said(pair):
    """With what to do: the node cannot start another one."""
    ours, theirs = pair
    theirs.close()
    with pytest.raises(FirewallError, match="restart it"):
        by_handing_over(ours)()
    with pytest.raises(FirewallError, match="no enforcer"):
        no_enforcer()


@pytest.fixture
def door(tmp_path):
    """A door in the file system."""
    made = UnixDoor(tmp_path / "enforcer.sock")
    yield made, tmp_path / "enforcer.sock"
    made.close()


def test_the_socket_is_for_the_group_only(door):
    """Mode 0660; a second enforcer does not take the path from the first."""
    _, path = door

    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    with pytest.raises(AlreadyRunningError, match=r"enforcer\.socket"):
        UnixDoor(path)


def test_whoever_may_not_administrate_is_sent_away(door, monkeypatch):
    """By the kernel's word on who he is, whatever the file's mode."""
    one, path = door
    answers = [False, True]
    monkeypatch.setattr(doors, "may_administrate", lambda _: answers.pop(0))
    with socket.socket(socket.AF_UNIX) as stranger, socket.socket(socket.AF_UNIX) as friend:
        stranger.connect(str(path))
        friend.connect(str(path))
        with one.accept() as let_in:
            let_in.sendall(b"come in")
        assert stranger.recv(10) == b""
        assert friend.recv(10) == b"come in"


def test_a_path_without_an_enforcer_is_said(tmp_path, monkeypatch):
    """With how to start one, or who may use it."""
    path = tmp_path / "enforcer.sock"
    with pytest.raises(FirewallError, match="p2pfw enforcer --listen"):
        by_path(path)()

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(PrivilegeError, match="group p2pfw"):
        by_path(path)()


def test_one_connection_too_many_is_closed(pair):
    """The others go on."""
    ours, theirs = pair
    connect = by_handing_over(ours)
    with office() as at:
        house = threading.Thread(target=open_house, args=(HandedOver(theirs), at.desk))
        house.start()
        crowd = [connect() for _ in range(MOST + 1)]
        crowd[-1].settimeout(30)
        assert crowd[-1].recv(1) == b""
        for one in crowd:
            one.close()
        ours.close()
        house.join(30)


def test_the_path_is_given_back(tmp_path):
    """At the end nothing is left of it."""
    path = tmp_path / "enforcer.sock"
    UnixDoor(path).close()

    assert not path.exists()
    assert socketfile.MODE == 0o660
