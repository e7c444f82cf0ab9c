"""Configured feeds over the ports of `fakes`: guards, last good lists, holes, times, and what the operator is told."""

import asyncio
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest

from p2pfw.app.feedlists import address_of, canonical_name, pack, source_of, unpack
from p2pfw.config.model import Adopt, Feed, Format
from p2pfw.core.announcement import feed_basis
from p2pfw.core.prefix import Prefix, key_text, v4_key
from p2pfw.core.statement import Source
from p2pfw.core.times import rfc3339
from p2pfw.errors import FeedError
from p2pfw.ports import Neighbour
from p2pfw.rows import FeedRow
from tests.app.fakes import START
from tests.app.world import CALLER, World, key
from tests.formats import shapes

URL = "https://lists.example.net/drop.netset?key=secret"
HOUR, DAY = 3_600, 86_400
TEN = "\n".join(f"203.0.113.{number}" for number in range(1, 11))
FEED = Feed(name="drop", url=URL)


def hosts(first, count):
    """A list of so many addresses in a row."""
    return "\n".join(key_text(v4_key((198 << 24) + (51 << 16) + first + n, 32)) for n in range(count))


async def fetch(one):
    """Fetch what is due now, and judge; how many feeds that were."""
    due = one.node.feeding.take_due()
    for feed in due:
        await one.node.feeding.refresh(feed)
    one.judge()
    return len(due)


async def subscribed(world, text=TEN, feed=FEED, **more):
    """A node with one feed that was fetched once."""
    one = await world.node("a", owner=1, feeds=(feed,), start=False, **{k: v for k, v in more.items() if k == "allow"})
    one.feeds.publish(feed.url or str(feed.file), text, **{k: v for k, v in more.items() if k != "allow"})
    await one.start()
    await fetch(one)
    return one


async def live(world, one, hours):
    """Let that much time pass, hour by hour, with all that is done again and again."""
    for _ in range(hours):
        world.clock.pass_time(HOUR)
        await one.housekeeping.tick()
        await fetch(one)
        await world.settle()


def committed(store):
    """Set when the store has committed something from now on."""
    done, commit = asyncio.Event(), store.commit

    async def tell(*writes):
        await commit(*writes)
        done.set()

    store.commit = tell
    return done


def lines(one):
    """(level, code) of each complaint about feeds."""
    return [(line.level, line.code) for line in one.node.feeding.lines()]


def adopted(one):
    """Everything that is adopted, as text."""
    return {key_text(found) for found, _ in one.node.domain.adoption.adopted()}


def row_of(one, name="drop"):
    """What the disk holds of a feed; None when nothing."""
    return next((row for row in one.store.rows(FeedRow) if row.name == name), None)


# --- the way in --------------------------------------------------------------------------------------------------


async def test_a_direct_feed_blocks_at_once():
    """What the list names is adopted because the feed says so, until the list is too old."""
    one = await subscribed(World())

    assert one.adopts("203.0.113.1/32")
    assert one.until("203.0.113.1/32") == START + 7 * DAY
    assert one.node.domain.explain(key("203.0.113.1/32")).verdict.reason.word == "feed"
    assert [(event.detail["feed"], event.detail["entries"]) for event in one.events("feed")] == [("drop", 10)]
    assert lines(one) == []


async def test_public_lists_with_special_ranges_are_sifted():
    """FireHOL's level 1: what nobody may block is left out and counted by reason, the rest is blocked."""
    special = "0.0.0.0/8\n10.0.0.0/8\n127.0.0.0/8\n192.168.0.0/16\n224.0.0.0/3\nnonsense"
    one = await subscribed(World(), f"# FireHOL\n{special}\n{TEN}")

    assert adopted(one) == {f"203.0.113.{number}/32" for number in range(1, 11)}
    (event,) = one.events("feed")
    assert event.reason == "1 left out: no prefix, 2 left out: special address space, 2 left out: wider than /10 or /24"


