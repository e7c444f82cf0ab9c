"""The tutorial of docs/integrations.md, command by command, and what rfw could not do: on real kernels, with curl."""

import http.client
import json
import re
import shutil
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.fleet import PATIENCE, Owner, Server, until
from tests.netns import Probe, lab_or_skip

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/integrations.md").read_text(encoding="utf-8")
TUTORIAL = PAGE.partition("### A tutorial")[2].partition("\n## ")[0]
PASSWORD = "correct horse"
BAD, WORSE = "203.0.113.9", "203.0.113.10"
SHORT = 4
"""Seconds that stand for the tutorial's five minutes."""
RULES = 1_000
PREPARING = (12, 40, 200)
"""Seconds from the first of them to their common end, one after another until it is enough."""


@dataclass
class Cast:
    """Two servers, the admin's machine, the reputation server, an attacker."""

    folder: Path
    servers: tuple[Server, Server]
    admin: object
    reputation: object
    attacker: object

    def sh(self, host, script, *, text="", check=True):
        """Run a block of the tutorial on a machine, in its folder, with the password in its environment."""
        env = {"PASSWORD": PASSWORD, "PATH": f"{self.folder / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin"}
        return host.run(
            ["bash", "-euc", f"cd {self.folder / host.name}\n{script}"], text=text, env=env, check=check
        ).stdout

    def listed(self, server, chain=""):
        """The rules of a server, as the admin's curl gets them."""
        (line,) = blocks("sh", "/list/input")
        return json.loads(self.sh(self.admin, line.replace("192.0.2.11", server.host.address).replace("/input", chain)))

    def ask(self, server, method, path, *, check=True):
        """Any other request of the admin's; code and body."""
        url = f"https://{server.host.address}:7393{path}"
        options = "-sS --cacert ca/ca.crt --user rfw:$PASSWORD -w '%{http_code}'".replace("$PASSWORD", f"'{PASSWORD}'")
        told = self.sh(self.admin, f"curl {options} -X {method} '{url}'", check=check)
        return int(told[-3:]), told[:-3]


def local_client(host):
    """A kept connection to the local door of a host, from within."""
    client = http.client.HTTPConnection("127.0.0.1", 7390)
    client.sock = host.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.sock.connect(("127.0.0.1", 7390))
    return client


def all_in_place(server, end):
    """Put in so many rules with one end; the end, or 0 when it came before the kernel had all of them."""
    client = local_client(server.host)
    for number in range(RULES):
        left = max(1, end - int(time.time()))
        client.request("PUT", f"/drop/output/eth0/198.18.{number // 250}.{1 + number % 250}?expire={left}s")
        answer = client.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
    client.close()
    until(lambda: chain_length(server.host) == RULES or time.time() >= end, end - time.time() + PATIENCE)
    return end if chain_length(server.host) == RULES else 0


def chain_length(host):
    """How many rules of this test the kernel has."""
    return host.run(["iptables-save", "-t", "filter"]).stdout.count("198.18.")


def blocks(language, containing=""):
    """The tutorial's blocks of a language that contain a text, in order."""
    found = re.findall(rf"```{language}\n(.*?)```", TUTORIAL, re.DOTALL)
    return [block for block in found if containing in block]


@pytest.fixture(scope="module")
def cast(tmp_path_factory):
    """As the tutorial has set them up, nodes running."""
    folder = tmp_path_factory.mktemp("rfw")
    (folder / "bin").mkdir()
    program = folder / "bin" / "p2pfw"
    program.write_text(f'#!/bin/sh\nexec env PYTHONPATH={ROOT} {sys.executable} -m p2pfw "$@"\n')
    program.chmod(0o755)
    with lab_or_skip() as lab:
        owner = Owner(folder)
        admin, reputation = lab.host("admin", "192.0.2.10/24"), lab.host("reputation", "192.0.2.13/24")
        attacker = lab.host("attacker", f"{BAD}/32", f"{WORSE}/32")
        for host in (admin, reputation):
            (folder / host.name).mkdir()
        web = [
            Server(lab.host(f"web-{number}", f"192.0.2.1{number}/24", f"2001:db8::1{number}/64"), folder, owner)
            for number in (1, 2)
        ]
        made = Cast(folder, (web[0], web[1]), admin, reputation, attacker)
        try:
            set_up(made)
            yield made
        finally:
            for server in web:
                server.close()
            for server in web:
                assert "Traceback" not in server.log.read_text()


