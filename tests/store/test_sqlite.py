"""p2pfw.store.sqlite: the port Store on a real file."""

import asyncio
import inspect
import sqlite3
import threading
from contextlib import asynccontextmanager, closing
from dataclasses import asdict

import pytest

from p2pfw import ports
from p2pfw.errors import DiskFullError, StoreError
from p2pfw.rows import AllowRow, Drop, DropAnnouncements, Intention, IntentionRow, Put, PutIntentions, Setting
from p2pfw.store import database
from p2pfw.store.sqlite import SqliteDisk, SqliteStore
from p2pfw.store.writer import Request
from tests.store.rows import ALLOW, EVERY_ROW, V6, allow, host, put_announcement

INTENTION_OF_ALL = Intention(until=0, category=0, confidence=7, reason="", added=1)


@asynccontextmanager
async def opened(state_dir, **options):
    """A store that is closed at the end of the block."""
    store = SqliteStore.open(state_dir, **options)
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
def state(tmp_path):
    """A state directory that does not exist yet."""
    return tmp_path / "state"


@pytest.fixture
async def store(state):
    """An open store."""
    async with opened(state) as made:
        yield made


def test_it_has_everything_that_the_port_asks_for():
    """Names and parameters of the Protocol; mypy checks the types."""
    for name, member in vars(ports.Store).items():
        if name.startswith("_"):
            continue
        mine = inspect.getattr_static(SqliteStore, name)
        assert type(mine) is type(member), name
        if inspect.isfunction(member):
            assert list(inspect.signature(mine).parameters) == list(inspect.signature(member).parameters), name


@pytest.mark.parametrize("row", EVERY_ROW, ids=lambda row: type(row).__name__)
async def test_committed_rows_are_there_after_a_restart(state, row):
    """Each class of row, as it was."""
    async with opened(state) as first:
        await first.commit(Put(row=row))
    async with opened(state) as second:
        assert second.rows(type(row)) == [row]


async def test_committed_rows_are_seen_at_once(store):
    """A commit that returned is visible to every reader."""
    await store.commit(Put(row=ALLOW))

    assert store.rows(AllowRow) == [ALLOW]
    await store.commit(Drop(table=AllowRow, identity=ALLOW.key))
    assert store.rows(AllowRow) == []


async def test_settings_are_kept_and_removed(store):
    """JSON values by name; None removes."""
    await store.commit(Setting(name="mode", value="enforce"), Setting(name="epoch", value=1_700_000_000_000))
    await store.commit(Setting(name="mode", value=None), Setting(name="list", value=[1, None, "ü"]))

    assert store.settings() == {"epoch": 1_700_000_000_000, "list": [1, None, "ü"]}


async def test_announcements_keep_their_exact_bytes_and_keys_come_first(store):
    """Certificates and revocations before what they are about, else in the order of arrival."""
    kinds = [0, 6, 2, 0, 3, 1, 2]
    made = [put_announcement(number, kind=kind, recorded=100 + number) for number, kind in enumerate(kinds)]
    await store.commit(*made)
    order = [2, 6, 4, 0, 1, 3, 5]

    assert list(store.announcements()) == [(made[number].raw, 100 + number) for number in order]


async def test_dropped_announcements_are_gone(store):
    """One write, many ids; unknown ids are no error."""
    made = [put_announcement(number) for number in range(5)]
    await store.commit(*made)
    await store.commit(DropAnnouncements(ids=(made[1].id, made[3].id, put_announcement(99).id)))

    assert [raw for raw, _ in store.announcements()] == [made[number].raw for number in (0, 2, 4)]


async def test_load_sees_one_moment_while_writes_go_on(store):
    """A walk that began before a write does not see it; a walk that is given up holds nothing."""
    await store.commit(*(put_announcement(number) for number in range(10)))
    walk = store.announcements()
    next(walk)
    await store.commit(*(put_announcement(number) for number in range(10, 20)))

    assert sum(1 for _ in walk) == 9
    abandoned = store.announcements()
    next(abandoned)
    abandoned.close()
    assert sum(1 for _ in store.announcements()) == 20


async def test_commit_is_whole_or_not_at_all(store):
    """A list with one bad element changes nothing: the error names the value before anything is written."""
    with pytest.raises(OverflowError):
        await store.commit(Put(row=allow(1)), Setting(name="x", value=1), Put(row=_too_late()))

    assert store.rows(AllowRow) == []
    assert store.settings() == {}


def _too_late():
    return AllowRow(key=host(2), until=1 << 70, comment="", added=0)


async def test_bad_value_of_one_caller_does_not_fail_another(store):
    """They would have shared a transaction."""
    results = await asyncio.gather(
        store.commit(Put(row=allow(1))),
        store.commit(Put(row=_too_late())),
        store.commit(Put(row=allow(3))),
        return_exceptions=True,
    )

    assert [type(result) for result in results] == [type(None), OverflowError, type(None)]
    assert [row.added for row in store.rows(AllowRow)] == [1, 3]