async def test_a_whitelisted_host_is_cut_out_of_a_wider_prefix():
    """All of the /20 but the host is blocked, in the fewest prefixes; the /20 itself is not."""
    one = await subscribed(World(), f"{TEN}\n198.51.96.0/20", allow=(key("198.51.100.7/32"),))

    around = {text for text in adopted(one) if text.startswith("198.51.")}
    assert len(around) == 12
    assert not any(Prefix.parse(text).covers(Prefix.parse("198.51.100.7")) for text in around)
    assert {"198.51.100.6/32", "198.51.104.0/21"} <= around


async def test_a_hole_opens_and_closes_with_the_whitelist():
    """At run time too: the rest of the prefix stays blocked, and the prefix is whole again afterwards."""
    one = await subscribed(World(), f"{TEN}\n198.51.100.0/30")
    answer = await one.beside(one.allow("198.51.100.1"))
    one.judge()

    assert answer.released == ["198.51.100.0/30"]
    assert {text for text in adopted(one) if text.startswith("198.")} == {
        "198.51.100.0/32",
        "198.51.100.2/31",
    }
    await one.beside(one.app.disallow(Prefix.parse("198.51.100.1"), CALLER))
    one.judge()
    assert {text for text in adopted(one) if text.startswith("198.")} == {"198.51.100.0/30"}


async def test_a_hole_closes_when_the_whitelist_entry_ends():
    """An entry for an hour leaves the list as it came after that hour."""
    world = World()
    one = await subscribed(world, f"{TEN}\n198.51.100.0/30")
    await one.beside(one.allow("198.51.100.1", ttl="1h"))
    await world.advance(hours=1.5)

    assert one.adopts("198.51.100.0/30")
    assert not one.adopts("198.51.100.2/31")


async def test_the_gateway_is_cut_out_as_well():
    """Protected addresses inside a feed's prefix cost the address, not the prefix; also after a restart."""
    one = await subscribed(World())
    one.machine.near = [Neighbour(key=key("198.51.100.1/32"), reason="default gateway")]
    one.node.whitelisting.changed(one.node.protecting.refresh())
    one.feeds.publish(URL, f"{TEN}\n198.51.100.0/31")
    one.clock.pass_time(7 * HOUR)
    await fetch(one)
    assert {text for text in adopted(one) if text.startswith("198.")} == {"198.51.100.0/32"}

    await one.restart()
    one.judge()
    assert {text for text in adopted(one) if text.startswith("198.")} == {"198.51.100.0/32"}


async def test_private_space_is_blocked_only_where_the_operator_allows_it():
    """The configuration may change its mind while the list is kept: nothing is fetched for that."""
    one = await subscribed(World(), f"{TEN}\n192.168.7.0/24")
    assert not one.adopts("192.168.7.0/24")

    one.node.domain.policy.allow_private = True
    one.node.feeding.configure([FEED])
    one.node.judging.everything(*one.node.domain.sources())
    one.judge()
    assert one.adopts("192.168.7.0/24")
    assert len(one.feeds.asked) == 1


# --- guards ------------------------------------------------------------------------------------------------------


async def test_an_error_page_changes_nothing():
    """HTML with "200 OK": the last good list stays, and health quotes the page."""
    one = await subscribed(World())
    one.feeds.publish(URL, "<!DOCTYPE html>\n<title>Sorry</title>")
    one.clock.pass_time(7 * HOUR)
    await fetch(one)

    assert one.adopts("203.0.113.1/32")
    (line,) = one.node.feeding.lines()
    assert (line.level, line.code) == ("warning", "feed-guard")
    assert "it is a web page, not a list: it begins with '<!DOCTYPE html>" in line.text
    assert "the 10 entries of 7h ago still count" in line.text


