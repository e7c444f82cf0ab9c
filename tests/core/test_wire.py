"""Frames: what encodes decodes to itself, and nothing else decodes (protocol 3)."""

import copy
import math

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfw.core import frames, wire
from p2pfw.core.wire import (
    Bye,
    Carry,
    CarryForm,
    Choke,
    Hello,
    Ihave,
    JoinAnswer,
    JoinNode,
    JoinRefusal,
    JoinRequest,
    Miss,
    Peers,
    Ping,
    Pong,
    Push,
    Pushed,
    Range,
    RangeMode,
    RDone,
    Refuse,
    RMsg,
    ROpen,
    Run,
    Since,
    Unchoke,
    UnknownFrame,
    Want,
    decode_frame,
    encode_frame,
)
from p2pfw.errors import FrameError

KEY = bytes(range(32))
ID = bytes(range(16))
BOUND = b"\xff" * 24

SAMPLES = {
    "930207cd03e8": Ping(token=7, clock_ms=1000),
    "930307cd03e8": Pong(token=7, clock_ms=1000),
    "9104": Choke(),
    "9105": Unchoke(),
    "920691940" + "0c40168c440" + "73" * 64 + "c40162": Push(
        items=(Pushed(hop=0, header=b"h", signature=b"s" * 64, body=b"b"),)
    ),
    "930701c410" + ID.hex(): Ihave(hop=1, ids=(ID,)),
    "9308c410" + ID.hex() + "90": Want(ids=(ID,)),
    "9308c4009194c420" + KEY.hex() + "010203": Want(runs=(Run(origin=KEY, epoch=1, first=2, last=3),)),
    "9309c410" + ID.hex() + "90": Miss(ids=(ID,)),
    "960a0000c4000032": Refuse(code=0, scope=0, limit=50),
    "950b02c420" + "00" * 32 + "c420" + KEY.hex() + "c400": Carry(form=CarryForm.SET, digest=bytes(32), added=(KEY,)),
    "980c00c2a57765622d3791a76c6f63616c3a31c400a0cb0000000000000000": JoinRequest(
        guest=False, name="web-7", addresses=("local:1",)
    ),
    "930c02a475736564": JoinRefusal(code="used"),
    "930dc410" + "00" * 16 + "05": Since(store_id=bytes(16), cursor=5),
    "980e01010ac410" + "00" * 16 + "c400c29193c418" + BOUND.hex() + "02c400": ROpen(
        token=1,
        scope=1,
        t0_ms=10,
        salt=bytes(16),
        owners=(),
        more=False,
        ranges=(Range(upper=BOUND, mode=RangeMode.LIST),),
    ),
    "940f01c290": RMsg(token=1, more=False, ranges=()),
    "93100100": RDone(token=1, code=0),
    "921191c40178": Peers(records=(b"x",)),
    "93120000": Bye(code=0),
}


@pytest.mark.parametrize("encoded", SAMPLES)
def test_frozen_bytes_stay_what_they_are(encoded):
    """These bytes are the protocol: whoever changes them breaks peers (protocol 3)."""
    frame = SAMPLES[encoded]

    assert encode_frame(frame).hex() == encoded
    assert decode_frame(bytes.fromhex(encoded)) == frame


def blobs(size):
    """Byte strings of one length."""
    return st.binary(min_size=size, max_size=size)


