"""A feed that one node fetches and announces: in the kernels of others, and gone from there with it."""

import pytest

from tests.e2e.fleet import Fleet, until
from tests.e2e.publisher import publishing_on
from tests.netns import lab_or_skip

PORT = 8_080
HOSTS = [f"57.200.{number}.9" for number in range(60)]  # a lone voice gets 16 hosts of one /24
NETS = [f"57.{number}.1.0/24" for number in range(1, 31)]
OWN = "57.210.0.1"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """A and B of one fleet, and C that trusts their owner: all enforce."""
    with lab_or_skip() as lab:
        made = Fleet(lab, tmp_path_factory.mktemp("fleet"))
        try:
            yield made.start()
        finally:
            made.close()


@pytest.fixture(scope="module")
def publisher(fleet):
    """Who publishes, on A's own host."""
    with publishing_on(fleet.a.host, PORT) as made:
        yield made


def position(server):
    """What the node ever announced, as its own counters say."""
    status = server.api.status()
    return status["announcements"], status["entries"]


def test_a_feed_reaches_the_neighbours_kernels_and_leaves_them(fleet, publisher):
    """Added, dropped in part by its publisher, kept over kill -9 without a word, removed: others' kernels follow."""
    url = publisher.says("/list.txt", "\n".join([*HOSTS, *NETS, "10.0.0.0/8", "59.16.0.0/12"]))
    fleet.a.cli("feed", "add", "shared", "--url", url, "--announce", "--max-change", "0.9")
    for server in fleet.servers:
        server.has(*HOSTS)
    for server in (fleet.a, fleet.b):  # C takes networks from one voice alone of no stranger
        server.has(*NETS)
    assert not {"10.0.0.0/8", "59.16.0.0/12"} & fleet.b.installed().keys()
    until(lambda: fleet.a.api.get("/v1/feeds/shared")["announced"] == 90)
    assert [server.api.why(HOSTS[0])["reason"] for server in fleet.servers] == ["feed", "fleet", "ok"]

    fleet.a.api.block(HOSTS[1], ttl="1h")  # the operator's own word on one that leaves the list
    publisher.says("/list.txt", "\n".join([*HOSTS[2:], *NETS]))
    fleet.a.cli("feed", "refresh", "shared")
    for server in fleet.servers:
        server.lacks(HOSTS[0])
        server.has(HOSTS[1], *HOSTS[2:])

    # kill -9, and the same list: nothing is announced, nothing is retracted
    before = position(fleet.c)
    fleet.a.kill()
    fleet.a.start()
    fleet.a.meets(2)
    fleet.a.cli("feed", "refresh", "shared")
    fleet.a.api.block(OWN, ttl="1h")  # said after whatever a restart would say
    for server in fleet.servers:
        server.has(OWN)
    assert position(fleet.c) == (before[0] + 1, before[1] + 1)

    fleet.a.cli("feed", "remove", "shared")
    for server in fleet.servers:
        server.lacks(*HOSTS[2:], *NETS)
        server.has(HOSTS[1], OWN)


def test_a_whitelisted_address_is_announced_by_nobody(fleet, publisher):
    """What A never blocks it does not tell others to block; taken back when the whitelist covers it later."""
    fleet.a.api.allow("57.201.7.7")
    url = publisher.says("/other.txt", "\n".join(f"57.201.{number}.7" for number in range(20)))
    fleet.a.cli("feed", "add", "other", "--url", url, "--announce")
    for server in fleet.servers:
        server.has("57.201.6.7", "57.201.8.7")
        assert "57.201.7.7" not in server.installed()

    fleet.a.api.allow("57.201.8.7")
    for server in fleet.servers:
        server.lacks("57.201.8.7")
    fleet.a.cli("feed", "remove", "other")
    for server in fleet.servers:
        server.lacks("57.201.6.7")
