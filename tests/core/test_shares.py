"""protocol 1.8: an owner's share, an origin's half, the reserve, and the room of revocations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.identity import NodeId, OwnerId
from p2pfw.core.shares import OCTETS_A_PREFIX, SHARE, Shares, Used
from p2pfw.errors import ShareError
from tests.core.making import node_id, owner_id

NODE, OTHER, OWNER = node_id(1), node_id(2), owner_id(100)


def test_the_constants_are_the_networks():
    """Changing one makes honest stores differ for ever: 262,144 prefixes and 64 MiB."""
    assert (SHARE, OCTETS_A_PREFIX) == (262_144, 256)


def test_an_origin_gets_half_and_the_owner_all():
    """Two full origins leave nothing; what takes back has a sixteenth more."""
    shares = Shares(160)
    assert shares.prefixes_left(NODE, OWNER, reserve=False) == 80
    assert shares.prefixes_left(NODE, OWNER, reserve=True) == 90
    for node in (NODE, OTHER):
        shares.settle(node, OWNER)
        shares.charge(node, 80, 0)

    third = node_id(3)
    assert shares.prefixes_left(third, OWNER, reserve=False) == 0
    assert shares.prefixes_left(third, OWNER, reserve=True) == 10
    assert shares.prefixes_left(third, owner_id(101), reserve=False) == 80


def test_bytes_are_limited_alike():
    """Half for an origin, all for the owner, the reserve on top."""
    shares, half = Shares(160), 80 * 256
    shares.check_octets(NODE, OWNER, half, reserve=False)
    with pytest.raises(ShareError):
        shares.check_octets(NODE, OWNER, half + 1, reserve=False)
    shares.check_octets(NODE, OWNER, half + 10 * 256, reserve=True)
    for node in (NODE, OTHER):
        shares.settle(node, OWNER)
        shares.charge(node, 0, half)
    with pytest.raises(ShareError):
        shares.check_octets(node_id(3), OWNER, 1, reserve=False)


def test_revocations_have_room_of_their_own():
    """A full share does not matter to them; they have a sixteenth, given back when they end."""
    shares = Shares(160)
    shares.check_sealed(OWNER, 10 * 256)
    shares.charge_sealed(OWNER, 10 * 256)
    with pytest.raises(ShareError):
        shares.check_sealed(OWNER, 1)

    assert shares.used(OWNER) == Used()
    shares.charge_sealed(OWNER, -10 * 256)
    shares.check_sealed(OWNER, 10 * 256)


def test_an_origin_takes_its_use_along():
    """To the owner that its certificate names now."""
    shares = Shares(160)
    shares.settle(NODE, OWNER)
    shares.settle(OTHER, OWNER)
    shares.charge(NODE, 5, 50)
    shares.settle(NODE, owner_id(101))
    shares.settle(OTHER, owner_id(101))

    assert shares.used(OWNER) == Used()
    assert shares.used(owner_id(101)) == shares.used_by(NODE) == Used(5, 50)


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(100, 102), st.integers(0, 9), st.integers(0, 99)), max_size=30)
)
def test_owners_use_what_their_origins_use(steps):
    """Whatever moves and grows: the sums fit, and nothing is left when all is given back."""
    shares, homes, used = Shares(), {}, {}
    for node, owner, prefixes, octets in steps:
        shares.settle(node_id(node), owner_id(owner))
        shares.charge(node_id(node), prefixes, octets + 1)
        homes[node] = owner
        before = used.get(node, (0, 0))
        used[node] = before[0] + prefixes, before[1] + octets + 1
    for owner in (100, 101, 102):
        mine = [used[node] for node in used if homes[node] == owner]
        assert shares.used(owner_id(owner)) == Used(sum(p for p, _ in mine), sum(o for _, o in mine))
    for node, (prefixes, octets) in used.items():
        assert shares.used_by(node_id(node)) == Used(prefixes, octets)
        shares.charge(node_id(node), -prefixes, -octets)
    assert all(shares.used(owner_id(owner)) == Used() for owner in (100, 101, 102))


def test_owners_of_one_pool_share():
    """A voucher's vouched owners have one share between them."""
    shares = Shares(160, lambda owner: OWNER)
    for node in (NODE, OTHER):
        shares.settle(node, OwnerId(NodeId(node)))
        shares.charge(node, 80, 1)

    assert shares.used(owner_id(105)).prefixes == 160
    assert shares.prefixes_left(node_id(3), owner_id(106), reserve=False) == 0
