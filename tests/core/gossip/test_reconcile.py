"""Ranges: both sides learn exactly what they lack, in few turns and few bytes (protocol 5)."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfw.core.gossip.reconcile import (
    END,
    FRAME_BUDGET,
    LEAF,
    MAX_ANSWER,
    Round,
    Snapshot,
    frames_of,
    key_of,
)
from p2pfw.core.wire import Range, RangeMode, RMsg, encode_frame
from p2pfw.errors import FrameError

SALT = bytes(16)


def keys_at(seed, count, span=10_000):
    """So many keys, created at any of `span` milliseconds."""
    chance = random.Random(seed)
    return {key_of(chance.randrange(span), chance.randbytes(16)) for _ in range(count)}


def reconcile(left, right):
    """Play all turns. What each side found lacking, the number of turns and of bytes."""
    sides = [Snapshot(left, SALT), Snapshot(right, SALT)]
    found = [[], []]
    ranges, turns, size = sides[0].opening(), 0, 0
    while ranges:
        turns += 1
        reader = Round(sides[turns % 2])
        for part in frames_of(ranges):
            frame = RMsg(token=1, more=False, ranges=part)
            size += len(encode_frame(frame))
            reader.read(frame.ranges)
        found[turns % 2] += reader.take_lacking()
        ranges = reader.answer()
    return found, turns, size


@given(
    st.integers(0, 2**32), st.integers(0, 300), st.integers(0, 120), st.integers(0, 120), st.sampled_from([3, 10**6])
)
@settings(max_examples=150)
def test_each_side_learns_exactly_what_it_lacks(seed, common, mine, yours, span):
    """The differences found are those of a plain set difference, each once (protocol 5)."""
    both = keys_at(seed, common, span)
    left, right = both | keys_at(seed + 1, mine, span), both | keys_at(seed + 2, yours, span)

    (left_lacks, right_lacks), turns, _ = reconcile(left, right)

    assert sorted(left_lacks) == sorted(key[8:] for key in right - left)
    assert sorted(right_lacks) == sorted(key[8:] for key in left - right)
    assert turns <= 12


def test_what_is_in_sync_costs_one_small_message():
    """20,000 equal ids: one turn, at most 400 bytes (protocol 5)."""
    keys = keys_at(1, 20_000, 10**9)

    found, turns, size = reconcile(keys, set(keys))

    assert found == [[], []]
    assert turns == 1
    assert size <= 400


@pytest.mark.parametrize("recent, most", [(True, 25_000), (False, 260_000)])
def test_a_thousand_differences_among_20_000_cost_little(recent, most):
    """protocol 5: at most 25 kB where they are recent, 260 kB where scattered, at most 3 round trips."""
    common = keys_at(1, 20_000, 10**9)
    first, step = (10**9, 1) if recent else (0, 10**6)
    news = {key_of(first + step * number, random.Random(number).randbytes(16)) for number in range(1000)}

    (left_lacks, right_lacks), turns, size = reconcile(common, common | news)

    assert (len(left_lacks), right_lacks) == (1000, [])
    assert size <= most
    assert turns <= 6


@pytest.mark.parametrize("empty_opens", [True, False])
def test_an_empty_side_gets_all_ids_in_frames_that_fit(empty_opens):
    """Cold join: one or two round trips, ids only, oldest first (protocol 5)."""
    keys = keys_at(3, 10_000)
    sides = ([], keys) if empty_opens else (keys, [])

    found, turns, size = reconcile(*sides)

    assert found[0 if empty_opens else 1] == [key[8:] for key in sorted(keys)]
    assert turns <= 4
    assert size < 10_000 * 17


def test_frames_of_any_answer_fit_the_wire():
    """However long an answer is, no frame is longer than a frame may be (protocol 3)."""
    snapshot = Snapshot(keys_at(5, 20_000), SALT)
    answers = [
        list(snapshot.lacked(0, len(snapshot), END, set())),
        [Range(upper=number.to_bytes(24), mode=RangeMode.FINGERPRINT, data=bytes(16)) for number in range(1, 5000)],
    ]

    for answer in answers:
        parts = frames_of(answer)
        assert [item for part in parts for item in part] == answer
        assert all(len(encode_frame(RMsg(token=1, more=True, ranges=part))) < 65_519 for part in parts)
    assert frames_of([]) == [()]
    assert FRAME_BUDGET < 65_519


def test_the_fingerprint_needs_the_salt():
    """Without the session's salt nobody can tell which sets look alike (protocol 5.3)."""
    keys = keys_at(1, 100)

    assert Snapshot(keys, b"a" * 16).fingerprint(0, 100) != Snapshot(keys, b"b" * 16).fingerprint(0, 100)


def test_small_sets_are_listed_at_once():
    """No fingerprint of what can be listed (protocol 5.3)."""
    few, many = Snapshot(keys_at(1, LEAF), SALT), Snapshot(keys_at(1, LEAF + 1), SALT)

    assert [item.mode for item in few.opening()] == [RangeMode.LIST]
    assert [item.mode for item in many.opening()] == [RangeMode.FINGERPRINT]


def test_ranges_out_of_order_are_refused():
    """Ranges ascend over all frames of a turn (protocol 5)."""
    reader = Round(Snapshot([], SALT))
    reader.read([Range(upper=b"\x02" * 24, mode=RangeMode.SKIP)])

    with pytest.raises(FrameError):
        reader.read([Range(upper=b"\x02" * 24, mode=RangeMode.SKIP)])


def test_a_turn_without_end_is_refused():
    """What one turn may make us remember is bounded (protocol 5.3)."""
    reader = Round(Snapshot([key_of(0, bytes(16))], SALT))
    one = [
        Range(upper=number.to_bytes(24), mode=RangeMode.FINGERPRINT, data=b"x" * 16)
        for number in range(1, MAX_ANSWER + 3)
    ]

    with pytest.raises(FrameError):
        reader.read(one)


def test_skips_are_merged_and_a_last_one_is_left_out():
    """Nothing to say takes no bytes (protocol 5)."""
    keys = sorted(keys_at(9, 8))
    reader = Round(Snapshot(keys, SALT))
    equal = Snapshot(keys, SALT)
    reader.read(
        [
            Range(upper=keys[1], mode=RangeMode.FINGERPRINT, data=equal.fingerprint(0, 1)),
            Range(upper=keys[2], mode=RangeMode.SKIP),
            Range(upper=keys[4], mode=RangeMode.LIST),
            Range(upper=keys[5], mode=RangeMode.LACK, data=bytes(16)),
            Range(upper=END, mode=RangeMode.SKIP),
        ]
    )

    answer = reader.answer()

    assert [(item.upper, item.mode) for item in answer] == [(keys[2], RangeMode.SKIP), (keys[4], RangeMode.LACK)]
    assert reader.take_lacking() == [bytes(16)]
    assert reader.take_lacking() == []
