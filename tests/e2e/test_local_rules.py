"""Local rules on a running node: the operator's hold on them, what strangers undo, and what a death leaves."""

import http.client
import json
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.fleet import Owner, Server, until
from tests.netns import Probe, lab_or_skip

LOCAL = "127.0.0.1:7390"
BAD = "203.0.113.9"
RULE = f"/drop/input/eth0/{BAD}"
CLIENTS, EACH = 8, 100
OTHERS = "iptables -N mine; iptables -A INPUT -s 198.51.100.77 -j mine"


class Ruled(Server):
    """A server that enforces and serves rfw's API to itself."""

    def rfw(self, method, path):
        """Code and decoded body."""
        done = self.host.run(["curl", "-sS", "-w", "%{http_code}", "-X", method, f"http://{LOCAL}{path}"])
        return int(done.stdout[-3:]), json.loads(done.stdout[:-3])

    def chains(self):
        """Lines of the filter tables that are ours, both families."""
        both = [self.host.run([program, "-S"]).stdout for program in ("iptables", "ip6tables")]
        return [line for text in both for line in text.splitlines() if "p2pfw" in line]


@pytest.fixture
def server(tmp_path):
    """Enforcing, with one local rule of each family beside a chain of somebody else's."""
    tmp_path.chmod(0o700)
    with lab_or_skip() as lab:
        made = Ruled(lab.host("ruled"), tmp_path, Owner(tmp_path))
        made.attacker, made.witness = lab.host("attacker", f"{BAD}/32"), lab.host("witness")
        made.extra = f'[api.rfw]\nenabled = true\nlisten = ""\nlocal_listen = "{LOCAL}"'
        made.host.run(["sh", "-ec", OTHERS])
        made.before = made.host.run(["iptables", "-S"]).stdout
        try:
            made.start()
            until(lambda: made.api.status()["enforcing"])
            for path in (RULE, "/reject/output/any/2001:db8:bad::7"):
                code, body = made.rfw("PUT", f"{path}?expire=1h&wait=true")
                assert (code, body["state"]) == (200, "installed")
            yield made
        finally:
            made.close()
        assert "Traceback" not in made.log.read_text()


def client_of(server, net, each):
    """Puts in so many rules, one request after another, over one kept connection."""
    client = http.client.HTTPConnection("127.0.0.1", 7390)
    client.sock = server.host.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.sock.connect(("127.0.0.1", 7390))
    codes = set()
    for number in range(each):
        client.request("PUT", f"/drop/output/eth0/198.18.{net}.{number}?expire=1h")
        answer = client.getresponse()
        answer.read()
        codes.add(answer.status)
    client.close()
    return codes


def test_what_eight_clients_put_in_at_once_is_all_in_the_kernel(server):
    """Rules that come while others are being written are written next; nothing is forgotten."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        codes = set().union(*pool.map(lambda net: client_of(server, net, EACH), range(CLIENTS)))
    wanted = {f"-A p2pfw-output -d 198.18.{net}.{number}/32" for net in range(CLIENTS) for number in range(EACH)}
    until(lambda: wanted <= {line.partition(" -o ")[0] for line in server.chains()})

    assert codes == {200}
    assert server.api.status()["local_rules"] == len(wanted) + 2


@pytest.fixture
def probe(server):
    """Datagrams to the server."""
    with Probe(server.host, server.witness) as made:
        assert not made.arrives(server.attacker, BAD)
        yield made


@pytest.mark.parametrize("command", [["panic"], ["enforce", "off"]], ids=" ".join)
def test_who_stops_enforcing_takes_them_out_and_back(server, probe, command):
    """Out of the kernel at once, not out of the book; in again with the rest; the stranger's chain never touched."""
    server.cli(*command)

    assert probe.arrives(server.attacker, BAD)
    assert server.chains() == []
    assert server.host.run(["iptables", "-S"]).stdout == server.before
    status = server.api.status()
    assert (status["mode"], status["local_rules"]) == ("observe", 2)
    assert all("not installed" in rule["extra"] for rule in server.rfw("GET", "/list")[1])
    server.cli("enforce", "on")
    assert not probe.arrives(server.attacker, BAD)


@pytest.mark.parametrize(
    "harm",
    ["iptables -F; iptables -X mine; ip6tables -F", "iptables -D INPUT 1", "iptables -F p2pfw-input"],
)
def test_what_a_stranger_undoes_is_back_by_itself(server, probe, harm):
    """By the look of each second, and it is told."""
    whole = server.chains()
    server.host.run(["sh", "-ec", harm])
    until(lambda: not probe.arrives(server.attacker, BAD))

    until(lambda: server.chains() == whole)
    until(lambda: server.api.status()["drift"])


def test_a_node_that_was_killed_has_them_again(server, probe):
    """In force while it is dead, known when it is back, and taken out in time."""
    server.kill()
    assert not probe.arrives(server.attacker, BAD)
    server.start()
    listed = {rule["source"] for rule in server.rfw("GET", "/list/input")[1]}
    code, body = server.rfw("DELETE", f"{RULE}?wait=true")

    assert BAD in listed or f"{BAD}/32" in listed
    assert (code, body["state"]) == (200, "removed")
    assert probe.arrives(server.attacker, BAD)


@pytest.mark.parametrize("alive", [True, False], ids=["running", "dead"])
def test_uninstall_leaves_none_of_them(server, alive):
    """With a node or without one."""
    if not alive:
        server.kill()
    server.cli("panic" if alive else "uninstall-rules")

    assert server.chains() == []
    assert server.rules() == []
    assert server.host.run(["iptables", "-S"]).stdout == server.before
