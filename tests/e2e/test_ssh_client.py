"""The operator's own SSH session, with real processes and packets: a list that contains it does not cut it off."""

from tests.e2e.fleet import until
from tests.netns import Probe

OPERATOR, BAD = "198.51.100.7", "198.51.100.200"
SSH = {"SSH_CONNECTION": f"{OPERATOR} 50000 192.0.2.1 22"}


def test_enforce_on_through_ssh_does_not_drop_its_client(lone):
    """A list with the client's network and its address; `enforce on` from there; its packets go on."""
    listed = lone.folder / "list.txt"
    listed.write_text(f"{OPERATOR}\n198.51.100.0/29\n{BAD}\n")
    lone.start()
    lone.cli("import", str(listed))
    operator, bad = lone.lab.host("operator", f"{OPERATOR}/32"), lone.lab.host("bad", f"{BAD}/32")
    lone.cli("enforce", "on", env=SSH)
    lone.has(BAD)
    with Probe(lone.host, lone.lab.host("witness")) as probe:
        assert not probe.arrives(bad)
        assert probe.arrives(operator)

    assert set(lone.installed()) == {BAD}
    said = lone.cli("allow", "list", "--protected").stdout
    (line,) = [line for line in said.splitlines() if OPERATOR in line]
    assert "SSH client" in line


def test_a_look_from_ssh_protects_too(lone):
    """Any command over the socket: `status`, then a list that contains its client."""
    lone.start()
    lone.cli("status", env=SSH)
    refused = lone.cli("block", OPERATOR, check=False)

    assert refused.returncode == 4
    assert "SSH client" in refused.stderr


def test_an_address_that_becomes_ones_own_later_is_let_go(lone):
    """A network that is blocked and then contains an address of this machine: gone from the kernel at the next look."""
    lone.start()
    lone.cli("block", "198.51.100.0/28", BAD)
    lone.cli("enforce", "on", env=SSH | {"SSH_CONNECTION": "192.0.2.99 50000 192.0.2.1 22"})
    lone.has("198.51.100.0/28", BAD)
    lone.host.add_addresses(["198.51.100.3/32"])
    until(lambda: set(lone.installed()) == {BAD})

    assert "198.51.100.3" in lone.host.run(["ipset", "save", "p2pfw-allow4"]).stdout
