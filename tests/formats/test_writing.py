"""Lists as written: shapes that only their documentation can judge, and what holds for all. See test_readers."""

import ipaddress
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.prefix import Family, Prefix, key_text
from p2pfw.formats import FORMATS, WRITTEN, parse_list, write
from p2pfw.formats.writing import CATEGORIES
from tests.formats.samples import AT, BOTH, Row, rows

READABLE = sorted(FORMATS.keys() & WRITTEN.keys())
PREFIXES = st.builds(
    lambda family, number, length: Prefix.of(
        family,
        number % (1 << family.bits)
        >> family.bits - length % (family.bits + 1)
        << family.bits - length % (family.bits + 1),
        length % (family.bits + 1),
    ),
    st.sampled_from(Family),
    st.integers(0, (1 << 128) - 1),
    st.integers(0, 128),
)


def text(name: str, entries=BOTH) -> str:
    """A whole list."""
    return write(entries, WRITTEN[name], AT).decode()


@pytest.mark.parametrize("name", READABLE)
def test_what_we_read_is_what_we_write(name):
    """The round trip loses nothing."""
    assert parse_list(text(name).encode(), name).keys == tuple(row.key for row in BOTH)
    assert parse_list(text(name, []).encode(), name).skipped == {}


@pytest.mark.parametrize("name", sorted(WRITTEN))
@given(prefixes=st.lists(PREFIXES, max_size=6, unique=True))
def test_every_line_ends_and_is_of_harmless_characters(name, prefixes):
    """Nothing of a list can leave its line: printable ASCII and tabs, whatever is blocked."""
    written = text(name, [Row(prefix.key) for prefix in sorted(prefixes)])

    assert re.fullmatch(r"[\t\n\x20-\x7e]*", written)
    assert not written.startswith("\n")
    assert written in ("", "\n") or written.endswith("\n")


def test_slices_make_no_difference():
    """However the list is cut, also between the families."""
    from p2pfw.formats import Writer

    for name, form in WRITTEN.items():
        writer = Writer(form, AT)
        body = b"".join(writer.write([row]) for row in BOTH)
        head, tail = writer.end()
        assert head + body + tail == write(BOTH, form, AT), name


def test_csv_says_what_is_known_and_nothing_else():
    """A reason that is not one of our words could be a formula to a spreadsheet."""
    key = Prefix.parse("203.0.113.9").key
    entries = [Row(key, AT, "ok", 1), Row(key, 0, "=cmd|' /C calc'!A0"), Row(key, 0, 'a",b\n'), Row(key, 0, "-1")]

    assert text("csv", entries).splitlines() == [
        "prefix,category,reason,expires",
        "203.0.113.9/32,web,ok,2027-01-15T08:00:00Z",
        *["203.0.113.9/32,ssh,other,"] * 3,
    ]


def test_ipset_writes_the_whole_internet_as_two_halves():
    """hash:net has no /0; neither has rpz-ip."""
    whole = rows("0.0.0.0/0", "::/0")
    keys = parse_list(text("ipset", whole).encode(), "ipset").keys

    assert [key_text(key) for key in keys] == ["0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"]
    assert text("rpz", whole).splitlines()[3:] == [
        *("1.0.0.0.0.rpz-ip CNAME .", "1.0.0.0.128.rpz-ip CNAME ."),
        *("1.zz.rpz-ip CNAME .", "1.zz.8000.rpz-ip CNAME ."),
    ]


@given(prefix=PREFIXES.filter(lambda prefix: prefix.key & 0xFF))
def test_rpz_names_are_the_address_backwards(prefix):
    """Read back by the rules of the draft (4.3): length, then words from the last to the first, zz for a run of 0."""
    line = text("rpz", [Row(prefix.key)]).splitlines()[-1]
    length, *words = line.removesuffix(".rpz-ip CNAME .").split(".")
    if "zz" in words:
        at = words.index("zz")
        words[at : at + 1] = ["0"] * (9 - len(words))
    joined = (":" if len(words) == 8 else ".").join(reversed(words))

    assert ipaddress.ip_network(f"{joined}/{length}") == ipaddress.ip_network(str(prefix))


def test_mikrotik_replaces_its_list_and_survives_a_bad_line():
    """RouterOS stops a script at the first error that nothing takes."""
    lines = text("mikrotik", rows("203.0.113.9", "198.51.100.0/24", "2001:db8::1")).splitlines()

    assert lines == [
        ":do { /ip firewall address-list remove [find list=p2pfw] } on-error={}",
        ":do { /ipv6 firewall address-list remove [find list=p2pfw] } on-error={}",
        ":do { /ip firewall address-list add list=p2pfw address=198.51.100.0/24 } on-error={}",
        ":do { /ip firewall address-list add list=p2pfw address=203.0.113.9 } on-error={}",
        ":do { /ipv6 firewall address-list add list=p2pfw address=2001:db8::1/128 } on-error={}",
    ]


def test_suricata_gets_address_category_and_score():
    """iprep: `ip,category,score`, category 1..60, score 1..127, no blanks."""
    for line, row in zip(text("suricata").splitlines(), BOTH, strict=True):
        address, category, score = line.split(",")
        assert str(Prefix.parse(address)) == key_text(row.key)
        assert int(category) == row.category + 1
        assert 1 <= int(score) <= 127


def test_zeek_gets_tab_separated_fields_of_its_header():
    """An intelligence file: one tab between columns; an address and a subnet are two types."""
    header, *lines = text("zeek").splitlines()

    assert header.split("\t") == ["#fields", "indicator", "indicator_type", "meta.source", "meta.desc"]
    for line, row in zip(lines, BOTH, strict=True):
        indicator, kind, source, description = line.split("\t")
        assert kind == ("Intel::SUBNET" if "/" in indicator else "Intel::ADDR")
        assert (str(Prefix.parse(indicator)), source) == (key_text(row.key), "p2pfw")
        assert description == CATEGORIES[row.category]


def test_stix_names_the_same_prefix_by_the_same_id():
    """So that a second import changes objects and does not double them; no end, no valid_until."""
    first, later = (json.loads(write(BOTH, WRITTEN["stix"], at)) for at in (AT, AT + 1))

    assert [one["id"] for one in first["objects"]] == [one["id"] for one in later["objects"]]
    assert ["valid_until" in one for one in first["objects"]] == [row.until > AT for row in BOTH]
    assert "objects" not in json.loads(text("stix", []))
