"""A small network of our own: hosts on one bridge, with real kernels and real packets, gone without a trace.

The demo plays on it, and the kernel and end-to-end tests run on it. Rules of this file:

- The machine's own network, firewall and mounts are never touched. Root is not needed where user namespaces are
  allowed; root itself takes the same path.
- Nothing outlives the lab, also when its user is killed; `close` ends what runs inside, and nothing else.
- Each host has its own interfaces, firewall and /run, so that programs keep their usual paths. The rest of the file
  system is the machine's.

Every address is on-link for every host (the default route is the bridge itself): an attacker may have any address at
all. There is no way out of the lab.
"""

import array
import ipaddress
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Final, Self

from p2pfw.demo.namespaces import RUN_SECONDS, LabError, Namespace, Stream, processes_in, send_signal

_GRACE_SECONDS: Final = 5.0
"""What a process gets between SIGTERM and SIGKILL when the lab closes."""
_POLL_SECONDS: Final = 0.01
_BRIDGE: Final = "lab"
_LEND_SOCKET: Final = """
import array, socket, sys
family, kind, protocol, channel = map(int, sys.argv[1:])
made = socket.socket(family, kind, protocol)
rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [made.fileno()]))]
socket.socket(fileno=channel).sendmsg([b"."], rights)
"""


