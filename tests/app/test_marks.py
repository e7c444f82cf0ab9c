"""Marks and notes that belong to blocks: there as long as these, and not a moment of another's."""

from hypothesis import given
from hypothesis import strategies as st

from p2pfw.app.marks import AGAIN, FORCE, NOTE, Marks
from p2pfw.core.localbook import LocalBook, LocalEntry
from p2pfw.core.prefix import PrefixKey
from p2pfw.core.statement import Source
from p2pfw.rows import LocalRow
from tests.app.world import key

ONE = key("203.0.113.1")


def row(source: str, until: int, prefix: PrefixKey = ONE, reason: str = "") -> LocalRow:
    """A row as blocking writes it."""
    return LocalRow(source=source, key=prefix, until=until, category=6, reason=reason, added=0)


def test_a_mark_ends_with_its_row():
    """Not before; once."""
    marks = Marks(LocalBook())
    marks.put(row(FORCE, 100))
    marks.put(row(NOTE, 100, reason="because"))
    assert marks.tick(99) == []
    assert (marks.is_forced(ONE), marks.note(ONE)) == (True, "because")

    assert sorted(marks.tick(100)) == [(FORCE, ONE), (NOTE, ONE)]
    assert (marks.is_forced(ONE), marks.note(ONE)) == (False, "")
    assert marks.tick(1_000) == []


def test_a_later_end_holds():
    """Forced again for longer: the first end passes without effect, on disk too."""
    marks = Marks(LocalBook())
    marks.put(row(FORCE, 100))
    marks.put(row(FORCE, 200))

    assert marks.tick(150) == []
    assert marks.is_forced(ONE)
    assert marks.tick(200) == [(FORCE, ONE)]


def test_what_is_for_ever_has_no_end():
    """0 is never; said for ever after an end had been set, the end is forgotten."""
    marks = Marks(LocalBook())
    marks.put(row(NOTE, 100, reason="an hour"))
    marks.put(row(NOTE, 0, reason="for ever"))

    assert marks.tick(10**9) == []
    assert marks.note(ONE) == "for ever"


def test_a_row_that_is_being_written_is_not_dropped_after_it():
    """The disk does things in order: a drop behind the new row would take it along."""
    marks = Marks(LocalBook())
    marks.put(row(NOTE, 100, reason="old"))
    with marks.writing([ONE]):
        assert marks.tick(100) == []
    marks.put(row(NOTE, 300, reason="new"))

    assert marks.tick(100 + AGAIN) == []
    assert marks.note(ONE) == "new"
    assert marks.tick(300) == [(NOTE, ONE)]


def test_statements_are_dropped_from_disk_when_the_book_forgot_them():
    """Local blocks and sightings: their row goes when nothing of it lives any more, whoever ticks first."""
    local = LocalBook()
    marks = Marks(local)
    for source in (Source.OPERATOR, Source.SIGHTING):
        local.put(source, ONE, LocalEntry(until=100, added=0))
        marks.put(row(source.value, 100))
    local.put(Source.SIGHTING, ONE, LocalEntry(until=200, added=0))
    local.tick(100)

    assert marks.tick(100) == [(Source.OPERATOR.value, ONE)]


def test_a_forced_prefix_opens_what_it_overlaps():
    """Either way; nothing else."""
    marks = Marks(LocalBook())
    marks.put(row(FORCE, 0, key("203.0.113.0/28")))

    assert marks.is_opened(ONE)
    assert marks.is_opened(key("203.0.113.0/24"))
    assert not marks.is_opened(key("198.51.100.1"))
    assert not marks.is_forced(ONE)
    assert marks.drop(key("203.0.113.0/28"))
    assert not marks.is_opened(ONE)
    assert not marks.drop(ONE)


@given(st.lists(st.tuples(st.sampled_from([FORCE, NOTE]), st.integers(0, 3), st.integers(0, 50)), max_size=30))
def test_after_any_history_what_lives_is_what_was_said_last(history: list[tuple[str, int, int]]):
    """The slow twin: a dictionary that is looked through at the end; each row is dropped once, and only when over."""
    marks, twin, dropped = Marks(LocalBook()), {}, []
    for now, (source, number, ttl) in enumerate(history):
        prefix = key(f"45.0.0.{number}")
        dropped += marks.tick(now)
        until = ttl and now + ttl
        marks.put(row(source, until, prefix, reason="x"))
        twin[source, prefix] = until
    end = len(history) + 25
    dropped += marks.tick(end)
    alive = {place for place, until in twin.items() if until == 0 or until > end}

    assert {place for place in twin if _lives(marks, place)} == alive
    assert set(twin) - alive <= set(dropped)


def _lives(marks: Marks, place: tuple[str, PrefixKey]) -> bool:
    source, prefix = place
    return marks.is_forced(prefix) if source == FORCE else marks.note(prefix) != ""
