"""Log lines of the running node."""

import json
import logging
import os
import sys
from pathlib import Path

import pytest

from p2pfw.cli.exits import CommandError
from p2pfw.cli.logs import VARIABLE, Fields, Json, set_up


def _line(*, journal: bool, level: int = logging.INFO, **extra: object) -> str:
    record = logging.makeLogRecord(
        {"name": "p2pfw.x", "levelno": level, "levelname": "INFO", "msg": "adopted", **extra}
    )
    return Fields(journal=journal).format(record)


def test_fields_stand_behind_the_message():
    """name=value, quoted where it would be ambiguous."""
    line = _line(journal=False, prefix="203.0.113.9/32", verdict="needs voices", empty="")

    assert line.endswith("INFO    adopted prefix=203.0.113.9/32 verdict='needs voices' empty=''")


@pytest.mark.parametrize("level, mark", [(10, "<7>"), (20, "<6>"), (30, "<4>"), (40, "<3>"), (50, "<2>")])
def test_the_journal_gets_the_level_and_no_time(level, mark):
    """It has its own time."""
    assert _line(journal=True, level=level, n=3) == f"{mark}adopted n=3"


def test_words_of_others_cannot_forge_a_line():
    """A peer's name with a line end in it stays within its line."""
    assert "\n" not in _line(journal=True, peer="x\n<0>adopted everything")


def test_set_up_logs_to_standard_error(capsys, monkeypatch):
    """Once, however often; debug only when asked for."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    monkeypatch.setenv(VARIABLE, "auto")
    try:
        set_up(verbose=False)
        set_up(verbose=False)
        logging.getLogger("p2pfw.test").info("started", extra={"node": "a"})
        logging.getLogger("p2pfw.test").debug("hidden")
        found = capsys.readouterr().err
    finally:
        root.handlers[:], root.level = before[0], before[1]

    assert found.count("started node=a") == 1
    assert "hidden" not in found


def test_json_is_one_object_a_line():
    """Numbers stay numbers; what others wrote cannot end the line; a traceback is part of it."""
    record = logging.makeLogRecord(
        {"name": "p2pfw.x", "levelname": "WARNING", "levelno": 30, "msg": "found %s", "args": ("it",), "created": 1.5}
    )
    record.__dict__.update(peer="x\n{", count=3, kept=None, where=Path("/a"))
    line = Json().format(record)

    assert "\n" not in line
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:01.500Z",
        "level": "warning",
        "logger": "p2pfw.x",
        "event": "found it",
        "fields": {"peer": "x\n{", "count": 3, "kept": None, "where": "/a"},
    }
    try:
        raise ValueError("oops")
    except ValueError:
        record.exc_info = sys.exc_info()
    assert "ValueError: oops" in json.loads(Json().format(record))["traceback"]


def test_the_form_is_inherited_by_what_the_node_starts(monkeypatch):
    """The enforcer's lines stand among the node's."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    monkeypatch.setenv(VARIABLE, "text")
    try:
        set_up(verbose=False, form="json")
        assert os.environ[VARIABLE] == "json"
        assert isinstance(root.handlers[0].formatter, Json)
        monkeypatch.setenv(VARIABLE, "xml")
        with pytest.raises(CommandError):
            set_up(verbose=False)
    finally:
        root.handlers[:], root.level = before[0], before[1]
