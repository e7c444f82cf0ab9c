"""What the enforcer lets in, whoever asks; beside a slow and obvious twin of the rules."""

import ipaddress
import random
from array import array

import pytest

from p2pfw.core.plan import MOST_TIMEOUT
from p2pfw.core.prefix import Prefix, key_text, v4_key, v6_key
from p2pfw.core.special import SPECIAL_RANGES, Space
from p2pfw.firewall.enforcer import protocol
from p2pfw.firewall.enforcer.guard import (
    BURST,
    COVERAGE,
    REFILL_SECONDS,
    Guard,
    Objection,
    ViolationError,
    coverage,
    objection_text,
)
from p2pfw.firewall.enforcer.protocol import Columns
from tests.scale import trials

NOW = 1_700_000_000.0
SOON = int(NOW) + 600
LISTS = trials(10_000, 100_000)


def key(text):
    """Of a prefix."""
    return Prefix.parse(text).key


def guard(*own, allow=(), room=1_000):
    """One that knows these."""
    made = Guard(room, NOW, [key(one) for one in own])
    made.allow(key(one) for one in allow)
    return made


def screened(one, table):
    """What `screen` says of a table, as it comes over the socket."""
    return one.screen([protocol.unpack(frame.payload, extras=1) for frame in protocol.entries(table, lambda: NOW)], NOW)


def refusal(one, text, end=SOON):
    """Why one entry is left out; None: it is not."""
    return screened(one, {key(text): end}).refused.get(key(text))


@pytest.mark.parametrize(
    ("prefix", "why"),
    [
        ("203.0.113.9/32", None),
        ("9.0.0.0/8", None),
        ("2600::/16", None),
        ("8.0.0.0/7", Objection.TOO_WIDE),
        ("2600::/15", Objection.TOO_WIDE),
        ("127.0.0.1/32", Objection.SPECIAL),
        ("224.0.0.0/8", Objection.SPECIAL),
        ("::ffff:127.0.0.1/128", Objection.SPECIAL),
        ("198.51.100.7/32", Objection.OWN),
        ("198.51.100.0/24", Objection.OWN),
        ("2001:db8:7::1/128", Objection.OWN),
        ("2001:db8:7::/48", Objection.OWN),
        ("192.0.2.128/25", Objection.ALLOWED),
        ("192.0.2.130/32", Objection.ALLOWED),
        ("192.0.0.0/16", Objection.ALLOWED),
        ("2001:db8:8::9/128", Objection.ALLOWED),
        ("198.51.100.8/32", None),
        ("192.0.2.1/32", None),
    ],
)
def test_an_entry_that_may_not_be_is_left_out_and_named(prefix, why):
    """Floors, special space, own addresses, and the allow set in both directions."""
    one = guard("198.51.100.7", "2001:db8:7::1", allow=["192.0.2.128/25", "2001:db8:8::/64"])
    assert refusal(one, prefix) is why


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (0, Objection.NO_END),
        (int(NOW) + MOST_TIMEOUT, None),
        (int(NOW) + MOST_TIMEOUT + 1, Objection.TOO_LATE),
        (1 << 60, Objection.TOO_LATE),
        (1, None),
    ],
)
def test_everything_ends(end, why):
    """An end that is past is a removal; none, or one that the kernel cannot count, is refused."""
    assert refusal(guard(), "203.0.113.9", end) is why
    assert refusal(guard(), "2001:db8::9", end) is why


def test_the_others_go_in():
    """One refused entry keeps nothing else out."""
    passed = screened(guard(), {key("127.0.0.1"): SOON, key("203.0.113.9"): SOON, key("203.0.113.10"): 0})

    assert dict(passed.entries) == {key("203.0.113.9"): SOON}
    assert passed.refused == {key("127.0.0.1"): Objection.SPECIAL, key("203.0.113.10"): Objection.NO_END}


@pytest.mark.parametrize(
    "wrong", [1 << 40 | 32, 9 << 8 | 31, 33, 255, v4_key(1 << 31, 32) + 1, (1 << 64) - 1, 8, 0, v4_key(9 << 24, 7)]
)
def test_numbers_that_are_no_prefix_are_refused(wrong):
    """Host bits, a length that no address has, bits beyond the family: nothing of it becomes text for ipset."""
    columns = Columns(array("Q", [wrong]), (), (array("Q", [600]),))
    passed = guard().screen([columns], NOW)

    assert not passed.entries
    assert list(passed.refused) == [wrong]


@pytest.mark.parametrize("wrong", [v6_key(1, 127), v6_key(1 << 127, 128) + 1, v6_key(1, 0)])
def test_nor_are_those_of_ipv6(wrong):
    """The same."""
    passed = guard().screen([Columns(array("Q"), (wrong,), (array("Q", [600]),))], NOW)

    assert not passed.entries


