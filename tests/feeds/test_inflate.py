"""p2pfw.feeds.inflate against the standard library's gzip, and against those who mean harm."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.errors import FeedError
from p2pfw.feeds.inflate import MOST_MEMBERS, inflated

LIST = b"203.0.113.0/24\n"


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5))
def test_members_one_after_the_other_are_one_file(parts):
    """As gzip itself unpacks what `cat a.gz b.gz` made."""
    packed = b"".join(map(gzip.compress, parts))

    assert inflated(packed, 10_000) == gzip.decompress(packed)


@given(st.binary(max_size=300))
def test_what_is_no_gzip_is_left_alone(data):
    """Plain text begins otherwise."""
    plain = b"#" + data

    assert inflated(plain, 0) is plain


@given(st.integers(0, 3_000), st.integers(0, 3_000))
def test_the_bound_is_exact(size, most):
    """All of it, or nothing; over members too."""
    packed = gzip.compress(b"1" * (size // 2)) + gzip.compress(b"1" * (size - size // 2))
    if size <= most:
        assert len(inflated(packed, most)) == size
        return
    with pytest.raises(FeedError, match=f"more than {most} bytes"):
        inflated(packed, most)


def test_a_large_file_is_unpacked_in_steps():
    """More than one chunk in, much more out, and a second member after it."""
    body = bytes(i * 7919 >> 5 & 0xFF for i in range(300_000))
    packed = gzip.compress(body) + gzip.compress(LIST)

    assert inflated(packed, 1_000_000) == body + LIST


@pytest.mark.parametrize("cut", range(2, len(gzip.compress(LIST))))
def test_cut_off_data_is_refused(cut):
    """Wherever the connection broke."""
    with pytest.raises(FeedError, match="ends too soon"):
        inflated(gzip.compress(LIST)[:cut], 10_000)


def test_damaged_data_is_refused():
    """A checksum that does not fit, and bytes that are no deflate data."""
    packed = bytearray(gzip.compress(LIST))
    packed[-5] ^= 0xFF

    with pytest.raises(FeedError, match="damaged"):
        inflated(bytes(packed), 10_000)
    with pytest.raises(FeedError, match="damaged"):
        inflated(b"\x1f\x8b\x08" + b"\xff" * 40, 10_000)


def test_padding_is_not_looked_at():
    """Tapes and block devices pad with zeros."""
    assert inflated(gzip.compress(LIST) + bytes(512), 10_000) == LIST


def test_a_million_empty_members_are_an_attack():
    """Each costs time and gives nothing, so no bound of size would end it."""
    member = gzip.compress(b"")

    assert inflated(member * MOST_MEMBERS, 10) == b""
    with pytest.raises(FeedError, match="of more than 4096 parts"):
        inflated(member * (MOST_MEMBERS + 1), 10)
