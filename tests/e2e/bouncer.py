"""Debian's crowdsec-firewall-bouncer on a host, unmodified, with the configuration that docs/integrations.md gives."""

import http.client
import json
import re
import shutil
import socket
from pathlib import Path

import pytest

from tests.e2e.client import ANSWER_SECONDS
from tests.e2e.fleet import Server, until

PROGRAM = "crowdsec-firewall-bouncer"
API = "127.0.0.1:7788"
SETS = ("crowdsec-blacklists", "crowdsec6-blacklists")
PACKAGED = Path("/etc/crowdsec/bouncers/crowdsec-firewall-bouncer.yaml")
PAGE = Path(__file__).parents[2] / "docs/integrations.md"


def documented():
    """The lines to paste: an indented block that begins with the file's name."""
    block = re.search(r"\n    # /etc/crowdsec/bouncers/\S+\n((?:    .*\n)+)", PAGE.read_text())
    return block[1].replace("\n    ", "\n").strip() + "\n"


class Bouncer:
    """One bouncer beside a node. `polls`: seconds between its questions."""

    def __init__(self, server: Server, key: str, *, mode="iptables", polls="1s"):
        self.look = {"iptables": _in_ipset, "nftables": _in_nft}[mode]
        if shutil.which(PROGRAM) is None:
            pytest.skip(f"{PROGRAM} is not installed (Debian package {PROGRAM})")
        self.server, self.process = server, None
        self.log, self.file = server.folder / "bouncer.log", server.folder / "bouncer.yaml"
        shutil.copy(PACKAGED, self.file)
        text = documented().replace("KEY", key).replace("mode: iptables", f"mode: {mode}")
        text = text.replace("update_frequency: 10s", f"update_frequency: {polls}")
        here = f"log_mode: stdout\ndaemonize: false\npid_dir: {server.folder}\nprometheus: {{enabled: false}}\n"
        Path(f"{self.file}.local").write_text(text + here)

    def start(self):
        """It looks at its sets and asks for the whole list first; it ends if that fails."""
        with self.log.open("ab") as log:
            self.process = self.server.host.popen([PROGRAM, "-c", str(self.file)], stdout=log, stderr=log)
        until(lambda: self.alive() and self.look(self.server.host) is not None)
        return self

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def alive(self):
        assert self.process.poll() is None, self.log.read_text()[-4000:]
        return True

    def members(self):
        """What its sets hold, with the seconds that are left."""
        return self.look(self.server.host) or {}

    def count(self):
        """How many members its set for IPv4 has; in ipset cheaper than to list them. 0 while it cannot say."""
        if self.look is _in_nft:
            return len(self.members())
        text = self.server.host.run(["ipset", "list", "-terse", SETS[0]], check=False).stdout
        found = re.search(r"Number of entries: (\d+)", text)
        return int(found[1]) if found else 0

    def follows(self, patience=60.0):
        """Wait until its sets hold exactly what the node adopted."""
        until(lambda: self.alive() and self.members().keys() == self.expected(), patience)

    def expected(self):
        """What it makes of the node's list: in its mode for nftables, Debian's keeps a range's first address only."""
        wanted = adopted(self.server)
        return wanted if self.look is _in_ipset else {text.partition("/")[0] for text in wanted}


def _in_ipset(host):
    """The members of its sets and the seconds that are left; None while there are no sets."""
    found = {}
    for name in SETS:
        listing = host.run(["ipset", "list", name, "-output", "save"], check=False).stdout
        if not listing:
            return None
        for line in listing.splitlines():
            words = line.split()
            if words[0] == "add":
                found[words[2]] = int(words[words.index("timeout") + 1])
    return found


def _in_nft(host):
    """The same in its mode for nftables."""
    found = {}
    for family, name in zip(("ip", "ip6"), SETS, strict=True):
        table = name.partition("-")[0]
        listing = host.run(["nft", "-j", "list", "set", family, table, name], check=False).stdout
        if not listing:
            return None
        held = next(part["set"] for part in json.loads(listing)["nftables"] if "set" in part)
        for one in held.get("elem", []):
            value = one["elem"]["val"]
            text = value if isinstance(value, str) else "{addr}/{len}".format(**value["prefix"])
            found[text] = one["elem"]["expires"]
    return found


def adopted(server):
    """By the node's own list, in ipset's spelling."""
    rows = server.api.get("/v1/blocklist")
    hosts = (row["prefix"] for row in rows)
    return {text.removesuffix("/128" if ":" in text else "/32") for text in hosts}


class _HostConnection(http.client.HTTPConnection):
    """From within a host's namespace."""

    def __init__(self, host):
        address, _, port = API.partition(":")
        super().__init__(address, int(port), timeout=ANSWER_SECONDS)
        self._within = host

    def connect(self):
        self.sock = self._within.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.settimeout(ANSWER_SECONDS)
        self.sock.connect((self.host, self.port))


class Follower:
    """A client of the stream that believes every answer, and says what no answer may be."""

    def __init__(self, server: Server, key: str):
        self.values, self.asked = set(), 0
        self._headers = {"x-api-key": key}
        self._connection = _HostConnection(server.host)
        self._ask("?startup=true")

    def ask(self):
        """One question; how many decisions the answer had."""
        return self._ask("")

    def close(self):
        self._connection.close()

    def _ask(self, query):
        self._connection.request("GET", f"/v1/decisions/stream{query}", headers=self._headers)
        answer = self._connection.getresponse()
        body = json.loads(answer.read())
        assert answer.status == 200, body
        self.asked += 1
        new, deleted = ([one["value"] for one in body[part]] for part in ("new", "deleted"))
        assert not set(new) & set(deleted)
        assert len(set(new)) == len(new)
        assert set(deleted) <= self.values, "what ended was told before"
        assert all(not one["duration"].startswith(("-", "0s")) for one in body["new"])
        assert all(one["duration"].startswith("-") for one in body["deleted"])
        self.values = (self.values | set(new)) - set(deleted)
        return len(new) + len(deleted)
