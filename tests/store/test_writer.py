"""p2pfw.store.writer: grouping, order, bounds and recovery, against a disk in memory that does what the test says."""

import threading
from concurrent.futures import Future

import pytest

from p2pfw.errors import DiskFullError, StoreError
from p2pfw.store.writer import GROUP_OPERATIONS, Request, Writer

WAIT = 30
"""Seconds until a test that hangs fails; nothing depends on how long anything takes."""


class MemoryDisk:
    """Implements Disk. `gate` closed: a write waits. `broken`: called with the operations, may raise."""

    def __init__(self):
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.probed = threading.Semaphore(0)
        self.groups = []
        self.attempts = []
        self.broken = lambda operations: None
        self.closed = False

    def write(self, requests):
        operations = [operation for request in requests for operation in request.operations]
        self.attempts.append(operations)
        self.entered.release()
        assert self.gate.wait(WAIT)
        self.broken(operations)
        self.groups.append(operations)

    def probe(self):
        self.probed.release()
        self.broken([])

    def close(self):
        self.closed = True

    @property
    def kept(self):
        return [operation for group in self.groups for operation in group]


class Answers(Future):
    """What a commit was answered."""

    def __call__(self, error):
        self.set_result(error)


@pytest.fixture
def disk():
    """A disk that works."""
    return MemoryDisk()


@pytest.fixture
def writer(disk):
    """A running writer with a small queue."""
    writer = Writer(disk, max_waiting=100)
    yield writer
    disk.gate.set()
    writer.close()


def commit(writer, *operations):
    """Queue a commit; its answer to come."""
    answer = Answers()
    assert writer.put(Request(list(operations), answer))
    return answer


def post(writer, *operations):
    """Queue a post; whether there was room."""
    return writer.put(Request(list(operations)))


def hold(disk, writer):
    """The writer is busy with a first commit until the gate opens."""
    disk.gate.clear()
    first = commit(writer, "first")
    assert disk.entered.acquire(timeout=WAIT)
    return first


def full(_operations):
    """What a full disk does."""
    raise DiskFullError("no room")


def test_commit_is_answered_after_the_write(disk, writer):
    """Never before: the answer is the promise."""
    first = hold(disk, writer)

    assert not first.done()
    disk.gate.set()
    assert first.result(WAIT) is None
    assert disk.groups == [["first"]]


def test_what_waits_while_the_disk_works_becomes_one_group(disk, writer):
    """Grouped commit: a hundred callers cost two syncs."""
    first = hold(disk, writer)
    others = [commit(writer, number) for number in range(99)]
    disk.gate.set()

    assert [answer.result(WAIT) for answer in (first, *others)] == [None] * 100
    assert disk.groups == [["first"], list(range(99))]


def test_posts_ride_along_in_order(disk, writer):
    """One queue: what was put first is written first."""
    hold(disk, writer)
    post(writer, "a")
    last = commit(writer, "b")
    post(writer, "c")
    disk.gate.set()

    assert last.result(WAIT) is None
    assert disk.kept[:4] == ["first", "a", "b", "c"]


def test_posts_are_written_without_a_commit(disk, writer):
    """They wait a tenth of a second for company, and then go alone."""
    post(writer, "a")

    assert disk.entered.acquire(timeout=WAIT)
    assert disk.attempts == [["a"]]


def test_posts_wait_for_company_and_commits_do_not(disk):
    """Until their time has come posts give no reason to write; a commit always does; so does a full group."""
    writer = Writer(disk)
    try:
        post(writer, "a")
        first = commit(writer, "b")
        assert first.result(WAIT) is None
        post(writer, *range(GROUP_OPERATIONS))
        assert disk.entered.acquire(timeout=WAIT)
        assert disk.entered.acquire(timeout=WAIT)
        assert disk.kept[:2] == ["a", "b"]
    finally:
        writer.close()


def test_large_queue_is_written_in_groups_of_whole_requests(disk):
    """An import does not hold up the answers of everybody else until its end."""
    writer = Writer(disk)
    try:
        hold(disk, writer)
        half = GROUP_OPERATIONS // 2 + 1
        answers = [commit(writer, *[number] * half) for number in range(3)]
        disk.gate.set()

        assert [answer.result(WAIT) for answer in answers] == [None] * 3
        assert [sorted(set(group)) for group in disk.groups[1:]] == [[0], [1], [2]]
    finally:
        writer.close()


def test_failed_group_is_answered_with_the_reason(disk, writer):
    """Every commit of the group hears it, and the state says it."""
    disk.broken = full
    answer = commit(writer, "a")

    assert isinstance(answer.result(WAIT), DiskFullError)
    assert writer.failing == "no room"
    assert disk.kept == []