async def test_a_large_change_waits_for_the_operator():
    """Refused whole, said with its remedy; max_change = 1.0 and a reload take it in."""
    one = await subscribed(World(), hosts(0, 100))
    one.feeds.publish(URL, hosts(50, 100))
    one.clock.pass_time(7 * HOUR)
    await fetch(one)
    assert one.adopts("198.51.0.0/32")
    assert not one.adopts("198.51.0.149/32")
    (line,) = one.node.feeding.lines()
    assert "100% would change (50 more, 50 fewer), 30% may" in line.text
    assert "p2pfw feed refresh drop --accept" in line.remedy
    assert [event.detail["feed"] for event in one.events("feed-failed")] == ["drop"]

    one.node.feeding.configure([replace(FEED, max_change=1.0)])
    assert await fetch(one) == 1
    assert not one.adopts("198.51.0.0/32")
    assert one.adopts("198.51.0.149/32")
    assert lines(one) == []
    assert len(one.events("feed-recovered")) == 1


async def test_a_first_list_that_is_too_short_blocks_nothing():
    """Without a last good list the complaint is an error: the operator has no such feed."""
    one = await subscribed(World(), "203.0.113.1")

    assert adopted(one) == set()
    assert lines(one) == [("error", "feed-guard")]
    assert row_of(one) is None


async def test_what_is_no_text_is_refused():
    """A compressed or binary file is not a list with a few odd lines."""
    one = await subscribed(World())
    one.feeds.lists[URL] = replace(one.feeds.lists[URL], data=b"\xff\xfe" + TEN.encode())
    one.clock.pass_time(7 * HOUR)
    await fetch(one)

    assert one.adopts("203.0.113.1/32")
    assert lines(one) == [("warning", "feed-guard")]


async def test_a_list_that_is_too_old_is_not_taken():
    """By its own date: what was good stays."""
    one = await subscribed(World())
    one.feeds.publish(URL, f"{TEN}\n203.0.113.11", date=START - 8 * DAY)
    one.clock.pass_time(7 * HOUR)
    await fetch(one)

    assert not one.adopts("203.0.113.11/32")
    assert "8d7h old by its own date, 7d are allowed" in next(one.node.feeding.lines()).text


# --- failures ----------------------------------------------------------------------------------------------------


async def test_a_feed_that_cannot_be_fetched_is_tried_again_by_itself():
    """The last good list counts on; retries begin after five minutes and spread out to the interval."""
    one = await subscribed(World())
    one.feeds.errors[URL] = FeedError("cannot connect: Connection refused")
    one.clock.pass_time(7 * HOUR)
    waits = []
    for _ in range(12):
        assert await fetch(one) == 1
        (subscription,) = one.node.feeding._feeds.values()
        waits.append(subscription.due - one.clock.monotonic())
        one.clock.pass_time(waits[-1])

    assert waits[0] == 300
    assert all(300 <= wait <= FEED.refresh for wait in waits)
    assert max(waits) > 1_000
    assert one.adopts("203.0.113.1/32")
    assert lines(one) == [("warning", "feed-fetch")]
    assert len(one.events("feed-failed")) == 1


async def test_a_publisher_that_asks_for_time_gets_it():
    """Retry-After wins over our own patience."""
    one = await subscribed(World())
    one.feeds.errors[URL] = FeedError("HTTP 429 Too Many Requests", retry_after=4 * HOUR)
    one.clock.pass_time(7 * HOUR)
    await fetch(one)
    one.clock.pass_time(4 * HOUR - 1)

    assert await fetch(one) == 0
    one.clock.pass_time(1)
    assert await fetch(one) == 1


async def test_a_list_that_the_disk_does_not_keep_does_not_count():
    """Else a restart would fall back to an older list in silence."""
    one = await subscribed(World())
    one.feeds.publish(URL, f"{TEN}\n203.0.113.11")
    one.store.fill_up()
    one.clock.pass_time(7 * HOUR)
    await fetch(one)
    assert not one.adopts("203.0.113.11/32")
    assert lines(one) == [("warning", "feed-fetch")]

    one.store.repair()
    one.clock.pass_time(HOUR)
    await fetch(one)
    assert one.adopts("203.0.113.11/32")