async def test_concurrent_commits_share_transactions(store, state):
    """A thousand callers at once cost a handful of syncs: the log grows by pages, not by a thousand commits."""
    await asyncio.gather(*(store.commit(Put(row=allow(number))) for number in range(1_000)))
    # Each transaction ends with a frame that carries the size of the database; ours are the only ones in the log.
    log = (state / f"{database.DATABASE_NAME}-wal").read_bytes()
    commits = sum(log[at + 4 : at + 8] != b"\0" * 4 for at in range(32, len(log) - 23, 24 + 4_096))

    assert len(store.rows(AllowRow)) == 1_000
    assert 1 <= commits <= 100


async def test_large_commit_is_one_transaction(store):
    """An import of a hundred thousand would be prepared in slices, and kept whole."""
    await store.commit(*(Put(row=allow(number)) for number in range(5_000)))

    assert len(store.rows(AllowRow)) == 5_000


async def test_posts_are_kept_by_an_orderly_close(state):
    """Posted, then closed: written."""
    async with opened(state) as first:
        first.post(put_announcement(1))
    async with opened(state) as second:
        assert sum(1 for _ in second.announcements()) == 1


async def test_full_queue_is_said(state):
    """Bounded: commits are refused with a text, posts dropped and counted, and the next commit after that is kept."""
    async with opened(state, max_waiting=10) as store:
        blocker = sqlite3.connect(state / database.DATABASE_NAME, isolation_level=None)
        with closing(blocker):
            blocker.execute("BEGIN IMMEDIATE")
            first = asyncio.create_task(store.commit(*(Put(row=allow(number)) for number in range(10))))
            await asyncio.sleep(0)
            second = asyncio.create_task(store.commit(*(Put(row=allow(number)) for number in range(10, 20))))
            third = asyncio.create_task(store.commit(Put(row=allow(20))))
            await asyncio.sleep(0)
            with pytest.raises(StoreError, match="too much is waiting"):
                await third
            blocker.execute("ROLLBACK")
        await asyncio.gather(first, second, return_exceptions=True)

        await store.commit(Put(row=allow(21)))
        assert store.failing == ""


async def test_closed_store_refuses(state):
    """An answer that never comes would hang its caller."""
    store = SqliteStore.open(state)
    await store.close()

    with pytest.raises(StoreError, match="closed"):
        await store.commit(Put(row=ALLOW))
    store.post(Put(row=ALLOW))


async def test_cancelled_caller_disturbs_nobody(store):
    """Its write may be kept or not; the others' are."""
    first = asyncio.create_task(store.commit(Put(row=allow(1))))
    second = asyncio.create_task(store.commit(Put(row=allow(2))))
    await asyncio.sleep(0)
    first.cancel()

    await second
    assert [row.added for row in store.rows(AllowRow)][-1] == 2


async def test_each_caller_of_a_failed_group_gets_an_error_of_its_own(state):
    """One exception object raised in a hundred tasks would carry a hundred tracebacks."""
    async with opened(state) as store:
        (state / database.DATABASE_NAME).rename(state / "moved")
        results = await asyncio.gather(
            *(store.commit(Put(row=allow(number))) for number in range(5)), return_exceptions=True
        )

        assert len({id(result) for result in results}) == 5
        assert all("moved, deleted or replaced" in str(result) for result in results)
        assert "moved, deleted or replaced" in store.failing
        (state / "moved").rename(state / database.DATABASE_NAME)
        await store.commit(Put(row=allow(7)))
        assert store.failing == ""


async def test_deleted_database_takes_no_more_promises(store, state):
    """Writes to a deleted file succeed, and nobody will ever read them."""
    (state / database.DATABASE_NAME).unlink()

    with pytest.raises(StoreError, match="restart"):
        await store.commit(Put(row=ALLOW))
    assert not (state / database.DATABASE_NAME).exists()


async def test_store_id_is_the_files(state):
    """The same after a restart; 16 bytes."""
    async with opened(state) as first:
        known = first.store_id
    async with opened(state) as second:
        assert second.store_id == known
        assert len(known) == 16


async def test_damage_found_while_reading_is_told(store, state):
    """Not an exception of SQLite: a text that says what to do."""
    await store.commit(*(put_announcement(number, size=8_192) for number in range(50)))
    await store.close()
    path = state / database.DATABASE_NAME
    data = bytearray(path.read_bytes())
    data[4_096 * 3 :] = b"\xee" * len(data[4_096 * 3 :])
    path.write_bytes(data)

    with pytest.raises(StoreError, match="restore a backup"):
        list(store.announcements())


async def test_load_keeps_one_announcement_in_memory_at_a_time(store):
    """The iterator walks; it does not collect. A hundred of the largest pass through."""
    await store.commit(*(put_announcement(number, size=32_768) for number in range(100)))
    walk = store.announcements()

    assert iter(walk) is walk
    assert sum(len(raw.body) for raw, _ in walk) == 100 * 32_768


