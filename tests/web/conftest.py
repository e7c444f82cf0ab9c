"""A served node for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.web.serving import Served, serving


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """With the defaults: reads from loopback need no token."""
    async with serving(tmp_path) as running:
        yield running
