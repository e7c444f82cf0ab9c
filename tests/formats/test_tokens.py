"""Words of lists: as strict as Prefix.parse, and ranges to the fewest prefixes."""

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from p2pfw.core.prefix import Family, Prefix, key_text
from p2pfw.errors import InputError
from p2pfw.formats.tokens import BACKWARDS, BAD_LENGTH, HOST_BITS, NOT_AN_ADDRESS, TokenError, range_keys, read_token

octets = st.one_of(st.integers(0, 300).map(str), st.sampled_from(["01", "+1", "1_0", " 1", "", "٣", "0x1", "-1"]))
addresses = st.one_of(
    st.lists(octets, min_size=3, max_size=5).map(".".join),
    st.ip_addresses().map(str),
    st.text("0123456789abcdef:.%", max_size=20),
)
lengths = st.one_of(st.integers(0, 140).map(str), st.sampled_from(["", "024", "+8", " 8", "٨", "255.255.255.0"]))
words = st.one_of(addresses, st.builds("{}/{}".format, addresses, lengths))


@given(words)
@example("203.0.113.9/024")
@example("::ffff:203.0.113.9")
@example("::ffff:cb00:7109/120")
@example("::ffff:cb00:7100/120")
@example("fe80::1%eth0")
def test_a_word_is_read_as_prefix_parse_would(word):
    """The fast way and the strict way agree on every address and CIDR, also on which are none."""
    try:
        strict = (Prefix.of_client(word).key,) if word == word.strip() else None
    except InputError:
        strict = None
    try:
        fast = read_token(word)
    except TokenError:
        fast = None

    # One spelling more is forgiven by Prefix.parse: zeros before a length.
    zeros = "/0" in word and not word.endswith("/0")
    assert fast == strict or (zeros and fast in (None, strict))


@pytest.mark.parametrize(
    "word, reason",
    [
        ("example.net", NOT_AN_ADDRESS),
        ("203.0.113.256", NOT_AN_ADDRESS),
        ("010.0.0.1", NOT_AN_ADDRESS),
        ("203.0.113.9/24", HOST_BITS),
        ("2001:db8::1/48", HOST_BITS),
        ("203.0.113.0/33", BAD_LENGTH),
        ("203.0.113.0/", BAD_LENGTH),
        ("2001:db8::/129", BAD_LENGTH),
        ("203.0.113.9-203.0.113.8", BACKWARDS),
        ("203.0.113.9-2001:db8::1", NOT_AN_ADDRESS),
        ("203.0.113.9-", NOT_AN_ADDRESS),
    ],
)
def test_what_is_no_prefix_says_why(word, reason):
    """The reason is a fixed phrase, so that it can be counted."""
    with pytest.raises(TokenError, match=f"^{reason}$"):
        read_token(word)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
@example(0, 2**32 - 1)
@example(0, 0)
@example(2**32 - 1, 2**32 - 1)
def test_a_range_becomes_the_fewest_prefixes(one, other):
    """As the standard library summarises it."""
    first, last = sorted((one, other))
    twin = ipaddress.summarize_address_range(ipaddress.IPv4Address(first), ipaddress.IPv4Address(last))

    assert [key_text(key) for key in range_keys(Family.V4, first, last)] == [str(network) for network in twin]


def test_a_range_of_ipv6_is_read_too():
    """Both ends written out."""
    assert [key_text(key) for key in read_token("2001:db8::-2001:db8::2")] == ["2001:db8::/127", "2001:db8::2/128"]
