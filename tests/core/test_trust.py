"""Trust is given to owners, by the operator, the charter or a vouch, and lowered by evidence."""

import pytest

from p2pfw.core.announcement import Category
from p2pfw.core.evidence import Account
from p2pfw.core.trust import PRESETS, Given, TrustTable, parse_trust
from p2pfw.core.vouch import Vouch
from p2pfw.errors import InputError
from tests.core.judging import DAY, MINE, NOW, owner


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


# --- charter, vouches, evidence ---------------------------------------------------------------------------------------


def vouch_for(table, by, subject, level=100, life=DAY, created=NOW):
    """One owner vouches for another, and the table settles it."""
    sealed = Vouch(
        voucher=by, subject=subject, level=level, created=created, expires=created + life, signature=bytes(64)
    )
    table.vouches.learn(sealed, created)
    return table.settle(subject, created)


def ssh(table, name):
    """T of an owner in one category."""
    return table.trust(owner(name), Category.SSH)


def test_the_operators_word_comes_before_the_charters_and_that_before_a_vouch():
    """base(o, c): configured, else charter, else vouched, else 0."""
    table = TrustTable(MINE)
    table.give(owner("v"), 0.9)
    vouch_for(table, owner("v"), owner("a"))
    by_vouch = table.worth(owner("a"))
    table.set_charter({owner("a"): 0.4, MINE: 0.9})
    by_charter = table.worth(owner("a"))
    table.give(owner("a"), 0.0)
    by_operator = table.worth(owner("a"))

    assert [(one.source, one.overall) for one in (by_vouch, by_charter, by_operator)] == [
        ("vouched", 0.25),
        ("charter", 0.4),
        ("configured", 0.0),
    ]
    assert table.worth(MINE) is None
    table.forget(owner("a"))
    assert table.set_charter({}) == {owner("a")}
    assert table.worth(owner("a")).source == "vouched"


@pytest.mark.parametrize(
    ("trust", "level", "worth"), [(0.9, 100, 0.25), (0.4, 100, 0.2), (0.4, 50, 0.1), (1.0, 20, 0.1), (0.0, 100, 0.0)]
)
def test_a_vouch_is_worth_at_most_a_quarter_and_half_of_the_voucher(trust, level, worth):
    """base = min(0.25, 0.5 T(voucher) level)."""
    table = TrustTable(MINE)
    table.give(owner("v"), trust)
    vouch_for(table, owner("v"), owner("a"), level)

    assert ssh(table, "a") == worth
    assert table.sponsor(owner("a")) == owner("v")
    assert table.sponsor(owner("v")) == owner("v")
    assert table.sponsor(owner("stranger")) == owner("stranger")


def test_the_best_voucher_wins_and_of_equals_the_smaller_key():
    """Whatever the order."""
    for names in (("u", "v", "w"), ("w", "v", "u")):
        table = TrustTable(MINE)
        for name, trust in (("u", 0.2), ("v", 0.4), ("w", 0.4)):
            table.give(owner(name), trust)
        for name in names:
            vouch_for(table, owner(name), owner("a"))

        assert (table.sponsor(owner("a")), ssh(table, "a")) == (owner("v"), 0.2)


def test_whom_a_vouched_owner_vouches_for_gets_nothing():
    """Depth 1: only configured and charter owners, and the own one."""
    table = TrustTable(MINE)
    table.give(owner("v"), 0.9)
    vouch_for(table, owner("v"), owner("a"))
    vouch_for(table, owner("a"), owner("b"))
    vouch_for(table, owner("stranger"), owner("c"))
    vouch_for(table, MINE, owner("d"))
    vouch_for(table, owner("v"), MINE)

    assert not table.carries(owner("b"))
    assert not table.carries(owner("c"))
    assert (ssh(table, "d"), table.sponsor(owner("d"))) == (0.25, MINE)
    assert table.worth(MINE) is None


def test_what_becomes_of_the_voucher_becomes_of_whom_it_vouched_for():
    """At once: less trust, a mute, the end of the vouch."""
    table = TrustTable(MINE)
    table.give(owner("v"), 0.4)
    vouch_for(table, owner("v"), owner("a"))
    table.give(owner("v"), 0.2)
    lower = ssh(table, "a")
    table.evidence.load(owner("v"), Account(neg=3, at=NOW))
    changed = table.settle(owner("v"), NOW)

    assert lower == 0.1
    assert changed == {owner("v"), owner("a")}
    assert (ssh(table, "a"), ssh(table, "v"), table.is_muted(owner("v"))) == (0.0, 0.0, True)
    assert table.carries(owner("a"))
    assert table.refresh(NOW + DAY) >= {owner("a")}
    assert not table.carries(owner("a"))


def test_evidence_lowers_what_was_given():
    """T = base x rep, in every category; shown with its factor."""
    table = TrustTable(MINE)
    table.give(owner("a"), 0.9, {Category.MAIL: 0.5})
    table.evidence.load(owner("a"), Account(pos=12, neg=3, at=NOW))
    table.settle(owner("a"), NOW)

    assert ssh(table, "a") == round(0.9 * 16 / 28, 4)
    assert table.trust(owner("a"), Category.MAIL) == round(0.5 * 16 / 28, 4)
    assert table.base(owner("a"), Category.MAIL) == 0.5
    assert table.base(owner("b"), Category.MAIL) == table.base(None, Category.MAIL) == 0.0
    assert table.origin_of(owner("a"), Category.MAIL) == "configured 0.50 for mail x 0.57 by evidence"
    assert not table.is_muted(owner("a"))
    assert not table.is_muted(None)
    assert table.most(owner("a")) == ssh(table, "a")


def test_a_muted_owner_is_shown_as_such():
    """rep at most 0.25."""
    table = TrustTable(MINE)
    table.give(owner("a"), 0.9)
    table.evidence.load(owner("a"), Account(neg=3, at=NOW))
    table.refresh(NOW)

    assert table.origin_of(owner("a"), Category.SSH) == "configured 0.90 (muted by evidence)"
    assert table.most(owner("a")) == 0.0


def test_an_imagined_table_leaves_the_real_one_as_it_is():
    """What if: charter, vouches and evidence as they are."""
    table = TrustTable(MINE)
    table.give(owner("v"), 0.2)
    table.set_charter({owner("c"): 0.4})
    vouch_for(table, owner("v"), owner("a"))

    other = table.imagined(owner("v"), 0.4)

    assert (ssh(other, "v"), ssh(other, "a"), ssh(other, "c")) == (0.4, 0.2, 0.4)
    assert (ssh(table, "v"), ssh(table, "a")) == (0.2, 0.1)
