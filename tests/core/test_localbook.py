"""What is said on this machine alone: it ends by its own times, and every change names what to judge again."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfw.core.announcement import Action, Category, feed_basis
from p2pfw.core.localbook import Feed, LocalBook, LocalEntry
from p2pfw.core.statement import Source, Standing, Statement
from p2pfw.errors import InputError
from tests.core.making import NOW
from tests.core.saying import HOST, NET6, NEXT, prefix

KEY, OTHER, SIX = prefix(HOST), prefix(NEXT), prefix(NET6)


def entry(until: int = 0, **more: object) -> LocalEntry:
    """What the operator says, for ever unless told."""
    return LocalEntry(until=until, added=NOW, **more)


def feed(name: str = "drop", **more: object) -> Feed:
    """A feed that is adopted at once."""
    return Feed(**{"name": name, "source": Source.FEED, "fetched": NOW, **more})


class TestEntries:
    """The operator's words and sightings."""

    def test_a_word_becomes_a_statement(self):
        """Of full confidence, by nobody's key."""
        book = LocalBook()
        book.put(Source.OPERATOR, KEY, entry(NOW + 60, category=Category.WEB, reason="abuse", forced=True))

        assert book.statements(KEY, NOW) == [
            Statement(
                source=Source.OPERATOR,
                origin=None,
                owner=None,
                fleet=False,
                action=Action.BLOCK,
                category=Category.WEB,
                confidence=1.0,
                created=NOW,
                stated=NOW,
                expires=NOW + 60,
                basis=0,
                standing=Standing.LIVE,
                announcement=None,
                name="abuse",
                forced=True,
            )
        ]
        assert book.statements(OTHER, NOW) == []

    def test_sources_do_not_replace_one_another(self):
        """The operator's word and a sighting stand side by side, each dropped alone."""
        book = LocalBook()
        book.put(Source.SIGHTING, KEY, entry())
        book.put(Source.OPERATOR, KEY, entry())
        assert [one.source for one in book.statements(KEY, NOW)] == [Source.OPERATOR, Source.SIGHTING]

        assert book.drop(Source.OPERATOR, KEY)
        assert not book.drop(Source.OPERATOR, KEY)
        assert book.get(Source.OPERATOR, KEY) is None
        assert list(book.entries(Source.SIGHTING)) == [(KEY, entry())]

    def test_a_feed_is_not_said_word_by_word(self):
        """And nothing signed is ever put here."""
        with pytest.raises(InputError):
            LocalBook().put(Source.FEED, KEY, entry())
        with pytest.raises(InputError):
            LocalBook().entries(Source.SIGNED)

    def test_what_has_ended_counts_no_more_and_is_forgotten(self):
        """At once by time, from memory at the tick; no end means no end."""
        book = LocalBook()
        book.put(Source.OPERATOR, KEY, entry(NOW + 60))
        book.put(Source.OPERATOR, OTHER, entry())
        assert book.next_deadline() == NOW + 60
        assert book.statements(KEY, NOW + 60) == []
        assert book.tick(NOW + 59) == frozenset()

        assert book.tick(NOW + 60) == {KEY}
        assert book.get(Source.OPERATOR, KEY) is None
        assert book.statements(OTHER, NOW + 10**9)
        assert book.next_deadline() is None

    def test_said_again_it_ends_when_it_was_last_said_to(self):
        """Later, earlier, or never; a tick at an old end changes nothing."""
        book = LocalBook()
        for until in (NOW + 60, NOW + 600, NOW + 300):
            book.put(Source.SIGHTING, KEY, entry(until))
        book.put(Source.SIGHTING, OTHER, entry(NOW + 60))
        book.put(Source.SIGHTING, OTHER, entry())
        book.put(Source.SIGHTING, SIX, entry(NOW + 60))
        book.drop(Source.SIGHTING, SIX)

        assert book.tick(NOW + 60) == frozenset()
        assert book.next_deadline() == NOW + 300
        assert book.tick(NOW + 300) == {KEY}
        assert book.tick(NOW + 600) == frozenset()
        assert book.statements(OTHER, NOW + 600)

    def test_a_sighting_that_repeats_takes_no_more_room(self):
        """An attacker who knocks a million times a day fills nothing (design, Bounded)."""
        book = LocalBook()
        for second in range(1000):
            book.put(Source.SIGHTING, KEY, entry(NOW + second + 60))
            book.tick(NOW + second)

        assert len(book._ends) == 1

    def test_an_end_may_be_drawn_nearer(self):
        """Then it ends there."""
        book = LocalBook()
        book.put(Source.SIGHTING, KEY, entry())
        book.put(Source.SIGHTING, KEY, entry(NOW + 600))
        book.put(Source.SIGHTING, KEY, entry(NOW + 60))

        assert book.next_deadline() == NOW + 60
        assert book.tick(NOW + 60) == {KEY}


