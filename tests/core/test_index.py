"""From a prefix to the entries about it: what is kept, what is covered, and what overlaps."""

from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfw.core.announcement import Action, Announcement
from p2pfw.core.held import POSITION_BITS, Held, Shelf
from p2pfw.core.index import PrefixIndex, within
from p2pfw.core.prefix import overlaps
from tests.core.making import block, node_id, prefix_keys
from tests.core.saying import HOST, NET6, NEXT, prefix, retract, say


class Indexed:
    """An index over a shelf of its own."""

    def __init__(self) -> None:
        self.shelf = Shelf()
        self.index = PrefixIndex(self.shelf)

    def add(self, said: Announcement) -> tuple[Held, int]:
        """Hold and index it; how many prefixes were new for its origin."""
        held = self.shelf.put(said, said.origin, None)
        return held, self.index.add(held, held.keys())

    def found(self, text: str = HOST) -> set[int]:
        """Slots of the entries about a prefix."""
        refs = self.index.get(prefix(text))
        each = () if refs is None else (refs,) if isinstance(refs, int) else refs
        return {ref >> POSITION_BITS for ref in each}


def test_one_entry_is_one_integer():
    """Slot and position; no object of its own."""
    made = Indexed()
    held, fresh = made.add(say(1, block(HOST), block(NEXT)))

    assert fresh == 2
    assert made.index.get(prefix(NEXT)) == held.slot << POSITION_BITS | 1
    assert prefix(NEXT) in made.index
    assert prefix(NET6) not in made.index
    assert len(made.index) == 2


def test_entries_of_several_origins_stand_side_by_side():
    """Origins never override one another."""
    made = Indexed()
    slots = [made.add(say(1, block(HOST), by=by))[0].slot for by in (1, 2, 3)]

    assert made.found() == set(slots)


def test_a_newer_entry_that_ends_no_earlier_covers_an_older_one():
    """In either order of arrival."""
    for order in ((1, 2), (2, 1)):
        made = Indexed()
        slots = {seq: made.add(say(seq, block(HOST))) for seq in order}
        assert made.found() == {slots[2][0].slot}
        assert sum(fresh for _, fresh in slots.values()) == 1


def test_what_can_hold_again_is_kept():
    """An older entry that ends later; a BLOCK under a RETRACT, to be shown; not a RETRACT under a BLOCK."""
    made = Indexed()
    later, retracted = made.add(say(1, block(HOST, ttl=900)))[0], made.add(say(2, retract(HOST, ttl=900)))[0]
    assert made.found() == {later.slot, retracted.slot}

    newest = made.add(say(3, block(HOST, ttl=300)))[0]
    assert made.found() == {later.slot, retracted.slot, newest.slot}

    last = made.add(say(4, block(HOST, ttl=900)))[0]
    assert made.found() == {last.slot}


def test_the_same_record_twice_is_one():
    """Putting back is safe to repeat."""
    made = Indexed()
    held, _ = made.add(say(1, block(HOST)))

    assert made.index.add(held, held.keys()) == 0
    assert made.found() == {held.slot}


def test_discarding_counts_what_its_origin_has_none_of_left():
    """Shares are counted by (origin, prefix)."""
    made = Indexed()
    one, _ = made.add(say(1, block(HOST, ttl=900), block(NEXT)))
    two, _ = made.add(say(2, block(HOST, ttl=300)))
    other, _ = made.add(say(1, block(HOST), by=2))

    assert made.index.discard(one, one.keys()) == 1
    assert made.index.discard(other, other.keys()) == 1
    assert made.index.discard(one, one.keys()) == 0
    assert made.index.discard(two, two.keys()) == 1
    assert len(made.index) == 0


def test_what_was_covered_can_be_put_back():
    """Only what was lost, and only from announcements that were covered."""
    made = Indexed()
    old, _ = made.add(say(1, block(HOST), block(NEXT)))
    other, _ = made.add(say(2, block(NET6)))
    new, _ = made.add(say(3, block(HOST), block(NEXT)))
    made.index.discard(new, new.keys())
    assert made.found(HOST) == made.found(NEXT) == set()

    assert made.index.restore([old, other], {prefix(HOST), prefix(NET6)}) == 1
    assert made.found(HOST) == {old.slot}
    assert made.found(NEXT) == set()


def test_fresh_prefixes_are_those_that_the_origin_has_nothing_about():
    """Others' entries do not count."""
    made = Indexed()
    made.add(say(1, block(HOST)))

    keys = [prefix(HOST), prefix(NEXT)]
    assert made.index.fresh(node_id(1), keys) == 1
    assert made.index.fresh(node_id(2), keys) == 2
    assert made.index.fresh(node_id(2), [prefix(NET6)]) == 1


@given(st.sets(prefix_keys(), max_size=40), prefix_keys())
def test_overlaps_are_what_a_scan_finds(table, asked):
    """Against the obvious test of every pair."""
    table = table | {asked} if len(table) % 2 else table

    assert within(table, asked) == sorted(one for one in table if overlaps(one, asked))


@given(st.sets(st.integers(0, 1023), max_size=60), st.integers(0, 10), st.integers(0, 1023))
def test_overlaps_among_neighbours(places, bits, at):
    """Small and dense, so that most of them nest or touch."""

    def key_of(place: int, wide: int) -> int:
        return (0x0A000000 + (place >> wide << wide)) << 8 | 32 - wide

    table = {key_of(place, place % 4) for place in places}
    asked = key_of(at, bits)

    assert within(table, asked) == sorted(one for one in table if overlaps(one, asked))


@given(
    st.lists(
        st.tuples(st.integers(1, 2), st.integers(1, 30), st.sampled_from(Action), st.integers(1, 5)),
        max_size=14,
        unique_by=lambda one: one[:2],
    ).map(lambda drawn: [one for one in drawn if one[2] is not Action.PARDON]),
    st.randoms(use_true_random=False),
)
@settings(max_examples=150)
def test_what_is_kept_does_not_depend_on_the_order(drawn, random):
    """Exactly what no newer entry of its origin dominates: the rule as a scan over all pairs."""
    made = Indexed()
    random.shuffle(drawn)
    said = {
        made.add(say(seq, block(HOST, ttl=100 * ends, action=action), by=by))[0].slot: (by, seq, action, ends)
        for by, seq, action, ends in drawn
    }

    def dominated(one: tuple[int, int, Action, int]) -> bool:
        return any(
            other[0] == one[0]
            and other[1] > one[1]
            and other[3] >= one[3]
            and not (other[2] is Action.RETRACT and one[2] is Action.BLOCK)
            for other in said.values()
        )

    assert made.found() == {slot for slot, one in said.items() if not dominated(one)}
