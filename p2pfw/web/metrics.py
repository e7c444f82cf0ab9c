"""Prometheus metrics, made of the same state as `status`: base units, and no address as a label.

Labels are words of ours, and names that the operator gave to peers and feeds; how many there are is bounded by whoever
counts. A scrape reads what is in memory; it asks neither the kernel nor the disk.
"""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from p2pfw import __version__, schema
from p2pfw.operations import Distribution, Measures, Operations


class Metrics(Collector):
    """A collector over Operations."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def render(self) -> tuple[bytes, str]:
        """(body, content type)."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        status, measures = self._operations.status(), self._operations.measures()
        yield from _process(status)
        yield from _state(status, measures)
        yield from _gossip(status, measures)
        yield from _enforcement(status, measures)
        yield from _feeds(measures)
        yield from _webhook(measures)


def _process(status: schema.Status) -> Iterator[Metric]:
    info = GaugeMetricFamily("p2pfw_build_info", "1, with the version", labels=["version"])
    info.add_metric([__version__], 1)
    yield info
    yield GaugeMetricFamily("p2pfw_uptime_seconds", "Since the start", value=status.uptime)
    yield GaugeMetricFamily("p2pfw_resident_memory_bytes", "Memory of the node", value=status.memory_bytes)
    lag = status.loop_lag_ms / 1000
    yield GaugeMetricFamily("p2pfw_loop_lag_seconds", "Longest stall of the loop in the last minute", value=lag)
    levels = dict.fromkeys(("error", "warning", "info"), 0)
    for line in status.health:
        levels[line.level] += 1
    yield _gauges("p2pfw_health_lines", "What status complains about", "level", levels.items())


def _state(status: schema.Status, measures: Measures) -> Iterator[Metric]:
    entries = GaugeMetricFamily("p2pfw_entries", "Prefixes by state", labels=["family", "state"])
    for labels, count in sorted(measures.entries.items()):
        entries.add_metric(labels, count)
    yield entries
    yield GaugeMetricFamily("p2pfw_live_announcements", "Announcements that have not ended", value=status.announcements)
    yield GaugeMetricFamily("p2pfw_whitelist_entries", "Ranges of the whitelist", value=status.whitelist)
    given = CounterMetricFamily("p2pfw_verdicts", "Verdicts given, by reason", labels=["verdict", "reason"])
    for labels, count in sorted(measures.verdicts.items()):
        given.add_metric(labels, count)
    yield given


def _gossip(status: schema.Status, measures: Measures) -> Iterator[Metric]:
    yield GaugeMetricFamily("p2pfw_peers", "Open sessions", value=status.peers)
    up = "1 while there is a session with this peer"
    yield _gauges("p2pfw_peer_up", up, "peer", ((name, int(is_up)) for name, is_up in measures.peers.items()))
    what = "What became of announcements"
    yield _counters("p2pfw_announcements", what, "result", measures.announcements)
    yield _counters("p2pfw_refusals", "Statements, handshakes and frames refused", "reason", status.refusals)
    both = {"received": measures.received, "sent": measures.sent}
    yield _counters("p2pfw_gossip_bytes", "Sealed frames of sessions with peers", "direction", both)
    what = "From the stamp of an origin, by its clock, until recorded here; long where it was caught up with"
    yield _histogram("p2pfw_propagation_seconds", what, measures.propagation)


def _enforcement(status: schema.Status, measures: Measures) -> Iterator[Metric]:
    wanted = int(status.mode == "enforce")
    yield GaugeMetricFamily("p2pfw_enforce_mode", "1 when the mode is enforce, 0 when it is observe", value=wanted)
    holds = "1 when the kernel holds the rule and what is adopted"
    yield GaugeMetricFamily("p2pfw_enforcing", holds, value=int(status.enforcing))
    yield GaugeMetricFamily("p2pfw_pending_changes", "Decided and not yet in the kernel", value=status.pending)
    yield _histogram("p2pfw_enforcer_sync_seconds", "From a verdict until the kernel had it", measures.sync)
    failed = measures.sync_failures
    yield CounterMetricFamily("p2pfw_enforcer_failures", "Changes of the kernel that failed", value=failed)
    yield _counters("p2pfw_enforcer_drift", "Repaired in the kernel, by what was wrong", "kind", status.drift)
    what = "By our rules; begins anew with a rule"
    yield _counters("p2pfw_dropped_packets", f"Packets dropped. {what}", "family", measures.dropped_packets)
    yield _counters("p2pfw_dropped_bytes", f"Bytes dropped. {what}", "family", measures.dropped_bytes)


def _feeds(measures: Measures) -> Iterator[Metric]:
    when = {name: fetched for name, (fetched, _) in measures.feeds.items()}
    what = "When it was last taken in; 0: never"
    yield _gauges("p2pfw_feed_last_success_timestamp_seconds", what, "feed", when.items())
    size = {name: entries for name, (_, entries) in measures.feeds.items()}
    yield _gauges("p2pfw_feed_entries", "Entries that count", "feed", size.items())


def _webhook(measures: Measures) -> Iterator[Metric]:
    told = {result: measures.webhook[result] for result in ("delivered", "dropped") if result in measures.webhook}
    yield _counters("p2pfw_webhook_events", "What became of events for the webhook", "result", told)
    waiting = measures.webhook.get("waiting", 0)
    yield GaugeMetricFamily("p2pfw_webhook_waiting_events", "Events that wait for the webhook", value=waiting)


def _gauges(name: str, what: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    found = GaugeMetricFamily(name, what, labels=[label])
    for value, number in values:
        found.add_metric([value], number)
    return found


def _counters(name: str, what: str, label: str, values: Mapping[str, float]) -> Metric:
    found = CounterMetricFamily(name, what, labels=[label])
    for value, number in values.items():
        found.add_metric([value], number)
    return found


def _histogram(name: str, what: str, found: Distribution) -> Metric:
    bounds = [*(f"{bound:g}" for bound in found.bounds), "+Inf"]
    buckets = list(zip(bounds, map(float, found.counts), strict=True))
    return HistogramMetricFamily(name, what, buckets=buckets, sum_value=found.total)
