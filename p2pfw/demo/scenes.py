"""The main job, played for real: three servers, an attacker, real kernels, real packets, each scene shown and checked.

A and B are of one fleet; C is another owner's and trusts A's owner with `solo`. Every command is the one that an
operator would type. Ends with a non-zero status when any scene does not come true. Needs no root where user namespaces
are allowed.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from p2pfw.demo.lab import Host, Lab
from p2pfw.demo.probes import Attacker, Target

ATTACKER: Final = "203.0.113.9"
CUSTOMER: Final = "198.51.100.7"
"""Blocked on A by mistake; C whitelists its range."""
BRIEF: Final = "203.0.113.77"
LATE: Final = "203.0.113.200"
PATIENCE: Final = 10.0
"""Seconds that a scene waits for what it expects."""
BOLD, DIM, GREEN, RED, PLAIN = "\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m"


@dataclass(slots=True)
class Screen:
    """What the audience sees."""

    colour: bool
    scene: int = 0
    failures: list[str] = field(default_factory=list)

    def title(self, text: str) -> None:
        """Announce a scene in one sentence."""
        self.scene += 1
        print(f"\n{self._in(BOLD, f'{self.scene}. {text}')}", flush=True)

    def command(self, host: str, arguments: Sequence[str], output: str) -> None:
        """Show a command and what it printed."""
        print(self._in(DIM, f"   {host}$ p2pfw {' '.join(arguments)}"), flush=True)
        for line in output.rstrip().splitlines():
            print(f"     {line}", flush=True)

    def check(self, fact: str, *, holds: bool) -> None:
        """State a fact and whether it came true."""
        print(f"   {self._in(GREEN, '✓') if holds else self._in(RED, '✗')} {fact}", flush=True)
        if not holds:
            self.failures.append(f"scene {self.scene}: {fact}")

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{PLAIN}" if self.colour else text


class Server:
    """One host of the lab with a p2pfw node on it."""

    def __init__(self, host: Host, folder: Path, screen: Screen) -> None:
        self.host, self.folder, self._screen = host, folder / host.name, screen
        self.folder.mkdir(mode=0o700)
        self.config, self.socket = self.folder / "p2pfw.toml", self.folder / "api.sock"
        self.log = self.folder / "log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """The host's name."""
        return self.host.name

    def start(self) -> None:
        """Run the node, and wait until it answers."""
        with self.log.open("ab") as log:
            self.process = self.host.popen(self._argv("run"), stdout=log, stderr=log)
        if not _within(PATIENCE, lambda: self.quiet("status").returncode == 0):
            raise SystemExit(f"the node on {self.name} did not start; its log:\n{self.log.read_text()}")

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """SIGTERM, and wait for its end."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()

    def show(self, *arguments: str) -> str:
        """Run a command, show it, and give its output; the demo ends when it fails."""
        done = self.quiet(*arguments)
        self._screen.command(self.name, arguments, done.stdout or done.stderr)
        if done.returncode != 0:
            raise SystemExit(f"p2pfw {' '.join(arguments)} on {self.name} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def quiet(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command without showing it."""
        return self.host.run(self._argv(*arguments), check=False)

    def _argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "p2pfw", "-c", str(self.config), "--no-color", *arguments]