class TestFeeds:
    """Hundreds of thousands of prefixes, and one value for all."""

    def test_a_feed_speaks_for_each_of_its_prefixes(self):
        """With its basis and trust, in order of the feeds' names."""
        book = LocalBook()
        voice = feed("a", source=Source.FEED_VOICE, trust=0.5, basis=feed_basis("a"), category=Category.SCAN)
        book.replace_feed(feed("b", until=NOW + 60), [KEY])
        book.replace_feed(voice, [KEY, SIX])

        one, two = book.statements(KEY, NOW)
        assert (one.name, one.source, one.trust, one.basis) == ("a", Source.FEED_VOICE, 0.5, feed_basis("a"))
        assert (one.category, one.expires, one.stated, one.confidence) == (Category.SCAN, 0, NOW, 1.0)
        assert (two.name, two.source, two.expires) == ("b", Source.FEED, NOW + 60)
        assert book.statements(OTHER, NOW) == []
        assert book.feeds() == [(feed("b", until=NOW + 60), 1), (voice, 2)]
        assert book.feed_keys("a") == {KEY, SIX}
        assert book.feed_keys("none") == frozenset()

    def test_a_refresh_marks_what_came_and_went(self):
        """Not what stayed: a refresh of 100,000 prefixes judges a few again."""
        book = LocalBook()
        assert book.replace_feed(feed(), [KEY, OTHER]) == {KEY, OTHER}

        assert book.replace_feed(feed(fetched=NOW + 60, until=NOW + 900), [OTHER, SIX]) == {KEY, SIX}
        assert book.feed_keys("drop") == {OTHER, SIX}

    def test_another_weight_marks_everything(self):
        """Trust, category, or voice instead of direct."""
        book = LocalBook()
        book.replace_feed(feed(), [KEY, OTHER])

        assert book.replace_feed(feed(source=Source.FEED_VOICE, trust=0.3), [KEY]) == {KEY, OTHER}

    def test_a_dropped_feed_marks_its_prefixes(self):
        """And is gone."""
        book = LocalBook()
        book.replace_feed(feed(), [KEY])

        assert book.drop_feed("drop") == {KEY}
        assert book.drop_feed("drop") == frozenset()
        assert book.statements(KEY, NOW) == []

    def test_stale_content_counts_no_more(self):
        """Told once by a tick; after a clock that went back and forth, told again; fresh content counts at once."""
        book = LocalBook()
        book.replace_feed(feed(until=NOW + 60), [KEY])
        assert book.next_deadline() == NOW + 60

        assert book.statements(KEY, NOW + 60) == []
        assert book.tick(NOW + 60) == {KEY}
        assert book.next_deadline() is None
        assert book.tick(NOW + 61) == frozenset()
        assert book.tick(NOW) == frozenset()
        assert book.tick(NOW + 60) == {KEY}
        book.replace_feed(feed(until=NOW + 900), [KEY])
        assert book.statements(KEY, NOW + 60)

    @pytest.mark.parametrize("wrong", [{"source": Source.OPERATOR}, {"trust": 1.1}, {"trust": -0.1}])
    def test_an_impossible_feed_cannot_be_built(self, wrong):
        """Only feeds are feeds; trust is within 0..1."""
        with pytest.raises(InputError):
            feed(**wrong)


class TestListing:
    """What is there at all."""

    def test_keys_come_once_each(self):
        """Of every source."""
        book = LocalBook()
        book.put(Source.OPERATOR, KEY, entry())
        book.put(Source.SIGHTING, KEY, entry())
        book.replace_feed(feed(), [KEY, SIX])

        assert sorted(book.keys()) == [KEY, SIX]

    def test_overlaps_of_every_source(self):
        """Wider and narrower, ascending, once each."""
        book = LocalBook()
        wide = prefix("203.0.0.0/16")
        book.put(Source.OPERATOR, wide, entry())
        book.put(Source.SIGHTING, KEY, entry())
        book.replace_feed(feed(), [KEY, SIX, OTHER])

        assert book.overlapping(KEY) == [wide, KEY]
        assert book.overlapping(prefix("203.0.113.0/24")) == [wide, KEY, OTHER]
        assert book.overlapping(prefix("10.0.0.0/8")) == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from([Source.OPERATOR, Source.SIGHTING]),
            st.sampled_from([KEY, OTHER, SIX]),
            st.sampled_from([None, 0, 10, 20, 30]),
            st.integers(0, 8),
        ),
        max_size=30,
    )
)
@settings(max_examples=200)
def test_the_book_is_a_plain_table_with_ends(steps):
    """Against a dictionary that is looked through at every tick: equal answers after each step."""
    book, table, now = LocalBook(), {}, NOW
    for source, where, ttl, wait in steps:
        if ttl is None:
            assert book.drop(source, where) == (table.pop((source, where), None) is not None)
        else:
            until = now + ttl if ttl else 0
            book.put(source, where, entry(until))
            table[source, where] = until
        now += wait
        ended = {place for place, until in table.items() if 0 < until <= now}
        assert book.tick(now) == {where for _, where in ended}
        table = {place: until for place, until in table.items() if place not in ended}
        assert set(book.keys()) == {where for _, where in table}
        ends = [until for until in table.values() if until]
        assert (book.next_deadline() or 0) <= min(ends, default=now + 100)
        assert {(one.source, one.expires) for one in book.statements(KEY, now)} == {
            (source, until) for (source, where), until in table.items() if where == KEY
        }
