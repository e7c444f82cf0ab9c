"""The socket as a file: modes, leftovers, neighbours, races."""

import asyncio
import os
import socket
import stat
from pathlib import Path

import pytest

from p2pfw.errors import AlreadyRunningError, ListenError
from p2pfw.local import socketfile
from p2pfw.local.socketfile import SocketFile


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the socket is to be."""
    return tmp_path / "run" / "api.sock"


def left_behind(place: Path) -> None:
    """What a killed process leaves: a socket that nobody listens on."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(place))


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_the_mode_is_0660_whatever_the_umask(place: Path, umask: int):
    """And the umask of the process is left alone: its other threads create files too."""
    place.parent.mkdir(parents=True)
    before = os.umask(umask)
    try:
        file = SocketFile(place, "api.socket")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)

    assert stat.S_IMODE(place.stat().st_mode) == 0o660
    file.close()


def test_nobody_can_connect_before_the_mode_is_set(place: Path, monkeypatch):
    """It is bound, but does not listen yet, when the mode is set."""
    refused = []

    def look(path: Path, mode: int) -> None:
        with socket.socket(socket.AF_UNIX) as probe, pytest.raises(ConnectionRefusedError):
            probe.connect(str(path))
        refused.append(mode)

    monkeypatch.setattr(Path, "chmod", look)
    SocketFile(place, "api.socket").close()

    assert refused == [0o660]


def test_it_is_given_to_the_group(place: Path, monkeypatch):
    """Where there is one; a node that may not give it away keeps it."""
    monkeypatch.setattr(socketfile, "group_id", os.getegid)
    file = SocketFile(place, "api.socket")
    assert place.stat().st_gid == os.getegid()
    file.close()

    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(socketfile.os, "chown", refused)
    SocketFile(place, "api.socket").close()


def test_it_leaves_nothing_behind(place: Path):
    """Neither the socket nor its lock."""
    SocketFile(place, "api.socket").close()

    assert list(place.parent.iterdir()) == []


def test_a_stale_socket_is_replaced(place: Path):
    """After a kill the next start needs no help."""
    left_behind(place)
    old = place.stat().st_ino

    file = SocketFile(place, "api.socket")
    file.socket.listen()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(place))
    file.close()

    assert old
    assert not place.exists()


def test_a_stale_lock_is_no_obstacle(place: Path):
    """The lock is the kernel's; its file alone means nothing."""
    left_behind(place)
    place.with_name("api.sock.lock").touch()

    SocketFile(place, "api.socket").close()

    assert list(place.parent.iterdir()) == []


def test_a_live_socket_is_never_taken(place: Path):
    """Not even one of another program, which knows nothing of our lock."""
    place.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(place))
        other.listen()
        with pytest.raises(AlreadyRunningError, match=r"another one answers on .*api\.sock"):
            SocketFile(place, "api.socket")

        assert place.exists()


def test_a_live_socket_with_a_full_queue_is_never_taken(place: Path):
    """A server that is busy refuses differently from one that is gone; asking does not block."""
    place.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(place))
        other.listen(0)
        waiting = []
        for _ in range(3):
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            client.connect_ex(str(place))
            waiting.append(client)
        with pytest.raises(AlreadyRunningError):
            SocketFile(place, "api.socket")
        for client in waiting:
            client.close()

    assert place.exists()


def test_of_two_at_the_same_moment_one_wins(place: Path, monkeypatch):
    """The second starts while the first has cleared the path and not yet bound it."""
    left_behind(place)
    failures = []
    real = socketfile._bind

    def meanwhile(path: Path, setting: str) -> socket.socket:
        monkeypatch.setattr(socketfile, "_bind", real)
        with pytest.raises(AlreadyRunningError):
            SocketFile(place, "api.socket")
        failures.append(path)
        return real(path, setting)

    monkeypatch.setattr(socketfile, "_bind", meanwhile)
    file = SocketFile(place, "api.socket")
    assert failures
    assert place.exists()
    file.close()


def test_a_lock_that_was_removed_meanwhile_is_taken_anew(place: Path, monkeypatch):
    """Whoever waited for the lock of a node that ends must not hold a file that nobody else will find."""
    place.parent.mkdir(parents=True)
    lock = place.with_name("api.sock.lock")
    real, removed = socketfile.fcntl.flock, []

    def flock(held: int, how: int) -> None:
        if not removed:
            lock.unlink()
            removed.append(True)
        real(held, how)

    monkeypatch.setattr(socketfile.fcntl, "flock", flock)
    file = SocketFile(place, "api.socket")

    assert removed
    assert lock.exists()
    file.close()


def test_what_is_no_socket_is_left_alone(place: Path):
    """A configuration that names a file by mistake must not cost that file."""
    place.parent.mkdir(parents=True)
    place.write_text("precious")

    with pytest.raises(ListenError, match="is no socket"):
        SocketFile(place, "api.socket")
    assert place.read_text() == "precious"


def test_a_link_is_left_alone(place: Path, tmp_path: Path):
    """A link to a socket is not the socket."""
    target = tmp_path / "elsewhere"
    left_behind(target)
    place.parent.mkdir(parents=True)
    place.symlink_to(target)

    with pytest.raises(ListenError, match="is no socket"):
        SocketFile(place, "api.socket")
    assert target.exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path):
    """Here a file stands in the way."""
    (tmp_path / "run").touch()

    with pytest.raises(ListenError, match=r"cannot listen on .*api\.sock \(api\.socket\)"):
        SocketFile(tmp_path / "run" / "api.sock", "api.socket")


def test_a_path_that_is_too_long_is_an_error_of_ours(tmp_path: Path):
    """The kernel's limit is 107 bytes; no lock stays behind."""
    with pytest.raises((ListenError, OSError)):
        SocketFile(tmp_path / ("x" * 120), "api.socket")

    assert list(tmp_path.iterdir()) == []


def test_the_socket_of_a_successor_is_left_alone(place: Path):
    """Somebody removed ours and put another there: at the end that one stays."""
    file = SocketFile(place, "api.socket")
    place.unlink()
    left_behind(place)

    file.close()

    assert place.exists()


async def test_it_serves(place: Path):
    """The bound socket is what asyncio listens on."""
    file = SocketFile(place, "api.socket")
    server = await asyncio.start_unix_server(lambda _, writer: writer.close(), sock=file.socket)
    reader, writer = await asyncio.open_unix_connection(str(place))

    assert await reader.read() == b""
    writer.close()
    server.close()
    file.close()
