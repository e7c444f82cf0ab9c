"""The one place that runs programs.

Rules: argument lists, never a shell; absolute paths, found once; an environment of ours; input through stdin only,
made while the program already reads; a time-out, an output limit and a process group of its own for every run, so
that a program that hangs, floods or leaves children behind is ended and nobody else is. Runs in the caller's thread,
which blocks: callers are worker threads. `subprocess` uses vfork here, so a large parent costs nothing.

Does not know what the programs are run for, and does not judge exit codes; `checked` does for those who want it.
"""

import contextlib
import fcntl
import os
import selectors
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO, Final, Protocol

from p2pfw.errors import FirewallError, MissingProgramError, PrivilegeError

READ_SECONDS: Final = 10.0
"""Time-out of a command that only reads, or writes a line or two; they take milliseconds."""
MAX_OUTPUT: Final = 256 << 20
"""Bytes of output that are taken: `ipset save` of a million IPv6 entries is a third of that."""
MAX_COMPLAINT: Final = 64 << 10
"""Bytes of error output that are kept; the rest is read and dropped."""
_CHUNK: Final = 1 << 16
_PIPE: Final = 1 << 20
_SYSTEM_FOLDERS: Final = ("/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/local/bin")
_XTABLES_LOCK: Final = Path("/run/xtables.lock")
_NO_RIGHT: Final = ("operation not permitted", "permission denied", "you must be root", "can't open socket to ipset")


