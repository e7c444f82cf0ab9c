"""protocol 1.6: what a checkpoint's body is, when it applies, and what it voids."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.checkpoint import MAX_HELD, AnnouncementId, Checkpoint
from p2pfw.errors import InputError, MalformedError, NotCanonicalError, PeerError

A, B, C = (AnnouncementId(bytes([letter]) * 32) for letter in b"ABC")
CHECKPOINT = Checkpoint(epoch=7, seq=9, held=((A, 100), (B, 200)))


def test_the_body_is_what_the_layout_says():
    """epoch, seq, then id and expiry of each, big-endian."""
    assert CHECKPOINT.encode() == struct.pack(">QQ32sQ32sQ", 7, 9, A, 100, B, 200)


@given(
    epoch=st.integers(0, 2**63 - 1),
    seq=st.integers(0, 2**63 - 1),
    held=st.dictionaries(st.binary(min_size=32, max_size=32), st.integers(0, 2**40 - 1), max_size=20),
)
def test_what_was_encoded_decodes_to_the_same(epoch, seq, held):
    """Any checkpoint, the empty one included."""
    checkpoint = Checkpoint(epoch=epoch, seq=seq, held=tuple((AnnouncementId(k), held[k]) for k in sorted(held)))

    assert Checkpoint.decode(checkpoint.encode()) == checkpoint


@pytest.mark.parametrize("cut", [0, 15, 17, 55, 57, 95])
def test_another_length_is_malformed(cut):
    """A head of 16 bytes and whole records of 40."""
    with pytest.raises(MalformedError):
        Checkpoint.decode((CHECKPOINT.encode() + bytes(8))[:cut])


def test_ids_ascend_strictly():
    """One list, one spelling."""
    body = CHECKPOINT.encode()

    for held in (body[56:] + body[16:56], body[16:56] * 2):
        with pytest.raises(NotCanonicalError):
            Checkpoint.decode(body[:16] + held)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epoch": 2**63},
        {"epoch": -1},
        {"seq": 2**63},
        {"seq": -1},
        {"held": ((A[:31], 1),)},
        {"held": ((A, 2**40),)},
        {"held": ((A, -1),)},
    ],
)
def test_values_beyond_their_limits_are_malformed(wrong):
    """Counters fit their column, times are bounded, ids have their length."""
    with pytest.raises(MalformedError):
        Checkpoint(**({"epoch": 1, "seq": 1, "held": ()} | wrong))


def test_more_than_a_body_holds_is_the_originators_error():
    """It has to compact first; nobody else can have sent it."""
    held = tuple((AnnouncementId(i.to_bytes(32)), 1) for i in range(MAX_HELD + 1))

    assert len(Checkpoint(epoch=1, seq=1, held=held[:-1]).encode()) <= 32_768
    with pytest.raises(InputError, match="compact first"):
        Checkpoint(epoch=1, seq=1, held=held)
    with pytest.raises(MalformedError):
        Checkpoint.decode(bytes(16 + 40 * (MAX_HELD + 1)))


@given(body=st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_a_peers_error(body):
    """Or are what the encoder writes."""
    try:
        checkpoint = Checkpoint.decode(body)
    except PeerError:
        return

    assert checkpoint.encode() == body


def test_it_applies_once_all_that_it_lists_is_held():
    """Not before: else what it replaces would vanish before the replacement is there."""
    assert not CHECKPOINT.applies({A}.__contains__, 50)
    assert CHECKPOINT.missing({A}.__contains__, 50) == [B]
    assert CHECKPOINT.applies({A, B, C}.__contains__, 50)


def test_what_has_expired_counts_as_held():
    """It cannot be fetched any more, and would have no effect."""
    assert CHECKPOINT.missing({B}.__contains__, 99.9) == [A]
    assert CHECKPOINT.applies({B}.__contains__, 100)
    assert CHECKPOINT.applies(set().__contains__, 200)


def test_it_voids_what_came_before_and_is_not_listed():
    """By (epoch, seq), epoch first; its own place is not before itself."""
    assert CHECKPOINT.voids((7, 8), C)
    assert CHECKPOINT.voids((6, 10), C)
    assert not CHECKPOINT.voids((7, 9), C)
    assert not CHECKPOINT.voids((8, 0), C)
    assert not CHECKPOINT.voids((7, 8), A)


def test_an_empty_checkpoint_takes_back_everything_at_once():
    """`retract --all`."""
    everything = Checkpoint(epoch=7, seq=9, held=())

    assert everything.applies(set().__contains__, 0)
    assert everything.voids((7, 8), A)
