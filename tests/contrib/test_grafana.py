"""contrib/grafana: a dashboard whose every query a node can answer."""

import json
from pathlib import Path

import pytest

from tests.contrib.exposed import asked, exposed

BOARD = json.loads((Path(__file__).parents[2] / "contrib/grafana/p2pfw.json").read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_every_query_asks_for_metrics_and_labels_that_a_node_has(panel):
    """And for the chosen job and instance."""
    assert panel["targets"]
    for target in panel["targets"]:
        assert asked(target["expr"]) <= exposed()
        assert 'job=~"$job",instance=~"$instance"' in target["expr"]


def test_every_metric_of_the_contract_has_its_panel():
    """What is worth counting is worth seeing."""
    text = json.dumps(BOARD)
    missing = {name for name, label in exposed() if not label and name.startswith("p2pfw_") and name not in text}

    assert {name for name in missing if not name.endswith(("_sum", "_count"))} == {"p2pfw_enforce_mode"}


def test_panels_do_not_overlap():
    """Each has an id and a place of its own."""
    cells = [
        (x, y)
        for panel in BOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
