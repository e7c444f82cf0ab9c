"""What the operator whitelists is found in both directions, and each source takes back only its own word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.prefix import overlaps
from p2pfw.core.ranges import span
from p2pfw.core.whitelist import COMMAND, CONFIGURATION, Whitelist, WhitelistEntry
from p2pfw.errors import InputError
from tests.core.judging import NOW, key, whitelist
from tests.core.test_prefixmap import few


def entry(text, **fields):
    """An entry for a prefix in text."""
    return WhitelistEntry(key=key(text), **fields)


@pytest.mark.parametrize("asked", ["203.0.113.0/24", "203.0.113.8/32", "203.0.113.8/29", "0.0.0.0/0"])
def test_overlap_is_found_either_way(asked):
    """A wide prefix that contains an entry, and a host inside one."""
    assert whitelist("203.0.113.8/29").overlap(key(asked), NOW) == entry("203.0.113.8/29")


def test_the_longest_covering_entry_is_named():
    """The range that an operator would look for."""
    assert whitelist("203.0.0.0/16", "203.0.113.0/24").overlap(key("203.0.113.8"), NOW) == entry("203.0.113.0/24")


def test_an_entry_counts_until_its_end():
    """`--ttl`: ended entries refuse nothing, whether or not they were pruned."""
    allowed = Whitelist()
    allowed.put(entry("203.0.113.8", until=NOW))
    allowed.put(entry("203.0.113.0/24", until=NOW + 1))

    assert allowed.overlap(key("203.0.113.8"), NOW) == entry("203.0.113.0/24", until=NOW + 1)
    assert allowed.overlap(key("203.0.113.8"), NOW + 1) is None


def test_pruning_says_what_ended():
    """What it touches must be judged again."""
    allowed = Whitelist()
    allowed.put(entry("203.0.113.8", until=NOW))
    allowed.put(entry("203.0.113.8", until=NOW, source=CONFIGURATION))
    allowed.put(entry("203.0.113.9", until=NOW + 5))
    allowed.put(entry("203.0.113.10"))

    assert allowed.next_deadline() == NOW
    assert {(one.key, one.source) for one in allowed.prune(NOW)} == {
        (key("203.0.113.8"), COMMAND),
        (key("203.0.113.8"), CONFIGURATION),
    }
    assert (allowed.next_deadline(), len(allowed), allowed.prune(NOW)) == (NOW + 5, 2, [])


def test_without_ends_there_is_no_deadline():
    """next_deadline() is None."""
    assert whitelist("203.0.113.8").next_deadline() is None


def test_each_source_takes_back_only_its_own_word():
    """An address that is whitelisted in the configuration stays so when the command's entry goes."""
    allowed = Whitelist()
    allowed.put(entry("203.0.113.8", source=CONFIGURATION))
    allowed.put(entry("203.0.113.8", comment="office"))

    assert allowed.remove(key("203.0.113.8")) == entry("203.0.113.8", comment="office")
    assert allowed.remove(key("203.0.113.8")) is None
    assert allowed.overlap(key("203.0.113.8"), NOW) == entry("203.0.113.8", source=CONFIGURATION)
    assert allowed.sources() == {CONFIGURATION}


def test_a_source_that_says_an_entry_again_replaces_it():
    """Also its end: a new one neither ends with the old, nor is pruned with it."""
    allowed = Whitelist()
    allowed.put(entry("203.0.113.8", until=NOW))
    allowed.put(entry("203.0.113.8", until=NOW + 9, comment="longer"))

    assert allowed.prune(NOW) == []
    assert list(allowed.entries()) == [entry("203.0.113.8", until=NOW + 9, comment="longer")]


def test_a_file_that_is_read_again_changes_what_it_changed():
    """replace() answers the prefixes to judge again."""
    allowed = Whitelist()
    path = "/etc/p2pfw/allow.d/a.txt"
    allowed.put(entry("192.0.2.1"))
    allowed.replace(path, [entry("203.0.113.8", source=path), entry("203.0.113.9", source=path)])
    comment = entry("203.0.113.9", source=path, comment="new")

    changed = allowed.replace(path, [comment, entry("203.0.113.10", source=path)])

    assert changed == [key("203.0.113.8"), key("203.0.113.9"), key("203.0.113.10")]
    assert list(allowed.entries()) == [entry("192.0.2.1"), comment, entry("203.0.113.10", source=path)]


def test_an_ipv4_mapped_entry_is_its_ipv4_prefix_too():
    """::ffff:203.0.113.0/120 whitelists 203.0.113.0/24, until it goes."""
    allowed = whitelist("::ffff:203.0.113.0/120")

    assert allowed.overlap(key("203.0.113.7"), NOW) == entry("::ffff:203.0.113.0/120")
    assert allowed.keys() == [key("203.0.113.0/24"), key("::ffff:203.0.113.0/120")]
    allowed.remove(key("::ffff:203.0.113.0/120"))
    assert allowed.overlap(key("203.0.113.7"), NOW) is None
    assert allowed.keys() == []


def test_an_ipv4_mapped_entry_that_has_ended_refuses_nothing():
    """Not under its IPv4 prefix either."""
    allowed = Whitelist()
    allowed.put(entry("::ffff:203.0.113.7", until=NOW))

    assert allowed.overlap(key("203.0.113.7"), NOW - 1) == entry("::ffff:203.0.113.7", until=NOW)
    assert allowed.overlap(key("203.0.113.7"), NOW) is None


@given(st.lists(few, max_size=6), few)
def test_what_is_touched_fast_is_what_is_named(prefixes, asked):
    """Without embedded addresses the fast test and the naming agree."""
    allowed = Whitelist()
    for prefix in prefixes:
        allowed.put(WhitelistEntry(key=prefix))

    wide = any(overlaps(prefix, asked) for prefix in prefixes)
    assert allowed.touches(*span(asked)) == wide
    assert wide <= (allowed.overlap(asked, NOW) is not None)


def test_an_entry_cannot_end_before_1970():
    """An invalid value cannot be built."""
    with pytest.raises(InputError, match=r"203\.0\.113\.8/32"):
        entry("203.0.113.8", until=-1)
