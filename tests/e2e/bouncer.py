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
        until(lambda: SETS[0] in self._sets())
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
        found = {}
        for name in SETS:
            listing = self.server.host.run(["ipset", "list", name, "-output", "save"], check=False).stdout
            for line in listing.splitlines():
                words = line.split()
                if words and words[0] == "add":
                    found[words[2]] = int(words[words.index("timeout") + 1])
        return found

    def count(self):
        """How many members its set for IPv4 has; cheaper than to list them. 0 while ipset cannot say."""
        text = self.server.host.run(["ipset", "list", "-terse", SETS[0]], check=False).stdout
        found = re.search(r"Number of entries: (\d+)", text)
        return int(found[1]) if found else 0

    def follows(self, patience=60.0):
        """Wait until its sets hold exactly what the node adopted."""
        until(lambda: self.alive() and self.members().keys() == adopted(self.server), patience)

    def _sets(self):
        self.alive()
        return self.server.host.run(["ipset", "list", "-n"], check=False).stdout


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
