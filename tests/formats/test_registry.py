"""Formats by name, and the ones that are no lines of text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.prefix import key_text
from p2pfw.formats import FORMATS, FormatError, parse_list


def _texts(data: bytes, name: str) -> list[str]:
    return [key_text(key) for key in parse_list(data, name).keys]


def test_an_unknown_format_names_the_known_ones():
    """Whoever mistypes one."""
    with pytest.raises(FormatError, match="plain, json, ndjson, ipset"):
        parse_list(b"", "xml")


@pytest.mark.parametrize("name", sorted(FORMATS))
@given(data=st.binary(max_size=200))
def test_garbage_is_an_account_or_a_format_error(name, data):
    """Never another exception."""
    try:
        parsed = parse_list(data, name)
    except FormatError:
        return
    assert all(isinstance(key, int) for key in parsed.keys)


def test_bytes_that_are_no_text_name_the_line():
    """A compressed file, most often."""
    with pytest.raises(FormatError, match=r"line 2 is not UTF-8.*compressed"):
        parse_list(b"203.0.113.9\n\x1f\x8b\x08\xff", "plain")


def test_json_takes_strings_and_objects():
    """Our own API gives objects; others call the field ip, cidr or value."""
    document = ["203.0.113.9", {"prefix": "198.51.100.0/24"}, {"ip": "203.0.113.8"}, {"cidr": "2001:db8::/48"}]

    assert len(_texts(json.dumps(document).encode(), "json")) == 4


def test_json_leaves_out_what_carries_no_prefix():
    """Numbers, nothing, objects of something else."""
    parsed = parse_list(b'["203.0.113.9", 7, null, {"a": 1}, {"prefix": 5}, "x"]', "json")

    assert parsed.skipped == {"no prefix in it": 4, "not an address": 1}
    assert parsed.problems[0].line == 2


def test_json_of_our_listing_is_read():
    """{"schema": ..., "entries": [...]} as `p2pfw --json list` prints it."""
    assert _texts(b'{"schema": "p2pfw.list/1", "entries": [{"prefix": "203.0.113.9/32"}]}', "json") == [
        "203.0.113.9/32"
    ]


@pytest.mark.parametrize("data", [b"{", b"7", b'{"a": 1}', b"[" * 100_000])
def test_json_that_is_no_array_is_a_format_error(data):
    """Also when it is nested deeper than anybody writes."""
    with pytest.raises(FormatError, match="JSON"):
        parse_list(data, "json")


def test_one_broken_line_spoils_ndjson():
    """A cut-off download must not pass for a whole list."""
    with pytest.raises(FormatError, match="line 2"):
        parse_list(b'{"prefix": "203.0.113.9"}\n{"prefix": "203.0.1', "ndjson")


def test_ipset_reads_members_of_both_spellings_and_leaves_exceptions_out():
    """`add` and the old `-A`; nomatch members are exceptions, not members."""
    saved = (
        b"create x hash:net family inet hashsize 1024 maxelem 65536\n"
        b"add x 203.0.113.9 timeout 17\n-A x 198.51.100.0/24\nadd x 198.51.100.7 nomatch\nCOMMIT\nrubbish\n"
    )

    parsed = parse_list(saved, "ipset")

    assert [key_text(key) for key in parsed.keys] == ["198.51.100.0/24", "203.0.113.9/32"]
    assert parsed.skipped == {"an exception (nomatch)": 1, "not a line of ipset": 1}
