"""contrib/prometheus: alerts that are rules of Prometheus, ask for metrics that exist, and fire when they should."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.contrib.exposed import asked, exposed

FOLDER = Path(__file__).parents[2] / "contrib/prometheus"
RULES, CASES = FOLDER / "p2pfw.rules.yml", FOLDER / "p2pfw.rules.test.yml"


@pytest.fixture
def promtool() -> str:
    """The real one."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    return found


@pytest.mark.parametrize("argv", [["check", "rules", RULES.name], ["test", "rules", CASES.name]])
def test_promtool_agrees(promtool, argv):
    """The rules are well formed, and every case of theirs is as it is written."""
    found = subprocess.run([promtool, *argv], cwd=FOLDER, capture_output=True, text=True, check=False)

    assert found.returncode == 0, found.stdout + found.stderr


def test_every_alert_has_a_case():
    """A rule that nothing tries may never fire."""
    alerts = re.findall(r"- alert: (\w+)", RULES.read_text())
    tried = re.findall(r"^\s+alertname: (\w+)$", CASES.read_text(), re.MULTILINE)

    assert alerts == tried
    assert all(f"`{alert}`" in (FOLDER / "README.md").read_text() for alert in alerts)


def test_every_alert_asks_for_metrics_and_labels_that_a_node_has():
    """A name that was changed makes an alert that is quiet for ever."""
    queries = [
        found[1] or found[2] for found in re.finditer(r"expr: (?:>-\n((?:\s{10}.*\n)+)|(.*))", RULES.read_text())
    ]

    assert len(queries) == RULES.read_text().count("- alert:")
    for query in queries:
        assert asked(query) <= exposed(), query
