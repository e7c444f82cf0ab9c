"""p2pfw.config.allowing: the operator's whitelist, from all its files, with the line of each entry."""

import pytest

from p2pfw.config import read_allow
from p2pfw.config.allowing import MAX_FILE
from p2pfw.core.prefix import Prefix
from p2pfw.errors import ConfigError
from tests.config.files import loaded


def rows(config):
    """(prefix, comment, source) of each entry."""
    return [(str(Prefix(one.key)), one.comment, one.source) for one in read_allow(config)]


def test_entries_carry_comment_and_line(tmp_path):
    """What `why` shows when a whitelist entry is in the way."""
    (tmp_path / "allow.d").mkdir()
    (tmp_path / "allow.d" / "b.txt").write_text("2001:db8::/32\r\n")
    (tmp_path / "allow.d" / "a.txt").write_text(
        "# office\n\n 198.51.100.0/24   # headquarters # 3rd floor\n203.0.113.9\n"
    )
    (tmp_path / "allow.d" / "c.list").write_text("nonsense")
    config = loaded(tmp_path, '[policy]\nallow = ["10.0.0.0/8"]')

    assert rows(config) == [
        ("10.0.0.0/8", "", f"{tmp_path}/p2pfw.toml:2"),
        ("198.51.100.0/24", "headquarters # 3rd floor", f"{tmp_path}/allow.d/a.txt:3"),
        ("203.0.113.9/32", "", f"{tmp_path}/allow.d/a.txt:4"),
        ("2001:db8::/32", "", f"{tmp_path}/allow.d/b.txt:1"),
    ]


def test_pattern_without_files_is_an_empty_directory(tmp_path):
    """The default pattern on a machine where nobody made the directory."""
    assert rows(loaded(tmp_path, "")) == []


def test_named_file_that_is_missing_is_an_error(tmp_path):
    """A whitelist that is silently empty locks people out."""
    config = loaded(tmp_path, '[policy]\nallow_files = ["missing.txt"]')
    with pytest.raises(ConfigError, match=r"missing\.txt does not exist") as caught:
        read_allow(config)
    assert caught.value.where == f"{tmp_path}/p2pfw.toml:2"


def test_all_bad_lines_of_all_files_are_told(tmp_path):
    """A bad file changes nothing and is reported whole."""
    (tmp_path / "a.txt").write_text("10.0.0.1/8\n192.0.2.0/24\nnot an address\n\xff\n", encoding="latin-1")
    (tmp_path / "b.txt").write_text("300.0.0.1\n")
    config = loaded(tmp_path, '[policy]\nallow_files = ["a.txt", "b.txt"]')
    with pytest.raises(ConfigError, match="did you mean") as caught:
        read_allow(config)
    places = [error.where.removeprefix(f"{tmp_path}/") for error in (caught.value, *caught.value.more)]

    assert places == ["a.txt:1", "a.txt:3", "a.txt:4", "b.txt:1"]


def test_file_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    """Also for root's whitelist read by somebody else."""
    (tmp_path / "a.txt").mkdir()
    config = loaded(tmp_path, '[policy]\nallow_files = ["a.txt"]')

    with pytest.raises(ConfigError, match="Is a directory"):
        read_allow(config)


def test_file_without_end_is_not_read_to_its_end(tmp_path):
    """/dev/zero, or a log that somebody named by mistake."""
    with (tmp_path / "a.txt").open("wb") as file:
        file.truncate(MAX_FILE + 1)
    config = loaded(tmp_path, '[policy]\nallow_files = ["a.txt"]')

    with pytest.raises(ConfigError, match="larger than 16 MiB"):
        read_allow(config)
