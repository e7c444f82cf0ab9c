"""The main job: a block on one server is dropped by the others, held or refused where their policy says so."""

import pytest

from tests.e2e.fleet import until
from tests.e2e.latency import measure, percentile
from tests.e2e.packets import Ear, Mouth
from tests.netns import Probe

WITNESS = "192.0.2.99"
"""Never blocked: its probes say that the way is open."""


@pytest.fixture(scope="module")
def mouth(fleet):
    """The attacker's, which speaks from any of its addresses."""
    fleet.attackers(WITNESS)
    made = Mouth(fleet.attacker)
    yield made
    made.close()


@pytest.fixture(scope="module")
def ears(fleet):
    """An open port on each server."""
    made = {server.name: Ear(server.host) for server in fleet.servers}
    yield made
    for ear in made.values():
        ear.close()


def test_a_block_on_one_is_dropped_on_all(fleet, mouth, ears):
    """An address that is blocked on A reaches none of A, B, C any more; `why` says on whose word."""
    source = "203.0.113.9"
    assert all(mouth.arrives(source, ear, WITNESS) for ear in ears.values())

    fleet.a.api.block(source, category="ssh", ttl="4h", reason="password guessing")
    for server in fleet.servers:
        server.has(source)

    assert not any(mouth.arrives(source, ear, WITNESS) for ear in ears.values())
    assert [server.api.why(source)["reason"] for server in fleet.servers] == ["operator", "fleet", "ok"]
    assert all(server.api.why(source)["dropped"] for server in fleet.servers)


def test_a_block_travels_in_milliseconds(fleet, ears, mouth, figure):
    """From the answer on A to the first lost probe on C; every block arrives, and the figures are shown."""
    took = measure(fleet, mouth, ears["C"], blocks=20, networks=20)

    figure(f"A's answer to first loss on C: p50 {percentile(took, 50):.1f} ms, p99 {percentile(took, 99):.1f} ms")
    assert len(took) == 20


def test_wide_blocks_hold_on_the_fleet_only(fleet, mouth, ears):
    """A /24 and a /20 of A's hold on B; on C one voice is too little for a /24, and a /20 is taken from nobody."""
    fleet.attackers("51.20.1.7", "51.21.9.7")
    for prefix in ("51.20.1.0/24", "51.21.0.0/20"):
        fleet.a.api.block(prefix, category="scan")
        fleet.b.has(prefix)
    reasons = [until(lambda one=prefix: known(fleet.c, one)) for prefix in ("51.20.1.0/24", "51.21.0.0/20")]

    assert reasons == [("HOLD", "below-threshold"), ("REFUSE", "too-wide")]
    for source in ("51.20.1.7", "51.21.9.7"):
        assert not mouth.arrives(source, ears["B"], WITNESS)
        assert mouth.arrives(source, ears["C"], WITNESS)


def test_what_one_whitelists_is_refused_there(fleet, mouth, ears):
    """C's whitelist wins over any trust; `why` names the range; the kernel's own allow set holds it even by force."""
    source, guarded = "198.51.100.7", "198.51.100.0/28"
    fleet.attackers(source)
    fleet.c.api.allow(guarded, comment="customers")
    fleet.a.api.block(source, category="web")
    fleet.b.has(source)
    assert until(lambda: known(fleet.c, source)) == ("REFUSE", "whitelist")

    assert guarded in fleet.c.api.why(source)["overlap"]
    assert not mouth.arrives(source, ears["B"], WITNESS)
    assert mouth.arrives(source, ears["C"], WITNESS)
    fleet.c.host.run(["ipset", "-exist", "add", "p2pfw-block4", source, "timeout", "600"])
    assert source in fleet.c.installed()
    assert mouth.arrives(source, ears["C"], WITNESS)


def test_a_wider_prefix_around_the_whitelist_is_refused_whole(fleet, mouth, ears):
    """Also from the own fleet: what contains a whitelisted host is not installed at all."""
    guarded, neighbour, wide = "51.30.2.7", "51.30.2.8", "51.30.2.0/24"
    fleet.attackers(guarded, neighbour)
    fleet.b.api.allow(guarded)
    fleet.a.api.block(wide, category="ddos")
    fleet.a.has(wide)
    assert until(lambda: known(fleet.b, wide)) == ("REFUSE", "whitelist")

    assert guarded in fleet.b.api.why(wide)["overlap"]
    assert all(mouth.arrives(source, ears["B"], WITNESS) for source in (guarded, neighbour))
    assert not mouth.arrives(neighbour, ears["A"], WITNESS)


def test_a_whitelist_entry_opens_before_its_answer(fleet, mouth, ears):
    """What is installed leaves the kernel by the whitelist at once, and only where it was whitelisted."""
    source = "51.31.3.3"
    fleet.attackers(source)
    fleet.a.api.block(source)
    for server in fleet.servers:
        server.has(source)

    answer = fleet.c.api.allow("51.31.3.0/24")

    assert mouth.arrives(source, ears["C"], WITNESS)
    assert answer["released"] == [f"{source}/32"]
    assert source not in fleet.c.installed()
    assert not mouth.arrives(source, ears["B"], WITNESS)


def test_unblocking_on_another_of_the_fleet_unblocks_everywhere(fleet, mouth, ears):
    """B takes back what A announced: it is gone on A, on B, and on C."""
    source = "51.32.4.4"
    fleet.attackers(source)
    fleet.a.api.block(source, ttl="7d")
    for server in fleet.servers:
        server.has(source)

    answer = fleet.b.api.unblock(source)
    for server in fleet.servers:
        server.lacks(source)

    assert answer["pardoned"]
    assert answer["still_blocked_by"] == []
    assert all(mouth.arrives(source, ear, WITNESS) for ear in ears.values())


def test_an_address_of_the_other_version_is_dropped_too(fleet):
    """IPv6 takes the same way."""
    source = "2001:db8:bad::9"
    fleet.attackers(source)
    with Probe(fleet.c.host, fleet.b.host) as probe:
        assert probe.arrives(fleet.attacker, source)
        fleet.a.api.block(source)
        fleet.c.has(source)

        assert not probe.arrives(fleet.attacker, source)


def known(server, prefix):
    """(verdict, reason) of a prefix, None while the node has not heard of it."""
    why = server.api.why(prefix)
    return (why["verdict"], why["reason"]) if why["verdict"] != "UNKNOWN" else None
