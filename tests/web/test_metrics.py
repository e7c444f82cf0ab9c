"""GET /metrics: what status says, in Prometheus' words, and nothing that names an address."""

from prometheus_client.parser import text_string_to_metric_families

from p2pfw.web.metrics import Metrics
from tests.web.fake_operations import FakeOperations
from tests.web.serving import Served


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
    for state in ("adopted", "installed", "held", "refused", "pending"):
        assert samples["p2pfw_entries", state] == status[state]
    assert samples["p2pfw_announcements",] == status["announcements"]
    assert samples["p2pfw_uptime_seconds",] == status["uptime"]
    assert samples["p2pfw_enforcing",] == 0
    assert samples["p2pfw_refusals_total", "bad-signature"] == 2
    assert samples["p2pfw_enforcer_drift_total", "rule"] == 1


def test_no_label_names_an_address():
    """Labels are words that the program knows: their number cannot grow with the list."""
    operations = FakeOperations()
    operations.fill(1_000)
    before = Metrics(FakeOperations()).render()[0].count(b"\n")
    body, _ = Metrics(operations).render()

    assert body.count(b"\n") == before
    assert b"10.0.0." not in body


def test_two_nodes_in_one_process_do_not_share_metrics():
    """A registry each."""
    first, second = FakeOperations(), FakeOperations()
    first.fill(3)

    assert samples_of(Metrics(first).render()[0].decode())["p2pfw_entries", "adopted"] == 3
    assert samples_of(Metrics(second).render()[0].decode())["p2pfw_entries", "adopted"] == 0
