"""Peer credentials: who is at the other end of the socket, as the kernel says."""

import asyncio
import grp
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import uvloop

from p2pfw.local import credentials, socketfile
from p2pfw.local.credentials import Credentials, may_administrate
from tests.web.serving import serving

NOBODY = 65_534
OTHER_GROUP = 54_321
CLIENT = """
import os, socket, sys
path, user, *groups = sys.argv[1:]
os.setgroups([int(group) for group in groups])
os.setgid(int(user))
os.setuid(int(user))
with socket.socket(socket.AF_UNIX) as sock:
    sock.connect(path)
    sock.sendall(b"GET /healthz HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
    print(sock.recv(100).split()[1].decode())
"""
# Only root can be somebody else; who is not root tries the rule without the kernel, below.
OTHERS = [NOBODY] if os.geteuid() == 0 else []


@pytest.mark.parametrize(
    ("uid", "groups", "allowed"),
    [
        (0, {0}, True),
        (os.geteuid(), {1}, True),
        (NOBODY, {NOBODY}, False),
        (NOBODY, {NOBODY, OTHER_GROUP}, True),
        (NOBODY, {OTHER_GROUP}, True),
    ],
)
def test_root_the_own_user_and_the_group_administrate(monkeypatch, uid: int, groups: set[int], allowed: bool):
    """Any of the peer's groups counts, not its primary one only."""
    monkeypatch.setattr(credentials, "group_id", lambda: OTHER_GROUP)

    assert may_administrate(Credentials(uid=uid, groups=frozenset(groups))) is allowed


def test_without_the_group_nobody_else_administrates(monkeypatch):
    """A machine without the group has no members of it."""
    monkeypatch.setattr(credentials, "GROUP", "no-such-group-here")

    assert credentials.group_id() is None
    assert not may_administrate(Credentials(uid=NOBODY + 1, groups=frozenset({NOBODY})))


def test_the_group_is_looked_up_by_name(monkeypatch):
    """Its number differs from machine to machine."""
    first = grp.getgrall()[0]
    monkeypatch.setattr(credentials, "GROUP", first.gr_name)

    assert credentials.group_id() == first.gr_gid


def test_groups_that_cannot_be_had_are_none():
    """A peer that is gone, or in more groups than can be asked for, counts by its primary group."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.close()
        assert credentials._groups(sock) == frozenset()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
@pytest.mark.parametrize("user", OTHERS)
@pytest.mark.parametrize("member", [False, True])
def test_another_user_is_refused_by_its_credentials(open_folder: Path, monkeypatch, run, user: int, member: bool):
    """Even when the file's mode would let it in; as a member of the group, by a supplementary one too, it is let in."""
    monkeypatch.setattr(socketfile, "MODE", 0o666)
    monkeypatch.setattr(credentials, "group_id", lambda: OTHER_GROUP)
    groups = [str(OTHER_GROUP)] if member else []

    async def scene() -> str:
        async with serving(open_folder) as served:
            arguments = [sys.executable, "-I", "-c", CLIENT, str(served.settings.socket), str(user), *groups]
            done = await asyncio.to_thread(subprocess.run, arguments, capture_output=True, check=True)
            return done.stdout.decode().strip()

    assert run(scene()) == ("200" if member else "403")


@pytest.fixture
def open_folder(tmp_path_factory) -> Path:
    """A folder that other users can reach: pytest's own are closed to them."""
    folder = tmp_path_factory.mktemp("open")
    for place in (folder, *folder.parents):
        if place.stat().st_uid == os.geteuid() and place != Path(place.anchor) and "pytest" in str(place):
            place.chmod(0o755)
    return folder
