"""The formats of publishers: what each is read as, what is left out, and what is no such list at all."""

import json

import pytest

from p2pfw.core.prefix import key_text
from p2pfw.formats import BLOCKLISTS, FORMATS, FormatError, parse_list
from p2pfw.formats.warninglist import MOST
from tests.formats import shapes

NETS = shapes.nets(12)
HOSTS = shapes.hosts(12)
TIME = 1_700_000_000


def read(text, name):
    """Parsed from bytes, as everywhere."""
    return parse_list(text.encode(), name)


def texts(parsed):
    """What was read."""
    return [key_text(key) for key in parsed.keys]


# --- what each is ------------------------------------------------------------------------------------------------


def test_spamhaus_says_how_many_it_has_and_when_it_was_made():
    """Every record, IPv6 too, and the date of its last line."""
    parsed = read(shapes.spamhaus([*NETS, "2001:db8::/32"]), "spamhaus")

    assert texts(parsed) == [*NETS, "2001:db8::/32"]
    assert (parsed.date, parsed.skipped) == (TIME, {})


def test_dshield_is_columns():
    """Start, end and length; comments and the heading are none."""
    parsed = read(shapes.dshield(NETS), "dshield")

    assert texts(parsed) == NETS
    assert parsed.skipped == {}


def test_abuseipdb_is_as_sure_as_its_score():
    """From 75 % on; what is below is counted and no problem."""
    sure, unsure = json.loads(shapes.abuseipdb(HOSTS, score=75)), json.loads(shapes.abuseipdb(["192.0.2.1"], score=74))
    sure["data"] += unsure["data"]
    parsed = read(json.dumps(sure), "abuseipdb")

    assert texts(parsed) == sorted((f"{host}/32" for host in HOSTS), key=lambda text: int(text.split(".")[3][:-3]))
    assert parsed.skipped == {"confidence below 75 %": 1}
    assert (parsed.problems, parsed.date) == ((), TIME)


def test_a_warning_list_is_a_list_of_prefixes():
    """Of either type that may hold addresses."""
    for kind in ("cidr", "string"):
        assert texts(read(shapes.warninglist(NETS, kind), "warninglist")) == NETS
    assert "warninglist" in FORMATS
    assert "warninglist" not in BLOCKLISTS


def test_crowdsec_gives_its_bans():
    """Addresses and ranges; captchas, countries and users are counted and no problems."""
    more = [
        shapes.decision("198.51.100.0/24", scope="Range"),
        shapes.decision("192.0.2.1", kind="captcha"),
        shapes.decision("ZZ", scope="Country"),
    ]
    parsed = read(shapes.crowdsec(["203.0.113.9", "2001:db8::9"], *more), "crowdsec")

    assert texts(parsed) == ["198.51.100.0/24", "203.0.113.9/32", "2001:db8::9/128"]
    assert parsed.skipped == {"no ban": 1, "neither an address nor a range": 1}
    assert parsed.problems == ()


def test_a_local_api_without_decisions_gives_none():
    """It writes null for an empty array."""
    assert read(shapes.crowdsec([]), "crowdsec").keys == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#\n# firehol_level2\n#\n45.1.2.3\n45.1.3.0/24\n", ["45.1.2.3/32", "45.1.3.0/24"]),  # netset, ipset
        ("45.1.2.3\n2001:db8::7\n", ["45.1.2.3/32", "2001:db8::7/128"]),  # blocklist.de
        ("ExitNode: 45.1.2.3\n45.1.2.4\n", ["45.1.2.4/32"]),  # Tor: the bulk exit list is bare addresses
        ("45.1.2.3\r\n45.1.2.4\r\n", ["45.1.2.3/32", "45.1.2.4/32"]),  # CINS, with the line ends of Windows
        ("45.1.2.0-45.1.2.3 ; range\n", ["45.1.2.0/30"]),
    ],
)
def test_plain_takes_what_publishers_write(text, expected):
    """One prefix, address or range a line, and comments of both kinds."""
    assert texts(read(text, "plain")) == expected


# --- what is none ------------------------------------------------------------------------------------------------


