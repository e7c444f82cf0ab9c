"""Where nodes and bare programs run for a benchmark: hosts of a lab, with a shell on each that is already there.

A program is started through that shell, so that what is measured of bare `ipset` is the program, not the way into its
namespace.
"""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from p2pfw.demo.lab import Host, Lab
from tests.e2e.fleet import BLOCK_SETS, Fleet, Server

BARE_SET = "bare"
CREATE = f"create {BARE_SET} hash:net family inet hashsize 1024 maxelem 1048576 timeout 0 counters"
"""A set of the same shape as ours."""


class Shell:
    """A shell on a host; one command at a time."""

    def __init__(self, host: Host) -> None:
        self._process = host.popen(["sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, command: str) -> list[str]:
        """What it prints. AssertionError when it fails."""
        source, sink = self._process.stdout, self._process.stdin
        assert source is not None
        assert sink is not None
        sink.write(f'{command}\necho "::$?"\n'.encode())
        sink.flush()
        lines = []
        while not (line := source.readline().decode()).startswith("::"):
            assert line, f"the shell ended in {command!r}"
            lines.append(line.rstrip("\n"))
        assert line == "::0\n", f"{command!r} failed: {lines}"
        return lines

    def entries(self, name: str = BLOCK_SETS[0]) -> int:
        """How many entries a set has; 0 when there is no such set."""
        text = "\n".join(self.run(f"ipset list -terse {name} 2>&1 || true"))
        found = re.search(r"Number of entries: (\d+)", text)
        return int(found[1]) if found else 0

    def close(self) -> None:
        """End it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process.wait()


@dataclass
class Stage:
    """A fleet that is not started yet, and a host without a node. Closing it leaves nothing."""

    fleet: Fleet
    bare: Host
    folder: Path
    shells: dict[str, Shell] = field(default_factory=dict)

    def shell(self, host: Host) -> Shell:
        """The one shell of a host."""
        if host.name not in self.shells:
            self.shells[host.name] = Shell(host)
        return self.shells[host.name]

    def only(self, *servers: Server) -> None:
        """Start these, and wait for their APIs."""
        for server in servers:
            server.spawn()
        for server in servers:
            server.wait_ready()


@contextmanager
def stage() -> Iterator[Stage]:
    """A lab with everything on it."""
    folder = Path(tempfile.mkdtemp(prefix="p2pfw-bench-"))
    try:
        with Lab() as lab:
            made = Stage(Fleet(lab, folder), lab.host("bare"), folder)
            try:
                yield made
            finally:
                made.fleet.close()
                for shell in made.shells.values():
                    shell.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def cpu_seconds(pid: int) -> float:
    """What a process has used so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def child_json(process: "subprocess.Popen[bytes]") -> dict[str, float]:
    """The one line of JSON that a child prints before it ends."""
    output, _ = process.communicate()
    assert process.returncode == 0, f"a child of the benchmark ended with {process.returncode}"
    found: dict[str, float] = json.loads(output)
    return found
