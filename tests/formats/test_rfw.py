"""The grammar of rfw's requests: what a path and a query mean, and what is refused, in rfw's words."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from p2pfw.core.localrule import Chain, LocalRule, Target
from p2pfw.core.prefix import Prefix
from p2pfw.errors import InputError
from p2pfw.formats.rfw import Directives, Help, Listing, Ordered, parse_path, parse_query


def key(text: str | None):
    """The key of a prefix in text; None stays None."""
    return None if text is None else Prefix.parse(text).key


def rule(words: str, *, source=None, destination=None, inp="", out="") -> LocalRule:
    """A rule in few words: "drop input"."""
    target, chain = words.upper().split()
    return LocalRule(
        chain=Chain[chain],
        target=Target[target],
        in_interface=inp,
        out_interface=out,
        source=key(source),
        destination=key(destination),
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/drop/input/eth0/5.6.7.8", rule("drop input", source="5.6.7.8", inp="eth0")),
        ("/drop/input/eth /5.6.7.8/", rule("drop input", source="5.6.7.8", inp="eth+")),
        ("/DROP/INPUT/ETH0/5.6.7.8", rule("drop input", source="5.6.7.8", inp="eth0")),
        ("/drop/input/any/5.6.7.8", rule("drop input", source="5.6.7.8")),
        ("/drop/input/any/001.002.003.004", rule("drop input", source="1.2.3.4")),
        ("/drop/input/any/1.2.3.99/24", rule("drop input", source="1.2.3.0/24")),
        ("/drop/input/any/1.0.0.0/9", rule("drop input", source="1.0.0.0/9")),
        ("/drop/input/any/1.2.3.4/32", rule("drop input", source="1.2.3.4")),
        ("/drop/input/any/::ffff:1.2.3.4/24", rule("drop input", source="1.2.3.0/24")),
        ("/drop/input/any/2001:DB8::1", rule("drop input", source="2001:db8::1")),
        ("/drop/input/any/2001:db8::/16", rule("drop input", source="2001::/16")),
        ("/drop/input/any/2001:db8::1/128", rule("drop input", source="2001:db8::1")),
        ("/accept/input/ppp+/5.6.7.8", rule("accept input", source="5.6.7.8", inp="ppp+")),
        ("/reject/input/br-lan/5.6.7.8", rule("reject input", source="5.6.7.8", inp="br-lan+")),
        ("/reject/input/enP2p1s0/5.6.7.8", rule("reject input", source="5.6.7.8", inp="enP2p1s0")),
        ("/reject/input/abcdefghijklmno/5.6.7.8", rule("reject input", source="5.6.7.8", inp="abcdefghijklmno")),
        ("/accept/output/any/192.168.0.0/24", rule("accept output", destination="192.168.0.0/24")),
        ("/drop/output/eth1/5.6.7.8", rule("drop output", destination="5.6.7.8", out="eth1")),
        ("/drop/forward/any/5.6.7.8", rule("drop forward", source="5.6.7.8")),
        ("/drop/forward/any/1.2.3.0/24", rule("drop forward", source="1.2.3.0/24")),
        ("/drop/forward/eth0/1.2.3.4/eth1", rule("drop forward", source="1.2.3.4", inp="eth0", out="eth1")),
        ("/drop/forward/eth0/1.2.3.0/24/any", rule("drop forward", source="1.2.3.0/24", inp="eth0")),
        (
            "/accept/forward/ppp/1.2.3.0/24/eth0/5.5.5.5",
            rule("accept forward", source="1.2.3.0/24", destination="5.5.5.5", inp="ppp+", out="eth0"),
        ),
        (
            "/accept/forward/any/1.2.3.4/any/5.5.5.0/24",
            rule("accept forward", source="1.2.3.4", destination="5.5.5.0/24"),
        ),
        (
            "/accept/forward/any/1.2.3.0/24/any/5.5.5.0/24/",
            rule("accept forward", source="1.2.3.0/24", destination="5.5.5.0/24"),
        ),
        ("/drop/forward/any/0.0.0.0/eth1/5.5.5.5", rule("drop forward", destination="5.5.5.5", out="eth1")),
        ("/drop/forward/any/5.5.5.5/any/0.0.0.0", rule("drop forward", source="5.5.5.5")),
        ("/drop/forward/any/::/any/2001:db8::/32", rule("drop forward", destination="2001:db8::/32")),
    ],
)
def test_a_path_is_a_rule(path, expected):
    """All that rfw's own documentation and tests have, IPv6, and the interface that rfw forgot."""
    assert parse_path(path) == Ordered(expected)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", Help()),
        ("/list", Listing()),
        ("/LIST/", Listing()),
        ("/list/input", Listing(Chain.INPUT)),
        ("/list/Output/", Listing(Chain.OUTPUT)),
        ("/list/forward", Listing(Chain.FORWARD)),
    ],
)
def test_a_path_asks_for_rules(path, expected):
    """Of a chain, or of all."""
    assert parse_path(path) == expected


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "Incorrect path"),
        ("drop/input/any/1.2.3.4", "Incorrect path"),
        ("/" + "x" * 600, "at most 512"),
        ("/ban/input/any/1.2.3.4", "The action should be one of drop, accept, reject, or list"),
        ("/drop", "The chain should be one of input, output, forward"),
        ("/drop/prerouting/any/1.2.3.4", "The chain should be one of"),
        ("/drop/input", "Not enough details to construct the rule"),
        ("/drop/input/any", "Not enough details to construct the rule"),
        ("/drop/input/any/300.1.1.1", "Incorrect IP address '300.1.1.1'"),
        ("/drop/input/any/11.22.3333.44", "Incorrect IP address"),
        ("/drop/input/any/example.net", "Incorrect IP address"),
        ("/drop/input/1.2.3.4/eth0", "Incorrect IP address 'eth0'"),
        ("/drop/input/any/fe80::1%eth0", "Incorrect IP address"),
        ("/drop/input/any/1.2.3.4/8", "Netmask must be in range from 9 to 32"),
        ("/drop/input/any/0.0.0.0/0", "Netmask must be in range from 9 to 32"),
        ("/drop/input/any/1.2.3.4/33", "Netmask must be in range from 9 to 32"),
        ("/drop/input/any/1.2.3.4/9999", "Netmask must be in range from 9 to 32"),
        ("/drop/input/any/::/0", "Netmask must be in range from 16 to 128"),
        ("/drop/input/any/2001:db8::/15", "Netmask must be in range from 16 to 128"),
        ("/drop/input/any/2001:db8::/129", "Netmask must be in range from 16 to 128"),
        ("/drop/input/any/1.2.3.4/x", "Incorrect netmask value"),
        ("/drop/input/any/1.2.3.4//", "Incorrect netmask value"),
        ("/drop/input/any/1.2.3.4/24/eth1", "Too many details for the INPUT chain"),
        ("/drop/output/any/1.2.3.4/24/eth1/5.5.5.5", "Too many details for the OUTPUT chain"),
        ("/drop/forward/any/1.2.3.4/24/any/5.5.5.5/24/7", "Too many details for the FORWARD chain"),
        ("/drop/forward/any/1.2.3.4/any/5.5.5.5/24/7", "Incorrect netmask value"),
        ("/drop/forward/any/1.2.3.4/any/5.5.5.5/x", "Incorrect netmask value"),
        ("/drop/forward/any/0.0.0.0/0", "Netmask must be in range"),
        ("/drop/forward/any/0.0.0.0", "a rule names an address"),
        ("/drop/forward/any/0.0.0.0/any/0.0.0.0", "a rule names an address"),
        ("/drop/forward/any/1.2.3.4/any/2001:db8::1", "of two families"),
        ("/drop/input//1.2.3.4", "An interface name is missing"),
        ("/drop/input/abcdefghijklmnop/1.2.3.4", "Interface name too long. Max 15 characters"),
        ("/drop/input/a;b0/1.2.3.4", "is no name of an interface"),
        ("/drop/input/-j/1.2.3.4", "is no name of an interface"),
        ("/list/nat", "Wrong chain name for list command"),
        ("/list/input/eth0", "Too many details for the list command"),
    ],
)
def test_what_means_nothing_is_refused(path, words):
    """With what would be right, and with rfw's own words where it had some."""
    with pytest.raises(InputError) as error:
        parse_path(path)

    assert words in str(error.value)


