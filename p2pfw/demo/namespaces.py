"""Private Linux namespaces, each kept by a holder process, and programs run inside them.

A holder is a `cat` in new namespaces that waits for the end of its standard input, which only its maker holds: it
ends when it is told to, and also when its maker is killed. Programs get in through `nsenter`, which becomes the
program, so a `Popen` here is the program itself: its pid, its signals, its exit status.

Never enters a namespace with the calling process: that cannot be undone.
"""

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self

from p2pfw.errors import MissingProgramError, NodeError

Stream = int | IO[bytes] | None
"""What `subprocess.Popen` takes for a standard stream."""

RUN_SECONDS: Final = 60.0
"""A guard against a hanging program, no measure: what runs here takes milliseconds."""

SYSTEM_PATH: Final = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
"""Where system programs are; an unprivileged user's PATH often lacks the half of it."""
_PROGRAMS: Final = {"unshare": "util-linux", "nsenter": "util-linux", "setpriv": "util-linux", "ip": "iproute2"}
_SWITCHES: Final = {"kernel/apparmor_restrict_unprivileged_userns": "0", "kernel/unprivileged_userns_clone": "1"}
_READY: Final = b"ready\n"
_HOLD: Final = ("sh", "-c", "mount -t tmpfs -o mode=0755 tmpfs /run && echo ready && exec cat")
_BECOME: Final = ("sh", "-c", 'test "$PPID" = "$1" && cd "$2" && shift 2 && exec "$@"', "sh")
"""Become the program, unless the parent died before the kernel was told to mind its death."""


class LabError(NodeError):
    """A namespace cannot be made, or a program in one failed; the text says what an operator can do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """A network and mount namespace with its own /run. `private_user`: inside a user namespace of ours, as its root."""

    holder: "subprocess.Popen[bytes]"
    private_user: bool

    @classmethod
    def of_root(cls) -> Self:
        """One in which root is the machine's own root: for programs that need more than a network. LabError."""
        return cls._hold(["unshare", "--net", "--mount"], private_user=False)

    @classmethod
    def outermost(cls) -> Self:
        """A namespace that owes this machine nothing; LabError, with the remedy, when the system refuses."""
        for program, package in _PROGRAMS.items():
            if shutil.which(program, path=search_path(os.environ)) is None:
                raise MissingProgramError(program, package)
        try:
            return cls._hold(["unshare", "--user", "--map-root-user", "--net", "--mount"], private_user=True)
        except LabError as refused:
            if os.geteuid() != 0:
                raise LabError(f"{refused}. {remedy()}") from None
        return cls.of_root()

    def child(self) -> "Namespace":
        """A further network and mount namespace, under the same user namespace."""
        return self._hold([*self._nsenter(), "unshare", "--net", "--mount"], private_user=self.private_user)

    @classmethod
    def _hold(cls, how: Sequence[str], *, private_user: bool) -> Self:
        holder = subprocess.Popen(
            [*how, "--", *_HOLD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(os.environ),
            start_new_session=True,  # Ctrl-C in the terminal is for the lab's user, who then closes in order
        )
        if holder.stdout is not None and holder.stdout.readline() == _READY:
            return cls(holder=holder, private_user=private_user)
        _, complaint = holder.communicate()
        raise LabError(f"private network namespaces are refused here: {complaint.decode(errors='replace').strip()}")

    def _nsenter(self) -> list[str]:
        user = ["--user", "--preserve-credentials"] if self.private_user else []
        return ["nsenter", f"--target={self.holder.pid}", "--net", "--mount", *user, "--"]

    @property
    def net_id(self) -> str:
        """The kernel's name of the network namespace, as in /proc/PID/ns/net."""
        return os.readlink(f"/proc/{self.holder.pid}/ns/net")

    def command(self, argv: Sequence[str], cwd: Path | None = None) -> list[str]:
        """The command line that becomes `argv` inside. The kernel ends it should this process die first."""
        # PR_SET_PDEATHSIG follows the starting thread: set from a passing thread it would end the program too early.
        lifeline = ["setpriv", "--pdeathsig=KILL"] if threading.current_thread() is threading.main_thread() else []
        return [*self._nsenter(), *lifeline, *_BECOME, str(os.getpid()), str(cwd or Path.cwd()), *argv]

    def popen(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: Stream = subprocess.DEVNULL,
        stdout: Stream = None,
        stderr: Stream = None,
    ) -> "subprocess.Popen[bytes]":
        """Start a program inside, in a session of its own. `env` is added to this process's environment."""
        return subprocess.Popen(
            self.command(argv),
            env=_environment({**os.environ, **(env or {})}),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )

    def run(
        self,
        argv: Sequence[str],
        *,
        text: str | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        timeout: float = RUN_SECONDS,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program inside to its end, `text` on its standard input. LabError with what it said when it failed."""
        done = subprocess.run(
            self.command(argv),
            env=_environment({**os.environ, **(env or {})}),
            input="" if text is None else text,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        if check and done.returncode != 0:
            said = (done.stderr or done.stdout).strip()
            raise LabError(f"{' '.join(argv)}: exit status {done.returncode}: {said}")
        return done

    def close(self) -> None:
        """Let the holder go; the kernel frees the namespaces once no process is left in them."""
        for stream in (self.holder.stdin, self.holder.stdout, self.holder.stderr):
            if stream is not None:
                stream.close()
        self.holder.wait(RUN_SECONDS)


def processes_in(namespaces: Sequence[Namespace]) -> list[int]:
    """Process ids that live in these network namespaces now, their holders aside."""
    ids, holders = {space.net_id for space in namespaces}, {space.holder.pid for space in namespaces}
    candidates = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    return [pid for pid in candidates if pid not in holders and _net_id(pid) in ids]


def send_signal(pid: int, number: signal.Signals, namespaces: Sequence[Namespace]) -> None:
    """Signal a process if it (still) lives in these namespaces; whatever took over its number is left alone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if _net_id(pid) in {space.net_id for space in namespaces}:
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


def _net_id(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:  # ended meanwhile, or another user's
        return ""


def search_path(environ: Mapping[str, str]) -> str:
    """PATH with the system folders that an unprivileged user's often lacks."""
    return f"{environ['PATH']}:{SYSTEM_PATH}" if environ.get("PATH") else SYSTEM_PATH


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    return {**environ, "PATH": search_path(environ), "LC_ALL": "C.UTF-8"}


def remedy(switches: Path = Path("/proc/sys")) -> str:
    """What lets an unprivileged user make namespaces: the kernel switch that stands wrong, or sudo."""
    for name, wanted in _SWITCHES.items():
        switch = switches / name
        if switch.exists() and switch.read_text().strip() != wanted:
            return f"Use sudo, or allow them: sysctl {name.replace('/', '.')}={wanted}"
    return "Use sudo"
