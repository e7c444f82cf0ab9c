"""What keeps this machine reachable: the addresses that must never be blocked, read from the system as it is now.

Own addresses are hard-protected; gateways, resolvers and the remote hosts of logged-in sessions are soft (policy.md
"Precedence"). A file that is missing or strange protects nothing and breaks nothing. Only authenticated sessions
count (utmp): whoever merely has a connection open must not be able to protect itself.
"""

import contextlib
import ipaddress
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from string import hexdigits
from typing import Final

import ifaddr

from p2pfw.core.prefix import Prefix, PrefixKey, v4_key, v6_key
from p2pfw.errors import InputError
from p2pfw.ports import Neighbour

_UTMP: Final = struct.Struct("<hxxi32s4s32s256s4siii4I20s")
_USER_PROCESS: Final = 7
_GATEWAY_FLAG: Final = 0x2
_ESTABLISHED: Final = "01"
RESOLV_FILES: Final = ("etc/resolv.conf", "run/systemd/resolve/resolv.conf")


class Surroundings:
    """Reads the system under `root` ("/" but for tests)."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def hard(self) -> list[Neighbour]:
        """This machine's own addresses, all interfaces."""
        return sorted(_own_addresses(), key=lambda one: one.key)

    def soft(self) -> list[Neighbour]:
        """Default gateways, resolvers, and where logged-in people come from."""
        found = [*self._gateways4(), *self._gateways6(), *self._resolvers(), *self._logins(), *self._sessions()]
        return sorted(set(found), key=lambda one: (one.key, one.reason))

    def clients(self) -> list[Neighbour]:
        """Remote hosts of established TCP connections: shown to the operator, and never protected by that alone."""
        found: dict[PrefixKey, Neighbour] = {}
        for name in ("proc/net/tcp", "proc/net/tcp6"):
            for line in self._lines(name)[1:]:
                fields = line.split()
                if len(fields) > 3 and fields[3] == _ESTABLISHED and (key := _socket_host(fields[2])) is not None:
                    port = _number(fields[1].partition(":")[2], 4)
                    found.setdefault(key, Neighbour(key=key, reason=f"connected with port {port}"))
        return sorted(found.values(), key=lambda one: one.key)

    def _gateways4(self) -> Iterator[Neighbour]:
        for line in self._lines("proc/net/route")[1:]:
            fields = line.split()
            if len(fields) > 3 and _number(fields[3], 4) & _GATEWAY_FLAG and (address := _number(fields[2], 8)):
                swapped = int.from_bytes(address.to_bytes(4), "little")
                yield Neighbour(key=v4_key(swapped, 32), reason=f"gateway on {fields[0]}")

    def _gateways6(self) -> Iterator[Neighbour]:
        for line in self._lines("proc/net/ipv6_route"):
            fields = line.split()
            if len(fields) > 9 and _number(fields[8], 8) & _GATEWAY_FLAG and (address := _number(fields[4], 32)):
                yield Neighbour(key=v6_key(address, 128), reason=f"gateway on {fields[9]}")

    def _resolvers(self) -> Iterator[Neighbour]:
        for name in RESOLV_FILES:
            for line in self._lines(name):
                fields = line.split()
                if len(fields) > 1 and fields[0] == "nameserver" and (key := _host(fields[1])) is not None:
                    yield Neighbour(key=key, reason=f"resolver in /{name}")

    def _logins(self) -> Iterator[Neighbour]:
        data = b""
        with contextlib.suppress(OSError):
            data = (self._root / "run/utmp").read_bytes()
        whole = len(data) - len(data) % _UTMP.size
        for record in _UTMP.iter_unpack(data[:whole]):
            words = record[10:14]
            if record[0] == _USER_PROCESS and any(words):
                user = record[4].rstrip(b"\0").decode("ascii", "replace")
                yield Neighbour(key=_login_key(struct.pack("<4I", *words)), reason=f"login session of {user}")

    def _sessions(self) -> Iterator[Neighbour]:
        """logind's view, where utmp is gone (systems with 64-bit time)."""
        for file in sorted((self._root / "run/systemd/sessions").glob("*")):
            facts = dict(line.partition("=")[::2] for line in self._lines(str(file.relative_to(self._root))))
            if (key := _host(facts.get("REMOTE_HOST", ""))) is not None:
                yield Neighbour(key=key, reason=f"login session of {facts.get('USER', '?')}")

    def _lines(self, name: str) -> list[str]:
        try:
            return (self._root / name).read_text(errors="replace").splitlines()
        except OSError:
            return []


def _number(text: str, digits: int) -> int:
    """A hexadecimal field of at most so many digits; 0 when it is anything else."""
    return int(text, 16) if len(text) <= digits and all(digit in hexdigits for digit in text) and text else 0


def _socket_host(text: str) -> PrefixKey | None:
    """The host of an ADDRESS:PORT of /proc/net/tcp or tcp6: words in this machine's byte order, hexadecimal."""
    try:
        raw = bytes.fromhex(text.partition(":")[0])
    except ValueError:
        return None
    if len(raw) not in (4, 16):
        return None
    # Printed as numbers: each word of the address as this machine's integer.
    address = b"".join(raw[at : at + 4][:: -1 if sys.byteorder == "little" else 1] for at in range(0, len(raw), 4))
    return v4_key(int.from_bytes(address), 32) if len(address) == 4 else _key6(address)


def _host(text: str) -> PrefixKey | None:
    """The key of one address, with its zone or without; None for names, networks and nothing."""
    try:
        prefix = Prefix.parse(text.partition("%")[0])
    except InputError:
        return None
    return prefix.key if prefix.is_host else None


def _login_key(address: bytes) -> PrefixKey:
    if address[4:] == bytes(12):
        return v4_key(int.from_bytes(address[:4]), 32)
    return _key6(address)


def _key6(address: bytes) -> PrefixKey:
    mapped = ipaddress.IPv6Address(address).ipv4_mapped
    return v4_key(int(mapped), 32) if mapped else v6_key(int.from_bytes(address), 128)


def _own_addresses() -> Iterator[Neighbour]:
    for adapter in ifaddr.get_adapters(include_unconfigured=False):
        for ip in adapter.ips:
            text = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            yield Neighbour(key=Prefix.parse(text.partition("%")[0]).key, reason=f"own address on {adapter.nice_name}")
