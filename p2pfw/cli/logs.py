"""How the running node's log lines look: one line a fact, its fields as name=value behind it.

On a terminal with the time in front; under systemd as fields of the journal (cli.journal); as JSON where the operator
wants it, one object a line. Words of others cannot forge a line, a field or an escape sequence in any of them.
"""

import json
import logging
import os
import sys
import time
from typing import Final

from p2pfw.cli.exits import CommandError, Exit
from p2pfw.cli.journal import LEVELS, JournalHandler, extras, is_there, traceback_of
from p2pfw.cli.printer import clean

FORMS: Final = ("auto", "text", "json")
VARIABLE: Final = "P2PFW_LOG"
"""Environment: the form, where no flag says it; so the enforcer that a node starts writes as the node does."""
STANDARD_ERROR: Final = 2
_FORMAT: Final = "%(asctime)s %(levelname)-7s %(message)s"


class Fields(logging.Formatter):
    """Puts the fields of `extra` behind the message. Words of others cannot forge a line of their own."""

    def __init__(self, *, journal: bool) -> None:
        super().__init__("%(message)s" if journal else _FORMAT, datefmt="%Y-%m-%dT%H:%M:%S%z")
        self._journal = journal

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (logging's name)
        """The line without a traceback."""
        fields = (f" {name}={_quoted(str(value))}" for name, value in extras(record).items())
        level = f"<{LEVELS.get(record.levelno, 6)}>" if self._journal else ""
        return level + clean(super().formatMessage(record) + "".join(fields))


class Json(logging.Formatter):
    """One object a line: time (RFC 3339, UTC), level, logger, event, and the fields of `extra` under "fields"."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        seconds, part = divmod(record.created, 1)
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        told: dict[str, object] = {
            "time": f"{when}.{int(part * 1000):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            "fields": {name: _plain(value) for name, value in extras(record).items()},
        }
        if trace := traceback_of(record):
            told["traceback"] = trace
        return json.dumps(told)


def set_up(*, verbose: bool, form: str = "") -> None:
    """Log from now on: to the journal where standard error leads there, else to standard error."""
    form = form or os.environ.get(VARIABLE, "auto")
    if form not in FORMS:
        raise CommandError(f"{VARIABLE}={form!r} is no form of logs", code=Exit.USAGE, hint=", ".join(FORMS))
    os.environ[VARIABLE] = form
    journal = form == "auto" and is_there(os.environ, STANDARD_ERROR)
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Json() if form == "json" else Fields(journal=journal))
    if journal:
        handler = JournalHandler(handler)
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler], force=True)
    # Its line for every request would bury ours.
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def _plain(value: object) -> object:
    """As JSON has it: numbers and flags as they are, everything else as text."""
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _quoted(text: str) -> str:
    return repr(text) if not text or any(c.isspace() or c in "\"'=" for c in text) else text
