"""What of root's power this process has (capabilities(7)), and giving it up for good.

Capabilities belong to threads: give them up while there is one. The calls are libc's and the kernel's own; Python has
none for them.
"""

import ctypes
import os
from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path
from typing import Final

_PR_CAPBSET_READ: Final = 23
_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_AMBIENT_RAISE: Final = 2
_AMBIENT_CLEAR: Final = 4
_VERSION_3: Final = 0x20080522
_HALF: Final = 32


class Capability(IntEnum):
    """The ones that are ours to ask for; numbers of linux/capability.h."""

    NET_BIND_SERVICE = 10
    NET_ADMIN = 12
    NET_RAW = 13


FIREWALL: Final = frozenset({Capability.NET_ADMIN, Capability.NET_RAW})
"""What ipset and iptables need."""


def effective(process: int | str = "self") -> int:
    """The effective set of a process, as bits; 0 where /proc does not say."""
    return _bits(process, "CapEff")


def permitted(process: int | str = "self") -> int:
    """What it may make effective."""
    return _bits(process, "CapPrm")


def has(wanted: Iterable[Capability]) -> bool:
    """True when this process may use all of these."""
    return not mask(wanted) & ~effective()


def mask(capabilities: Iterable[Capability]) -> int:
    """As bits."""
    return sum(1 << one for one in set(capabilities))


def keep_only(kept: Iterable[Capability]) -> None:
    """Give up all others, for this process and whatever it starts, for ever. OSError when the kernel refuses.

    Those kept go along to programs that are started, also where this process is not root.
    """
    wanted = mask(kept) & permitted()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = (ctypes.c_int, *(ctypes.c_ulong,) * 4)
    number = 0
    while libc.prctl(_PR_CAPBSET_READ, number, 0, 0, 0) >= 0:
        if not wanted >> number & 1:
            # Not allowed without CAP_SETPCAP; who lacks that and all others has nothing to bound.
            libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
        number += 1
    libc.prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR, 0, 0, 0)
    if {_bits("self", name) for name in ("CapEff", "CapPrm", "CapInh")} != {wanted}:
        _set(libc, wanted)  # not where it is so already: a service manager's filter may forbid the call
    for bit in range(number):
        if wanted >> bit & 1:
            libc.prctl(_PR_CAP_AMBIENT, _AMBIENT_RAISE, bit, 0, 0)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise _refused("PR_SET_NO_NEW_PRIVS")


def _set(libc: ctypes.CDLL, wanted: int) -> None:
    """Effective, permitted and inheritable become `wanted`."""
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    halves = [wanted & 0xFFFFFFFF, wanted >> _HALF]
    data = (ctypes.c_uint32 * 6)(*(half for half in halves for _ in range(3)))
    if libc.capset(header, data):
        raise _refused("capset")


def _refused(call: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{call}: {os.strerror(number)}")


def _bits(process: int | str, name: str) -> int:
    try:
        text = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1], 16) for line in text.splitlines() if line.startswith(f"{name}:")), 0)