def test_which_rules_are_blocks_and_whitelist_entries():
    """input, any interface, drop or accept: nothing else is."""
    drop, accept = parse_path("/drop/input/any/1.2.3.4"), parse_path("/accept/input/any/1.2.3.4")
    others = [
        parse_path(f"/{words}/1.2.3.4")
        for words in ("reject/input/any", "drop/input/eth0", "accept/input/eth0", "drop/output/any", "drop/forward/any")
    ]

    assert (drop.blocked, drop.allowed) == (key("1.2.3.4"), None)
    assert (accept.blocked, accept.allowed) == (None, key("1.2.3.4"))
    assert {(one.blocked, one.allowed) for one in others} == {(None, None)}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("350", 350),
        ("20000s", 20_000),
        ("10m", 600),
        ("2h", 7_200),
        ("10d", 864_000),
        ("0", 0),
        ("0m", 0),
        ("3650d", 315_360_000),
        ("", None),
    ],
)
def test_expire_is_read_as_rfw_reads_it(text, seconds):
    """Without a unit it is seconds; 0 is for ever; nothing is the default's business."""
    assert parse_query({"expire": text}) == Directives(expire=seconds)


@pytest.mark.parametrize("text", ["-3", "10u", "abc", "10M", "1h30m", "3651d", "1234567890", "\u0663"])
def test_what_is_no_time_is_refused(text):
    """Ten years is the longest: more overflows clocks."""
    with pytest.raises(InputError, match="Incorrect expire parameter value"):
        parse_query({"expire": text})


def test_wait_and_modify_take_their_words_only():
    """In any case; what is unknown is left alone, as rfw did."""
    assert parse_query({"wait": "TRUE", "modify": "Insert", "x": "1"}) == Directives(wait=True, modify="insert")
    assert parse_query({"modify": "delete"}) == Directives(modify="delete")
    for query in ({"wait": "false"}, {"wait": "1"}, {"modify": "update"}):
        with pytest.raises(InputError, match=r"Incorrect (wait|modify) parameter value"):
            parse_query(query)


_PART = st.one_of(
    st.sampled_from(["drop", "reject", "input", "forward", "any", "eth0", "1.2.3.4", "::1", "24", "0.0.0.0", ""]),
    st.text(max_size=20),
)


@given(st.lists(_PART, max_size=9))
@example(["drop", "forward", "any", "0.0.0.0", "24"])
def test_any_path_is_a_command_or_an_input_error(parts):
    """Nothing that comes over the network raises anything else; what is a rule names an address of a sane width."""
    try:
        command = parse_path("/" + "/".join(parts))
    except InputError:
        return
    if isinstance(command, Ordered):
        keys = [one for one in (command.rule.source, command.rule.destination) if one is not None]
        assert keys
        assert all(Prefix(one).length >= 9 for one in keys)
