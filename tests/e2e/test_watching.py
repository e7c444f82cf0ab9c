"""What a running node tells whoever watches it: metrics of real sessions, kernels and packets."""

import shutil
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.fleet import Fleet, Server, until
from tests.netns import Probe


def scraped(server: Server) -> tuple[bytes, dict[tuple[str, ...], float]]:
    """The page, and its samples by name and values of labels."""
    page = server.api.request("GET", "/metrics").text
    families = text_string_to_metric_families(page)
    samples = {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}
    return page.encode(), samples


def test_metrics_follow_a_block_from_its_origin_to_dropped_packets(fleet: Fleet):
    """Announced on A: recorded, adopted, installed and dropping on C, with the seconds that each step took."""
    address = "203.0.113.77"
    fleet.attackers(address)
    _, before = scraped(fleet.c)
    fleet.a.api.block(address)
    fleet.c.has(address)
    with Probe(fleet.c.host, fleet.b.host) as probe:
        assert not probe.arrives(fleet.attacker, address)
    until(lambda: scraped(fleet.c)[1]["p2pfw_dropped_packets_total", "ipv4"] > 0)
    page, after = scraped(fleet.c)

    def grew(*name: str) -> bool:
        return after[name] > before.get(name, 0)

    assert scraped(fleet.a)[1]["p2pfw_announcements_total", "own"] >= 1
    assert grew("p2pfw_announcements_total", "recorded")
    assert grew("p2pfw_verdicts_total", "ok", "adopted")
    assert grew("p2pfw_propagation_seconds_count")
    assert grew("p2pfw_enforcer_sync_seconds_count")
    assert grew("p2pfw_gossip_bytes_total", "received")
    assert after["p2pfw_entries", "ipv4", "installed"] >= 1
    assert after["p2pfw_enforcing",] == 1
    assert 1 in {value for (name, *_), value in after.items() if name == "p2pfw_peer_up"}
    assert address.encode() not in page


def test_promtool_accepts_the_page_of_a_running_node(fleet: Fleet):
    """Every family has a help text, a fitting name and a fitting type."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")

    page, _ = scraped(fleet.c)
    found = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, check=False)

    assert (found.returncode, found.stdout + found.stderr) == (0, b"")