async def test_a_list_ends_when_it_is_too_old():
    """Everything expires: a source that stays silent for max_age is blocked for no longer, and health is an error."""
    world = World()
    one = await subscribed(world)
    one.feeds.errors[URL] = FeedError("HTTP 500")
    await live(world, one, 7 * 24 - 1)
    assert one.adopts("203.0.113.1/32")

    await live(world, one, 2)
    assert adopted(one) == set()
    assert lines(one) == [("error", "feed-fetch")]


async def test_a_stopped_publisher_is_told_of_before_its_list_ends():
    """304 for ever: the list's own date goes on ageing. A quarter of max_age before the end health warns."""
    world = World()
    one = await world.node("a", owner=1, feeds=(FEED,), start=False)
    one.feeds.publish(URL, TEN, etag='"1"', modified=formatdate(START - 4 * DAY, usegmt=True), date=START - 4 * DAY)
    await one.start()
    await fetch(one)
    assert lines(one) == []

    await live(world, one, 48)
    assert lines(one) == [("warning", "feed-stale")]
    assert "6d old by its own date; it counts no more in 1d" in next(one.node.feeding.lines()).text
    await live(world, one, 25)
    assert lines(one) == [("error", "feed-stale")]
    assert adopted(one) == set()


# --- again and again ---------------------------------------------------------------------------------------------


async def test_an_unchanged_list_without_a_date_stays_fresh():
    """304 confirms it as of now; its verdicts are extended before they run out, with no gap."""
    world = World()
    one = await world.node("a", owner=1, feeds=(FEED,), start=False)
    one.feeds.publish(URL, TEN, etag='"1"')
    await one.start()
    await fetch(one)
    for _ in range(280):
        await live(world, one, 1)
        assert one.until("203.0.113.1/32") - one.clock.now() > 3 * DAY

    assert {place.etag for place in one.feeds.asked[1:]} == {'"1"'}


async def test_a_voice_is_heard_again_before_its_lease_ends():
    """A lone voice lasts a day from when it spoke: each refresh speaks, and none comes too late."""
    world = World()
    feed = replace(FEED, adopt=Adopt.VOICE, trust=0.9)
    one = await world.node("a", owner=1, feeds=(feed,), start=False)
    one.feeds.publish(URL, TEN, etag='"1"')
    await one.start()
    await fetch(one)
    for _ in range(96):
        await live(world, one, 1)
        assert one.until("203.0.113.1/32") - one.clock.now() > 4 * HOUR


async def test_a_voice_is_one_voice_with_the_feeds_basis():
    """Its trust is the feed's, and its basis is its canonical name's: who repeats it adds nothing."""
    feed = replace(FEED, adopt=Adopt.VOICE, trust=0.4)
    one = await subscribed(World(), TEN, feed)

    (said,) = one.node.domain.local.statements(key("203.0.113.1/32"), one.clock.now())
    assert (said.source, said.trust) == (Source.FEED_VOICE, 0.4)
    assert said.basis == feed_basis("lists.example.net/drop.netset")
    assert not one.adopts("203.0.113.1/32")


@pytest.mark.parametrize(
    ("url", "name"),
    [(URL, "lists.example.net/drop.netset"), ("http://LISTS.example.net:8080", "lists.example.net/")],
)
def test_a_canonical_name_has_no_secrets_in_it(url, name):
    """Host and path, however it is fetched; a key in the query is nobody's business."""
    assert canonical_name(url) == name


async def test_the_basis_of_a_list_is_where_it_came_from():
    """A file is known on this machine only: its feed's name. Another URL counts as soon as its list is here."""
    mine = await subscribed(World(), TEN, Feed(name="mine", file=Path("/etc/a list")))
    (said,) = mine.node.domain.local.statements(key("203.0.113.1/32"), mine.clock.now())
    assert said.basis == feed_basis("mine")

    one = await subscribed(World())
    one.node.feed_desk.configure((replace(FEED, url="https://e.org/new"),))
    (before,) = one.node.domain.local.statements(key("203.0.113.1/32"), one.clock.now())
    one.feeds.publish("https://e.org/new", TEN)
    await fetch(one)
    (after,) = one.node.domain.local.statements(key("203.0.113.1/32"), one.clock.now())
    assert (before.basis, after.basis) == (feed_basis("lists.example.net/drop.netset"), feed_basis("e.org/new"))