def test_half_a_spamhaus_list_is_none():
    """Cut off anywhere: in a line, after a line, or with the count of the whole."""
    text = shapes.spamhaus(NETS)
    for cut in range(1, len(text) - 1):
        with pytest.raises(FormatError):
            read(text[:cut], "spamhaus")
    with pytest.raises(FormatError, match="has 12 entries, and its last line says 1500: it was cut off"):
        read(shapes.spamhaus(NETS, records=1_500), "spamhaus")
    with pytest.raises(FormatError, match="missing after 12: it was cut off"):
        read(shapes.spamhaus(NETS, metadata=False), "spamhaus")


@pytest.mark.parametrize("name", sorted(FORMATS))
@pytest.mark.parametrize("page", ["<!DOCTYPE html>\n<p>\n203.0.113.9\n", "\ufeff \n<HTML>\n203.0.113.9\n"])
def test_a_web_page_is_no_list(name, page):
    """Even where an address has a line of its own."""
    with pytest.raises(FormatError, match="it is a web page, not a list: it begins with"):
        read(page, name)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("spamhaus", "203.0.113.0/24\n", "line 1 is no JSON object: '203.0.113.0/24'"),
        ("spamhaus", '{"cidr":"203.0.113.0/24"}\n[]\n', "line 2 is no JSON object"),
        ("abuseipdb", "[]", "not a JSON object"),
        ("abuseipdb", "{}", 'no array "data"'),
        ("abuseipdb", '{"errors":[{"detail":"Your API key is missing","status":401}]}', "API key is missing"),
        ("abuseipdb", '{"errors":"no"}', "its publisher says: no"),
        ("warninglist", "{", "not JSON"),
        ("warninglist", '{"type":"hostname","list":["a.example"]}', "type 'hostname' holds no addresses"),
        ("warninglist", '{"type":"cidr"}', 'no array "list"'),
        ("warninglist", shapes.warninglist(["192.0.2.1"] * (MOST + 1)), "a whitelist may have 20000"),
        ("crowdsec", '{"message":"access forbidden"}', 'no "new" in it'),
        ("crowdsec", '{"new":{"a":1}}', '"new" is no array'),
    ],
)
def test_another_shape_is_named(name, text, words):
    """What is wrong, and where there is a line, which."""
    with pytest.raises(FormatError, match=words):
        read(text, name)


@pytest.mark.parametrize(
    ("name", "text", "skipped"),
    [
        ("spamhaus", shapes.spamhaus(["203.0.113.1/24"]), {"host bits set": 1}),
        ("spamhaus", '{"asn":1}\n{"type":"metadata","records":1}\n', {"no cidr in it": 1}),
        ("dshield", "45.1.2.0\t45.1.2.255\t16\n", {"host bits set": 1}),
        ("dshield", "45.1.2.0\t45.1.3.255\t24\n", {"first address, last address and prefix length disagree": 1}),
        (
            "dshield",
            "45.1.2.0 45.1.2.255 24\n",
            {"not first address, last address and prefix length with tabs between": 1},
        ),
        ("dshield", "45.1.2.0\tx\t24\n", {"not first address, last address and prefix length with tabs between": 1}),
        ("dshield", "1-2\t3\t24\n", {"not an address": 1}),
        ("abuseipdb", '{"data":[{"ipAddress":"x"},7,{"ipAddress":"192.0.2.1","abuseConfidenceScore":"9"}]}', None),
        ("warninglist", shapes.warninglist(["www.example.net"]), {"not an address": 1}),
        ("crowdsec", shapes.crowdsec(["x"]), {"not an address": 1}),
        ("crowdsec", '{"new":[7]}', {"no ban": 1}),
    ],
)
def test_one_wrong_entry_is_left_out_and_counted(name, text, skipped):
    """The rest of the list is not worth less for it."""
    parsed = read(text, name)

    assert parsed.keys == ()
    assert parsed.skipped == (skipped or {"not an address": 1, "no ipAddress in it": 2})


@pytest.mark.parametrize("value", ["soon", "9" * 400, -5, None, True, 1e400, [1]])
def test_a_date_that_is_none_is_no_date(value):
    """A list without a usable date is as old as its publisher or its file says."""
    text = shapes.spamhaus(NETS, timestamp=value)

    assert read(text, "spamhaus").date in {0, 1}
