"""The main job: a block on one server is dropped by the others, held or refused where their policy says so."""

import pytest

from tests.e2e.latency import measure, percentile
from tests.e2e.packets import Ear, Mouth

WITNESS = "192.0.2.99"
"""Never blocked: its probes say that the way is open."""


@pytest.fixture(scope="module")
def mouth(fleet):
    fleet.attackers(WITNESS)
    made = Mouth(fleet.attacker)
    yield made
    made.close()


@pytest.fixture(scope="module")
def ears(fleet):
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


def test_a_block_travels_in_milliseconds(fleet, ears, mouth, capsys):
    """From the answer on A to the first lost probe on C; every block arrives, and the figures are shown."""
    took = measure(fleet, mouth, ears["C"], blocks=20, networks=20)

    with capsys.disabled():
        print(f"\nA's answer to first loss on C: p50 {percentile(took, 50):.1f} ms, p99 {percentile(took, 99):.1f} ms")
    assert len(took) == 20
