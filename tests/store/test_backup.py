"""p2pfw.store.backup: one file that holds a node, taken while it runs, put back only where nothing is lost."""

import asyncio
import errno
import os
import sqlite3
import tarfile
from contextlib import closing

import pytest

from p2pfw.errors import AlreadyRunningError, DiskFullError, StoreError
from p2pfw.rows import Put, Setting
from p2pfw.store import archive, database
from p2pfw.store.backup import backup, restore
from p2pfw.store.lock import StateLock
from p2pfw.store.sqlite import SqliteStore
from tests.store.rows import ALLOW, EVERY_ROW, allow, put_announcement

NOW = 1_700_000_000


@pytest.fixture
async def state(tmp_path):
    """A state directory with keys and a row of everything."""
    directory = tmp_path / "state"
    store = SqliteStore.open(directory)
    await store.commit(*(Put(row=row) for row in EVERY_ROW), put_announcement(1), Setting(name="mode", value="enforce"))
    await store.close()
    for name in ("node.key", "owner.key"):
        (directory / name).write_text(f"secret of {name}")
        (directory / name).chmod(0o600)
    return directory


async def content(directory):
    """Everything that a store holds, but for its id."""
    store = SqliteStore.open(directory)
    try:
        rows = {type(row).__name__: store.rows(type(row)) for row in EVERY_ROW}
        return rows, list(store.announcements()), store.settings()
    finally:
        await store.close()


async def store_id(directory):
    """The id of the database."""
    store = SqliteStore.open(directory)
    await store.close()
    return store.store_id


async def test_restored_node_has_what_the_node_had(tmp_path, state):
    """Rows, announcements, settings, keys; and the mark that it has to relearn what it said since."""
    backup(state, tmp_path / "b.tar", NOW)
    restored = tmp_path / "new"
    manifest = restore(tmp_path / "b.tar", restored, NOW)
    rows, announcements, settings = await content(state)

    assert await content(restored) == (rows, announcements, {**settings, "restored": True})
    assert (restored / "node.key").read_text() == "secret of node.key"
    assert [file.name for file in manifest.files] == ["p2pfw.db", "node.key", "owner.key"]
    assert manifest.made == NOW
    assert {path.name for path in restored.iterdir()} == {"p2pfw.db", "node.key", "owner.key", "lock"}
    assert {path.stat().st_mode & 0o777 for path in restored.iterdir()} == {0o600}


async def test_restored_node_begins_a_new_history(tmp_path, state):
    """Peers must not trust their cursors into the old one."""
    backup(state, tmp_path / "b.tar", NOW)
    restore(tmp_path / "b.tar", tmp_path / "new", NOW)
    restore(tmp_path / "b.tar", tmp_path / "other", NOW)

    assert len({await store_id(state), await store_id(tmp_path / "new"), await store_id(tmp_path / "other")}) == 3


async def test_node_that_is_alone_may_speak_at_once(tmp_path, state):
    """There is no peer to learn from; a mark of an earlier restore goes too."""
    backup(state, tmp_path / "b.tar", NOW)
    restore(tmp_path / "b.tar", tmp_path / "new", NOW)
    backup(tmp_path / "new", tmp_path / "c.tar", NOW)
    restore(tmp_path / "c.tar", tmp_path / "alone", NOW, alone=True)

    assert "restored" not in (await content(tmp_path / "alone"))[2]


async def test_backup_of_a_running_node_is_one_moment(tmp_path, state):
    """While commits go on: whole transactions only, and at least what was acknowledged before it began."""
    store = SqliteStore.open(state)
    with StateLock.take(state):
        running = True

        async def busy():
            number = 0
            while running:
                await store.commit(*(Put(row=allow(number + place)) for place in range(10)))
                number += 10

        async with asyncio.TaskGroup() as group:
            group.create_task(busy())
            await store.commit(Setting(name="before", value=1))
            manifests = [await asyncio.to_thread(backup, state, tmp_path / f"{number}.tar", NOW) for number in range(3)]
            running = False
    await store.close()
    for number in range(len(manifests)):
        restore(tmp_path / f"{number}.tar", tmp_path / f"r{number}", NOW)
        rows, _, settings = await content(tmp_path / f"r{number}")
        # The whitelist entry of the fixture is one of another range.
        assert (len(rows["AllowRow"]) - 1) % 10 == 0
        assert settings["before"] == 1


async def test_backup_is_private_and_whole_or_not_there(tmp_path, state):
    """0600: it holds the keys. An older one is replaced in one step; nothing else is left behind."""
    target = tmp_path / "b.tar"
    target.write_text("older")
    target.chmod(0o644)
    backup(state, target, NOW)

    assert target.stat().st_mode & 0o777 == 0o600
    assert tarfile.is_tarfile(target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar", "state"]


async def test_failed_backup_leaves_the_older_one(tmp_path, state, monkeypatch):
    """A full disk in the middle of it."""
    target = tmp_path / "b.tar"
    backup(state, target, NOW)
    older = target.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archive, "write", full)
    with pytest.raises(DiskFullError):
        backup(state, target, NOW)
    assert target.read_bytes() == older
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar", "state"]


async def test_what_is_no_key_of_this_directory_is_not_taken(tmp_path, state):
    """Links, directories, the lock, other files."""
    (state / "other.txt").write_text("x")
    (state / "linked.key").symlink_to("/etc/hostname")
    (state / "directory.key").mkdir()
    manifest = backup(state, tmp_path / "b.tar", NOW)

    assert [file.name for file in manifest.files] == ["p2pfw.db", "node.key", "owner.key"]


