"""Plain lists as publishers write them."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.prefix import key_text
from p2pfw.formats import WRITTEN, parse_list, write
from p2pfw.formats.parsed import MOST_PROBLEMS
from tests.formats.samples import Row

FIREHOL = b"""#
# firehol_level1
#
# ipv4 hash:net ipset
1.10.16.0/20
203.0.113.9
"""
BLOCKLIST_DE = b"203.0.113.7\r\n2001:db8::7\r\n"
SPAMHAUS_TEXT = b"; Spamhaus DROP List 2026/01/31\n198.51.100.0/24 ; SBL1\n"
WITH_FIELDS = b"203.0.113.9\tssh\t2026-01-31\n  203.0.113.10   brute force  # twice\n"


def _texts(data: bytes) -> list[str]:
    return [key_text(key) for key in parse_list(data, "plain").keys]


def test_lists_of_well_known_publishers_are_read():
    """Comments with # and ;, CRLF, further fields, IPv6."""
    assert _texts(FIREHOL) == ["1.10.16.0/20", "203.0.113.9/32"]
    assert _texts(BLOCKLIST_DE) == ["203.0.113.7/32", "2001:db8::7/128"]
    assert _texts(SPAMHAUS_TEXT) == ["198.51.100.0/24"]
    assert _texts(WITH_FIELDS) == ["203.0.113.9/32", "203.0.113.10/32"]


def test_ranges_with_and_without_spaces_are_read():
    """`a-b` and `a - b` are one entry each."""
    assert _texts(b"203.0.113.4-203.0.113.7\n198.51.100.0 - 198.51.100.255 # old\n") == [
        "198.51.100.0/24",
        "203.0.113.4/30",
    ]


def test_keys_are_sorted_and_unique():
    """However often and wherever something stands."""
    assert _texts(b"203.0.113.9\n198.51.100.1\n203.0.113.9/32\n") == ["198.51.100.1/32", "203.0.113.9/32"]


def test_what_is_left_out_is_counted_and_the_first_few_are_named():
    """Prose is no list, and the account shows it."""
    page = b"sorry\n" * (MOST_PROBLEMS + 3) + b"203.0.113.9/24\n203.0.113.9\n"

    parsed = parse_list(page, "plain")

    assert parsed.skipped == {"not an address": MOST_PROBLEMS + 3, "host bits set": 1}
    assert len(parsed) == 1
    assert len(parsed.problems) == MOST_PROBLEMS
    assert str(parsed.problems[0]) == "line 1: 'sorry': not an address"


def test_a_byte_order_mark_is_no_part_of_the_first_address():
    """Files that passed through a Windows editor begin with one."""
    assert _texts(b"\xef\xbb\xbf203.0.113.9\n") == ["203.0.113.9/32"]


def _twin(text: str) -> set[str]:
    found = set()
    for line in text.splitlines():
        words = line.split("#")[0].split(";")[0].split()
        try:
            network = ipaddress.ip_network(words[0])
            mapped = network.network_address.ipv4_mapped if network.version == 6 and network.prefixlen > 96 else None
            found.add(f"{mapped}/{network.prefixlen - 96}" if mapped is not None else str(network))
        except (IndexError, ValueError):
            continue
    return found


@given(st.lists(st.one_of(st.ip_addresses().map(str), st.text("0123456789./#; ax", max_size=18))).map("\n".join))
def test_every_list_is_read_as_a_slow_twin_reads_it(text):
    """Line by line with the standard library; what it takes beyond CIDR (netmasks) is not in the alphabet's reach."""
    read = {str(ipaddress.ip_network(one)) for one in _texts(text.encode())}

    assert read == _twin(text)


def test_rendering_and_reading_come_back_to_the_same():
    """Hosts are written without their length."""
    keys = parse_list(b"203.0.113.9\n198.51.100.0/24\n2001:db8::/48\n2001:db8::1\n", "plain").keys

    text = write([Row(key) for key in keys], WRITTEN["plain"], 0).decode()

    assert text == "198.51.100.0/24\n203.0.113.9\n2001:db8::/48\n2001:db8::1\n"
    assert parse_list(text.encode(), "plain").keys == keys