async def test_intentions_by_the_thousand_are_read_back(store):
    """In the order of prefixes."""
    rows = [
        IntentionRow(key=host(n), until=0, category=n % 7, confidence=n % 8, reason=f"r{n}", added=n)
        for n in range(3_000)
    ]
    await store.commit(*(Put(row=row) for row in reversed(rows)))

    assert store.rows(IntentionRow) == rows


async def test_one_intention_about_many_prefixes_is_a_row_for_each(store):
    """Put as one, kept as if put singly, given back as one object; a later one replaces what it is about only."""
    keys = [host(n) for n in range(3_000)]
    meant = Intention(until=0, category=3, confidence=7, reason="lista", added=5, basis=(1 << 64) - 1)
    newer = Intention(until=9, category=1, confidence=2, reason="", added=6)
    await store.commit(PutIntentions(keys=keys, intention=meant))
    await store.commit(PutIntentions(keys=[V6, keys[1]], intention=newer))
    kept = dict(store.intentions())

    assert kept == {**dict.fromkeys(keys, meant), keys[1]: newer, V6: newer}
    assert len({id(one) for one in kept.values()}) == 2
    assert store.rows(IntentionRow)[0] == IntentionRow(key=keys[0], **asdict(meant))


async def test_an_intention_about_what_is_no_prefix_keeps_nothing(store):
    """The caller's error, before the transaction."""
    with pytest.raises(ValueError, match="no prefix key"):
        await store.commit(
            PutIntentions(keys=[host(1), host(2) | 1 << 200], intention=INTENTION_OF_ALL), Put(row=ALLOW)
        )

    assert list(store.intentions()) == []
    assert store.rows(AllowRow) == []


# --- a connection that fails -------------------------------------------------------------------------------------


class FailingConnection(sqlite3.Connection):
    """Fails at a chosen statement, as SQLite would."""

    failure = ""
    at = "COMMIT"

    def execute(self, sql, *args):
        if self.failure and sql.startswith(self.at):
            error = sqlite3.OperationalError("injected")
            error.sqlite_errorname = self.failure
            raise error
        return super().execute(sql, *args)


@pytest.fixture
def failing_disk(state):
    """A disk whose first connection can be made to fail."""
    state.mkdir(mode=0o700)
    path = database.database_path(state)
    database.open_writer(path).close()
    connection = sqlite3.connect(path, isolation_level=None, factory=FailingConnection, check_same_thread=False)
    disk = SqliteDisk(path, connection)
    yield disk, connection, path
    disk.close()
    connection.close()


def _write(number):
    return [Request([("INSERT INTO setting VALUES (?, '1')", (f"s{number}",))])]


def _names(path):
    with database.reader(path) as reading:
        return [name for (name,) in reading.execute("SELECT name FROM setting ORDER BY name")]


@pytest.mark.parametrize("at", ["BEGIN", "COMMIT"])
@pytest.mark.parametrize(
    "failure, kind",
    [("SQLITE_FULL", DiskFullError), ("SQLITE_IOERR_FSYNC", StoreError), ("SQLITE_CORRUPT", StoreError)],
)
def test_failed_transaction_leaves_nothing_and_the_next_one_works(failing_disk, failure, kind, at):
    """Rolled back at once; after anything worse than no room the connection is opened again."""
    disk, connection, path = failing_disk
    connection.failure, connection.at = failure, at
    with pytest.raises(kind):
        disk.write(_write(1))
    assert _names(path) == []
    connection.failure = ""
    disk.write(_write(2))

    assert _names(path) == ["s2"]


def test_probe_fails_while_the_disk_does(failing_disk):
    """It goes all the way to the sync."""
    disk, connection, _ = failing_disk
    connection.failure = "SQLITE_FULL"
    with pytest.raises(DiskFullError):
        disk.probe()
    connection.failure = ""
    disk.probe()


def test_disk_whose_connection_cannot_be_opened_again_closes_quietly(failing_disk):
    """A stop after a failure."""
    disk, connection, _ = failing_disk
    connection.failure = "SQLITE_IOERR_WRITE"
    with pytest.raises(StoreError):
        disk.write(_write(1))
    disk.close()


def test_answers_after_the_loop_has_ended_are_dropped(state):
    """A loop that is gone has nobody waiting; the thread must not die of it."""
    store = SqliteStore.open(state)
    blocker = sqlite3.connect(state / database.DATABASE_NAME, isolation_level=None, check_same_thread=False)
    blocker.execute("BEGIN IMMEDIATE")

    async def abandoned():
        task = asyncio.create_task(store.commit(Put(row=ALLOW)))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(abandoned())
    blocker.execute("ROLLBACK")
    blocker.close()
    asyncio.run(store.close())

    assert not any(thread.name == "p2pfw-store" for thread in threading.enumerate())
