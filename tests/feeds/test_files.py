"""p2pfw.feeds.files: a list on this machine's disk."""

import gzip
import os

import pytest

from p2pfw.errors import FeedError
from p2pfw.feeds import files
from p2pfw.feeds.source import FeedReader
from p2pfw.ports import FeedPlace, NotModified

LIST = b"203.0.113.0/24\n"
MOST = 4_096


@pytest.fixture
def path(tmp_path):
    """A list of 1994."""
    made = tmp_path / "list.txt"
    made.write_bytes(LIST)
    os.utime(made, (784111777, 784111777))
    return made


async def fetch(path, etag=""):
    """One attempt."""
    return await FeedReader("nobody").fetch(FeedPlace(file=path, max_bytes=MOST, etag=etag))


async def test_a_files_own_date_is_its_mtime(path):
    """As a publisher would write it."""
    found = await fetch(path)

    assert (found.data, found.date, found.modified) == (LIST, 784111777, "Sun, 06 Nov 1994 08:49:37 GMT")


async def test_an_unchanged_file_is_not_read_again(path):
    """Known by device, inode, size and time."""
    assert await fetch(path, (await fetch(path)).etag) == NotModified()


async def test_a_file_written_again_is_read_again(path):
    """In place, or another one under its name, with an equal date and size even."""
    etag = (await fetch(path)).etag
    path.write_bytes(LIST + b"203.0.113.9\n")
    assert (await fetch(path, etag)).data.endswith(b"203.0.113.9\n")

    other = path.with_name("other")
    other.write_bytes(LIST)
    os.utime(other, (784111777, 784111777))
    other.replace(path)
    assert (await fetch(path, etag)).data == LIST


async def test_a_link_is_the_operators(path):
    """Configuration management makes links; they are followed."""
    link = path.with_name("link")
    link.symlink_to(path)

    assert (await fetch(link)).data == LIST


async def test_a_file_that_is_not_there_is_named(tmp_path):
    """With its path and the system's words."""
    with pytest.raises(FeedError, match=r"missing\.txt: No such file"):
        await fetch(tmp_path / "missing.txt")


async def test_a_folder_is_no_list(tmp_path):
    """Said in the system's words, and no descriptor stays open for it."""
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        with pytest.raises(FeedError, match="Is a directory"):
            await fetch(tmp_path)

    assert len(os.listdir("/proc/self/fd")) <= len(before) + 1  # listing them takes one


async def test_a_pipe_keeps_nobody_waiting(tmp_path):
    """Opening one for reading would wait for a writer, for ever."""
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(FeedError, match="is no file"):
        await fetch(tmp_path / "pipe")


async def test_a_file_has_the_same_bound(path):
    """Exactly the limit is read, more is not."""
    path.write_bytes(b"1" * MOST)
    assert len((await fetch(path)).data) == MOST

    path.write_bytes(b"1" * (MOST + 1))
    with pytest.raises(FeedError, match="more than 4096 bytes"):
        await fetch(path)


async def test_a_gzipped_file_is_unpacked(path):
    """Told by its first bytes, not by its name."""
    path.write_bytes(gzip.compress(LIST))

    assert (await fetch(path)).data == LIST


async def test_a_file_that_changes_while_it_is_read_is_not_taken(path, monkeypatch):
    """Half of the old and half of the new list: the next look finds it at rest."""
    stat, calls = os.fstat, []

    def growing(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            path.write_bytes(LIST * 2)
        return stat(descriptor)

    monkeypatch.setattr(files.os, "fstat", growing)
    with pytest.raises(FeedError, match="changed while it was read"):
        await fetch(path)