class Program(Enum):
    """What is run; the value is the program's name and its Debian package."""

    IPSET = ("ipset", "ipset")
    IPTABLES = ("iptables", "iptables")
    IPTABLES_SAVE = ("iptables-save", "iptables")
    IPTABLES_RESTORE = ("iptables-restore", "iptables")
    IP6TABLES = ("ip6tables", "iptables")
    IP6TABLES_SAVE = ("ip6tables-save", "iptables")
    IP6TABLES_RESTORE = ("ip6tables-restore", "iptables")
    IPTABLES_LEGACY_SAVE = ("iptables-legacy-save", "iptables")
    IP6TABLES_LEGACY_SAVE = ("ip6tables-legacy-save", "iptables")
    IPTABLES_NFT_SAVE = ("iptables-nft-save", "iptables")
    IP6TABLES_NFT_SAVE = ("ip6tables-nft-save", "iptables")
    NFT = ("nft", "nftables")

    @property
    def file(self) -> str:
        """Name of the executable."""
        return self.value[0]

    @property
    def package(self) -> str:
        """Debian package that has it."""
        return self.value[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a program that ended said. `command` is for error texts."""

    command: str
    code: int
    stdout: bytes = b""
    stderr: str = ""


class Runner(Protocol):
    """The door to the programs; tests record or fail behind it."""

    def find(self, program: Program) -> str:
        """Absolute path; MissingProgramError names the package."""
        ...

    def run(
        self, program: Program, arguments: Sequence[str], *, feed: Iterable[bytes] = (), timeout: float = READ_SECONDS
    ) -> Output:
        """Run to the end with `feed` on stdin. FirewallError: not startable, too slow, or too much output."""
        ...


def checked(
    runner: Runner,
    program: Program,
    arguments: Sequence[str],
    *,
    feed: Iterable[bytes] = (),
    timeout: float = READ_SECONDS,
) -> bytes:
    """Output of a run that must succeed; FirewallError with command, exit code and the first line of its complaint."""
    output = runner.run(program, arguments, feed=feed, timeout=timeout)
    if output.code:
        raise failure(output)
    return output.stdout


def failure(output: Output) -> FirewallError:
    """The error that an exit code other than 0 stands for; PrivilegeError when rights were missing."""
    lines = [line.strip() for line in output.stderr.splitlines() if line.strip()]
    said = lines[0][:300] if lines else "no message"
    if any(sign in output.stderr.lower() for sign in _NO_RIGHT):
        return PrivilegeError(
            f"no right to change the firewall ({output.command}: {said}); run as root,"
            " or give the service CAP_NET_ADMIN and CAP_NET_RAW (AmbientCapabilities= in its unit)"
        )
    return FirewallError(f"{output.command}: exit code {output.code}: {said}")


class ProgramRunner:
    """Runs the real programs. Thread-safe: a run shares nothing with another but the paths found.

    `through` is a command that becomes the program named after it (nsenter, setpriv): whose firewall it is, and with
    which rights, is then that command's choice.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ, through: Sequence[str] = ()) -> None:
        self._through = tuple(through)
        given = [folder for folder in environ.get("PATH", "").split(":") if folder.startswith("/")]
        self._folders = ":".join([*given, *_SYSTEM_FOLDERS])
        self._found: dict[Program, str] = {}
        self._environment = {"PATH": ":".join(_SYSTEM_FOLDERS), "LC_ALL": "C", **_lock_file(environ)}

    def find(self, program: Program) -> str:
        """Absolute path, from PATH and the system folders that an unprivileged user's PATH lacks."""
        if program not in self._found:
            path = shutil.which(program.file, path=self._folders)
            if path is None:
                raise MissingProgramError(program.file, program.package)
            self._found[program] = path
        return self._found[program]

    def run(
        self, program: Program, arguments: Sequence[str], *, feed: Iterable[bytes] = (), timeout: float = READ_SECONDS
    ) -> Output:
        """See Runner."""
        command = " ".join([program.file, *arguments])
        deadline = time.monotonic() + timeout
        process = self._start(program, arguments)
        try:
            stdout, stderr = _Exchange(process, feed, deadline).complete()
            code = process.wait(max(0.0, deadline - time.monotonic()))
        except BaseException as error:
            _end(process)
            if isinstance(error, TimeoutError | subprocess.TimeoutExpired):
                raise FirewallError(f"{command}: no end after {timeout:g} s; stopped") from None
            raise
        finally:
            _close(process)
        return Output(command=command, code=code, stdout=stdout, stderr=stderr.decode(errors="replace"))

    def _start(self, program: Program, arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
        try:
            return subprocess.Popen(
                [*self._through, self.find(program), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environment,
                cwd="/",
                process_group=0,  # Ctrl-C in the node's terminal must not cut a batch in two
            )
        except OSError as error:
            self._found.pop(program, None)
            raise FirewallError(f"{program.file} cannot be started: {error.strerror or error}") from error


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process that went wrong, and what it started; the group is its own, so nobody else is in it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _close(process: "subprocess.Popen[bytes]") -> None:
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def _lock_file(environ: Mapping[str, str]) -> dict[str, str]:
    """The legacy iptables insists on a writable lock file: where ours is not the system's, one of our own."""
    given = environ.get("XTABLES_LOCKFILE")
    if given:
        return {"XTABLES_LOCKFILE": given}
    system = _XTABLES_LOCK if _XTABLES_LOCK.exists() else _XTABLES_LOCK.parent
    if os.access(system, os.W_OK):
        return {}
    own = environ.get("RUNTIME_DIRECTORY", "").split(":")[0] or environ.get("XDG_RUNTIME_DIR", "")
    folder = own if own and os.access(own, os.W_OK) else _private_folder()
    return {"XTABLES_LOCKFILE": str(Path(folder, "p2pfw-xtables.lock"))}


def _private_folder() -> str:
    """The same one for each of our processes, so that they lock one another out; nobody else's may stand there."""
    folder = Path(tempfile.gettempdir(), f"p2pfw-{os.getuid()}")
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022
    return str(folder) if mine else tempfile.mkdtemp(prefix="p2pfw-")


class _Exchange:
    """Feeds one process and reads it at the same time: neither side can wait for the other for ever."""

    def __init__(self, process: "subprocess.Popen[bytes]", feed: Iterable[bytes], deadline: float) -> None:
        assert process.stdin and process.stdout and process.stderr  # noqa: S101, PT018 - PIPE was asked for
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._feed, self._deadline = iter(feed), deadline
        self._pending = memoryview(b"")
        self._heard: dict[IO[bytes], bytearray] = {self._stdout: bytearray(), self._stderr: bytearray()}

    def complete(self) -> tuple[bytes, bytes]:
        """(stdout, stderr), once the process has closed both. TimeoutError at the deadline."""
        with selectors.DefaultSelector() as selector:
            for stream in self._heard:
                selector.register(stream, selectors.EVENT_READ)
            if self._refill():
                _prepare(self._stdin)
                selector.register(self._stdin, selectors.EVENT_WRITE)
            else:
                self._stdin.close()
            while selector.get_map():
                self._turn(selector)
        return bytes(self._heard[self._stdout]), bytes(self._heard[self._stderr])

    def _turn(self, selector: selectors.BaseSelector) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        for ready, _ in selector.select(left):
            stream: IO[bytes] = ready.fileobj  # type: ignore[assignment]
            open_still = self._write() if stream is self._stdin else self._read(stream)
            if not open_still:
                selector.unregister(stream)
                stream.close()

    def _refill(self) -> bool:
        """False when there is nothing more to feed."""
        while not self._pending:
            chunk = next(self._feed, None)
            if chunk is None:
                return False
            self._pending = memoryview(chunk)
        return True

    def _write(self) -> bool:
        try:
            self._pending = self._pending[os.write(self._stdin.fileno(), self._pending) :]
        except BrokenPipeError:  # it ended early; its exit code and complaint say why
            return False
        return self._refill()

    def _read(self, stream: IO[bytes]) -> bool:
        data = os.read(stream.fileno(), _CHUNK)
        heard = self._heard[stream]
        heard += data[: max(0, MAX_COMPLAINT - len(heard))] if stream is self._stderr else data
        if len(heard) > MAX_OUTPUT:
            raise FirewallError(f"a program printed more than {MAX_OUTPUT >> 20} MiB; stopped")
        return bool(data)


def _prepare(pipe: IO[bytes]) -> None:
    """Never wait in a write; and a wide pipe, so that a long batch costs fewer turns."""
    os.set_blocking(pipe.fileno(), False)
    with contextlib.suppress(OSError):  # the user's pipe pages are used up
        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)
