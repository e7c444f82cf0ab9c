"""Debian's fail2ban with our action, real log lines, and a real node: in namespaces of their own.

The server reads a log file that the test writes, and bans by calling `p2pfw`. What counts is what the node then says.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from p2pfw.demo.lab import Host, Lab
from tests.scale import trials

ACTIONS = Path(__file__).parents[2] / "contrib/fail2ban/action.d"
FILTERS = Path("/etc/fail2ban/filter.d")
PATIENCE = 60.0
"""Seconds for what must happen; only a failing test waits that long."""
BANTIME = 3_600


class Machine:
    """A host with a node and a fail2ban server, each with its own files."""

    def __init__(self, host: Host, folder: Path, action: str) -> None:
        self.host, self.folder, self.action = host, folder, action
        self.config = folder / "p2pfw.toml"
        self.log = folder / "auth.log"
        self.log.touch()
        self._connections = 0
        self.server: subprocess.Popen[bytes] | None = None
        self._found_node()
        self._write_jail()

    def _found_node(self) -> None:
        self.p2pfw("init", "--name", "victim")
        drop_in = self.folder / "conf.d" / "test.toml"
        drop_in.parent.mkdir()
        drop_in.write_text(f'[api]\nsocket = "{self.folder}/api.sock"\nhttp = ""\n[enforcer]\nbackend = "dryrun"\n')
        with (self.folder / "node.log").open("wb") as log:
            self.node = self.host.popen(self._argv("run"), stderr=log)
        _wait(lambda: self.p2pfw("status").returncode == 0)

    def _write_jail(self) -> None:
        etc = self.folder / "fail2ban"
        (etc / "action.d").mkdir(parents=True)
        shutil.copy(ACTIONS / self.action, etc / "action.d")
        (etc / "filter.d").symlink_to(FILTERS)
        (etc / "fail2ban.conf").write_text(
            f"[Definition]\nloglevel = INFO\nlogtarget = {self.folder}/fail2ban.log\nsyslogsocket = auto\n"
            "allowipv6 = yes\n"
            f"socket = {self.folder}/f.sock\npidfile = {self.folder}/f.pid\ndbfile = {self.folder}/f.sqlite3\n"
            "dbpurgeage = 1d\n[Thread]\nstacksize = 0\n"
        )
        called = f'p2pfw[category=ssh, p2pfw="{" ".join(self._argv())}"]'
        if self.action == "p2pfw.py":
            called = f'p2pfw.py[category=ssh, socket="{self.folder}/api.sock"]'
        (etc / "jail.conf").write_text(
            "[DEFAULT]\nbackend = polling\nusedns = no\nignoreself = false\n"
            f"action = {called}\n"
            f"[sshd]\nenabled = true\nfilter = sshd\nlogpath = {self.log}\nmaxretry = 3\nfindtime = 600\n"
            f"bantime = {BANTIME}\n"
            f"[forever]\nenabled = true\nfilter = sshd\nlogpath = {self.log}\nmaxretry = 99\nbantime = -1\n"
        )

    def start(self) -> None:
        """fail2ban-server in the foreground."""
        argv = ["fail2ban-server", "-f", "-c", str(self.folder / "fail2ban"), "start"]
        with (self.folder / "server.out").open("ab") as out:
            self.server = self.host.popen(argv, stdout=out, stderr=out)
        _wait(lambda: "Number of jail:\t2" in self.client("status").stdout)

    def stop(self) -> None:
        """As systemd would."""
        assert self.server is not None
        self.client("stop")
        self.server.wait(PATIENCE)

    def client(self, *argv: str) -> "subprocess.CompletedProcess[str]":
        """fail2ban-client."""
        return self.host.run(["fail2ban-client", "-c", str(self.folder / "fail2ban"), *argv], check=False)

    def p2pfw(self, *argv: str) -> "subprocess.CompletedProcess[str]":
        """The command line."""
        return self.host.run(self._argv(*argv), check=False)

    def guess(self, address: str, times: int = 3) -> None:
        """Lines as sshd writes them."""
        stamp = time.strftime("%b %d %H:%M:%S")
        with self.log.open("a") as log:
            for _ in range(times):
                # A process each: fail2ban reads lines of one process as one connection.
                self._connections += 1
                process, port = 4_000 + self._connections, 40_000 + self._connections
                log.write(f"{stamp} victim sshd[{process}]: Failed password for root from {address} port {port} ssh2\n")

    def is_blocked(self, address: str) -> bool:
        """Exit code of `p2pfw test`; nothing but blocked and not blocked will do."""
        code = self.p2pfw("test", address).returncode
        assert code in (0, 1)
        return code == 0

    def why(self, address: str) -> dict:
        """As JSON."""
        return json.loads(self.p2pfw("--json", "why", address).stdout)

    def announcements(self) -> int:
        """How many the node holds."""
        return json.loads(self.p2pfw("--json", "status").stdout)["announcements"]

    def adopted(self) -> int:
        """How many prefixes the node has adopted."""
        return json.loads(self.p2pfw("--json", "status").stdout)["adopted"]

    def banned(self) -> int:
        """How many fail2ban has in its jail."""
        return self.client("get", "sshd", "banip").stdout.count(".") // 3

    def errors(self) -> list[str]:
        """What fail2ban complained about."""
        return [line for line in (self.folder / "fail2ban.log").read_text().splitlines() if " ERROR " in line]

    def _argv(self, *argv: str) -> list[str]:
        return [sys.executable, "-m", "p2pfw", "-c", str(self.config), *argv]


@pytest.fixture(params=["p2pfw.conf", "p2pfw.py"])
def machine(lab: Lab, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Machine]:
    """Started, with one of the two actions."""
    if shutil.which("fail2ban-server") is None:
        pytest.skip("fail2ban is not installed (Debian package fail2ban)")
    made = Machine(lab.host("victim"), tmp_path, request.param)
    made.start()
    try:
        yield made
    finally:
        made.stop()
        made.node.terminate()
        made.node.wait(PATIENCE)


def _wait(fact: Callable[[], bool], patience: float = PATIENCE) -> None:
    end = time.monotonic() + patience
    while not fact():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def _seconds_left(why: dict) -> float:
    from datetime import datetime

    return datetime.fromisoformat(why["expires"]).timestamp() - time.time()


def test_password_guessing_is_announced_and_unbanning_retracts_it(machine: Machine):
    """Category, reason and time come through, for both families; another guesser below the limit is left alone."""
    machine.guess("203.0.113.9")
    machine.guess("2001:db8:7::9")
    machine.guess("198.51.100.7", times=2)

    _wait(lambda: machine.is_blocked("203.0.113.9") and machine.is_blocked("2001:db8:7::9"))
    assert not machine.is_blocked("198.51.100.7")
    why = machine.why("203.0.113.9")
    assert why["evidence"][0]["category"] == "ssh"
    assert why["evidence"][0]["note"] == "fail2ban sshd: 3 failures"
    assert BANTIME - PATIENCE < _seconds_left(why) <= BANTIME

    machine.client("set", "sshd", "unbanip", "203.0.113.9")

    _wait(lambda: not machine.is_blocked("203.0.113.9"))
    assert machine.is_blocked("2001:db8:7::9")
    assert machine.errors() == []


def test_a_restart_of_fail2ban_neither_retracts_nor_announces_again(machine: Machine):
    """Without actionflush a stop would take everything back from the whole fleet."""
    machine.guess("203.0.113.9")
    _wait(lambda: machine.is_blocked("203.0.113.9"))
    before = machine.announcements()

    machine.stop()
    assert machine.is_blocked("203.0.113.9")
    machine.start()
    _wait(lambda: "203.0.113.9" in machine.client("status", "sshd").stdout)

    assert machine.is_blocked("203.0.113.9")
    assert machine.announcements() == before
    # The restored ban is a ban like any other: unbanning it retracts.
    machine.client("set", "sshd", "unbanip", "203.0.113.9")
    _wait(lambda: not machine.is_blocked("203.0.113.9"))
    assert machine.errors() == []


def test_a_permanent_ban_lives_as_long_as_an_announcement_can(machine: Machine):
    """bantime = -1 is 30 days. `unban --all` is a flush to fail2ban, as a stop is: nothing is retracted (README)."""
    machine.client("set", "forever", "banip", "203.0.113.77")
    _wait(lambda: machine.is_blocked("203.0.113.77"))

    assert 30 * 86_400 - PATIENCE < _seconds_left(machine.why("203.0.113.77")) <= 30 * 86_400
    machine.client("unban", "--all")
    _wait(lambda: "203.0.113.77" not in machine.client("status", "forever").stdout)
    assert machine.is_blocked("203.0.113.77")


def test_what_is_whitelisted_is_refused_and_fail2ban_goes_on(machine: Machine):
    """The refusal is in fail2ban's log, with the range; the next ban works."""
    assert machine.p2pfw("allow", "add", "198.51.100.0/24").returncode == 0
    machine.client("set", "sshd", "banip", "198.51.100.7")
    machine.client("set", "sshd", "banip", "203.0.113.9")

    _wait(lambda: machine.is_blocked("203.0.113.9"))
    assert not machine.is_blocked("198.51.100.7")
    assert any("198.51.100.0/24" in line for line in machine.errors())


