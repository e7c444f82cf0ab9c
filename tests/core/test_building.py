"""What a node may ask to have signed: everything that others will accept, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.building import (
    Alike,
    Stamp,
    build_blocks,
    build_certificate,
    build_checkpoint,
    build_entries,
    build_other,
    build_revocation,
    feed_basis,
)
from p2pfw.core.checkpoint import MAX_HELD, AnnouncementId, Checkpoint
from p2pfw.core.header import Kind
from p2pfw.core.identity import NetworkId, revoke
from p2pfw.core.prefix import PrefixKey, v4_key, v6_key
from p2pfw.core.records import Action, Category, Entry, code
from p2pfw.errors import InputError
from tests.core.making import NETWORK, NOW, accept, block, certificate, hosts, key, node_id, stamp


@pytest.mark.parametrize(
    "kind, action", [(Kind.ENTRIES, Action.PARDON), (Kind.PARDON, Action.BLOCK), (Kind.CHECKPOINT, Action.BLOCK)]
)
def test_each_action_travels_in_its_kind(kind, action):
    """BLOCK and RETRACT as entries, PARDON as pardon."""
    with pytest.raises(InputError, match="travel as"):
        build_entries(key(1), stamp(), [block("203.0.113.9", action=action)], kind=kind)


@pytest.mark.parametrize(
    "kind, action", [(Kind.ENTRIES, Action.BLOCK), (Kind.ENTRIES, Action.RETRACT), (Kind.PARDON, Action.PARDON)]
)
def test_what_fits_is_accepted(kind, action):
    """The three actions in their kinds."""
    assert accept(build_entries(key(1), stamp(), [block("203.0.113.9", action=action)], kind=kind).raw).kind == kind


def test_a_pardon_has_no_basis():
    """It is the owner's own word, never a feed's."""
    with pytest.raises(InputError, match="basis"):
        build_entries(key(1), stamp(), [block("203.0.113.9", action=Action.PARDON)], kind=Kind.PARDON, basis=1)


def test_only_the_node_itself_announces_its_certificate():
    """Its signature is the consent."""
    with pytest.raises(InputError, match="itself"):
        build_certificate(key(2), stamp(), certificate(node=1))


def test_a_checkpoint_above_its_own_stamp_is_not_built():
    """Others would refuse it."""
    with pytest.raises(InputError, match="before it"):
        build_checkpoint(key(1), stamp(seq=4), Checkpoint(epoch=NOW * 1000, seq=5, held=()))


def test_the_largest_checkpoint_fits_its_announcement():
    """818 ids."""
    held = tuple((AnnouncementId(i.to_bytes(32)), NOW + 60) for i in range(MAX_HELD))

    assert accept(build_checkpoint(key(1), stamp(), Checkpoint(epoch=1, seq=1, held=held)).raw)


def test_a_body_beyond_32_kib_is_not_built():
    """Whatever the kind."""
    assert accept(build_other(key(1), stamp(), 99, bytes(32_768), NOW + 60).raw)

    with pytest.raises(InputError, match="announcement"):
        build_other(key(1), stamp(), 99, bytes(32_769), NOW + 60)


@pytest.mark.parametrize("created_ms", [0, NOW * 1000 + 1, NOW * 1000 + 999])
def test_ttl_counts_from_the_whole_second_before(created_ms):
    """Expiry is in seconds, creation in milliseconds; nothing lives longer than it says."""
    assert build_entries(key(1), stamp(created_ms=created_ms), hosts(1, ttl=5)).expires == created_ms // 1000 + 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"epoch": -1},
        {"epoch": 2**63},
        {"seq": -1},
        {"seq": 2**63},
        {"created_ms": -1},
        {"created_ms": 2**50},
        {"network": NetworkId(NETWORK[:8])},
    ],
)
def test_a_stamp_beyond_the_headers_limits_cannot_be_made(wrong):
    """So every build from a stamp has a header that others accept."""
    with pytest.raises(InputError):
        Stamp(**({"network": NETWORK, "epoch": 1, "seq": 1, "created_ms": 1} | wrong))


def test_a_revocation_is_announced_by_any_node():
    """The owner's key may be offline."""
    revocation = revoke(key(100), below_serial=3, created=NOW)

    assert accept(build_revocation(key(9), stamp(), revocation).raw).origin == node_id(9)


@given(name=st.text())
def test_a_feeds_basis_is_never_zero_and_fits_its_column(name):
    """Zero means first-hand."""
    assert 0 < feed_basis(name) < 2**63


def test_feeds_have_their_own_basis():
    """Two nodes that repeat one feed are one voice. Frozen: as the tool b2sum computes it, top bit cleared."""
    assert feed_basis("firehol_level1") == feed_basis("firehol_level1") != feed_basis("firehol_level2")
    assert feed_basis("firehol_level1") == 0x6AA4DBA4B85AE620


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=40, unique=True), st.booleans())
def test_blocks_that_are_alike_are_built_as_if_one_by_one(addresses: list[int], six: bool):
    """`build_blocks` is a faster way to the same bytes."""
    prefixes = sorted([v4_key(address, 32) for address in addresses] + ([v6_key(7 << 64, 64)] if six else []))
    entries = [Entry(key=one, action=Action.BLOCK, category=Category.WEB, confidence=2, ttl=77) for one in prefixes]
    value = code(Action.BLOCK, Category.WEB, 2)

    assert build_blocks(key(1), stamp(), Alike(prefixes, 77, value)).raw == build_entries(key(1), stamp(), entries).raw


@pytest.mark.parametrize(
    ("keys", "ttl"),
    [([], 60), ([v4_key(1, 32)] * 2, 60), ([v4_key(2, 32), v4_key(1, 32)], 60), ([v4_key(1, 32)], 0)],
    ids=["none", "twice", "descending", "never lived"],
)
def test_blocks_that_no_announcement_may_have_are_refused(keys: list[PrefixKey], ttl: int):
    """1..1024 ascending keys, and a life of at least a second."""
    with pytest.raises(InputError):
        build_blocks(key(1), stamp(), Alike(keys, ttl, 0))
