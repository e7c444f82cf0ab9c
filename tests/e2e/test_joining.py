"""From nothing to a fleet by the commands that an operator types: init, run, invite, join, and a guest."""

import json

import pytest

from tests.e2e.client import Client
from tests.e2e.fleet import PATIENCE, PORT, Server, until
from tests.netns import lab_or_skip

ATTACKER = "203.0.113.9"


class Fresh(Server):
    """A host on which nothing of p2pfw is yet."""

    def __init__(self, host, folder):
        self.host, self.folder = host, folder / host.name
        self.folder.mkdir(mode=0o700)
        self.state, self.config, self.log = self.folder / "state", self.folder / "p2pfw.toml", self.folder / "log"
        self.api = Client(self.folder / "api.sock")
        self.process = None

    def settle(self):
        """What an operator of several nodes on one file system must say: where the socket is."""
        (self.folder / "conf.d").mkdir(exist_ok=True)
        (self.folder / "conf.d" / "api.toml").write_text(f'[api]\nsocket = "{self.api.path}"\nhttp = ""\n')

    def init(self):
        """`p2pfw init`."""
        self.settle()
        return self.cli("init", *self.place()).stdout.strip()

    def place(self):
        """Options of init and join."""
        return ("--name", self.name, "--state-dir", str(self.state), "--listen", f"{self.host.address}:{PORT}")

    def invite(self, *options):
        """The line that `p2pfw invite` prints, as words without the program's name."""
        line = self.cli("invite", *options).stdout.strip().splitlines()[-1].strip()
        program, *words = line.split()
        assert program == "p2pfw"
        return words


@pytest.fixture
def hosts(tmp_path):
    """Three of them; what runs is ended."""
    with lab_or_skip() as lab:
        made = [Fresh(lab.host(name), tmp_path) for name in ("one", "two", "three")]
        try:
            yield made
        finally:
            for server in made:
                server.close()


@pytest.mark.parametrize("running", [False, True], ids=["new server", "running node"])
def test_one_pasted_line_makes_a_fleet(hosts, running):
    """The printed line on another server, with a node or without: closing words, and a block holds on both."""
    one, two, _ = hosts
    assert one.init().startswith("p2pfw1")
    one.start()
    if running:
        two.init()
        two.start()
        said = two.cli(*one.invite()).stdout
    else:
        two.settle()
        said = two.cli(*one.invite(), *two.place()).stdout
        two.start()
    assert "two is now in fleet" in said
    assert "A block on any of them is dropped here. Mode: observe; p2pfw enforce on to start." in said

    until(lambda: status(two).get("owner_id") == one.api.status()["owner_id"])
    until(lambda: status(two).get("peers") == 1)
    for server in (one, two):
        server.cli("enforce", "on")
    one.cli("block", ATTACKER, "--category", "ssh")
    two.has(ATTACKER)
    two.cli("unblock", ATTACKER)
    one.lacks(ATTACKER)


def test_a_guest_is_introduced_with_a_trust_on_each_side(hosts):
    """Two owners: each gives the other what it said, and both fingerprints are shown."""
    one, _, three = hosts
    for server in (one, three):
        server.init()
        server.start()
        server.cli("enforce", "on")
    words = one.invite("--guest", "--trust", "watch")
    said = three.cli(*words, "--trust", "solo").stdout
    assert "0.90" in said
    until(lambda: status(three)["peers"] == 1)

    one.cli("block", ATTACKER)
    three.has(ATTACKER)
    three.cli("block", "203.0.113.10")
    until(lambda: one.api.why("203.0.113.10")["verdict"] != "UNKNOWN")
    assert not one.api.why("203.0.113.10")["blocked"]


def test_an_invitation_is_good_once(hosts):
    """The second who shows it is told that it is used up, and gets nothing."""
    one, two, three = hosts
    one.init()
    one.start()
    words = one.invite()
    for server in (two, three):
        server.settle()
    two.cli(*words, *two.place())
    refused = three.cli(*words, *three.place(), check=False)

    assert refused.returncode != 0
    assert "invitation" in refused.stderr
    assert len(json.loads(one.cli("--json", "owner", "show").stdout)["nodes"]) <= 2


def test_a_revoked_node_is_out_at_once(hosts):
    """`owner revoke`: its session ends, what it said is void, its key is never let in again."""
    one, two, _ = hosts
    one.init()
    one.start()
    two.settle()
    two.cli(*one.invite(), *two.place())
    two.start()
    one.cli("enforce", "on")
    until(lambda: one.api.status()["peers"] == 1)
    two.api.block(ATTACKER)
    one.has(ATTACKER)
    one.cli("owner", "revoke", "two", timeout=PATIENCE)

    one.lacks(ATTACKER)
    until(lambda: one.api.status()["peers"] == 0)
    two.kill()
    two.start()
    until(lambda: one.api.status()["refusals"].get("revoked", 0) > 0)
    assert one.api.status()["peers"] == 0


def status(server):
    """The status, empty while the node begins anew."""
    try:
        return server.api.request("GET", "/v1/status").json
    except OSError:
        return {}
