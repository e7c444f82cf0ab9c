"""Everything that stands in a block's way is found, and told apart."""

from p2pfw.core.forbidden import NO_OBSTACLES, Forbidden
from p2pfw.core.protected import Protected, ProtectedRange, Strength
from tests.core.judging import NOW, key, whitelist


def test_all_obstacles_are_told_not_only_the_first():
    """0.0.0.0/0 touches them all."""
    ranges = [ProtectedRange(key=key(f"203.0.113.{n}"), strength=s, reason=s.value) for n, s in enumerate(Strength)]
    forbidden = Forbidden(whitelist=whitelist("198.51.100.0/24"), protected=Protected(ranges))

    found = forbidden.obstacles(key("0.0.0.0/0"), NOW)

    assert found.hard.name == "this network"
    assert found.private.name == "private use"
    assert (found.soft.reason, found.peer.reason) == ("soft", "peer")
    assert found.whitelist.key == key("198.51.100.0/24")


def test_own_addresses_are_hard():
    """Beside the ranges that are hard everywhere."""
    own = ProtectedRange(key=key("203.0.113.1"), strength=Strength.HARD, reason="own address")
    forbidden = Forbidden(whitelist=whitelist(), protected=Protected([own]))

    assert forbidden.obstacles(key("203.0.113.0/24"), NOW).hard == own


def test_an_ordinary_prefix_has_none():
    """The common answer."""
    forbidden = Forbidden(whitelist=whitelist("198.51.100.0/24"), protected=Protected())

    assert forbidden.obstacles(key("203.0.113.0/24"), NOW) is NO_OBSTACLES


def test_a_suspect_may_turn_out_to_be_ordinary():
    """A 6to4 address of an ordinary IPv4 one."""
    forbidden = Forbidden(whitelist=whitelist(), protected=Protected())

    assert forbidden.obstacles(key("2002:cb00:7107::/48"), NOW) == NO_OBSTACLES
