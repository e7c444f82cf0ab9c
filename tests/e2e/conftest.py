"""Fleets for end-to-end tests: one a module where tests can share it, each test with addresses of its own."""

from collections.abc import Iterator

import pytest

from tests.e2e.fleet import Fleet
from tests.netns import lab_or_skip


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
