"""Debian's sshguard with our backend: its parser and blocker, log lines of sshd, and a real node, in a namespace.

The pipeline is the one that /usr/sbin/sshguard makes; what counts is what is in the kernel and what the node says.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.fleet import Server, children, until

BACKEND = Path(__file__).parents[2] / "contrib/sshguard/sshg-fw-p2pfw"
LIBEXEC = Path("/usr/libexec/sshguard")
BLOCKED_FOR = 3_600
"""Seconds; sshguard releases at the earliest after so long."""

Guard = Callable[..., "Watch"]


class Watch:
    """sshguard on a host, reading a file that the test writes."""

    def __init__(self, server: Server, *, seconds: int) -> None:
        self.server, self._count = server, 0
        self.log = server.folder / "auth.log"
        self.log.touch()
        self.said = server.folder / "sshguard.err"
        blacklist = server.folder / "blacklist"
        # `sshguard` runs these with its own paths and flags, and ends the group as here
        line = (
            f"tail -n 0 -F {self.log} | {LIBEXEC}/sshg-parser"
            f" | {LIBEXEC}/sshg-blocker -a 30 -p {seconds} -s 1800 -b 60:{blacklist} | {BACKEND}"
        )
        env = {"P2PFW": f"{sys.executable} -m p2pfw -c {server.config}", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        with self.said.open("ab") as said:
            self.process = server.host.popen(["sh", "-c", line], stderr=said, env=env)
        self.guess_until_read()

    def guess_until_read(self) -> None:
        """tail is there once what is written arrives: tried with an address that becomes blocked."""

        def read() -> bool:
            self.guess("192.0.2.250")
            return "192.0.2.250" in self.server.installed()

        until(read)

    def guess(self, address: str, times: int = 3) -> None:
        """Lines as sshd writes them."""
        stamp = time.strftime("%b %d %H:%M:%S")
        with self.log.open("a") as log:
            for _ in range(times):
                self._count += 1
                log.write(
                    f"{stamp} lone sshd[{4_000 + self._count}]: Failed password for invalid user admin"
                    f" from {address} port {40_000 + self._count % 20_000} ssh2\n"
                )

    def stop(self) -> None:
        """The reader ends, and with it the pipe, from left to right."""
        for child in children(self.process.pid):
            if Path(f"/proc/{child}/comm").read_text().strip() == "tail":
                os.kill(child, signal.SIGTERM)
        self.process.wait(60)


@pytest.fixture
def guard(lone: Server) -> Iterator[Guard]:
    """A node that enforces, and sshguard beside it."""
    if not (LIBEXEC / "sshg-blocker").exists():
        pytest.skip("sshguard is not installed (Debian package sshguard)")
    lone.mode = "enforce"
    lone.allow = ["198.51.100.0/24"]
    lone.start()
    until(lambda: lone.api.status()["enforcing"])
    watches: list[Watch] = []

    def start(*, seconds: int = BLOCKED_FOR) -> Watch:
        watches.append(Watch(lone, seconds=seconds))
        return watches[-1]

    yield start
    for watch in watches:
        if watch.process.poll() is None:
            watch.stop()


def test_password_guessing_is_in_the_kernel_and_a_stop_retracts_nothing(guard: Guard, lone: Server):
    """Both families, in storms, through a restart of the node; what is whitelisted is refused and named."""
    watch = guard()
    storm = [f"203.0.113.{number}" for number in range(1, 101)]
    watch.guess("198.51.100.7")
    watch.guess("2001:db8:7::9")
    for address in storm:
        watch.guess(address)
    watch.guess("192.0.2.9", times=2)
    lone.has(*storm, "2001:db8:7::9")

    why = lone.api.why("203.0.113.50")
    assert why["evidence"][0]["category"] == "ssh"
    assert why["evidence"][0]["note"] == "sshguard"
    assert not {"192.0.2.9", "198.51.100.7"} & lone.installed().keys()
    assert "198.51.100.0/24" in watch.said.read_text()
    assert lone.api.status()["announcements"] < len(storm) / 2

    lone.stop()
    watch.guess("203.0.113.200")
    lone.start()
    lone.has("203.0.113.200", *storm)

    watch.stop()
    assert "blocked, 0 released" in watch.said.read_text()
    assert {"203.0.113.1", "203.0.113.200"} <= lone.installed().keys()


def test_what_sshguard_releases_is_retracted(guard: Guard, lone: Server):
    """By its own clock, some seconds here; what it does not release stays."""
    watch = guard(seconds=1)
    watch.guess("203.0.113.9")
    # seen by the announcements: it may come and go between two looks at the kernel
    until(lambda: ("block", "203.0.113.9/32") in told(lone))
    until(lambda: ("unblock", "203.0.113.9/32") in told(lone))

    lone.lacks("203.0.113.9")


def told(server: Server) -> set[tuple[str, str]]:
    """Kind and prefix of what happened on the node."""
    events = [json.loads(line) for line in server.cli("events").stdout.splitlines()]
    return {(event["kind"], event["prefix"]) for event in events}
