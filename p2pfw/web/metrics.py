"""Prometheus metrics, made of the same state as `status`: base units, no address as a label."""

from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from p2pfw import __version__
from p2pfw.operations import Operations


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
        status = self._operations.status()
        entries = GaugeMetricFamily("p2pfw_entries", "Prefixes by state", labels=["state"])
        for state in ("adopted", "installed", "held", "refused", "pending"):
            entries.add_metric([state], getattr(status, state))
        yield entries
        info = GaugeMetricFamily("p2pfw_build_info", "1, with the version", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        yield GaugeMetricFamily("p2pfw_uptime_seconds", "Since the start", value=status.uptime)
        yield GaugeMetricFamily("p2pfw_announcements", "Live announcements", value=status.announcements)
        yield GaugeMetricFamily("p2pfw_peers", "Open sessions", value=status.peers)
        yield GaugeMetricFamily("p2pfw_enforcing", "1 when the kernel holds the rule", value=int(status.enforcing))
        yield GaugeMetricFamily("p2pfw_resident_memory_bytes", "Memory", value=status.memory_bytes)
        yield GaugeMetricFamily("p2pfw_loop_lag_seconds", "Longest stall in a minute", value=status.loop_lag_ms / 1000)
        refused = CounterMetricFamily("p2pfw_refusals", "Refused, by reason", labels=["reason"])
        for reason, count in status.refusals.items():
            refused.add_metric([reason], count)
        yield refused
        drift = CounterMetricFamily("p2pfw_enforcer_drift", "Repaired, by what was wrong", labels=["kind"])
        for kind, count in status.drift.items():
            drift.add_metric([kind], count)
        yield drift
