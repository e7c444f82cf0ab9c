"""CrowdSec with its firewall bouncer, and fail2ban, from Debian's packages, each on a host of the lab.

They run from the folder into which `beside.sh` unpacked the packages, with files of their own below a temporary one:
nothing of this machine's is read or written, and nothing is installed. Their settings are the packages', but for
paths, for what would leave the machine (CrowdSec's central API), and for what keeps them in the foreground.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from bench.stage import Shell
from p2pfw.demo.lab import Host
from tests.e2e.fleet import BLOCK_SETS, Server, until

PATIENCE = 600.0
"""Seconds for what must come: fail2ban takes minutes for ten thousand."""
ACTION = Path(__file__).parents[1] / "contrib/fail2ban/action.d/p2pfw.py"
KEY = "a-key-of-this-benchmark"
_CROWDSEC = """
common: {{daemonize: false, log_media: stdout, log_level: info, working_dir: .}}
config_paths:
  config_dir: {etc}
  data_dir: {home}/data
  simulation_path: {etc}/simulation.yaml
  hub_dir: {home}/hub
  index_path: {home}/hub/.index.json
  notification_dir: {etc}/notifications
  plugin_dir: {home}/plugins
cscli: {{output: raw}}
db_config:
  {{type: sqlite, use_wal: true, db_path: {home}/data/crowdsec.db, flush: {{max_items: 500000, max_age: 7d}}}}
api:
  client: {{credentials_path: {etc}/credentials.yaml}}
  server: {{listen_uri: "127.0.0.1:8080", profiles_path: {etc}/profiles.yaml, console_path: {etc}/console.yaml}}
