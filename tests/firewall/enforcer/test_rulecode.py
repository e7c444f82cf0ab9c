"""Local rules between node and enforcer: read back as they were written, or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.localrule import Chain, LocalRule, Target
from p2pfw.core.prefix import v4_key, v6_key
from p2pfw.errors import InputError
from p2pfw.firewall.enforcer import rulecode
from p2pfw.firewall.enforcer.protocol import Kind, ProtocolError

NAMES = st.from_regex(r"[A-Za-z0-9_.@-]{1,13}\+?", fullmatch=True) | st.just("")


def ends(six: bool):
    """An end of one family, or any address."""
    make, bits = (v6_key, 128) if six else (v4_key, 32)
    return st.none() | st.builds(
        lambda address, length: make(address >> (bits - length) << (bits - length), length),
        st.integers(0, (1 << bits) - 1),
        st.integers(1, bits),
    )


@st.composite
def rules(draw):
    """Any rule."""
    six, chain = draw(st.booleans()), draw(st.sampled_from(Chain))
    try:
        return LocalRule(
            chain=chain,
            target=draw(st.sampled_from(Target)),
            in_interface="" if chain is Chain.OUTPUT else draw(NAMES),
            out_interface="" if chain is Chain.INPUT else draw(NAMES),
            source=draw(ends(six)),
            destination=draw(ends(six)),
            ends=draw(st.integers(0, 1 << 40)),
        )
    except InputError:
        return LocalRule(chain=Chain.INPUT, target=Target.DROP, source=v4_key(9, 32))


@given(st.lists(rules(), max_size=20))
def test_rules_are_read_back_as_they_were_written(wanted):
    """Of both families, with every end and interface."""
    read = [rule for frame in rulecode.frames(wanted) for rule in rulecode.read(frame.payload)]
    assert read == wanted
    assert [rule.ends for rule in read] == [rule.ends for rule in wanted]


@given(st.binary(max_size=300))
def test_bytes_that_are_no_rules_are_refused_or_read_as_rules(payload):
    """Whatever comes: a rule that may be, or the end of the connection; never anything else."""
    try:
        found = rulecode.read(payload)
    except ProtocolError:
        return
    assert [frame.payload for frame in rulecode.frames(found)] in ([payload], [])


@pytest.mark.parametrize("at", [0, 1])
def test_numbers_that_are_none_are_refused(at):
    """A chain or target that there is not."""
    frame = next(rulecode.frames([LocalRule(chain=Chain.INPUT, target=Target.DROP, source=v4_key(9, 32))]))
    broken = bytearray(frame.payload)
    broken[at] = 9

    with pytest.raises(ProtocolError, match="no rule"):
        rulecode.read(bytes(broken))


def test_counters_come_with_their_rules():
    """In their order; half a number is none."""
    rule = LocalRule(chain=Chain.INPUT, target=Target.DROP, source=v4_key(9, 32))
    frames = list(rulecode.counted_frames([(rule, (3, 1 << 40))]))

    assert [frame.kind for frame in frames] == [Kind.RULES, Kind.COUNTED]
    assert rulecode.read_counted(frames[1].payload) == [(3, 1 << 40)]
    with pytest.raises(ProtocolError, match="counters of 17"):
        rulecode.read_counted(bytes(17))
