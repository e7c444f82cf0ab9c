"""A served node, as in tests/web."""

from tests.web.conftest import served

__all__ = ["served"]
