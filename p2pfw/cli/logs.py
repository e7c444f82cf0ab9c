"""How the running node's log lines look: one line a fact, its fields as name=value behind it.

On a terminal with the time in front; under systemd without, because the journal has its own, and with the level as the
journal reads it.
"""

import logging
import os
import sys
from typing import Final

from p2pfw.cli.printer import clean

_OWN: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_JOURNAL_LEVELS: Final = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
_FORMAT: Final = "%(asctime)s %(levelname)-7s %(message)s"


class Fields(logging.Formatter):
    """Puts the fields of `extra` behind the message. Words of others cannot forge a line of their own."""

    def __init__(self, *, journal: bool) -> None:
        super().__init__("%(message)s" if journal else _FORMAT, datefmt="%Y-%m-%dT%H:%M:%S%z")
        self._journal = journal

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (logging's name)
        """The line without a traceback."""
        fields = (f" {name}={_value(value)}" for name, value in record.__dict__.items() if name not in _OWN)
        level = f"<{_JOURNAL_LEVELS.get(record.levelno, 6)}>" if self._journal else ""
        return level + clean(super().formatMessage(record) + "".join(fields))


def set_up(*, verbose: bool) -> None:
    """Log to standard error from now on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Fields(journal=bool(os.environ.get("JOURNAL_STREAM"))))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler], force=True)
    # Its line for every request would bury ours.
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def _value(value: object) -> str:
    text = str(value)
    return repr(text) if not text or any(c.isspace() or c in "\"'=" for c in text) else text