async def test_nothing_is_fetched_before_its_time():
    """The interval, and up to a tenth more by chance."""
    one = await subscribed(World())
    one.clock.pass_time(6 * HOUR - 1)
    assert await fetch(one) == 0

    one.clock.pass_time(0.1 * 6 * HOUR + 1)
    assert await fetch(one) == 1


async def test_restarts_do_not_fetch_more_often():
    """The last good list is there at once, with its validators; the publisher is asked when it is due."""
    one = await subscribed(World())
    for _ in range(3):
        await one.restart()
        assert await fetch(one) == 0

    assert one.adopts("203.0.113.1/32")
    one.clock.pass_time(7 * HOUR)
    assert await fetch(one) == 1
    assert len(one.feeds.asked) == 2


async def test_a_restart_keeps_the_list_when_its_source_is_gone():
    """All of it, until its own end, which the restart does not move."""
    one = await subscribed(World())
    one.feeds.errors[URL] = FeedError("HTTP 404 Not Found")
    one.clock.pass_time(DAY)
    await one.restart(crash=True)
    await fetch(one)

    assert one.adopts("203.0.113.1/32")
    assert one.until("203.0.113.1/32") == START + 7 * DAY
    assert lines(one) == [("warning", "feed-fetch")]


async def test_a_clock_that_was_wrong_does_not_stop_fetching():
    """A list that was fetched "tomorrow" is due after one interval at the latest."""
    one = await world_with(FEED, owner=0)
    one.clock.wall -= 30 * DAY
    await one.restart()
    one.clock.pass_time(FEED.refresh)

    assert await fetch(one) == 1


# --- configuration -----------------------------------------------------------------------------------------------


async def test_a_removed_feed_is_gone_from_here_and_from_disk():
    """And does not come back at the next start."""
    one = await subscribed(World())
    one.node.feeding.configure([])
    one.judge()

    assert adopted(one) == set()
    assert row_of(one) is None


async def test_a_feed_removed_while_the_node_was_down_is_forgotten():
    """Its list lies on disk and is configured no longer."""
    one = await subscribed(World())
    one.who = replace(one.who, config=replace(one.who.config, feeds=()))
    await one.restart()

    assert adopted(one) == set()
    assert row_of(one) is None


async def test_a_feed_removed_while_it_is_fetched_stays_removed():
    """The answer that comes late is for nobody."""
    one = await subscribed(World())
    one.clock.pass_time(7 * HOUR)
    one.feeds.gate = asyncio.Event()
    (due,) = one.node.feeding.take_due()
    task = asyncio.create_task(one.node.feeding.refresh(due))
    await asyncio.sleep(0)
    one.node.feeding.configure([])
    one.feeds.gate.set()
    await task
    one.judge()

    assert adopted(one) == set()
    assert row_of(one) is None


async def test_a_feed_removed_while_it_is_written_stays_removed():
    """The row that was already on its way to the disk is taken back."""
    one = await subscribed(World())
    one.feeds.publish(URL, f"{TEN}\n203.0.113.11")
    one.clock.pass_time(7 * HOUR)
    commit = one.store.commit

    async def removed_meanwhile(*writes):
        one.node.feeding.configure([])
        await commit(*writes)

    one.store.commit = removed_meanwhile
    await fetch(one)
    one.judge()

    assert adopted(one) == set()
    assert row_of(one) is None


async def test_a_feed_changed_while_it_is_fetched_is_fetched_again():
    """By the new words, at once; what the old words brought is judged by them."""
    one = await subscribed(World(), hosts(0, 100))
    one.feeds.publish(URL, hosts(50, 100))
    one.clock.pass_time(7 * HOUR)
    one.feeds.gate = asyncio.Event()
    (due,) = one.node.feeding.take_due()
    task = asyncio.create_task(one.node.feeding.refresh(due))
    await asyncio.sleep(0)
    one.node.feeding.configure([replace(FEED, url="https://other.example.net/list")])
    one.feeds.publish("https://other.example.net/list", hosts(1000, 100))
    one.feeds.gate.set()
    await task
    assert one.node.domain.local.feed_keys("drop") == set(unpack(pack(_keys(hosts(0, 100)))))

    assert await fetch(one) == 1
    assert one.adopts("198.51.4.0/32")