class Play:
    """The cast, and the scenes in order."""

    def __init__(self, lab: Lab, folder: Path, screen: Screen) -> None:
        self.screen = screen
        self.a, self.b, self.c = (Server(lab.host(name), folder, screen) for name in ("A", "B", "C"))
        self.attacker = Attacker(lab.host("attacker", *(f"{one}/32" for one in (ATTACKER, CUSTOMER, BRIEF, LATE))))
        self.targets = {server.name: Target(server.host) for server in self.servers}

    @property
    def servers(self) -> tuple[Server, Server, Server]:
        """A, B, C."""
        return self.a, self.b, self.c

    def run(self) -> None:
        """All scenes."""
        self.found()
        self.introduce()
        self.enforce()
        self.block()
        self.explain()
        self.whitelist()
        self.unblock()
        self.expire()
        self.survive()
        self.clean()

    def found(self) -> None:
        """A is founded, B joins by one pasted line."""
        self.screen.title("A founds a fleet, and one pasted line takes B into it")
        self._init(self.a)
        self.a.start()
        line = self.a.show("invite").strip().splitlines()[-1]
        token = line.split()[-1]
        self._configure(self.b)
        self.b.show("join", token)
        self.b.start()
        self._connected(self.a, self.b)

    def introduce(self) -> None:
        """C is another owner's and trusts A's owner alone to block a host."""
        self.screen.title("C belongs to somebody else, who trusts A's owner with `solo`")
        self._init(self.c)
        token = self.a.show("invite", "--guest", "--trust", "watch").strip().splitlines()[-1].split()[-1]
        self.c.start()
        self.c.show("join", token, "--trust", "solo")
        self._connected(self.c, self.a)

    def enforce(self) -> None:
        """All begin to enforce; the attacker still gets through, for nobody blocked it."""
        self.screen.title("All three enforce; nobody is blocked, so the attacker's packets arrive")
        for server in self.servers:
            server.show("enforce", "on")
        self._arrive(ATTACKER, self.servers)

    def block(self) -> None:
        """The main job."""
        self.screen.title(f"{ATTACKER} is blocked on A; B and C drop its packets too")
        self.a.show("block", ATTACKER, "--category", "ssh", "--ttl", "4h", "--reason", "password guessing")
        for server in self.servers:
            self._silent(ATTACKER, server)

    def explain(self) -> None:
        """Why, on C."""
        self.screen.title("C can say why it drops them")
        text = self.c.show("why", ATTACKER)
        self.screen.check(
            "`why` on C says BLOCKED, and by whose word", holds=("BLOCKED" in text and "solo" in text) or "0.90" in text
        )

    def whitelist(self) -> None:
        """C's whitelist wins over everything it hears."""
        self.screen.title(f"C whitelists 198.51.100.0/24; A blocks {CUSTOMER}, which C refuses")
        self.c.show("allow", "add", "198.51.100.0/24", "--comment", "customers")
        self.a.show("block", CUSTOMER, "--ttl", "1h")
        self._silent(CUSTOMER, self.b)
        _within(PATIENCE, lambda: self.c.quiet("why", CUSTOMER).stdout.count("whitelist") > 0)
        self._arrive(CUSTOMER, [self.c])
        text = self.c.show("why", CUSTOMER)
        self.screen.check("`why` on C names the range", holds="198.51.100.0/24" in text)

    def unblock(self) -> None:
        """Any node of the fleet can take it back."""
        self.screen.title(f"B takes back what A said of {ATTACKER}; it is gone everywhere")
        self.b.show("unblock", ATTACKER)
        self._arrive(ATTACKER, self.servers)

    def expire(self) -> None:
        """Everything expires."""
        self.screen.title(f"{BRIEF} is blocked for three seconds, and then no longer")
        self.a.show("block", BRIEF, "--ttl", "3s")
        self._silent(BRIEF, self.b)
        time.sleep(3.0)
        self._arrive(BRIEF, self.servers)

    def survive(self) -> None:
        """kill -9 loses nothing."""
        self.screen.title(f"A blocks {LATE} and is killed with -9; kernel and disk keep it")
        self.a.show("block", LATE, "--ttl", "1h", "--wait")
        self.a.kill()
        self._silent(LATE, self.a)
        self.a.start()
        text = self.a.show("why", LATE)
        self.screen.check("after the restart A still knows it", holds="BLOCKED" in text)
        self._silent(LATE, self.c)

    def clean(self) -> None:
        """Nothing stays behind."""
        self.screen.title("The rules are removed; nothing of ours is left in any kernel")
        for server in self.servers:
            server.stop()
            server.show("uninstall-rules")
            left = server.host.run(["iptables-save"]).stdout + server.host.run(["ipset", "list", "-n"]).stdout
            self.screen.check(f"{server.name}: no rule and no set", holds="p2pfw" not in left)
        self._arrive(LATE, self.servers)

    def _init(self, server: Server) -> None:
        address = f"{server.host.address}:7787"
        state = str(server.folder / "state")
        server.show("init", "--name", server.name, "--network", "demo", "--listen", address, "--state-dir", state)
        self._configure(server)

    def _configure(self, server: Server) -> None:
        """What an operator would put into conf.d: the name, the API's socket beside the state, no TCP."""
        folder = server.folder / "conf.d"
        folder.mkdir(exist_ok=True)
        lines = ["[node]", f'name = "{server.name}"', "[api]", f'socket = "{server.socket}"', 'http = ""']
        (folder / "demo.toml").write_text("\n".join(lines) + "\n")

    def _connected(self, one: Server, other: Server) -> None:
        def are_connected() -> bool:
            listing = one.quiet("--json", "peers").stdout or "{}"
            return any(peer["state"] == "connected" for peer in json.loads(listing).get("peers", []))

        self.screen.check(f"{one.name} and {other.name} are connected", holds=_within(PATIENCE, are_connected))

    def _arrive(self, source: str, servers: Sequence[Server]) -> None:
        for server in servers:
            target = self.targets[server.name]
            holds = _within(PATIENCE, lambda target=target: self.attacker.volley(source, target, 5).arrived == 5)  # type: ignore[misc]
            count = self.attacker.volley(source, target)
            self.screen.check(f"{server.name}: {count} from {source}", holds=holds and count.arrived == count.sent)

    def _silent(self, source: str, server: Server) -> None:
        target = self.targets[server.name]
        took = self.attacker.until_silent(source, target, PATIENCE)
        count = self.attacker.volley(source, target)
        when = "" if took is None else f" ({took * 1000:.0f} ms after the command had ended)" if took > 0.001 else ""
        holds = took is not None and count.arrived == 0
        self.screen.check(f"{server.name}: {count} from {source}{when}", holds=holds)


def main(*, keep: bool = False) -> int:
    """Play it; 0 when every scene came true. `keep`: stay up until Ctrl-C for trying things."""
    screen = Screen(colour=sys.stdout.isatty())
    folder = Path(tempfile.mkdtemp(prefix="p2pfw-demo-"))
    begin = time.monotonic()
    try:
        with Lab() as lab:
            play = Play(lab, folder, screen)
            play.run()
            if keep:
                _keep(play)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _closing(screen, time.monotonic() - begin)


def _keep(play: Play) -> None:
    for server in play.servers:
        server.start()
        server.quiet("enforce", "on")
        print(f"   {server.name}: p2pfw -c {server.config} status")
    print("   The three nodes stay up until Ctrl-C.")
    try:
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        return


def _closing(screen: Screen, took: float) -> int:
    if screen.failures:
        print(f"\n{len(screen.failures)} facts did not come true:", *screen.failures, sep="\n  ")
        return 1
    print(f"\nEvery scene came true, in {took:.0f} s. Nothing was changed on this machine.")
    return 0


def _within(seconds: float, fact: Callable[[], bool]) -> bool:
    """True as soon as the fact holds; False when it does not in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if fact():
            return True
        time.sleep(0.02)
    return fact()
