"""Nodes that know no address find one another on a LAN, and let in whom they would have let in anyway."""

from pathlib import Path

import pytest

from tests.e2e.fleet import Owner, Server, until

MDNS = "[discovery]\nmdns = true"
STRANGE = {"stranger", "far-not-admitted", "hung-up"}
"""Refusals that both sides of a call between strangers may note."""


@pytest.fixture
def lan(lab, tmp_path):
    """Makes nodes with discovery on; ends them."""
    servers = []

    def make(name, owner, **replaced) -> Server:
        server = Server(lab.host(name), tmp_path, owner, mode="observe", backend="dryrun")
        server.extra = MDNS
        server.write_config()
        text = server.config.read_text()
        for old, new in replaced.get("text", {}).items():
            assert old in text
            text = text.replace(old, new)
        server.config.write_text(text)
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.close()
    for server in servers:
        text = server.log.read_text() if server.log.exists() else ""
        assert "Traceback" not in text, f"the log of {server.name}:\n{text[-4000:]}"


def owner(folder: Path) -> Owner:
    """An owner with a folder of its own."""
    folder.mkdir(mode=0o700)
    return Owner(folder)


def heard(server: Server) -> int:
    """Log lines about addresses that were found."""
    return server.log.read_text().count("heard of a peer")


def test_a_fleet_meets_and_strangers_do_not(lan, tmp_path):
    """Two of one fleet connect without an address; another owner's is refused; another network's is not even called."""
    ours, theirs = owner(tmp_path / "ours"), owner(tmp_path / "theirs")
    stranger = lan("stranger", theirs)
    foreign = lan("foreign", ours, text={'network = "demo"': 'network = "other"'})
    a, b = lan("a", ours), lan("b", ours)
    for server in (stranger, foreign, a, b):
        server.start()
    a.meets()
    b.meets()
    until(lambda: a.api.status()["refusals"] and b.api.status()["refusals"] and stranger.api.status()["refusals"])

    assert {one["id"] for one in a.api.get("/v1/peers")["peers"] if one["state"] == "connected"} == {b.id}
    assert {one["id"] for one in b.api.get("/v1/peers")["peers"] if one["state"] == "connected"} == {a.id}
    assert {*a.api.status()["refusals"], *b.api.status()["refusals"]} <= STRANGE
    assert stranger.api.status()["refusals"].keys() <= STRANGE
    assert stranger.api.status()["peers"] == foreign.api.status()["peers"] == 0
    assert heard(foreign) == 0
    assert foreign.host.address not in a.log.read_text() + b.log.read_text()


def test_a_node_that_was_cut_off_is_found_when_it_is_back(lan, tmp_path):
    """What goes away and comes back under another made-up name is called again; a block made alone arrives."""
    ours = owner(tmp_path / "ours")
    a, b = lan("a", ours), lan("b", ours)
    a.start()
    b.start()
    b.meets()
    a.kill()
    until(lambda: b.api.status()["peers"] == 0)
    a.start()
    a.meets()
    a.api.block("52.9.9.9", ttl=600)

    until(lambda: b.api.get("/v1/why/52.9.9.9")["blocked"])


def test_a_node_without_a_network_says_so_and_runs(lan, tmp_path):
    """Discovery is a convenience: no interface is a health line, and blocking goes on."""
    alone = lan("alone", owner(tmp_path / "ours"), text={'peer = "192.0.2.1:7787"': 'peer = ""'})
    alone.host.run(["ip", "address", "flush", "dev", "eth0"])
    alone.start()
    lines = until(lambda: [one for one in alone.api.status()["health"] if one["code"] == "discovery"] or None)
    alone.api.block("52.9.9.8", ttl=600)

    assert lines[0]["text"] == "cannot look for peers on the LAN: no network interface has an address"
    assert lines[0]["level"] == "warning"