def set_up(cast):
    """Certificates, configuration, start."""
    authority, check = blocks("sh", "cert ca")[0], blocks("sh", "config check")[0]
    cast.sh(cast.admin, authority)
    (cast.folder / "reputation" / "ca").mkdir()
    shutil.copy(cast.folder / "admin/ca/ca.crt", cast.folder / "reputation/ca/ca.crt")
    stored = cast.sh(cast.admin, blocks("sh", "rfw-password")[0], text=f"{PASSWORD}\n").strip()
    (text,) = blocks("toml")
    for server in cast.servers:
        for suffix in ("crt", "key"):
            shutil.copy(cast.folder / f"admin/ca/{server.name}.example.net.{suffix}", server.folder / f"tls.{suffix}")
        (server.folder / "conf.d").mkdir()
        config = text.replace("/etc/p2pfw", str(server.folder)).replace("$argon2id$...", stored)
        (server.folder / "conf.d" / "rfw.toml").write_text(config)
        server.write_config()
        cast.sh(server.host, check.replace("p2pfw", f"p2pfw -c {server.config}"))
        server.start()
        until(lambda one=server: one.api.status()["enforcing"])


def test_the_tutorial_does_what_it_says(cast, figure):
    """Blocked on both from one machine, in the list, packets dropped and counted, gone after its time."""
    one, two = cast.servers
    put, push = blocks("sh", "for server in")[0], blocks("sh", "while read")[0]
    with Probe(one.host, cast.admin) as first, Probe(two.host, cast.admin) as second:
        probes = (first, second)
        assert [probe.arrives(cast.attacker, BAD) for probe in probes] == [True, True]
        begun = time.monotonic()
        answers = cast.sh(cast.admin, put.replace("expire=5m", f"expire={SHORT}s"))
        blocked = time.monotonic()
        assert answers.count('"state":"installed"') == 2
        assert [probe.arrives(cast.attacker, BAD) for probe in probes] == [False, False]
        rows = [cast.listed(server, "/input") for server in cast.servers]
        assert all({"source": BAD, "target": "DROP", "extra": ""}.items() <= row[0].items() for row in rows)
        assert all(int(row[0]["pkts"]) >= 1 for row in rows)

        (cast.folder / "reputation" / "bad.txt").write_text(f"{WORSE}\n")
        cast.sh(cast.reputation, push)
        assert [probe.arrives(cast.attacker, WORSE) for probe in probes] == [False, False]

        until(lambda: first.arrives(cast.attacker, BAD) and second.arrives(cast.attacker, BAD))
        gone = time.monotonic()
        until(lambda: all(BAD not in row["source"] for server in cast.servers for row in cast.listed(server)))
        assert gone - begun >= SHORT - 1, "a whole second is what the kernel counts in"
        figure(
            f"rfw: blocked on two servers in {blocked - begun:.2f} s, gone {gone - blocked - SHORT:+.2f} s from the end"
        )

        cast.sh(cast.admin, blocks("sh", "DELETE")[0].replace(BAD, WORSE))
        assert [probe.arrives(cast.attacker, WORSE) for probe in probes] == [True, True]


def test_a_machine_that_is_no_client_gets_no_further_than_403(cast):
    """With the right password; and without TLS nothing at all."""
    curl = "curl -sS -o /dev/null -w '%{http_code}'"
    url = f"{cast.servers[0].host.address}:7393/list"
    (cast.folder / "attacker").mkdir()
    right = cast.sh(
        cast.attacker, f"{curl} --cacert {cast.folder}/admin/ca/ca.crt --user rfw:'{PASSWORD}' https://{url}"
    )
    wrong = cast.sh(cast.attacker, f"{curl} --cacert {cast.folder}/admin/ca/ca.crt --user rfw:x https://{url}")
    plain = cast.sh(cast.attacker, f"{curl} http://{url} || true")

    assert (right, wrong, plain) == ("403", "401", "000")