async def test_a_source_changed_while_the_old_one_is_written_does_not_count():
    """What came from the old source is not taken for the new one's, neither now nor after a restart."""
    one = await subscribed(World())
    other = replace(FEED, url="https://other.example.net/list")
    one.feeds.publish(URL, f"{TEN}\n203.0.113.11")
    one.clock.pass_time(7 * HOUR)
    commit = one.store.commit

    async def changed_meanwhile(*writes):
        one.node.feeding.configure([other])
        await commit(*writes)

    one.store.commit = changed_meanwhile
    await fetch(one)
    assert not one.adopts("203.0.113.11/32")
    assert one.adopts("203.0.113.1/32")

    one.store.commit = commit
    one.feeds.publish(other.url, hosts(0, 100))
    await fetch(one)
    assert one.adopts("198.51.0.0/32")
    assert row_of(one).source == source_of(other)


def test_the_key_in_a_url_is_not_kept_with_the_list():
    """Only a digest of it, so that another query is another list."""
    assert "secret" not in source_of(FEED)
    assert source_of(FEED) not in (source_of(replace(FEED, url=f"{URL}x")), source_of(replace(FEED, url=URL[:-1])))


async def test_a_feed_that_never_came_may_be_reconfigured():
    """Nothing is held that could be said otherwise; the new words are for the next attempt, which is now."""
    one = await world_with(FEED, fetched=False)
    await fetch(one)
    assert lines(one) == [("error", "feed-fetch")]

    one.feeds.publish(URL, "203.0.113.1")
    one.node.feeding.configure([replace(FEED, minimum=1)])
    assert await fetch(one) == 1
    assert one.adopts("203.0.113.1/32")


async def test_another_source_under_the_same_name_is_another_list():
    """No validators of the old one, no comparison with it; but until it answers, the old list counts."""
    one = await subscribed(World(), hosts(0, 100), etag='"old"')
    other = replace(FEED, url="https://other.example.net/list")
    one.node.feeding.configure([other])
    await fetch(one)
    assert one.adopts("198.51.0.0/32")
    assert one.feeds.asked[-1].etag == ""

    one.feeds.publish(other.url, hosts(1000, 100))
    one.clock.pass_time(HOUR)
    await fetch(one)
    assert one.adopts("198.51.4.0/32")
    assert not one.adopts("198.51.0.0/32")


async def test_files_are_looked_at_with_every_reload():
    """Who edited a file and said reload wants it read; a publisher is left alone."""
    mine = Feed(name="mine", file=Path("/etc/p2pfw/mine.txt"), minimum=1)
    one = await world_with(mine, FEED)
    one.node.feeding.configure([mine, FEED])
    await fetch(one)

    assert [str(place.file or place.url) for place in one.feeds.asked] == [
        "/etc/p2pfw/mine.txt",
        URL,
        "/etc/p2pfw/mine.txt",
    ]


async def test_new_words_hold_for_the_list_that_is_there():
    """From direct to a voice of 0.4: nothing of it is blocked any more, without waiting for a fetch."""
    one = await subscribed(World())
    one.feeds.errors[URL] = FeedError("HTTP 500")
    one.node.feeding.configure([replace(FEED, adopt=Adopt.VOICE, trust=0.4)])
    one.judge()

    assert adopted(one) == set()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (Format.SPAMHAUS, shapes.spamhaus(shapes.nets(12), timestamp=START - HOUR)),
        (Format.DSHIELD, shapes.dshield(shapes.nets(12))),
        (Format.ABUSEIPDB, shapes.abuseipdb(shapes.nets(12), generated=rfc3339(START - HOUR))),
        (Format.CROWDSEC, shapes.crowdsec(shapes.nets(12))),
    ],
)
async def test_every_format_blocks_what_it_names(name, text):
    """Until it is too old by its own date, where it says one; also after a restart."""
    feed = replace(FEED, format=name, url="https://lists.example.net/v1/decisions/stream?startup=true")
    one = await subscribed(World(), text, feed)
    until = START - (HOUR if name in {Format.SPAMHAUS, Format.ABUSEIPDB} else 0) + 7 * DAY

    assert adopted(one) == set(shapes.nets(12))
    assert one.until("45.0.3.0/24") == until
    await one.restart()
    one.judge()
    assert one.until("45.0.3.0/24") == until