times = st.integers(0, frames.MAX_MS)
numbers = st.integers(0, 2**63 - 1)
names = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._@ -]{0,20}[A-Za-z0-9]\Z") | st.just("")
addresses = st.lists(st.from_regex(r"\A[!-~]{1,40}\Z"), max_size=8).map(tuple)
pushed = st.builds(
    Pushed,
    hop=st.integers(0, 255),
    header=st.binary(min_size=1, max_size=256),
    signature=blobs(64),
    body=st.binary(max_size=300),
)
ids = st.lists(blobs(16), min_size=1, max_size=20).map(tuple)
runs = st.builds(
    lambda origin, epoch, ends: Run(origin=origin, epoch=epoch, first=min(ends), last=max(ends)),
    blobs(32),
    numbers,
    st.tuples(numbers, numbers),
)
ranges = st.lists(
    st.one_of(
        st.builds(Range, upper=st.binary(min_size=1, max_size=24), mode=st.just(RangeMode.SKIP)),
        st.builds(Range, upper=st.binary(min_size=1, max_size=24), mode=st.just(RangeMode.FINGERPRINT), data=blobs(16)),
        st.builds(
            Range,
            upper=st.binary(min_size=1, max_size=24),
            mode=st.sampled_from([RangeMode.LIST, RangeMode.LACK]),
            data=st.lists(blobs(16), max_size=5).map(b"".join),
        ),
    ),
    max_size=6,
    unique_by=lambda item: item.upper,
).map(lambda items: tuple(sorted(items, key=lambda item: item.upper)))
keys = st.lists(blobs(32), max_size=5).map(tuple)
shares = st.floats(0, 1)
any_frame = st.one_of(
    st.builds(
        Hello,
        versions=st.lists(st.integers(0, 255), min_size=1, max_size=16).map(tuple),
        store_id=blobs(16),
        clock_ms=times,
        record=st.binary(max_size=100),
    ),
    st.builds(
        Hello,
        versions=st.just((1,)),
        store_id=blobs(16),
        clock_ms=times,
        held_header=st.binary(min_size=1, max_size=256),
        held_signature=blobs(64),
    ),
    st.builds(Ping, token=numbers, clock_ms=times),
    st.builds(Pong, token=numbers, clock_ms=times),
    st.builds(Push, items=st.lists(pushed, min_size=1, max_size=5).map(tuple)),
    st.builds(Ihave, hop=st.integers(0, 255), ids=ids),
    st.builds(Want, ids=ids, runs=st.lists(runs, max_size=3).map(tuple)),
    st.builds(Miss, ids=ids, runs=st.lists(runs, max_size=3).map(tuple)),
    st.builds(
        Refuse,
        code=st.integers(0, 255),
        scope=st.integers(0, 255),
        subject=st.binary(max_size=64),
        until_ms=times,
        limit=numbers,
    ),
    st.builds(Carry, form=st.just(CarryForm.CHANGE), digest=blobs(32), added=keys, removed=keys),
    st.builds(JoinRequest, guest=st.booleans(), name=names, addresses=addresses, owner=blobs(32), trust=shares),
    st.builds(
        JoinAnswer,
        certificate=st.binary(max_size=256),
        owner=blobs(32),
        owner_name=names,
        network=names,
        nodes=st.lists(st.builds(JoinNode, node=blobs(32), name=names, addresses=addresses), max_size=3).map(tuple),
        charter=st.binary(max_size=100),
        trust=shares,
    ),
    st.builds(Since, store_id=blobs(16), cursor=numbers),
    st.builds(
        ROpen,
        token=numbers,
        scope=st.integers(0, 1),
        t0_ms=times,
        salt=blobs(16),
        owners=keys,
        more=st.booleans(),
        ranges=ranges,
    ),
    st.builds(RMsg, token=numbers, more=st.booleans(), ranges=ranges),
    st.builds(RDone, token=numbers, code=st.integers(0, 255)),
    st.builds(Peers, records=st.lists(st.binary(min_size=1, max_size=90), max_size=32).map(tuple)),
    st.builds(Bye, code=st.integers(0, 255), retry_after=st.integers(0, 2**32)),
)


@given(any_frame)
def test_every_frame_decodes_to_itself(frame):
    """What one node encodes, another decodes to an equal value (protocol 3)."""
    assert decode_frame(encode_frame(frame)) == frame


