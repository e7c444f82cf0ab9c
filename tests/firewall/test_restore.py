"""What goes into `ipset restore`: canonical lines from integers, and the same entries come out again."""

import re

from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.prefix import Family, PrefixKey, key_text, truncate, v4_key, v6_key
from p2pfw.firewall import restore
from p2pfw.firewall.names import Role
from p2pfw.firewall.parse import parse_members

NOW = 1_700_000_000.25


def keys4(shortest: int = 1) -> st.SearchStrategy[PrefixKey]:
    """IPv4 prefixes of any length but 0."""
    return st.builds(lambda a, n: truncate(v4_key(a, 32), n), st.integers(0, 2**32 - 1), st.integers(shortest, 32))


def keys6(shortest: int = 1) -> st.SearchStrategy[PrefixKey]:
    """IPv6 prefixes of any length but 0."""
    return st.builds(lambda a, n: truncate(v6_key(a, 128), n), st.integers(0, 2**128 - 1), st.integers(shortest, 128))


ends = st.one_of(st.just(0), st.integers(int(NOW) + 1, int(NOW) + restore.MAX_TIMEOUT))
families = st.sampled_from(Family)


def text_of(items: dict[int, int], family: Family) -> str:
    """All lines at NOW."""
    return b"".join(restore.add_blocks("s", family, items.items(), lambda: NOW)).decode()


@given(st.dictionaries(keys4(), ends))
def test_ipv4_entries_survive_the_round_trip(items: dict[int, int]):
    """What is rendered is what is parsed: same keys, same ends, permanent ones included."""
    back = {key: int(NOW) + left if left else 0 for key, left in parse_members(text_of(items, Family.V4), "s")}

    assert back == items


@given(st.dictionaries(keys6(), ends))
def test_ipv6_entries_survive_the_round_trip(items: dict[int, int]):
    """The same for IPv6, mapped and zero-run addresses included."""
    back = {key: int(NOW) + left if left else 0 for key, left in parse_members(text_of(items, Family.V6), "s")}

    assert back == items


@given(st.one_of(keys4(), keys6()), ends)
def test_every_line_is_one_canonical_command(key: int, end: int):
    """No text of others, no host name, no second line: exactly what `key_text` says."""
    family = Family.V6 if key >= v6_key(0, 0) else Family.V4
    line = text_of({key: end}, family)

    assert re.fullmatch(rf"add s {re.escape(key_text(PrefixKey(key)))} timeout [0-9]{{1,7}}\n", line)


@given(st.one_of(keys4(), keys6()))
def test_a_member_is_written_as_ipset_prints_it(key: int):
    """A host without its length; so that a member can be found again in `ipset save`."""
    text = key_text(PrefixKey(key))
    host = key & 0xFF == (128 if key >= v6_key(0, 0) else 32)

    assert restore.member_text(key) == (text.rpartition("/")[0] if host else text)


def test_ends_are_rounded_up():
    """Nothing ends early: 9.75 s left are 10 in the kernel."""
    assert " timeout 10\n" in text_of({v4_key(1, 32): int(NOW) + 10}, Family.V4)


def test_what_has_ended_is_left_out():
    """No entry of the past goes in, neither with a timeout of 0, which would be for ever."""
    items = {v4_key(1, 32): int(NOW), v4_key(2, 32): int(NOW) - 50, v4_key(3, 32): int(NOW) + 1}

    assert text_of(items, Family.V4) == "add s 0.0.0.3/32 timeout 1\n"


def test_long_leases_are_cut_to_the_kernels_maximum():
    """2,147,483 s is all that the kernel takes; the tool refuses more."""
    text = text_of({v4_key(1, 32): int(NOW) + restore.MAX_TIMEOUT + 1_000_000}, Family.V4)

    assert text.endswith(f" timeout {restore.MAX_TIMEOUT}\n")


def test_each_slice_reads_the_clock_anew():
    """A batch of minutes does not make its own timeouts late."""
    times = iter([NOW, NOW + 60])
    items = {v4_key(at, 32): int(NOW) + 100 for at in range(restore.SLICE + 1)}
    slices = list(restore.add_blocks("s", Family.V4, items.items(), lambda: next(times)))

    assert len(slices) == 2
    assert slices[0].count(b" timeout 100\n") == restore.SLICE
    assert slices[1].endswith(b" timeout 40\n")


@given(families)
def test_a_whole_family_is_allowed_as_two_halves(family: Family):
    """hash:net refuses /0: whitelisting everybody takes the two /1."""
    everybody = v6_key(0, 0) if family is Family.V6 else v4_key(0, 0)
    first, second = restore.halves(everybody)

    assert (first & 0xFF, second & 0xFF) == (1, 1)
    assert first != second
    assert truncate(first, 0) == truncate(second, 0) == everybody
    assert b"".join(restore.add_allowed("a", [everybody])).count(b"\n") == 2


def test_other_prefixes_stay_whole():
    """Only /0 is split."""
    assert restore.halves(v4_key(0, 1)) == (v4_key(0, 1),)


def test_deletions_name_the_exact_prefix():
    """Deleting a host inside a listed network would delete nothing: the exact prefix is named."""
    lines = b"".join(restore.delete("s", [v4_key(0x0A000000, 8), v6_key(1, 128)]))

    assert lines == b"del s 10.0.0.0/8\ndel s ::1\n"


def test_a_block_set_is_made_with_timeout_and_counters():
    """Explicit maxelem and hashsize: the default of 65,536 fills up silently elsewhere."""
    shape = restore.Shape(role=Role.BLOCK, family=Family.V6, maxelem=1_000_000, hashsize=2_048)

    assert restore.create("s", shape) == (
        b"create s hash:net family inet6 hashsize 2048 maxelem 1000000 timeout 0 counters\n"
    )


def test_an_allow_set_cannot_expire():
    """A whitelist whose members could run out would lock the operator out one day."""
    shape = restore.Shape(role=Role.ALLOW, family=Family.V4, maxelem=65_536)

    assert restore.create("s", shape) == b"create s hash:net family inet hashsize 1024 maxelem 65536\n"


@given(st.integers(0, 10_000_000))
def test_hash_sizes_are_powers_of_two_within_bounds(entries: int):
    """Measured: half the entries, rounded up to a power of two."""
    size = restore.hashsize_for(entries)

    assert restore.MIN_HASHSIZE <= size <= restore.MAX_HASHSIZE
    assert size & (size - 1) == 0
    assert size >= entries // 2 or size == restore.MAX_HASHSIZE


def test_swapping_in_throws_the_old_contents_away():
    """The old set is destroyed under the temporary name, in the same batch."""
    assert restore.swap_in("s-new", "s") == b"swap s-new s\ndestroy s-new\n"
    assert restore.destroy("s-new") == b"destroy s-new\n"
