"""Netlink messages: what the kernel would read of ours, and that nothing it could answer breaks the reader."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.prefix import Family, v4_key, v6_key
from p2pfw.errors import FirewallError
from p2pfw.firewall import messages
from p2pfw.firewall.messages import Reply

HOST, NET6 = v4_key(0xCB007109, 32), v6_key(0x20010DB8 << 96, 48)

# One set's header as kernel 6.18 gave it (`ipset create a hash:net family inet timeout 0 counters`), after nfgenmsg.
ANSWER = bytes.fromhex(
    "05000100070000000600020061000000" "0d000300686173683a6e657400000000" "050005000200000005000400070000"
    "00" "3c000780" "0800124000000400" "0800134000010000" "0800194000000001" "08001a40000001c8" "0800064000000000"
    "0800184000000002" "0800084000000008"
)  # fmt: skip


def test_one_member_is_what_the_kernel_expects():
    """Byte for byte: header, nfgenmsg, protocol, name, line, then the nested member with address, length, timeout."""
    sent = messages.add(7, "p2pfw-block4", [(HOST, 3_600)])
    size, kind, flags, sequence, port = struct.unpack_from("=IHHII", sent)

    assert (size, kind, flags, sequence, port) == (len(sent), 0x609, 0x5, 7, 0)
    assert sent[16:20] == bytes(4)
    assert sent[20:28] == bytes.fromhex("0500010006000000")
    assert sent[28:48] == b"\x11\x00\x02\x00p2pfw-block4\x00\x00\x00\x00"
    assert sent[48:56] == bytes.fromhex("0800094000000000")
    member = bytes.fromhex("200007800c00018008000140cb00710905000300200000000800064000000e10")
    assert sent[56:] == bytes.fromhex("24000880") + member


def test_an_ipv6_network_is_what_the_kernel_expects():
    """Deleted: no timeout."""
    sent = messages.delete(1, "x", [NET6])

    assert sent[4:6] == struct.pack("=H", 0x60A)
    address = bytes.fromhex("20010db8000000000000000000000000")
    assert sent.endswith(bytes.fromhex("240007801800018014000240") + address + bytes.fromhex("0500030030000000"))


def test_a_set_without_a_name_is_refused():
    """It would be every set of the host."""
    with pytest.raises(FirewallError, match="without a name"):
        messages.delete(1, "", [HOST])


def test_a_header_is_read():
    """As a kernel gave it."""
    found = messages.read_header(ANSWER)

    assert (found.name, found.type, found.family, found.maxelem) == ("a", "hash:net", Family.V4, 65_536)
    assert (found.timeout, found.counters, found.references, found.entries) == (True, True, 1, 2)


def test_answers_end_with_an_acknowledgement_or_an_error():
    """NLMSG_ERROR with 0 or a negative errno; NLMSG_DONE after a list; anything else is content."""
    acknowledged = struct.pack("=IHHIIi", 20, 2, 0, 5, 1, 0)
    refused = struct.pack("=IHHIIi", 20, 2, 0, 6, 1, -2)
    done = struct.pack("=IHHIIi", 20, 3, 2, 7, 1, 0)
    content = struct.pack("=IHHII", 20 + len(ANSWER), 0x607, 2, 8, 1) + bytes(4) + ANSWER
    found = list(messages.replies(acknowledged + refused + done + content))

    assert found == [Reply(5, 0), Reply(6, 2), Reply(7, 0), Reply(8, None, ANSWER)]


def test_every_error_of_ipsets_own_has_words():
    """And none of the system's is taken for one."""
    assert messages.words(4352) == "the set is full"
    assert "not known" in messages.words(5_000)
    assert messages.words(2) == ""


@given(st.binary(max_size=200))
def test_garbage_is_an_error_and_nothing_else(data):
    """Whatever comes: read, or FirewallError."""
    try:
        for reply in messages.replies(data):
            messages.read_header(reply.payload)
    except FirewallError:
        return


@given(st.integers(0, len(ANSWER)), st.integers(0, len(ANSWER) - 1), st.integers(0, 255))
def test_a_header_that_was_cut_or_changed_is_read_or_refused(end, at, value):
    """One byte altered, the rest cut off."""
    data = bytearray(ANSWER)
    data[at] = value
    try:
        assert messages.read_header(bytes(data[:end])).name is not None
    except FirewallError:
        return