# --- beside a twin ---------------------------------------------------------------------------------------------------

HARD = [ipaddress.ip_network(key_text(row.key)) for row in SPECIAL_RANGES if row.space is Space.HARD]


def forbidden(network, guarded):
    """The rule, as one would say it."""
    if network.prefixlen < (8 if network.version == 4 else 16):
        return True
    return any(network.overlaps(other) for other in (*HARD, *guarded) if other.version == network.version)


def random_network(chance):
    """Mostly IPv4, often near the others."""
    if chance.random() < 0.2:
        address, length = chance.getrandbits(20) << 108 | 0x2A << 120, chance.choice([15, 16, 24, 32, 48, 64, 128])
        return ipaddress.ip_network((address, length), strict=False)
    address = chance.choice([chance.getrandbits(32), 45 << 24 | chance.getrandbits(12)])
    return ipaddress.ip_network((address, chance.choice([6, 8, 12, 16, 20, 24, 30, 32, 32, 32])), strict=False)


def test_nothing_protected_passes_in_many_random_lists():
    """Neither whitelisted nor own nor special, as it is or inside something wider; and nothing else is refused."""
    chance = random.Random(11)
    for _ in range(LISTS):
        allow = [random_network(chance) for _ in range(chance.randrange(3))]
        own = [ipaddress.ip_network(random_network(chance).network_address) for _ in range(chance.randrange(3))]
        wanted = {random_network(chance) for _ in range(chance.randrange(8))}
        one = Guard(100, NOW, [key(str(network)) for network in own])
        one.allow(key(str(network)) for network in allow)
        passed = screened(one, {key(str(network)): SOON for network in wanted})

        assert set(passed.entries) == {key(str(one)) for one in wanted if not forbidden(one, allow + own)}


# --- batches ---------------------------------------------------------------------------------------------------------


def test_more_entries_than_a_set_holds_are_refused_whole():
    """The node knows the limit, and cuts before it asks."""
    one = guard(room=2)
    with pytest.raises(ViolationError, match="max_entries is 2"):
        screened(one, {v4_key(45 << 24 | number, 32): SOON for number in range(3)})


def test_more_than_a_quarter_of_the_internet_is_refused_whole():
    """By what was added since the kernel was read; where that is too much, by what the kernel really holds."""
    one = guard()
    wide = [v4_key(number << 24, 8) for number in range(11, 75)]
    assert one.covers(wide, fresh=False)
    assert not one.covers([key("9.9.9.9")], fresh=False)
    one.held(wide[1:])
    assert one.covers([key("9.9.9.9")], fresh=False)
    with pytest.raises(ViolationError, match="quarter of the internet"):
        one.must_cover([*wide, key("9.9.9.9")], fresh=True)
    one.must_cover(wide, fresh=True)


def test_coverage_counts_addresses_and_networks():
    """IPv4 addresses; IPv6 by /64, at least one each."""
    assert coverage([key("9.0.0.0/8"), key("9.9.9.9"), key("2001:db8::/48"), key("2001:db8::1")]) == [
        (1 << 24) + 1,
        (1 << 16) + 1,
    ]
    assert COVERAGE[0] == 1 << 30


def test_changes_are_limited_and_the_limit_refills():
    """Four times a full set at once, then as much as a set holds in ten seconds."""
    one = guard(room=1_000)
    one.spend(BURST * 1_000, NOW)
    with pytest.raises(ViolationError, match="changes"):
        one.spend(1, NOW)
    one.spend(1_000, NOW + REFILL_SECONDS)
    with pytest.raises(ViolationError):
        one.spend(1, NOW + REFILL_SECONDS)
    one.spend(0, NOW)  # a clock that is set back neither refills nor fails


def test_an_allow_set_that_is_too_large_is_refused():
    """And the one before stays."""
    one = guard(allow=["192.0.2.0/24"], room=2)
    with pytest.raises(ViolationError, match="allow set of 3"):
        one.allow(v4_key(45 << 24 | number, 32) for number in range(3))

    assert refusal(one, "192.0.2.9") is Objection.ALLOWED


def test_own_addresses_are_learned():
    """An interface that comes later is as protected, and one that went is no more."""
    one = guard("198.51.100.7")
    one.know([key("198.51.100.8")])

    assert refusal(one, "198.51.100.8") is Objection.OWN
    assert refusal(one, "198.51.100.7") is None


def test_every_objection_has_words():
    """Also one that a newer enforcer has."""
    assert all(objection_text(objection) for objection in Objection)
    assert objection_text(99) == "objection 99"
