"""Which metrics a node exposes, with which labels; and what a query asks for."""

import re

from prometheus_client.parser import text_string_to_metric_families

from p2pfw import schema
from p2pfw.web.metrics import Metrics
from tests.web.fake_operations import FakeOperations

OF_PROMETHEUS = {("up", "job")}
_TARGET = {"job", "instance"}
_METRIC = re.compile(r"\b(p2pfw_\w+|up)\b(?:\{([^}]*)\})?")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")


def exposed() -> set[tuple[str, str]]:
    """(metric, label) pairs, and (metric, "") for each."""
    operations = FakeOperations()
    operations.fill(1)
    operations.known_peers["berlin"] = schema.PeerView(id="a", owner="a", name="berlin", state="known")
    families = text_string_to_metric_families(Metrics(operations).render()[0].decode())
    samples = [one for family in families for one in family.samples]
    found = {(one.name, label) for one in samples for label in (*one.labels, *_TARGET, "")}
    return found | OF_PROMETHEUS | {("up", "")}


def asked(query: str) -> set[tuple[str, str]]:
    """The same of a query: what it selects by, and what it groups by."""
    pairs: set[tuple[str, str]] = set()
    for name, selector in _METRIC.findall(query):
        pairs |= {(name, ""), *((name, label) for label in _LABEL.findall(selector))}
    names = [name for name, _ in _METRIC.findall(query)]
    groups = re.findall(r"\bby \(([^)]*)\)", query)
    labels = {label.strip() for group in groups for label in group.split(",")}
    return pairs | {(names[-1], label) for label in labels}
