"""Fleets for end-to-end tests: one a module where tests can share it, each test with addresses of its own."""

from collections.abc import Callable, Iterator

import pytest

from tests.e2e.fleet import Fleet, Owner, Server
from tests.netns import lab_or_skip

FIGURE = "figure"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory) -> Iterator[Fleet]:
    """A, B and C, connected and enforcing."""
    folder = tmp_path_factory.mktemp("fleet")
    with lab_or_skip() as lab:
        made = Fleet(lab, folder)
        try:
            yield made.start()
        finally:
            made.close()


@pytest.fixture
def lone(tmp_path) -> Iterator[Server]:
    """One server by itself that only watches; not started."""
    tmp_path.chmod(0o700)
    with lab_or_skip() as lab:
        server = Server(lab.host("lone"), tmp_path, Owner(tmp_path), mode="observe")
        server.lab = lab
        try:
            yield server
        finally:
            server.close()


@pytest.fixture
def figure(record_property) -> Callable[[str], None]:
    """Notes what a test measured; shown at the end of the run. Measured, not judged: machines have moods."""
    return lambda text: record_property(FIGURE, text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures, also those of other processes."""
    for report in terminalreporter.stats.get("passed", []):
        for name, text in report.user_properties:
            if name == FIGURE and report.when == "call":
                terminalreporter.write_line(f"measured: {text}")