@given(any_frame, st.data())
@settings(max_examples=300)
def test_a_changed_frame_is_refused_or_means_something_else(frame, data):
    """There are no two spellings: after any change of bytes the frame is refused, unknown, or unequal (protocol 3)."""
    encoded = bytearray(encode_frame(frame))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))

    try:
        decoded = decode_frame(bytes(encoded))
    except FrameError:
        return
    assert decoded != frame


@given(any_frame, st.binary(min_size=1, max_size=4))
def test_nothing_may_follow_or_be_missing(frame, tail):
    """Truncated and extended frames are refused (protocol 3)."""
    encoded = encode_frame(frame)

    with pytest.raises(FrameError):
        decode_frame(encoded + tail)
    with pytest.raises(FrameError):
        decode_frame(encoded[: -min(len(tail), len(encoded))])


@given(st.binary(max_size=200))
@settings(max_examples=500)
def test_arbitrary_bytes_never_raise_anything_else(data):
    """Whatever arrives is a frame, an unknown frame or a FrameError (protocol 3)."""
    try:
        frame = decode_frame(data)
    except FrameError:
        return
    assert isinstance(frame, UnknownFrame) or encode_frame(frame) == data


BASE = {
    "hello": [1, [1], bytes(16), 0, b"", b"", b""],
    "ping": [2, 1, 1],
    "push": [6, [[0, b"h", bytes(64), b"b"]]],
    "ihave": [7, 0, ID],
    "want": [8, ID, []],
    "refuse": [10, 0, 0, b"", 0, 0],
    "carry": [11, 0, bytes(32), b"", b""],
    "request": [12, 0, False, "web-7", ["a:1"], b"", "", 0.0],
    "answer": [12, 1, b"", KEY, "acme", "net", [[KEY, "n", ["a:1"]]], b"", 0.5],
    "refusal": [12, 2, "used"],
    "since": [13, bytes(16), 0],
    "open": [14, 1, 0, 0, bytes(16), b"", False, [[BOUND, 0, b""]]],
    "msg": [15, 1, False, []],
    "done": [16, 1, 0],
    "peers": [17, [b"r"]],
    "bye": [18, 0, 0],
}


@pytest.mark.parametrize("name", BASE)
def test_the_base_of_the_malformed_frames_is_good(name):
    """Each case below differs from a good frame by one thing only."""
    decode_frame(msgpack.packb(BASE[name]))


def changed(name, path, value):
    """BASE[name] with one element replaced."""
    frame = copy.deepcopy(BASE[name])
    target = frame
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    return msgpack.packb(frame)