def test_the_local_port_needs_no_password_and_is_local(cast):
    """HTTP on 127.0.0.1:7390, for programs on the machine; others do not reach it."""
    one = cast.servers[0]
    local = one.host.run(["curl", "-sS", "http://127.0.0.1:7390/list/forward"]).stdout
    other = cast.admin.run(["curl", "-sS", f"http://{one.host.address}:7390/list"], check=False)

    assert json.loads(local) == []
    assert other.returncode == 7


def test_a_reject_on_an_interface_is_in_force_listed_and_gone_after_its_time(cast):
    """Rules of this machine alone: rfw forgot the interface, and hid what rejects."""
    one = cast.servers[0]
    with Probe(one.host, cast.admin) as probe:
        code, told = cast.ask(one, "PUT", f"/reject/input/eth0/{BAD}?expire={SHORT}s&wait=true")
        assert (code, json.loads(told)["state"]) == (200, "installed")
        assert not probe.arrives(cast.attacker, BAD)
        (row,) = [row for row in cast.listed(one, "/input") if row["target"] == "REJECT"]
        assert (row["inp"], row["source"], row["extra"]) == ("eth0", BAD, "reject-with icmp-port-unreachable")
        assert cast.ask(one, "PUT", f"/reject/input/eth1/{WORSE}?wait=true")[0] == 200
        assert probe.arrives(cast.attacker, WORSE)
        assert cast.ask(one, "DELETE", f"/reject/input/eth1/{WORSE}?wait=true")[0] == 200
        until(lambda: probe.arrives(cast.attacker, BAD))
        until(lambda: not [row for row in cast.listed(one, "/input") if row["target"] == "REJECT"])


def test_a_thousand_rules_with_one_end_are_gone_at_it(cast, figure):
    """rfw took one a second out."""
    one = cast.servers[0]
    # On a slow machine the first ones would have ended before the last ones are there: then with more time.
    end = next(end for seconds in PREPARING if (end := all_in_place(one, int(time.time()) + seconds)))
    until(lambda: chain_length(one.host) == 0, end - time.time() + PATIENCE)
    gone = time.time()

    figure(f"rfw: {RULES} rules gone {gone - end:+.2f} s from their end")
    assert gone >= end
    assert gone < end + 10


def test_rules_survive_a_restart_with_their_ends(cast):
    """In rfw what was for an hour stayed for ever."""
    one = cast.servers[0]
    assert cast.ask(one, "PUT", f"/drop/input/eth0/{BAD}?expire=1h&wait=true")[0] == 200
    assert cast.ask(one, "PUT", f"/drop/input/eth0/{WORSE}?expire={SHORT}s&wait=true")[0] == 200
    one.kill()
    one.start()
    with Probe(one.host, cast.admin) as probe:
        until(lambda: probe.arrives(cast.attacker, WORSE))
        assert not probe.arrives(cast.attacker, BAD)
        assert cast.ask(one, "DELETE", f"/drop/input/eth0/{BAD}?wait=true")[0] == 200
        assert probe.arrives(cast.attacker, BAD)


def test_the_whitelist_forbids_and_lets_in(cast):
    """A conflict is 400 both ways, and what is accepted is in before the answer."""
    one = cast.servers[0]
    with Probe(one.host, cast.admin) as probe:
        assert cast.ask(one, "PUT", f"/drop/input/any/{BAD}?wait=true")[0] == 200
        assert not probe.arrives(cast.attacker, BAD)
        assert cast.ask(one, "PUT", f"/accept/input/any/{BAD}")[0] == 200
        assert probe.arrives(cast.attacker, BAD)
        code, told = cast.ask(one, "PUT", "/drop/input/any/203.0.113.0/24")
        assert (code, told.startswith("ERROR: Ignoring the request conflicting with the whitelist")) == (400, True)
        assert cast.ask(one, "PUT", f"/drop/output/any/{BAD}")[0] == 400
        for path in (f"/accept/input/any/{BAD}", f"/drop/input/any/{BAD}"):
            assert cast.ask(one, "DELETE", path)[0] == 200
        assert probe.arrives(cast.attacker, BAD)