def test_a_ban_that_ended_by_itself_is_no_error_to_unban(machine: Machine):
    """Both clocks run out at the same moment."""
    machine.client("set", "sshd", "banip", "203.0.113.9")
    _wait(lambda: machine.is_blocked("203.0.113.9"))
    machine.p2pfw("unblock", "--own", "203.0.113.9")

    machine.client("set", "sshd", "unbanip", "203.0.113.9")

    _wait(lambda: "Unban 203.0.113.9" in (machine.folder / "fail2ban.log").read_text())
    assert machine.errors() == []


@pytest.mark.parametrize("machine", ["p2pfw.py"], indirect=True)
def test_a_restart_with_many_bans_announces_nothing_again(machine: Machine, figure: Callable[[str], None]):
    """The bans come in calls of 500, as fail2ban-client takes them; every one is blocked, and stays."""
    count = trials(1_000, 10_000)
    addresses = [f"203.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}" for number in range(256, count + 256)]
    began = time.monotonic()
    for at in range(0, count, 500):
        machine.client("set", "sshd", "banip", *addresses[at : at + 500])
    _wait(lambda: machine.adopted() == count, patience=600)
    banned = time.monotonic() - began
    before = machine.announcements()

    machine.stop()
    began = time.monotonic()
    machine.start()
    _wait(lambda: machine.banned() == count, patience=600)
    figure(f"{count} bans by fail2ban {banned:.1f} s, its restart with them {time.monotonic() - began:.1f} s")

    assert machine.adopted() == count
    assert machine.announcements() == before
    assert machine.errors() == []