async def test_a_cut_off_list_changes_nothing():
    """Spamhaus says how many entries it has: half of them are refused, the last good ones stay."""
    feed = replace(FEED, format=Format.SPAMHAUS, max_change=1.0)
    one = await subscribed(World(), shapes.spamhaus(shapes.nets(40), timestamp=START), feed)
    one.feeds.publish(URL, shapes.spamhaus(shapes.nets(20), timestamp=START, records=40))
    one.clock.pass_time(7 * HOUR)
    await fetch(one)

    assert adopted(one) == set(shapes.nets(40))
    (line,) = one.node.feeding.lines()
    assert "it has 20 entries, and its last line says 40: it was cut off" in line.text


@pytest.mark.parametrize("route", ["0.0.0.0/0", "::/0"])
async def test_a_list_with_every_address_is_refused_whole(route):
    """Special ranges are left out one by one; who lists all addresses has something wrong in the rest as well."""
    one = await subscribed(World())
    one.feeds.publish(URL, f"{TEN}\n203.0.113.77\n10.0.0.0/8\n{route}")
    one.clock.pass_time(7 * HOUR)
    await fetch(one)

    assert not one.adopts("203.0.113.77/32")
    assert one.adopts("203.0.113.1/32")
    (line,) = one.node.feeding.lines()
    assert f"{route} is in it" in line.text


# --- warning lists -----------------------------------------------------------------------------------------------

WARNINGS = Feed(name="known", url="https://lists.example.net/known.json", format=Format.WARNINGLIST, minimum=1)


async def test_a_warning_list_is_whitelisted_and_not_blocked():
    """Its entries are never blocked, other feeds are cut around them, and the whitelist says who said so."""
    one = await world_with_warnings(["203.0.113.4/32"])

    assert "203.0.113.4/32" not in adopted(one)
    assert {"203.0.113.3/32", "203.0.113.5/32"} <= adopted(one)
    (entry,) = one.app.allow_list(protected=False).entries
    assert (entry.prefix, entry.source, entry.comment) == ("203.0.113.4/32", "feed known", "known")
    assert key("203.0.113.4/32") in one.node.allowed_keys()


async def test_a_warning_list_survives_restart_and_goes_with_its_feed():
    """Kept like any list; removed from the configuration, what it kept out is blocked again."""
    one = await world_with_warnings(["203.0.113.4/32"])
    await one.restart()
    one.judge()
    assert "203.0.113.4/32" not in adopted(one)

    one.node.feeding.configure([FEED])
    one.judge()
    assert "203.0.113.4/32" in adopted(one)
    assert one.app.allow_list(protected=False).entries == []


async def test_a_warning_list_that_changes_moves_the_whitelist():
    """What it names no longer may be blocked again; what is new on it is released."""
    one = await world_with_warnings(["203.0.113.4/32"], max_change=1.0)
    one.feeds.publish(WARNINGS.url, shapes.warninglist(["203.0.113.6/32"]))
    one.clock.pass_time(7 * HOUR)
    await fetch(one)

    assert "203.0.113.4/32" in adopted(one)
    assert "203.0.113.6/32" not in adopted(one)


async def test_a_blocklist_never_turns_into_a_whitelist():
    """Nor back: the same feed in the other format begins with nothing."""
    one = await subscribed(World())
    one.node.feeding.configure([replace(FEED, format=Format.WARNINGLIST)])
    one.judge()

    assert adopted(one) == set()
    assert one.app.allow_list(protected=False).entries == []


