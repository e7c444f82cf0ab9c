"""A bounded memory of what was seen."""

from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.gossip.recent import Recent


@given(st.lists(st.binary(max_size=2), max_size=200), st.integers(2, 40))
def test_holds_the_last_half_and_never_more_than_its_size(items, size):
    """The last size / 2 different items are there for certain; memory never exceeds the size (design: bounded)."""
    recent = Recent(size)
    for item in items:
        recent.add(item)
        assert item in recent
        assert len(recent) <= size

    last = items[len(items) - size // 2 :] if len(items) >= size // 2 else items
    assert all(item in recent for item in last)


def test_ageing_forgets_in_two_steps():
    """What was added before the last two agings is gone."""
    recent = Recent(10)
    recent.add(b"a")
    recent.age()
    recent.add(b"b")
    assert b"a" in recent

    recent.age()
    assert b"a" not in recent
    assert b"b" in recent

    recent.clear()
    assert len(recent) == 0
