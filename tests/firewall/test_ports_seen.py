"""Which published ports stay open with the chosen hooks, judged from the rules that iptables shows."""

import pytest

from p2pfw.firewall.parse import parse_tables
from p2pfw.firewall.ports_seen import open_ports
from p2pfw.firewall.rules import parse_hooks

# as Docker Engine 20.10 writes them
DOCKER = """*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A DOCKER-USER -j RETURN
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:UNUSED - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT -p tcp -m tcp --dport 99 -j DNAT --to-destination 10.0.0.9:99
-A UNUSED -p tcp -m tcp --dport 98 -j DNAT --to-destination 10.0.0.9:98
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
-A DOCKER -d 127.0.0.1/32 ! -i docker0 -p tcp -m tcp --dport 5000 -j DNAT --to-destination 172.17.0.3:5000
-A DOCKER ! -i docker0 -p udp -m multiport --dports 53,54 -j DNAT --to-destination 172.17.0.4
COMMIT
"""
OPEN = ["tcp/8080 to 172.17.0.2:80", "udp/53,54 to 172.17.0.4"]


@pytest.mark.parametrize(
    ("hooks", "found"),
    [
        (["filter/INPUT"], OPEN),
        (["raw/PREROUTING"], []),
        (["filter/FORWARD"], []),
        (["filter/DOCKER-USER"], []),
        (["filter/INPUT", "filter/DOCKER-USER"], []),
    ],
)
def test_only_input_leaves_published_ports_open(hooks: list[str], found: list[str]):
    """Redirected packets are forwarded: INPUT never sees them. What only this machine can reach is no matter."""
    assert open_ports(parse_tables(DOCKER, ""), parse_hooks(hooks)) == found


def test_a_chain_that_is_not_there_covers_nothing():
    """Ports published by somebody else than Docker, and a hook that waits for Docker's chain."""
    text = DOCKER.replace(":DOCKER-USER - [0:0]\n", "").replace("-A FORWARD -j DOCKER-USER\n", "")
    text = text.replace("-A DOCKER-USER -j RETURN\n", "")

    assert open_ports(parse_tables(text, ""), parse_hooks(["filter/DOCKER-USER"])) == OPEN


def test_no_nat_table_no_published_ports():
    """Most servers."""
    assert open_ports({}, parse_hooks(["filter/INPUT"])) == []