async def world_with_warnings(prefixes, **more):
    """A node with a blocklist and a warning list, both fetched."""
    one = await World().node("a", owner=1, feeds=(FEED, replace(WARNINGS, **more)), start=False)
    one.feeds.publish(URL, TEN)
    one.feeds.publish(WARNINGS.url, shapes.warninglist(prefixes))
    await one.start()
    await fetch(one)
    return one


def test_a_local_api_is_asked_for_all_that_holds():
    """Also where the operator names only its root."""
    whole = "http://127.0.0.1:8080/v1/decisions/stream?startup=true"

    for url in ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1/", "http://127.0.0.1:8080/v1/decisions/stream"):
        assert address_of(Feed(name="c", url=url, format=Format.CROWDSEC)) == whole
    more = address_of(Feed(name="c", url="http://127.0.0.1:8080/?origins=cscli", format=Format.CROWDSEC))
    assert more == "http://127.0.0.1:8080/v1/decisions/stream?origins=cscli&startup=true"
    assert address_of(FEED) == URL


# --- the loop ----------------------------------------------------------------------------------------------------


async def test_the_loop_fetches_what_is_due_and_wakes_for_new_feeds():
    """A feed that is configured while the loop sleeps for an hour is fetched now, not then."""
    one = await world_with()
    kept = committed(one.store)
    loop = asyncio.create_task(one.node.feeding.run())
    await asyncio.sleep(0)
    one.feeds.publish(URL, TEN)
    one.node.feeding.configure([FEED])
    await kept.wait()
    await asyncio.sleep(0)
    loop.cancel()
    one.judge()

    assert one.adopts("203.0.113.1/32")


async def test_the_loop_wakes_by_itself_when_a_feed_is_due():
    """Nobody has to wake it."""
    one = await world_with(FEED)
    (subscription,) = one.node.feeding._feeds.values()
    subscription.due = one.clock.monotonic() + 0.03
    looked, take_due = asyncio.Event(), one.node.feeding.take_due

    def look():
        if one.feeds.asked[1:]:
            looked.set()
        due = take_due()
        one.clock.pass_time(0.01)
        return due

    one.node.feeding.take_due = look
    loop = asyncio.create_task(one.node.feeding.run())
    await looked.wait()
    loop.cancel()

    assert len(one.feeds.asked) == 2


async def test_a_slow_feed_keeps_no_other_waiting():
    """One source that does not answer is that feed's trouble alone."""
    slow, quick = Feed(name="slow", url="https://slow.example.net/"), FEED
    one = await world_with(slow, quick, fetched=False)
    one.feeds.publish(URL, TEN)
    stuck = asyncio.Event()
    answer = one.feeds.fetch

    async def fetch_from(place):
        if place.url == slow.url:
            await stuck.wait()
        return await answer(place)

    one.node.feeding._source = type("Slow", (), {"fetch": staticmethod(fetch_from)})
    kept = committed(one.store)
    loop = asyncio.create_task(one.node.feeding.run())
    await kept.wait()
    loop.cancel()

    assert row_of(one) is not None
    assert row_of(one, "slow") is None


def test_packed_keys_come_back_and_damage_does_not():
    """A row with bytes that are no prefix loses them, not the node its start."""
    keys = (v4_key(1 << 8, 24), Prefix.parse("2001:db8::/48").key)

    assert unpack(pack(keys)) == tuple(sorted(keys))
    assert unpack(pack(keys) + b"\xff" * 18 + b"\x01") == tuple(sorted(keys))


def _keys(text):
    return sorted(Prefix.parse(line).key for line in text.splitlines())


async def world_with(*feeds, fetched=True, owner=1):
    """A node with feeds; their lists are TEN."""
    one = await World().node("a", owner=owner, feeds=feeds, start=False)
    for feed in feeds:
        if fetched:
            one.feeds.publish(feed.url or str(feed.file), TEN)
    await one.start()
    if fetched:
        await fetch(one)
    return one
