"""Feeds by command: added, tried, fetched now, accepted once, taken back."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from p2pfw import schema
from p2pfw.config.model import Feed, Format
from p2pfw.core.times import rfc3339
from p2pfw.errors import ConflictError, InputError, NotAcceptableError, NotFoundError
from p2pfw.operations import Caller
from tests.app.fakes import START
from tests.app.test_feeding import FEED, HOUR, TEN, URL, adopted, committed, fetch, hosts, subscribed
from tests.app.world import CALLER, World
from tests.formats import shapes

OTHER = "https://other.example.net/list.txt?key=secret"
ACCEPT = schema.RefreshRequest(accept=True)


def request(name="extra", url=OTHER, **more):
    """What is asked for."""
    return schema.FeedRequest(name=name, url=url, **more)


async def node(world=None, text=TEN, feeds=()):
    """A started node, and a publisher with one list."""
    one = await (world or World()).node("a", owner=1, feeds=feeds)
    one.feeds.publish(OTHER, text)
    return one


async def test_a_feed_that_is_added_is_fetched_at_once():
    """The answer says what came of it, and the node blocks it; what may be secret in the URL is not shown."""
    one = await node()
    view = await one.app.feeding.add_feed(request(refresh="1h"), CALLER)
    one.judge()

    assert (view.entries, view.problem, view.source) == (10, "", "command")
    assert view.place == "https://other.example.net/list.txt?(set)"
    assert (view.fetched, view.until) == (rfc3339(START), rfc3339(START + 7 * 86_400))
    assert len(adopted(one)) == 10
    assert [event.detail["by"] for event in one.events("feed-added")] == [CALLER.name]


async def test_it_is_there_after_a_restart_and_gone_after_its_removal():
    """With all that it said; and stays gone."""
    one = await node()
    await one.app.feeding.add_feed(request(), CALLER)
    await one.restart()
    one.judge()
    assert len(adopted(one)) == 10

    await one.app.feeding.remove_feed("extra", CALLER)
    one.judge()
    assert adopted(one) == set()
    await one.restart()
    one.judge()
    assert (adopted(one), one.app.feeding.feeds().feeds) == (set(), [])


async def test_one_that_cannot_be_fetched_stays_and_says_why():
    """It is tried again by itself, as any feed."""
    one = await node()
    view = await one.app.feeding.add_feed(request(url="https://none.example.net/"), CALLER)

    assert (view.entries, view.problem) == (0, "HTTP 404 Not Found")
    assert one.app.feeding.feed("extra").next_refresh is not None


async def test_the_configuration_owns_its_names():
    """Neither added a second time nor removed; a reload keeps what was added."""
    one = await subscribed(World())
    one.feeds.publish(OTHER, hosts(0, 10))
    with pytest.raises(ConflictError, match="there is a feed drop already"):
        await one.app.feeding.add_feed(request("drop"), CALLER)
    with pytest.raises(ConflictError, match="is the configuration's"):
        await one.app.feeding.remove_feed("drop", CALLER)

    await one.app.feeding.add_feed(request(), CALLER)
    one.node.feed_desk.configure([FEED])
    assert [(view.name, view.source) for view in one.app.feeding.feeds().feeds] == [
        ("drop", "configuration"),
        ("extra", "command"),
    ]
    one.node.feed_desk.configure([FEED, replace(FEED, name="extra")])
    assert one.app.feeding.feed("extra").source == "configuration"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (request("a.b"), "cannot name a feed"),
        (request(url=""), "needs url or file"),
        (request(url="gopher://x/"), "url"),
        (request(refresh="1s"), "refresh"),
        (request(format="abuseipdb"), "needs an API key"),
        (request(file="relative.txt"), "no absolute path"),
        (request(adopt="voice", announce=True), "one voice among others"),
    ],
)
async def test_what_the_configuration_would_refuse_is_refused(asked, words):
    """By the same readers, in the same words; nothing is kept."""
    one = await node()
    with pytest.raises(InputError, match=words):
        await one.app.feeding.add_feed(asked, CALLER)
    assert one.app.feeding.feeds().feeds == []
    with pytest.raises(NotFoundError, match="no feed extra"):
        one.app.feeding.feed("extra")


@pytest.mark.parametrize(
    "more", [{"url": "", "file": "/etc/shadow"}, {"key_file": "/etc/shadow"}, {"ca_file": "/etc/shadow"}]
)
async def test_files_are_named_by_whom_the_node_belongs_to(more):
    """A token over the network, or another member of the group, must not read files with the node's rights."""
    one = await node()
    for caller in (Caller(name="token:ops"), Caller(name="socket:12345")):
        with pytest.raises(NotAcceptableError, match="not everybody may name files"):
            await one.app.feeding.add_feed(request(**more), caller)
        with pytest.raises(NotAcceptableError, match="not everybody may name files"):
            await one.app.feeding.test_feed(request(**more), caller)
    assert one.feeds.asked == []