@pytest.mark.parametrize(
    "name, path, value",
    [
        ("hello", [1], []),
        ("hello", [1], [256]),
        ("hello", [1], [True]),
        ("hello", [1], 1),
        ("hello", [2], bytes(15)),
        ("hello", [2], "0123456789abcdef"),
        ("hello", [3], -1),
        ("hello", [3], frames.MAX_MS + 1),
        ("hello", [3], 1.0),
        ("hello", [4], b"h"),
        ("hello", [5], bytes(64)),
        ("hello", [6], bytes(1025)),
        ("ping", [1], None),
        ("ping", [1], 2**63),
        ("push", [1], []),
        ("push", [1], b""),
        ("push", [1, 0], b"x"),
        ("push", [1, 0], [0, b"h", bytes(64)]),
        ("push", [1, 0, 0], 256),
        ("push", [1, 0, 1], b""),
        ("push", [1, 0, 1], bytes(257)),
        ("push", [1, 0, 2], bytes(63)),
        ("push", [1, 0, 3], bytes(32_769)),
        ("ihave", [2], b""),
        ("ihave", [2], ID[:15]),
        ("ihave", [2], [ID]),
        ("want", [1], b""),
        ("want", [2], [[KEY, 0, 2, 1]]),
        ("want", [2], [[KEY[:31], 0, 1, 1]]),
        ("want", [2], [[KEY, 0, 1, 1]] * 257),
        ("refuse", [1], 256),
        ("refuse", [3], bytes(65)),
        ("carry", [1], 4),
        ("carry", [2], bytes(31)),
        ("carry", [3], KEY),
        ("carry", [4], KEY),
        ("request", [2], 0),
        ("request", [3], "a\nb"),
        ("request", [3], " a"),
        ("request", [3], "a" * 65),
        ("request", [4], ["a b"]),
        ("request", [4], [""]),
        ("request", [4], ["a:1"] * 9),
        ("request", [5], bytes(31)),
        ("request", [7], 1),
        ("request", [7], 1.5),
        ("request", [7], math.nan),
        ("request", [7], math.inf),
        ("answer", [2], bytes(257)),
        ("answer", [3], b""),
        ("answer", [6], [[KEY, "n", []]] * 513),
        ("answer", [6, 0, 0], b""),
        ("answer", [7], bytes(32_769)),
        ("refusal", [2], "Used!"),
        ("since", [1], b""),
        ("open", [2], 2),
        ("open", [4], bytes(15)),
        ("open", [5], bytes(32 * 501)),
        ("open", [6], 0),
        ("open", [7, 0, 0], b""),
        ("open", [7, 0, 0], BOUND + b"\xff"),
        ("open", [7, 0, 1], 4),
        ("open", [7, 0, 2], b"x"),
        ("open", [7, 0], [BOUND, 1, bytes(15)]),
        ("open", [7, 0], [BOUND, 2, bytes(15)]),
        ("open", [7], [[BOUND, 0, b""], [BOUND, 0, b""]]),
        ("msg", [2], None),
        ("done", [2], 256),
        ("peers", [1], [b""]),
        ("peers", [1], [b"r"] * 33),
        ("bye", [2], 2**32 + 1),
    ],
)
def test_a_field_out_of_its_limits_is_refused(name, path, value):
    """Every field has an exact type and a bound (protocol 3)."""
    with pytest.raises(FrameError):
        decode_frame(changed(name, path, value))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x90",
        b"\xc0",
        b"\x80",
        b"\x91\xc3",
        b"\x91\xff",
        b"\x92\x02\x01",
        b"\x91\x0c",
        b"\x92\x0c\xc2",
        b"\x93\x02\xcc\x01\x01",  # a non-minimal integer
        b"\x93\x02\x01\xca\x00\x00\x00\x00",  # a float for an integer
        b"\xdc\x00\x03\x02\x01\x01",  # a non-minimal array header
        b"\x91\x04\x00",
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 60_000,
        b"\x92\x06\xd9\x02\xff\xfe",
    ],
)
def test_what_is_no_frame_is_refused(data):
    """Not an array, no kind, another spelling, too deep (protocol 3)."""
    with pytest.raises(FrameError):
        decode_frame(data)


@pytest.mark.parametrize("values", [[0], [19, "x"], [255, [1, [2]]], [12, 3], [1 << 40]])
def test_unknown_kinds_are_told_apart_from_malformed_ones(values):
    """A newer node may say what we do not know: it is ignored and counted (protocol 3)."""
    data = msgpack.packb(values)

    assert decode_frame(data) == UnknownFrame(kind=values[0], size=len(data))


def test_frames_have_a_size_limit_in_both_directions():
    """No frame is longer than one websocket message holds (protocol 3)."""
    item = Pushed(hop=0, header=b"h", signature=bytes(64), body=bytes(32_700))
    assert len(encode_frame(Push(items=(item,)))) < wire.MAX_FRAME

    with pytest.raises(FrameError):
        encode_frame(Push(items=(item, item)))
    with pytest.raises(FrameError):
        decode_frame(bytes(wire.MAX_FRAME + 1))


def test_helpers_of_values():
    """A pushed announcement knows its size, a range its ids."""
    assert Pushed(hop=0, header=b"hh", signature=bytes(64), body=b"b").size == 67
    assert Range(upper=BOUND, mode=RangeMode.LACK, data=ID + ID[::-1]).ids == [ID, ID[::-1]]
