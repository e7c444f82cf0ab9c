"""GET /metrics: what status says, in Prometheus' words, and nothing that names an address."""

import shutil
import subprocess

import pytest
from msgspec import structs
from prometheus_client.parser import text_string_to_metric_families

from p2pfw import schema
from p2pfw.web.metrics import Metrics
from tests.web.fake_operations import FakeOperations
from tests.web.serving import Served

PEER = schema.PeerView(id="p2pfw1berlin", owner="p2pfw1berlin", name="berlin", state="known")


def samples_of(body: str) -> dict[tuple[str, ...], float]:
    """By name and values of labels."""
    families = text_string_to_metric_families(body)
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


async def test_metrics_are_the_status(served: Served):
    """One source: the two cannot disagree."""
    served.operations.fill(7)
    async with served.client() as session:
        async with session.get("/metrics") as answer:
            samples = samples_of(await answer.text())
        async with session.get("/v1/status") as other:
            status = await other.json()

    assert answer.content_type == "text/plain"
    for state in ("adopted", "installed", "held", "refused"):
        assert sum(samples["p2pfw_entries", family, state] for family in ("ipv4", "ipv6")) == status[state]
    assert samples["p2pfw_pending_changes",] == status["pending"]
    assert samples["p2pfw_live_announcements",] == status["announcements"]
    assert samples["p2pfw_uptime_seconds",] == status["uptime"]
    assert samples["p2pfw_enforcing",] == 0
    assert samples["p2pfw_refusals_total", "bad-signature"] == 2
    assert samples["p2pfw_enforcer_drift_total", "rule"] == 1
    assert samples["p2pfw_propagation_seconds_bucket", "0.1"] == 1
    assert samples["p2pfw_propagation_seconds_count",] == samples["p2pfw_propagation_seconds_bucket", "+Inf"] == 3


def test_no_label_names_an_address():
    """Labels are words that the program knows: their number cannot grow with the list."""
    operations = FakeOperations()
    operations.fill(1_000)
    before = Metrics(FakeOperations()).render()[0].count(b"\n")
    body, _ = Metrics(operations).render()

    assert body.count(b"\n") == before
    assert b"10.0.0." not in body


def test_the_names_of_the_contract_are_there():
    """With their labels; counters end in _total, times are in seconds."""
    operations = FakeOperations()
    operations.fill(1)
    operations.known_peers["berlin"] = structs.replace(PEER, state="connected")
    families = list(text_string_to_metric_families(Metrics(operations).render()[0].decode()))
    names = {(one.name, *sorted(one.labels.keys() - {"le"})) for family in families for one in family.samples}

    assert names >= {
        ("p2pfw_entries", "family", "state"),
        ("p2pfw_announcements_total", "result"),
        ("p2pfw_verdicts_total", "reason", "verdict"),
        ("p2pfw_peer_up", "peer"),
        ("p2pfw_gossip_bytes_total", "direction"),
        ("p2pfw_propagation_seconds_bucket",),
        ("p2pfw_enforcer_sync_seconds_bucket",),
        ("p2pfw_enforcer_failures_total",),
        ("p2pfw_enforcer_drift_total", "kind"),
        ("p2pfw_dropped_packets_total", "family"),
        ("p2pfw_feed_last_success_timestamp_seconds", "feed"),
    }
    assert {family.type for family in families if family.name.endswith("_seconds_total")} == set()
    assert all(family.documentation for family in families)


def test_promtool_finds_nothing_to_complain_about():
    """Prometheus' own lint of the whole page."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    operations = FakeOperations()
    operations.fill(2)
    operations.known_peers["berlin"] = PEER
    page, _ = Metrics(operations).render()

    checked = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_two_nodes_in_one_process_do_not_share_metrics():
    """A registry each."""
    first, second = FakeOperations(), FakeOperations()
    first.fill(3)

    assert samples_of(Metrics(first).render()[0].decode())["p2pfw_entries", "ipv4", "adopted"] == 3
    assert samples_of(Metrics(second).render()[0].decode())["p2pfw_entries", "ipv4", "adopted"] == 0
