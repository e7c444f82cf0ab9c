"""The rules of the layers, for every test.

- The folder says the layer: tests/swarm, tests/kernel and tests/e2e carry a marker of the same name.
- In CI (`CI=true`) nothing may skip: a skipped test is a failed test there, whatever skipped it. Elsewhere a layer of
  which something was skipped is named at the end of the run, in words that cannot be overlooked.
- `../shared/data` is an extra, not a need: a parametrisation that is empty because those files are not there leaves
  no test behind, and is said at the end of the run.
- Property tests are the same on every CI run, and different ones on every run elsewhere and in `make soak`.
"""

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from p2pfw.demo.lab import Lab
from tests.netns import lab_or_skip

LAYERS = ("swarm", "kernel", "e2e")
IN_CI = os.environ.get("CI", "").lower() in {"true", "1"}

hypothesis.settings.register_profile("developer", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
hypothesis.settings.register_profile("soak", deadline=None, max_examples=20_000, print_blob=True)
hypothesis.settings.load_profile("soak" if os.environ.get("P2PFW_SOAK") else "ci" if IN_CI else "developer")

_empty = pytest.StashKey[list[str]]()


@pytest.fixture
def socket_dir() -> Iterator[Path]:
    """Short: the kernel allows 107 bytes for the path of a socket."""
    with tempfile.TemporaryDirectory(prefix="p2pfw-") as name:
        yield Path(name)


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A private network of hosts, taken down with everything in it at the end of the test."""
    with lab_or_skip() as made:
        yield made


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark by folder; leave out the placeholders of empty parametrisations."""
    empty = [item for item in items if any(_is_empty_set(mark) for mark in item.iter_markers("skip"))]
    config.stash[_empty] = [item.nodeid for item in empty]
    if empty:
        config.hook.pytest_deselected(items=empty)
        items[:] = [item for item in items if item not in empty]
    for item in items:
        if (layer := _layer(item.nodeid)) in LAYERS:
            item.add_marker(layer)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """In CI a skip is a failure that quotes the skip's reason."""
    report = yield
    return _no_skip_in_ci(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """The same for a module that skips itself, or that imports something optional."""
    report = yield
    return _no_skip_in_ci(report)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which layers were not proven by this run."""
    skipped = Counter(_layer(report.nodeid) for report in terminalreporter.stats.get("skipped", []))
    for layer, count in sorted(skipped.items()):
        terminalreporter.write_line(f"NOT PROVEN: {count} tests of layer {layer} were skipped", red=True, bold=True)
    for name in config.stash.get(_empty, []):
        terminalreporter.write_line(f"nothing to try: {name} (its data files are not there)", yellow=True)


def _no_skip_in_ci(report):
    expected_failure = hasattr(report, "wasxfail")
    if IN_CI and report.skipped and not expected_failure:
        report.outcome = "failed"
        report.longrepr = f"skipped, and in CI nothing may skip: {report.longrepr}"
    return report


def _is_empty_set(mark: pytest.Mark) -> bool:
    return str(mark.kwargs.get("reason", "")).startswith("got empty parameter set")


def _layer(nodeid: str) -> str:
    folders = nodeid.partition("::")[0].split("/")
    return next((layer for layer in LAYERS if layer in folders), "core and shell")