class Host:
    """One machine of the lab. Made by `Lab.host`."""

    def __init__(self, name: str, namespace: Namespace, bridge: Namespace, number: int) -> None:
        self.name, self.namespace = name, namespace
        self.addresses: list[str] = []
        self._bridge, self._port = bridge, f"host{number}"

    def run(
        self,
        argv: Sequence[str],
        *,
        text: str | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        timeout: float = RUN_SECONDS,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program on this host to its end, `text` on its standard input. LabError when it fails and `check`."""
        return self.namespace.run(argv, text=text, env=env, check=check, timeout=timeout)

    def popen(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: Stream = subprocess.DEVNULL,
        stdout: Stream = None,
        stderr: Stream = None,
    ) -> "subprocess.Popen[bytes]":
        """Start a program on this host. The pid is the program's own; the lab ends it at the latest when it closes."""
        return self.namespace.popen(argv, env=env, stdin=stdin, stdout=stdout, stderr=stderr)

    def socket(self, family: socket.AddressFamily, kind: socket.SocketKind, protocol: int = 0) -> socket.socket:
        """A socket that lives on this host's network, in this process: probes without a program of their own."""
        here, there = socket.socketpair()
        with here, there:
            arguments = [str(int(family)), str(int(kind)), str(protocol), str(there.fileno())]
            command = self.namespace.command([sys.executable, "-I", "-S", "-c", _LEND_SOCKET, *arguments])
            done = subprocess.run(
                command, pass_fds=[there.fileno()], stderr=subprocess.PIPE, check=False, timeout=RUN_SECONDS
            )
            if done.returncode != 0:
                raise LabError(f"no socket on {self.name}: {done.stderr.decode(errors='replace').strip()}")
            handles = array.array("i")
            _, ancillary, _, _ = here.recvmsg(1, socket.CMSG_SPACE(handles.itemsize))
            handles.frombytes(ancillary[0][2])
        return socket.socket(fileno=handles[0])

    def add_addresses(self, addresses: Sequence[str]) -> None:
        """More addresses ("203.0.113.9/32") for this host, in one go; thousands are fine."""
        parsed = [ipaddress.ip_interface(address) for address in addresses]
        self._ip([f"address add {one} dev eth0{' nodad' if one.version == 6 else ''}" for one in parsed])
        self.addresses += [str(one.ip) for one in parsed]

    @property
    def address(self) -> str:
        """The first IPv4 address, without its length."""
        return next(one for one in self.addresses if ":" not in one)

    @property
    def address6(self) -> str:
        """The first IPv6 address, without its length."""
        return next(one for one in self.addresses if ":" in one)

    def cut(self) -> None:
        """Pull the cable somewhere beyond the host: it sees no carrier loss and no error, only silence."""
        self._bridge.run(["ip", "link", "set", self._port, "nomaster"])

    def mend(self) -> None:
        """Put the cable back."""
        self._bridge.run(["ip", "link", "set", self._port, "master", _BRIDGE])

    def connect(self) -> None:
        """Wire the host to the bridge; done once, by the lab."""
        pid = self.namespace.holder.pid
        self._bridge.run(["ip", "link", "add", self._port, "type", "veth", "peer", "name", "eth0", "netns", str(pid)])
        # No link-local IPv6 addresses: their duplicate detection would make the first second different from the rest.
        self._ip(["link set lo up", "link set eth0 addrgenmode none", "link set eth0 up"])
        self._bridge.run(["ip", "link", "set", self._port, "master", _BRIDGE, "up"])
        self._ip(["route add 0.0.0.0/0 dev eth0", "route add ::/0 dev eth0"])

    def _ip(self, lines: Sequence[str]) -> None:
        self.namespace.run(["ip", "-batch", "-"], text="\n".join(lines) + "\n")


class Lab:
    """The network. A context manager: leaving it ends what runs inside and takes everything down.

    with Lab() as lab:
        victim, attacker = lab.host("victim", "192.0.2.1/24"), lab.host("attacker", "203.0.113.9/32")
        attacker.run(["ping", "-c1", victim.address])
    """

    def __init__(self, root: Namespace | None = None) -> None:
        self._root = root or Namespace.outermost()
        self.hosts: dict[str, Host] = {}
        bridge = ["type", "bridge", "stp_state", "0", "forward_delay", "0", "mcast_snooping", "0"]
        try:
            self._root.run(["ip", "link", "add", _BRIDGE, *bridge])
            self._root.run(["ip", "link", "set", _BRIDGE, "up"])
        except BaseException:
            self.close()
            raise

    @property
    def root_is_private(self) -> bool:
        """True when root inside is nobody special outside (a user namespace of the lab's own)."""
        return self._root.private_user

    def host(self, name: str, *addresses: str) -> Host:
        """A new host. Without addresses it gets the next of 192.0.2.0/24 and of 2001:db8::/64."""
        if name in self.hosts:
            raise LabError(f"there is a host {name!r} already")
        number = len(self.hosts) + 1
        made = self.hosts[name] = Host(name, self._root.child(), self._root, number)
        made.connect()
        made.add_addresses(addresses or (f"192.0.2.{number}/24", f"2001:db8::{number:x}/64"))
        return made

    def run(self, argv: Sequence[str], *, text: str | None = None) -> "subprocess.CompletedProcess[str]":
        """Run a program where the bridge is: shaping and counting between the hosts."""
        return self._root.run(argv, text=text)

    def processes(self) -> list[int]:
        """Process ids of whatever runs in the lab now."""
        return processes_in(self._namespaces())

    def close(self) -> None:
        """End every process inside (SIGTERM, after five seconds SIGKILL), then let the namespaces go. Idempotent."""
        if self._root.holder.returncode is not None:
            return
        spaces = self._namespaces()
        for number, patience in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, RUN_SECONDS)):
            self._signal_all(number, spaces, time.monotonic() + patience)
        for space in reversed(spaces):
            space.close()

    def _signal_all(self, number: signal.Signals, spaces: Sequence[Namespace], deadline: float) -> None:
        told: set[int] = set()
        while (alive := processes_in(spaces)) and time.monotonic() < deadline:
            for pid in set(alive) - told:  # a process that was just starting another one is met again
                send_signal(pid, number, spaces)
            told.update(alive)
            time.sleep(_POLL_SECONDS)

    def _namespaces(self) -> list[Namespace]:
        return [self._root, *(host.namespace for host in self.hosts.values())]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
