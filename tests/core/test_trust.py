"""Trust is a number that the operator gave to an owner, and nothing else."""

import pytest

from p2pfw.core.announcement import Category
from p2pfw.core.trust import PRESETS, Given, TrustTable, parse_trust
from p2pfw.errors import InputError
from tests.core.judging import MINE, owner


def test_presets_are_those_of_the_policy():
    """The numbers of docs/policy.md."""
    assert PRESETS == {"solo": 0.9, "pair": 0.4, "trio": 0.3, "quad": 0.25, "watch": 0.0}


@pytest.mark.parametrize(("text", "trust"), [("pair", 0.4), ("watch", 0.0), ("0.55", 0.55), ("1", 1.0), ("0", 0.0)])
def test_trust_is_a_preset_or_a_number(text, trust):
    """0..1."""
    assert parse_trust(text) == trust


@pytest.mark.parametrize("text", ["", "Pair", "1.1", "-0.1", "nan", "inf", "much"])
def test_anything_else_names_the_presets(text):
    """The operator is told what would be right."""
    with pytest.raises(InputError, match="solo, pair, trio, quad, watch"):
        parse_trust(text)


@pytest.mark.parametrize("given", [(1.5, {}), (-1.0, {}), (0.5, {Category.SSH: 2.0}), (float("nan"), {})])
def test_trust_outside_of_0_to_1_cannot_be_given(given):
    """An invalid value cannot be built, by category either."""
    with pytest.raises(InputError):
        TrustTable(MINE).give(owner("a"), *given)


def test_a_category_has_its_own_number_where_one_was_given():
    """base(o, c): the configured number for owner o, category c if given."""
    table = TrustTable(MINE)
    table.give(owner("a"), 0.4, {Category.MAIL: 0.1})

    assert (table.trust(owner("a"), Category.SSH), table.trust(owner("a"), Category.MAIL)) == (0.4, 0.1)
    assert table.origin_of(owner("a"), Category.SSH) == "configured 0.40"
    assert table.origin_of(owner("a"), Category.MAIL) == "configured 0.10 for mail"
    assert table.given(owner("a")) == Given(trust=0.4, trust_for={Category.MAIL: 0.1})


def test_whom_nobody_named_has_none():
    """Else 0; not carried."""
    table = TrustTable(MINE)

    assert table.trust(owner("a"), Category.SSH) == table.trust(None, Category.SSH) == 0.0
    assert table.origin_of(owner("a"), Category.SSH) == table.origin_of(None, Category.SSH) == "unknown owner"
    assert not table.carries(owner("a"))
    assert table.given(owner("a")) is None


def test_named_owners_and_the_own_fleet_are_carried():
    """Trust 0 (`watch`) included."""
    table = TrustTable(MINE)
    table.give(owner("a"), 0.0)

    assert table.carries(owner("a"))
    assert table.carries(MINE)
    assert table.origin_of(MINE, Category.SSH) == "own fleet"
    assert list(table.owners()) == [owner("a")]


def test_the_last_word_holds_and_can_be_forgotten():
    """Every edit moves the version, so that nothing is judged by an old number."""
    table = TrustTable(MINE)
    table.give(owner("a"), 0.9, {Category.SSH: 0.1})
    table.give(owner("a"), 0.3)
    told = table.trust(owner("a"), Category.SSH)
    version = table.version
    table.forget(owner("a"))
    table.forget(owner("a"))

    assert told == 0.3
    assert table.trust(owner("a"), Category.SSH) == 0.0
    assert table.version > version
    assert not table.carries(owner("a"))


def test_the_default_is_that_of_a_guest():
    """`trio`, unless configured."""
    assert TrustTable(MINE).default == 0.3
    assert TrustTable(MINE, default=0.4).default == 0.4
