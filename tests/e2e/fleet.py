"""Real nodes on the lab's hosts: processes, sockets, kernels. All that is done here an operator or a machine could do.

`Fleet` is the cast of the main job: A and B of one fleet, C another owner's that trusts A's owner with `solo`, and an
attacker that may have any address. Files are made the way `p2pfw init` and `p2pfw join` make them; those commands have
tests of their own.
"""

import asyncio
import re
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from p2pfw.app.joining import fresh_certificate
from p2pfw.core.identity import NodeId
from p2pfw.core.idtext import encode_id
from p2pfw.demo.lab import Host, Lab
from p2pfw.rows import Setting
from p2pfw.store.keyfile import Purpose, new_seed, write_key
from p2pfw.store.sqlite import SqliteStore
from tests.e2e.client import Client

PORT = 7787
PATIENCE = 30.0
"""Seconds to wait for what must come; only a failing test waits that long."""
POLL = 0.01
BLOCK_SETS = ("p2pfw-block4", "p2pfw-block6")


def until(fact, patience=PATIENCE):
    """Poll until the fact is true; its value, or AssertionError."""
    end = time.monotonic() + patience
    while not (value := fact()):
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(POLL)
    return value


def children(pid):
    """Processes that this one started."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def enforcer_of(server):
    """(the process that waits, the one that works for it), once both are there."""
    (waits,) = until(lambda: children(server.process.pid))
    (works,) = until(lambda: children(waits))
    return waits, works


@dataclass(frozen=True)
class Peer:
    """A line of another's configuration."""

    id: str
    name: str
    trust: str
    addresses: tuple[str, ...] = ()


@dataclass
class Owner:
    """An owner key, and the certificates that it gave."""

    folder: Path
    serial: int = 0

    def __post_init__(self):
        self.file = self.folder / "owner.key"
        self.key = write_key(self.file, new_seed(), Purpose.OWNER)
        self.id = encode_id(self.key.public_key)

    def certify(self, node):
        self.serial += 1
        return fresh_certificate(self.key, NodeId(node), self.serial, time.time())