async def test_a_large_change_is_accepted_once():
    """Refused by a refresh, taken in by one with accept; the next large change is refused again."""
    one = await subscribed(World(), hosts(0, 100))
    one.feeds.publish(URL, hosts(100, 100))
    refused = await one.app.feeding.refresh_feed("drop", schema.RefreshRequest())
    assert "200% would change" in refused.problem
    assert "p2pfw feed refresh drop --accept" in refused.remedy

    taken = await one.app.feeding.refresh_feed("drop", ACCEPT)
    assert (taken.entries, taken.problem) == (100, "")
    one.feeds.publish(URL, hosts(0, 100))
    assert "would change" in (await one.app.feeding.refresh_feed("drop", schema.RefreshRequest())).problem


async def test_accepting_a_change_accepts_no_error_page():
    """All other guards hold."""
    one = await subscribed(World())
    one.feeds.publish(URL, "<html>Sorry</html>")

    assert "it is a web page" in (await one.app.feeding.refresh_feed("drop", ACCEPT)).problem


async def test_a_feed_that_is_being_fetched_is_not_fetched_twice():
    """The second is told."""
    one = await node()
    one.feeds.gate, done = asyncio.Event(), committed(one.store)
    adding = asyncio.create_task(one.app.feeding.add_feed(request(), CALLER))
    await done.wait()
    await asyncio.sleep(0)

    with pytest.raises(NotAcceptableError, match="is being fetched"):
        await one.app.feeding.refresh_feed("extra", ACCEPT)
    assert one.app.feeding.feed("extra").next_refresh is None
    one.feeds.gate.set()
    await adding


async def test_spamhaus_is_asked_once_an_hour_whatever_happens():
    """Not after a failure, not after a reload, not by command; accepting waits for the next time."""
    world = World()
    feed = Feed(name="drop", url=URL, format=Format.SPAMHAUS, refresh=2 * HOUR)
    one = await subscribed(world, shapes.spamhaus(shapes.nets(12), timestamp=START), feed)
    one.feeds.publish(URL, "cut")
    world.clock.pass_time(3 * HOUR)
    await fetch(one)
    asked = len(one.feeds.asked)
    world.clock.pass_time(HOUR / 2)
    one.node.feed_desk.configure([replace(feed, minimum=9)])
    assert await fetch(one) == 0
    one.feeds.publish(URL, shapes.spamhaus(shapes.nets(40), timestamp=START))
    with pytest.raises(NotAcceptableError, match=r"one fetch an hour.*taken in whatever changed in 30m"):
        await one.app.feeding.refresh_feed("drop", ACCEPT)
    assert len(one.feeds.asked) == asked

    world.clock.pass_time(HOUR / 2 + 1)
    await fetch(one)
    assert one.app.feeding.feed("drop").entries == 40


async def test_a_test_changes_nothing():
    """What would come of it, what was left out, and which lines are no prefix."""
    one = await node(text=f"{TEN}\nnonsense\n10.0.0.0/8\n127.0.0.0/8")
    found = await one.app.feeding.test_feed(request("test"), CALLER)

    assert (found.accepted, found.entries, found.added, found.removed) == (True, 10, 10, 0)
    assert found.left_out == {"no prefix": 1, "special address space": 1, "wider than /10 or /24": 1}
    assert found.unreadable == ["line 11: 'nonsense': not an address"]
    assert one.app.feeding.feeds().feeds == []


async def test_a_test_compares_with_the_feed_of_that_name():
    """Nine of ten entries gone: it says that it would be refused, and why."""
    one = await subscribed(World(), hosts(0, 100))
    one.feeds.publish(URL, hosts(0, 10))
    found = await one.app.feeding.test_feed(request("drop", URL), CALLER)

    assert (found.accepted, found.added, found.removed) == (False, 0, 90)
    assert "90% would change" in found.problem
    assert one.app.feeding.feed("drop").entries == 100


async def test_a_test_of_what_is_not_there_says_so():
    """In the publisher's words."""
    one = await node()
    with pytest.raises(NotAcceptableError, match="HTTP 404"):
        await one.app.feeding.test_feed(request(url="https://none.example.net/"), CALLER)


async def test_a_feed_of_another_version_does_not_stop_the_start():
    """What cannot be read any more is told and left out."""
    one = await node()
    one.node.feed_desk.begin([], [], {"feeds": {"old": {"colour": "red"}, "x": {"file": "/f"}}})

    assert [(view.name, view.place) for view in one.app.feeding.feeds().feeds] == [("x", str(Path("/f")))]
