"""Whose address counts, also behind proxies."""

import pytest

from p2pfw.core.prefix import Prefix
from p2pfw.errors import InputError
from p2pfw.net.addresses import forwarded_address, group_of, join_address, plain, split_address

TRUSTED = [Prefix.parse("10.0.0.0/8"), Prefix.parse("2001:db8:aa::/48")]


@pytest.mark.parametrize(
    "text, canonical",
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_addresses_have_one_text(text, canonical):
    """Mapped, zoned and long forms are the same party."""
    assert plain(text) == canonical


@pytest.mark.parametrize("text", ["", "unix:", "1.2.3", "example.net"])
def test_what_is_no_address_is_refused(text):
    """Host names are not looked up here."""
    with pytest.raises(InputError):
        plain(text)


def test_ipv6_counts_by_64():
    """One party has 2^64 addresses there."""
    assert group_of("2001:db8:1:2:3:4:5:6") == group_of("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    assert group_of("2001:db8:1:3::1") != group_of("2001:db8:1:2::1")
    assert group_of("192.0.2.1") == "192.0.2.1"


@pytest.mark.parametrize(
    "header, address",
    [
        ("198.51.100.7", "198.51.100.7"),
        ("203.0.113.1, 198.51.100.7", "198.51.100.7"),
        ("198.51.100.7, 10.0.0.3", "198.51.100.7"),
        ("spoofed, 198.51.100.7 ,10.0.0.3,2001:db8:aa::5", "198.51.100.7"),
        ("10.0.0.3", None),
        ("198.51.100.7, junk", None),
        ("", None),
    ],
)
def test_only_what_our_own_proxies_wrote_counts(header, address):
    """The last address that is none of theirs; what the client wrote left of it means nothing."""
    assert forwarded_address(header, TRUSTED) == address


def test_listen_addresses_round_trip():
    """Both families."""
    for text in ("127.0.0.1:7787", "[::1]:7787", "example.net:0"):
        assert join_address(*split_address(text)) == text
