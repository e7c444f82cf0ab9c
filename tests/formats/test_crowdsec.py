"""Decisions in the form that bouncers read, field by field."""

import json
import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.prefix import Prefix
from p2pfw.core.records import Category
from p2pfw.formats.crowdsec import EVERYTHING, LONGEST, SCENARIOS, Piece, Wish, durations, ended, go_duration

NOW = 1_800_000_000
ID, UUID = 3979323997415605, "355e232c-914f-88b4-a9a1-d845160c89c1"
"""Of 203.0.113.9, for ever."""
_GO = re.compile(r"(-?)(?:(\d+)h)?(?:(\d+)m)?(\d+)s")


def key(text: str) -> int:
    """Of any spelling."""
    return Prefix.parse(text).key


def told(text: str, end: int = NOW + 60, category: Category = Category.SSH, now: float = NOW) -> dict:
    """One decision as it is sent."""
    return json.loads(Piece.of([(key(text), end, category)]).told(durations(now)))


def go_seconds(text: str) -> int:
    """A slow reader of Go's durations."""
    sign, hours, minutes, seconds = _GO.fullmatch(text).groups()
    return (-1 if sign else 1) * (int(hours or 0) * 3_600 + int(minutes or 0) * 60 + int(seconds))


def test_a_decision_has_exactly_these_fields():
    """As the local API of CrowdSec names and spells them."""
    found = told("203.0.113.9")

    assert found.keys() == {"duration", "id", "origin", "scenario", "scope", "type", "uuid", "value"}
    assert (found["origin"], found["type"], found["scenario"]) == ("p2pfw", "ban", "p2pfw/ssh")
    assert found["duration"] == "1m0s"


@pytest.mark.parametrize(
    ("text", "scope", "value"),
    [
        ("203.0.113.9", "Ip", "203.0.113.9"),
        ("203.0.113.0/24", "Range", "203.0.113.0/24"),
        ("2001:DB8:0::9", "Ip", "2001:db8::9"),
        ("2001:db8::/48", "Range", "2001:db8::/48"),
    ],
)
def test_values_are_canonical(text: str, scope: str, value: str):
    """One that a bouncer cannot read costs it hundreds of good ones."""
    found = told(text)

    assert (found["scope"], found["value"]) == (scope, value)


@given(st.integers(-10_000_000, 10_000_000))
def test_durations_are_gos(seconds: int):
    """Whole seconds, read back as the same number."""
    assert go_seconds(go_duration(seconds)) == seconds


@pytest.mark.parametrize(("seconds", "text"), [(14_398, "3h59m58s"), (60, "1m0s"), (3_600, "1h0m0s"), (-61, "-1m1s")])
def test_durations_look_like_this(seconds: int, text: str):
    """As Go prints them."""
    assert go_duration(seconds) == text


@given(st.integers(NOW - 1_000, NOW + 10 * LONGEST), st.floats(0, 0.999))
def test_what_is_left_is_never_zero_never_too_long_and_never_more_than_is_true(end: int, part: float):
    """Zero would be a ban without an end; what ended between two looks gets a second."""
    now = NOW + part  # rounded to a quarter of a microsecond, as clocks are
    left = go_seconds(told("203.0.113.9", end, now=now)["duration"])

    assert 1 <= left <= LONGEST
    assert left <= max(1, end - now)
    assert left >= min(end - NOW - 1, LONGEST)


def test_a_block_without_an_end_gets_the_longest_time():
    """ipset takes no more."""
    assert go_seconds(told("203.0.113.9", 0)["duration"]) == LONGEST


def test_what_ended_has_a_negative_duration():
    """The rest of a decision is as it was."""
    one, other = json.loads(b"[" + ended([key("203.0.113.9"), key("2001:db8::/48")]) + b"]")

    assert go_seconds(one["duration"]) < 0
    assert one["id"] == told("203.0.113.9")["id"]
    assert (other["scope"], other["value"]) == ("Range", "2001:db8::/48")


def test_ids_follow_from_the_prefix_alone():
    """The same for every time, category and process; JavaScript counts them exactly, and uuids are uuids."""
    one, again = told("203.0.113.9"), told("203.0.113.9", NOW + 9, Category.SCAN)
    all_ids = {told(f"203.0.113.{host}")["id"] for host in range(256)}

    assert (one["id"], one["uuid"]) == (again["id"], again["uuid"])
    assert (one["id"], one["uuid"]) == (ID, UUID)
    assert len(all_ids) == 256
    assert max(all_ids) < 2**53
    parsed = uuid.UUID(one["uuid"])
    assert (parsed.version, parsed.variant) == (8, uuid.RFC_4122)


def test_a_piece_keeps_its_order_and_ends():
    """Durations are filled in by place."""
    rows = [(key("203.0.113.9"), NOW + 5, 0), (key("203.0.113.10"), NOW + 7, 1)]
    found = json.loads(b"[" + Piece.of(rows).told(durations(NOW)) + b"]")

    assert [(one["value"], one["duration"]) for one in found] == [("203.0.113.9", "5s"), ("203.0.113.10", "7s")]


def test_every_category_has_a_scenario():
    """p2pfw/ and its name."""
    assert SCENARIOS[Category.OTHER] == "p2pfw/other"
    assert len(SCENARIOS) == len(Category)


# --- what bouncers ask for -----------------------------------------------------------------------------------------

HOST, NET = key("203.0.113.9"), key("203.0.113.0/24")


@pytest.mark.parametrize(
    ("query", "host", "net"),
    [
        ({}, True, True),
        ({"scopes": "Ip"}, True, False),
        ({"scope": "range"}, False, True),
        ({"scopes": "ip, range,country"}, True, True),
        ({"scopes": "country"}, False, False),
        ({"type": "ban"}, True, True),
        ({"type": "captcha"}, False, False),
        ({"origins": "cscli,p2pfw"}, True, True),
        ({"origins": "crowdsec,CAPI"}, False, False),
        ({"made_up": "1"}, True, True),
    ],
)
def test_a_wish_takes_scopes_types_and_origins(query: dict[str, str], host: bool, net: bool):
    """What is not named is not filtered."""
    wish = Wish.of(query)

    assert (wish.takes(HOST), wish.takes(NET)) == (host, net)


def test_no_wish_takes_all_addresses_at_once():
    """No set holds 0.0.0.0/0; it would cost the bouncer the good ones around it."""
    assert not EVERYTHING.takes(key("0.0.0.0/0"))
    assert not EVERYTHING.takes(key("::/0"))


@pytest.mark.parametrize(
    ("query", "ssh", "web"),
    [
        ({"scenarios_containing": "ssh"}, True, False),
        ({"scenarios_containing": "we,nothing"}, False, True),
        ({"scenarios_not_containing": "ssh"}, False, True),
        ({"scenarios_containing": "p2pfw/", "scenarios_not_containing": "web"}, True, False),
    ],
)
def test_a_wish_takes_scenarios_by_a_part_of_their_name(query: dict[str, str], ssh: bool, web: bool):
    """Any of a list with commas."""
    wish = Wish.of(query)

    assert (wish.takes_scenario(Category.SSH), wish.takes_scenario(Category.WEB)) == (ssh, web)


def test_a_wish_for_the_defaults_is_the_wish_for_everything():
    """Whoever asks so shares one rendering."""
    assert Wish.of({"scopes": "range,ip", "type": "ban", "origins": "p2pfw"}) == EVERYTHING