prometheus: {{enabled: false}}
"""
_BOUNCER = """
mode: iptables
pid_dir: {home}
update_frequency: 10s
daemonize: false
log_mode: stdout
api_url: http://127.0.0.1:8080/
api_key: {key}
deny_action: DROP
supported_decisions_types: [ban]
blacklists_ipv4: crowdsec-blacklists
blacklists_ipv6: crowdsec6-blacklists
ipset_type: nethash
iptables_chains: [INPUT]
prometheus: {{enabled: false}}
"""
_FAIL2BAN = """[Definition]
loglevel = INFO
logtarget = {home}/log
syslogsocket = auto
socket = {home}/sock
pidfile = {home}/pid
dbfile = {home}/db
dbpurgeage = 1d
allowipv6 = no
[Thread]
stacksize = 0
"""
_JAIL = """[DEFAULT]
backend = polling
usedns = no
bantime = 4h
action = {action}
[bench]
enabled = true
filter = sshd
logpath = {home}/watched
"""


class Rival(Protocol):
    """One of the others, doing our job."""

    name: str
    host: Host
    set: str
    """Its ipset for IPv4."""
    polls: float
    """Seconds between two looks of what fills the set; 0: it is told."""

    def start(self) -> None:
        """Its processes; returns once it can be told to block."""
        ...

    def stop(self) -> None:
        """As systemd would end it."""
        ...

    def block(self, address: str) -> None:
        """By its own command."""
        ...

    def block_all(self, addresses: Sequence[str]) -> None:
        """By its own command for many."""
        ...


class CrowdSec:
    """Local API without an agent and without the central API, and the iptables bouncer at its usual 10 s."""

    name, set, polls = "CrowdSec", "crowdsec-blacklists", 10.0

    def __init__(self, host: Host, home: Path, unpacked: Path) -> None:
        self.host, self._home, self._bin = host, home, unpacked / "usr/bin"
        etc = home / "etc"
        shutil.copytree(unpacked / "etc/crowdsec", etc)
        for folder in ("data", "hub", "plugins", "etc/notifications"):
            (home / folder).mkdir(exist_ok=True)
        (home / "hub/.index.json").write_text("{}")
        (etc / "console.yaml").write_text("share_manual_decisions: false\nshare_custom: false\nshare_tainted: false\n")
        (etc / "credentials.yaml").touch()
        (home / "crowdsec.yaml").write_text(_CROWDSEC.format(home=home, etc=etc))
        (home / "bouncer.yaml").write_text(_BOUNCER.format(home=home, key=KEY))
        self._cscli("machines", "add", "--auto", "--file", str(etc / "credentials.yaml"))
        self._cscli("bouncers", "add", "bench", "--key", KEY)
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """The API first: a bouncer that finds none ends."""
        self.start_api()
        self._spawn("crowdsec-firewall-bouncer", "-c", str(self._home / "bouncer.yaml"))
        until(lambda: self.set in self.host.run(["iptables-save", "-t", "filter"]).stdout, patience=PATIENCE)

    def start_api(self) -> None:
        """Without a bouncer."""
        self._spawn("crowdsec", "-c", str(self._home / "crowdsec.yaml"), "-no-cs")
        until(lambda: self._cscli("decisions", "list", check=False).returncode == 0, patience=PATIENCE)

    def stop(self) -> None:
        """The bouncer first: it takes its rules and sets with it."""
        for process in reversed(self._processes):
            process.terminate()
            process.wait(PATIENCE)
        self._processes.clear()

    def block(self, address: str) -> None:
        """cscli decisions add."""
        self._cscli("decisions", "add", "--ip", address, "--duration", "4h")

    def block_all(self, addresses: Sequence[str]) -> None:
        """cscli decisions import."""
        table = self._home / "import.csv"
        rows = "\n".join(f"4h,Ip,{address},bench,ban" for address in addresses)
        table.write_text(f"duration,scope,value,reason,type\n{rows}\n")
        self._cscli("decisions", "import", "--input", str(table))

    def _cscli(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        command = [str(self._bin / "cscli"), "-c", str(self._home / "crowdsec.yaml"), *arguments]
        return self.host.run(command, check=check, timeout=PATIENCE)

    def _spawn(self, program: str, *arguments: str) -> None:
        with (self._home / f"{program}.log").open("ab") as log:
            self._processes.append(self.host.popen([str(self._bin / program), *arguments], stdout=log, stderr=log))


class Fail2ban:
    """One jail with the ipset action, as Debian's README advises for many bans."""

    name, set, polls = "fail2ban", "f2b-bench", 0.0
    action = "iptables-ipset-proto6-allports[name=bench, protocol=all]"

    def __init__(self, host: Host, home: Path, unpacked: Path) -> None:
        self.host, self._home = host, home
        source, etc = unpacked / "etc/fail2ban", home / "etc"
        etc.mkdir()
        (home / "watched").touch()
        for part in ("action.d", "filter.d"):
            (etc / part).symlink_to(source / part)
        (etc / "fail2ban.conf").write_text(_FAIL2BAN.format(home=home))
        (etc / "jail.conf").write_text(_JAIL.format(home=home, action=self.action))
        self._environment = {**os.environ, "PYTHONPATH": str(unpacked / "usr/lib/python3/dist-packages")}
        self._bin = unpacked / "usr/bin"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """The server in the foreground."""
        with (self._home / "out").open("ab") as out:
            command = self._command("fail2ban-server", "-f", "start")
            self._process = self.host.popen(command, env=self._environment, stdout=out, stderr=out)
        until(lambda: self._client("status", "bench", check=False).returncode == 0, patience=PATIENCE)

    def stop(self) -> None:
        """It unbans all on its way out, one by one, and remembers them in its database."""
        self._client("stop")
        if self._process is not None:
            self._process.wait(PATIENCE)

    def block(self, address: str) -> None:
        """fail2ban-client set JAIL banip."""
        self._client("set", "bench", "banip", address)

    def block_all(self, addresses: Sequence[str]) -> None:
        """The same with many addresses, as many as one message takes."""
        for at in range(0, len(addresses), 500):
            self._client("set", "bench", "banip", *addresses[at : at + 500])

    def _client(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        command = self._command("fail2ban-client", *arguments)
        return self.host.run(command, env=self._environment, check=check, timeout=PATIENCE)

    def _command(self, program: str, *arguments: str) -> list[str]:
        # Debian's Python: its packages are made for it.
        return ["/usr/bin/python3", str(self._bin / program), "-c", str(self._home / "etc"), *arguments]


class Announcing(Fail2ban):
    """The same fail2ban with our action: a node on its host fills the set. Started and stopped together."""

    name, set = "fail2ban with p2pfw", BLOCK_SETS[0]

    def __init__(self, server: Server, home: Path, unpacked: Path) -> None:
        self._server = server
        self.action = f"{ACTION.name}[category=ssh, socket={server.api.path}]"
        super().__init__(server.host, home, unpacked)
        theirs = home / "etc/action.d"
        theirs.unlink()
        shutil.copytree(unpacked / "etc/fail2ban/action.d", theirs)
        shutil.copy(ACTION, theirs)

    def start(self) -> None:
        """The node first."""
        self._server.start()
        super().start()

    def stop(self) -> None:
        """fail2ban first."""
        super().stop()
        self._server.stop()


def holds(shell: Shell, rival: Rival, count: int) -> bool:
    """True once its set holds so many."""
    return shell.entries(rival.set) >= count
