"""Who is at the other end of a unix socket, as the kernel knows it, and whether it administrates p2pfw here."""

import grp
import os
import socket
import struct
from dataclasses import dataclass
from typing import Final

GROUP: Final = "p2pfw"
"""Its members are administrators."""
_PEERCRED: Final = struct.Struct("3i")
_PEERGROUPS: Final = 59
# The most that Python asks a socket for. A peer with more than 256 groups counts by its primary group only.
_MAX_BYTES: Final = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """At the moment of connect(): effective user, and all groups."""

    uid: int
    groups: frozenset[int]


def peer_of(sock: socket.socket) -> Credentials:
    """The peer of a connected unix socket."""
    _, uid, gid = _PEERCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEERCRED.size))
    # The usual case asks no further: root and this process's own user need no group.
    groups = frozenset() if uid in (0, os.geteuid()) else _groups(sock)
    return Credentials(uid=uid, groups=groups | {gid})


def may_administrate(peer: Credentials) -> bool:
    """True for root, this process's own user, and the group."""
    return peer.uid in (0, os.geteuid()) or group_id() in peer.groups


def group_id() -> int | None:
    """Of the group of administrators; None where there is none."""
    try:
        return grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return None


def _groups(sock: socket.socket) -> frozenset[int]:
    """The peer's supplementary groups."""
    try:
        raw = sock.getsockopt(socket.SOL_SOCKET, _PEERGROUPS, _MAX_BYTES)
    except OSError:
        return frozenset()
    return frozenset(struct.unpack(f"{len(raw) // 4}I", raw))