def test_commit_is_tried_again_without_the_posts_that_rode_along(disk, writer):
    """A promise is worth more than what others can send again; the posts are kept for later."""

    def only_small(operations):
        if len(operations) > 1:
            full(operations)

    hold(disk, writer)
    post(writer, "large", "large")
    answer = commit(writer, "small")
    disk.broken = only_small
    disk.gate.set()

    assert answer.result(WAIT) is None
    assert disk.kept == ["first", "small"]
    assert writer.failing == "no room"
    disk.broken = lambda operations: None
    assert disk.entered.acquire(timeout=WAIT)
    writer.close()
    assert disk.kept == ["first", "small", "large", "large"]


def test_state_recovers_by_itself_when_the_disk_does(disk, writer):
    """Nobody needs to write for `failing` to become empty: the thread looks."""
    seen = threading.Event()

    def mended(operations):
        seen.set()

    disk.broken = full
    assert commit(writer, "a").result(WAIT) is not None
    assert disk.probed.acquire(timeout=WAIT)
    disk.broken = mended
    assert seen.wait(WAIT)
    writer.close()
    assert writer.failing == ""


def test_commit_on_a_failing_disk_is_tried_at_once(disk, writer):
    """The first commit after recovery is kept; it does not wait for the next look."""
    disk.broken = full
    assert commit(writer, "a").result(WAIT) is not None
    disk.broken = lambda operations: None

    assert commit(writer, "b").result(WAIT) is None
    assert writer.failing == ""
    assert disk.kept == ["b"]


def test_mistake_of_ours_is_an_answer_and_not_the_end(disk, writer):
    """Whatever a write raises, its callers hear it and the thread goes on."""

    def mistaken(operations):
        raise ZeroDivisionError("oops")

    disk.broken = mistaken
    error = commit(writer, "a").result(WAIT)
    disk.broken = lambda operations: None

    assert "internal error" in str(error)
    assert commit(writer, "b").result(WAIT) is None


def test_full_queue_refuses_commits_and_drops_posts_and_says_so(disk, writer):
    """Bounded: a disk that is too slow does not become memory without end."""
    hold(disk, writer)
    commit(writer, *range(100))

    assert not writer.put(Request(["one more"], Answers()))
    assert writer.failing == ""
    assert not post(writer, "one more")
    assert "too slow: 1 received" in writer.failing
    disk.gate.set()
    writer.close()
    assert "one more" not in disk.kept
    assert writer.failing == ""


def test_request_larger_than_the_bound_is_let_in_alone(disk, writer):
    """An import is one transaction, however long; whole or not at all."""
    answer = commit(writer, *range(1_000))

    assert answer.result(WAIT) is None
    assert disk.groups == [list(range(1_000))]


def test_close_writes_what_waits(disk):
    """Posts too: an orderly stop loses nothing."""
    writer = Writer(disk)
    hold(disk, writer)
    post(writer, "posted")
    answer = commit(writer, "committed")
    disk.gate.set()
    writer.close()

    assert answer.result(WAIT) is None
    assert disk.kept == ["first", "posted", "committed"]
    assert disk.closed


def test_close_of_a_failing_disk_ends_and_answers_everybody(disk):
    """A stop must not hang on a broken disk, and nobody waits for an answer that never comes."""
    writer = Writer(disk)
    hold(disk, writer)
    post(writer, "posted")
    answer = commit(writer, "committed")
    disk.broken = full
    disk.gate.set()
    writer.close()

    assert isinstance(answer.result(WAIT), StoreError)
    assert disk.closed
    assert disk.kept == []


def test_closed_writer_takes_nothing(disk, writer):
    """What comes later is refused, not forgotten."""
    writer.close()

    assert not writer.put(Request(["late"], Answers()))
    assert not post(writer, "late")
    assert disk.kept == []


@pytest.mark.parametrize("threads", [8])
def test_every_commit_of_many_threads_is_answered_once_and_kept_once(disk, threads):
    """Nothing lost, nothing doubled, whatever the interleaving."""
    writer = Writer(disk)
    answers = {}

    def work(thread):
        for number in range(200):
            answers[thread, number] = commit(writer, (thread, number))
            post(writer, ("post", thread, number))

    workers = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [answer.result(WAIT) for answer in answers.values()] == [None] * (threads * 200)
    writer.close()
    assert sorted(map(str, disk.kept)) == sorted(
        [str(key) for key in answers] + [str(("post", *key)) for key in answers]
    )
    assert len(disk.groups) < threads * 200
