"""p2pfw.core.presets: trust as operators write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.presets import PRESETS, parse_trust
from p2pfw.errors import InputError


@pytest.mark.parametrize("word, trust", [("solo", 0.9), ("pair", 0.4), ("trio", 0.3), ("quad", 0.25), ("watch", 0.0)])
def test_presets_are_those_of_the_policy(word, trust):
    """Changing one changes verdicts on every node that names it."""
    assert parse_trust(word) == trust
    assert set(PRESETS) == {"solo", "pair", "trio", "quad", "watch"}


@pytest.mark.parametrize("text", ["1.01", "-0.1", "nan", "inf", "", "duo", "x" * 10_000])
def test_what_is_no_trust_is_refused_and_the_presets_are_named(text):
    """Quoted in part only."""
    with pytest.raises(InputError, match="is no trust") as caught:
        parse_trust(text)
    assert all(word in caught.value.hint for word in PRESETS)
    assert len(str(caught.value)) < 200


@given(st.floats(0, 1))
def test_every_number_within_bounds_is_trust(value):
    """As Python writes it."""
    assert parse_trust(str(value)) == value