def test_backup_of_nothing_is_an_error(tmp_path):
    """And makes no file."""
    with pytest.raises(StoreError):
        backup(tmp_path / "nowhere", tmp_path / "b.tar", NOW)
    assert list(tmp_path.iterdir()) == []


async def test_backup_into_a_missing_directory_is_an_error(tmp_path, state):
    """Named, not made."""
    with pytest.raises(StoreError, match="No such file"):
        backup(state, tmp_path / "nowhere" / "b.tar", NOW)
    with pytest.raises(StoreError, match="not a file that could be replaced"):
        backup(state, tmp_path, NOW)


async def test_damaged_database_is_not_backed_up_as_if_it_were_whole(tmp_path, state):
    """A backup that cannot be restored is worse than an error now."""
    path = state / "p2pfw.db"
    data = bytearray(path.read_bytes())
    data[4_096 * 2 : 4_096 * 6] = b"\xee" * 4_096 * 4
    path.write_bytes(data)

    with pytest.raises(StoreError, match="damaged"):
        backup(state, tmp_path / "b.tar", NOW)
    assert not (tmp_path / "b.tar").exists()


async def test_restore_over_something_needs_force_and_keeps_what_was_there(tmp_path, state):
    """A node key is not to be overwritten by a typing mistake, not even with --force."""
    backup(state, tmp_path / "b.tar", NOW)
    (state / "node.key").write_text("newer key")
    with pytest.raises(StoreError, match=r"not empty .*--force"):
        restore(tmp_path / "b.tar", state, NOW)
    assert (state / "node.key").read_text() == "newer key"
    restore(tmp_path / "b.tar", state, NOW, force=True)

    assert (state / "node.key").read_text() == "secret of node.key"
    kept = state / f"replaced-{NOW}"
    assert (kept / "node.key").read_text() == "newer key"
    assert (kept / "p2pfw.db").exists()
    assert kept.stat().st_mode & 0o777 == 0o700


async def test_log_of_the_old_database_does_not_stay_beside_the_new_one(tmp_path, state):
    """SQLite would play an old log into the restored file."""
    backup(state, tmp_path / "b.tar", NOW)
    store = SqliteStore.open(state)
    await store.commit(Put(row=allow(5)))
    for name in ("p2pfw.db-wal", "p2pfw.db-shm"):
        (tmp_path / name).write_bytes((state / name).read_bytes())
    await store.close()
    for name in ("p2pfw.db-wal", "p2pfw.db-shm"):
        (tmp_path / name).rename(state / name)
    restore(tmp_path / "b.tar", state, NOW, force=True)

    assert not (state / "p2pfw.db-wal").exists()
    assert (await content(state))[0]["AllowRow"] == [ALLOW]


async def test_restore_under_a_running_node_is_refused(tmp_path, state):
    """Also with --force."""
    backup(state, tmp_path / "b.tar", NOW)
    with StateLock.take(state), pytest.raises(AlreadyRunningError):
        restore(tmp_path / "b.tar", state, NOW, force=True)


async def test_damaged_backup_changes_nothing(tmp_path, state):
    """Everything is checked before anything is replaced."""
    backup(state, tmp_path / "b.tar", NOW)
    data = bytearray((tmp_path / "b.tar").read_bytes())
    place = data.index(b"secret of owner.key")
    data[place] ^= 1
    (tmp_path / "b.tar").write_bytes(data)
    before = {path.name: path.read_bytes() for path in state.iterdir() if path.is_file()}
    with pytest.raises(StoreError, match=r"checksum of owner\.key"):
        restore(tmp_path / "b.tar", state, NOW, force=True)
    after = {path.name: path.read_bytes() for path in state.iterdir() if path.name != "lock"}

    assert after == before


async def test_backup_of_a_newer_version_is_refused(tmp_path, state):
    """Before anything is replaced."""
    with closing(sqlite3.connect(state / "p2pfw.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    backup(state, tmp_path / "b.tar", NOW)

    with pytest.raises(StoreError, match="install the version that wrote it"):
        restore(tmp_path / "b.tar", tmp_path / "new", NOW)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["lock"]


@pytest.mark.parametrize("names", [[], ["p2pfw.db", "p2pfw.db"], ["node.key"]])
async def test_backup_without_one_database_is_refused(tmp_path, state, names):
    """Whatever its sums say."""
    files = tuple(archive.describe(state / name) for name in names)
    made = archive.Manifest(made=NOW, version="x", store_id="", database_format=1, files=files)
    with (tmp_path / "b.tar").open("wb") as file:
        archive.write(file, made, {name: state / name for name in names})

    with pytest.raises(StoreError, match="holds no database"):
        restore(tmp_path / "b.tar", tmp_path / "new", NOW)


def test_missing_backup_is_an_error(tmp_path):
    """Named."""
    with pytest.raises(StoreError, match="No such file"):
        restore(tmp_path / "missing.tar", tmp_path / "new", NOW)


async def test_what_root_restores_belongs_to_the_nodes_user(tmp_path, state, monkeypatch):
    """Else the node could not open its own files."""
    backup(state, tmp_path / "b.tar", NOW)
    given = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda path, *_, **__: given.append(os.path.basename(path)))
    restore(tmp_path / "b.tar", tmp_path / "new", NOW)

    assert {"p2pfw.db", "node.key", "owner.key", "lock"} <= set(given)


async def test_database_can_be_read_back_by_its_own_rules(tmp_path, state):
    """The restored file opens like any other: mode, mark, format."""
    backup(state, tmp_path / "b.tar", NOW)
    restore(tmp_path / "b.tar", tmp_path / "new", NOW)
    with closing(database.open_writer(database.database_path(tmp_path / "new"))) as connection:
        assert connection.execute("SELECT count(*) FROM allow").fetchone() == (1,)