class Server:
    """One host with one node: files, process, API, and the kernel as it is."""

    def __init__(self, host: Host, folder: Path, owner: Owner, *, mode="enforce", backend="ipset"):
        self.host, self.owner, self.mode, self.backend = host, owner, mode, backend
        self.folder = folder / host.name
        self.folder.mkdir(mode=0o700)
        self.state = self.folder / "state"
        self.state.mkdir(mode=0o700)
        self.config, self.log = self.folder / "p2pfw.toml", self.folder / "log"
        self.api = Client(self.folder / "api.sock")
        self.process = None
        self.peers: list[Peer] = []
        self.extra = ""
        self.allow: list[str] = []
        self.key = write_key(self.state / "node.key", new_seed(), Purpose.NODE)
        self.id = encode_id(self.key.public_key)
        asyncio.run(self._keep_certificate(owner.certify(self.key.public_key)))

    async def _keep_certificate(self, certificate):
        store = SqliteStore.open(self.state)
        await store.commit(Setting(name="certificate", value=certificate.encode().hex()))
        await store.close()

    @property
    def name(self):
        return self.host.name

    @property
    def url(self):
        return f"ws://{self.host.address}:{PORT}"

    def knows(self, other: "Server", trust: str, *, dial=False):
        """Name another's owner in the configuration; `dial`: and where to reach that node."""
        if dial:
            self.peers.append(Peer(other.id, f"{other.name}-node", trust, (other.url,)))
        else:
            self.peers.append(Peer(other.owner.id, other.name, trust))

    def write_config(self):
        """The file as it follows from the fields."""
        lines = [
            f'[node]\nname = "{self.name}"\nnetwork = "demo"\nstate_dir = "{self.state}"',
            f'owner_key_file = "{self.owner.file}"',
            f'[listen]\npeer = "{self.host.address}:{PORT}"',
            f'[api]\nsocket = "{self.api.path}"\nhttp = ""',
            f'[enforcer]\nmode = "{self.mode}"\nbackend = "{self.backend}"',
            f"[policy]\nallow = {self.allow!r}".replace("'", '"'),
        ]
        for peer in self.peers:
            addresses = ", ".join(f'"{one}"' for one in peer.addresses)
            lines.append(f'[[peer]]\nid = "{peer.id}"\nname = "{peer.name}"\ntrust = "{peer.trust}"')
            lines.append(f"addresses = [{addresses}]")
        self.config.write_text("\n".join([*lines, self.extra]) + "\n")

    # --- process ---------------------------------------------------------------------------------------------------

    def argv(self, *arguments):
        """The product's command line."""
        return [sys.executable, "-m", "p2pfw", "-c", str(self.config), "--no-color", *arguments]

    def cli(self, *arguments, check=True, **options):
        """Run a command of the product on this host."""
        return self.host.run(self.argv(*arguments), check=check, **options)

    def spawn(self, *, env=None, prefix=()):
        """Start the process without waiting for it."""
        if not self.config.exists():
            self.write_config()
        with self.log.open("ab") as log:
            self.process = self.host.popen([*prefix, *self.argv("run")], stdout=log, stderr=log, env=env)

    def start(self, **options):
        """Start the process and wait until its API answers."""
        self.spawn(**options)
        self.wait_ready()

    def wait_ready(self):
        def answers():
            assert self.process.poll() is None, f"the node on {self.name} ended:\n{self.log.read_text()[-4000:]}"
            try:
                return self.api.request("GET", "/v1/status").status == 200
            except OSError:
                return False

        until(answers)

    def stop(self):
        """SIGTERM, and wait for a clean end."""
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0, self.log.read_text()[-4000:]

    def kill(self):
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self):
        """End the process, if there is one, whatever state it is in."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def resident(self):
        """Bytes of memory that the process holds."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) * 1024

    # --- what is so ------------------------------------------------------------------------------------------------

    def connected(self):
        """Names of the sessions that are open now."""
        return {peer["name"] for peer in self.api.get("/v1/peers")["peers"] if peer["state"] == "connected"}

    def meets(self, count=1):
        """Wait for so many sessions."""
        until(lambda: self.api.status()["peers"] >= count)

    def installed(self):
        """What the kernel's block sets hold, as ipset prints it: address or prefix → seconds left."""
        found = {}
        for name in BLOCK_SETS:
            listing = self.host.run(["ipset", "list", name, "-output", "save"], check=False).stdout
            for line in listing.splitlines():
                words = line.split()
                if words and words[0] == "add":
                    found[words[2]] = int(words[words.index("timeout") + 1]) if "timeout" in words else 0
        return found

    def has(self, *members):
        """Wait until the kernel holds all of these (without "/32")."""
        until(lambda: set(members) <= self.installed().keys())

    def lacks(self, *members):
        """Wait until the kernel holds none of these."""
        until(lambda: not set(members) & self.installed().keys())

    def forget_kernel(self):
        """What a reboot does to the kernel's memory of us."""
        for program in ("iptables", "ip6tables"):
            self.host.run([program, "-w", "5", "-t", "raw", "-F"])
        self.host.run(["ipset", "destroy"])

    def rules(self):
        """Every rule of this host, both families, that names us."""
        both = [self.host.run([f"{program}-save"]).stdout for program in ("iptables", "ip6tables")]
        return [line for text in both for line in text.splitlines() if "p2pfw" in line]

    def sets(self):
        """Names of the sets of ours on this host."""
        names = self.host.run(["ipset", "list", "-n"]).stdout.split()
        return [name for name in names if name.startswith("p2pfw")]


@dataclass
class Fleet:
    """A and B of one fleet, C of another owner, an attacker."""

    server: ClassVar[type[Server]] = Server
    lab: Lab
    folder: Path
    a: Server = field(init=False)
    b: Server = field(init=False)
    c: Server = field(init=False)

    def __post_init__(self):
        for name in ("ours", "theirs"):
            (self.folder / name).mkdir(mode=0o700)
        self.owner, self.other_owner = Owner(self.folder / "ours"), Owner(self.folder / "theirs")
        self.a = self.server(self.lab.host("A"), self.folder, self.owner)
        self.b = self.server(self.lab.host("B"), self.folder, self.owner)
        self.c = self.server(self.lab.host("C"), self.folder, self.other_owner)
        self.attacker = self.lab.host("attacker", "203.0.113.9/32")
        self.a.knows(self.b, "watch", dial=True)  # as after a join: each has the other's address
        self.b.knows(self.a, "watch", dial=True)
        self.c.knows(self.a, "solo")
        self.c.knows(self.a, "solo", dial=True)
        self.a.knows(self.c, "watch")

    @property
    def servers(self):
        return self.a, self.b, self.c

    def start(self):
        """All three, connected, their rules in place."""
        for server in self.servers:
            server.spawn()
        for server in self.servers:
            server.wait_ready()
        self.a.meets(2)
        self.b.meets()
        self.c.meets()
        for server in self.servers:
            until(lambda one=server: one.api.status()["enforcing"])
        return self

    def close(self):
        """End all processes; a traceback in a log is a failure that nobody may overlook."""
        for server in self.servers:
            server.close()
        for server in self.servers:
            text = server.log.read_text() if server.log.exists() else ""
            assert "Traceback" not in text, f"the log of {server.name}:\n{text[-4000:]}"

    def attackers(self, *addresses):
        """Give the attacker these addresses."""
        self.attacker.add_addresses([f"{one}/{128 if ':' in one else 32}" for one in addresses])
