"""Names are ours by construction: never empty, never too long, never shared by two instances."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.prefix import Family
from p2pfw.errors import ConfigError
from p2pfw.firewall.names import SLOTS, Role, SetNames, Slot

prefixes = st.from_regex(r"[a-z0-9][a-z0-9-]{0,19}", fullmatch=True)


@pytest.mark.parametrize("prefix", ["", "-x", "a" * 21, "P2PFW", "a b", "a\n", "ä", "a;b", "a/b"])
def test_a_prefix_that_cannot_name_a_set_is_refused(prefix: str):
    """Enforcement 9: at most 20 of a-z, 0-9 and "-"; an empty name would hit every set of the host."""
    with pytest.raises(ConfigError, match="set_prefix"):
        SetNames(prefix)


def test_the_usual_names():
    """The names of enforcement.md."""
    names = SetNames("p2pfw")

    assert [names.live(slot) for slot in SLOTS] == ["p2pfw-allow4", "p2pfw-allow6", "p2pfw-block4", "p2pfw-block6"]
    assert names.fresh(Slot(role=Role.BLOCK, family=Family.V6)) == "p2pfw-block6-new"
    assert names.comment == "p2pfw:p2pfw"


@given(prefixes)
def test_names_fit_the_kernel(prefix: str):
    """ipset takes at most 31 characters."""
    names = SetNames(prefix)

    assert all(len(name) <= 31 for name in [*map(names.live, SLOTS), *names.all_fresh()])


@given(prefixes, prefixes)
def test_two_prefixes_share_no_name(one: str, other: str):
    """Enforcement 9: two instances on one host never meet, whatever their prefixes look like."""
    mine, theirs = SetNames(one), SetNames(other)
    everything = [{*map(names.live, SLOTS), *names.all_fresh()} for names in (mine, theirs)]

    assert (one == other) or not everything[0] & everything[1]
    assert mine.is_sibling(theirs.comment) is (one != other)


@pytest.mark.parametrize("comment", ["", "p2pfw:", "p2pfw", "p2pfw:A", "see p2pfw:docs", "p2pfw:" + "a" * 21])
def test_other_comments_are_no_siblings(comment: str):
    """Only a rule that another instance made may stand above ours."""
    assert not SetNames("p2pfw").is_sibling(comment)
