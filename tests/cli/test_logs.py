"""Log lines of the running node."""

import logging

import pytest

from p2pfw.cli.logs import Fields, set_up


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
