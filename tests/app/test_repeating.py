"""Feeds said on to others: only differences, with the feed's basis, never over the operator's word or the whitelist."""

import random
from dataclasses import replace

import pytest

from p2pfw import schema
from p2pfw.app import repeating
from p2pfw.app.feedlists import canonical_name
from p2pfw.config.model import Adopt, Feed, Format
from p2pfw.core.announcement import feed_basis
from p2pfw.core.prefix import Prefix, key_text
from p2pfw.errors import FeedError, NotFoundError, StoreError
from tests.app.test_feeding import HOUR, fetch
from tests.app.world import CALLER, World, key
from tests.formats import shapes

URL = "https://lists.example.net/drop.netset"
FEED = Feed(name="drop", url=URL, announce=True, minimum=1)
BASIS = feed_basis(canonical_name(URL))
TEN = shapes.hosts(10)
HOST = "203.0.113.1/32"


@pytest.fixture
def world():
    """A world."""
    return World()


def said(one):
    """What this node announces of feeds, as text → statement."""
    return {key_text(found): held for found, held in one.node.domain.own_statements() if held.repeats}


def spoken(one):
    """How often it has announced anything."""
    return one.node.originator.position[1]


async def turn(world, one):
    """Fetch what is due, and a look of everything."""
    await fetch(one)
    await one.housekeeping.tick()
    await world.settle()


async def live(world, one, hours):
    """Let that much time pass, hour by hour."""
    for _ in range(hours):
        world.clock.pass_time(HOUR)
        await turn(world, one)


async def publish(world, one, entries):
    """The list is another one now, and was fetched."""
    one.feeds.publish(URL, "\n".join(entries))
    await one.node.feed_desk.refresh_feed("drop", schema.RefreshRequest(accept=True))
    one.judge()
    await one.housekeeping.tick()
    await world.settle()


async def announcing(world, entries=TEN, feed=FEED, **more):
    """A node that announces its feed."""
    one = await world.node("a", owner=1, feeds=(feed,), start=False, **more)
    one.feeds.publish(URL, "\n".join(entries))
    await one.start()
    await turn(world, one)
    return one


async def neighbours(world, trust=0.9, **more):
    """One that announces, one of its fleet, and one that trusts its owner; connected."""
    one = await announcing(world, **more)
    mate, other = await world.node("b", owner=1), await world.node("c", owner=2)
    await world.meet(one, mate)
    await world.meet(one, other, trust=0.0, back=trust)
    return one, mate, other


# --- what others get -----------------------------------------------------------------------------------------------


async def test_neighbours_get_what_a_feed_says_and_lose_what_it_drops(world):
    """The fleet by the fleet's word, others as one voice whose basis is the feed; gone when it leaves the list."""
    one, mate, other = await neighbours(world)
    assert all(node.adopts(HOST) for node in (mate, other))
    (heard,) = other.node.domain.statements(key(HOST), world.clock.now())
    assert (heard.basis, heard.confidence, heard.origin) == (BASIS, 1.0, one.id)
    assert mate.node.domain.explain(key(HOST)).verdict.reason.word == "fleet"

    await publish(world, one, TEN[1:])
    assert not any(node.adopts(HOST) for node in (one, mate, other))
    assert all(node.adopts("203.0.113.2/32") for node in (one, mate, other))


async def test_who_repeats_the_same_feed_adds_nothing(world):
    """Two who announce one list are one witness: the basis is the same."""
    one, _, other = await neighbours(world, trust=0.4)
    twin = await world.node("d", owner=3, feeds=(replace(FEED, name="same"),), start=False)
    twin.feeds.publish(URL, "\n".join(TEN))
    await twin.start()
    await turn(world, twin)
    await world.meet(twin, other, trust=0.0, back=0.4)

    assert len(other.node.domain.statements(key(HOST), world.clock.now())) == 2
    assert not other.adopts(HOST)
    assert said(one).keys() == said(twin).keys()


async def test_an_announced_feed_is_still_the_feeds_word_here(world):
    """What is said to others is no word of the operator's: the reason is the feed, and no `--force`, no unblock."""
    one = await announcing(world)
    explained = one.node.domain.explain(key(HOST))

    assert explained.verdict.reason.word == "feed"
    assert [said.uncounted.word for said in explained.testimonies if not said.counted] == ["feed-duplicate"]
    assert await one.app.own_blocks() == []


async def test_full_announcements(world):
    """1,024 prefixes each."""
    one = await announcing(world, shapes.nets(2_500))

    assert len(said(one)) == 2_500
    assert len({held.announcement for held in said(one).values()}) == 3


async def test_a_feed_without_announce_stays_here(world):
    """Licences: nothing is passed on that was not asked for."""
    one = await announcing(world, feed=replace(FEED, announce=False))

    assert one.adopts(HOST)
    assert said(one) == {}


async def test_what_is_adopted_from_others_is_not_said_as_ours(world):
    """The neighbour that adopts it repeats nothing, whatever feeds it announces itself."""
    _, mate, other = await neighbours(world)
    await live(world, mate, 2)

    assert said(mate) == said(other) == {}
    assert other.adopts(HOST)


async def test_a_warning_list_is_never_announced(world):
    """It is a whitelist; a configuration that asks for it does not load, and a subscription does not either."""
    feed = replace(FEED, format=Format.WARNINGLIST)
    one = await announcing(world, [shapes.warninglist(TEN)], feed=feed)

    assert said(one) == {}


async def test_a_voice_is_never_announced(world):
    """As above."""
    one = await announcing(world, feed=replace(FEED, adopt=Adopt.VOICE))

    assert said(one) == {}


# --- what must not be said -----------------------------------------------------------------------------------------


async def test_whitelisted_and_protected_addresses_are_not_announced(world):
    """The list is announced as it is blocked here: around its holes, which come and go with the whitelist."""
    one = await announcing(world, [*TEN, "198.51.100.0/24"], allow=(key("198.51.100.7/32"),))
    assert "198.51.100.0/24" not in said(one)
    assert "198.51.100.6/32" in said(one)
    assert "198.51.100.7/32" not in said(one)

    await one.allow("203.0.113.1")
    await one.housekeeping.tick()
    assert HOST not in said(one)
    await one.app.disallow(Prefix.parse("203.0.113.1"), CALLER)
    await one.housekeeping.tick()
    assert HOST in said(one)


async def test_private_and_very_wide_prefixes_are_not_announced(world):
    """Private space means other machines elsewhere, and no fleet takes what is wider than /16."""
    one = await announcing(world, [*TEN, "192.168.7.0/24", "45.0.0.0/12"], allow_private=True)

    assert one.adopts("192.168.7.0/24")
    assert one.adopts("45.0.0.0/12")
    assert said(one).keys() == {f"{host}/32" for host in TEN}


async def test_the_operators_own_block_stands_before_the_feeds(world):
    """Said by the operator before or after: it is the operator's word, with its times, and is not overwritten."""
    one = await announcing(world)
    await one.block("203.0.113.1", ttl="2d")
    await one.housekeeping.tick()
    await live(world, one, 2)

    held = one.node.domain.own_block(key(HOST), world.clock.now())
    assert held.basis == 0
    assert held.expires - world.clock.now() > 30 * HOUR
    assert [block.key for block in await one.app.own_blocks()] == [key(HOST)]


async def test_an_operators_block_outlives_the_feeds_entry(world):
    """What the feed drops is retracted only where the feed alone said it."""
    one, mate, _ = await neighbours(world)
    await one.block("203.0.113.1", ttl="2d")
    await world.settle()
    await publish(world, one, TEN[2:])

    assert mate.adopts(HOST)
    assert not mate.adopts("203.0.113.2/32")


async def test_a_block_taken_back_leaves_the_feeds_word(world):
    """unblock takes back the operator's; the feed still says it, here and to others."""
    one, mate, _ = await neighbours(world)
    await one.block("203.0.113.1", ttl="2d")
    await world.settle()
    await one.beside(one.unblock("203.0.113.1"))
    await live(world, one, 1)

    assert said(one)[HOST].basis == BASIS
    assert mate.adopts(HOST)


async def test_unblock_does_not_take_back_a_feeds_word(world):
    """It would be back with the next look; the answer names what helps."""
    one = await announcing(world)
    with pytest.raises(NotFoundError) as caught:
        await one.unblock("203.0.113.1")

    assert "p2pfw allow add" in caught.value.hint
    assert HOST in said(one)


async def test_a_pardon_of_the_fleet_stands_before_a_feed(world):
    """A mate's `unblock` takes it back everywhere in the fleet, and no feed brings it back while that lives."""
    one, mate, other = await neighbours(world)
    await mate.beside(mate.unblock("203.0.113.1"))
    await world.advance(hours=30, step=HOUR)

    assert HOST not in said(one)
    assert not mate.adopts(HOST)
    assert not other.adopts(HOST)
    assert mate.adopts("203.0.113.2/32")


# --- times -------------------------------------------------------------------------------------------------------


async def test_words_live_a_day_and_are_said_again_at_half_of_it(world):
    """So that a lone voice's lease renews, and a node that dies is forgotten a day later."""
    one, _, other = await neighbours(world)
    (first,) = {held.expires for held in said(one).values()}
    assert first - world.clock.now() <= 24 * HOUR
    for _ in range(60):
        await world.advance(hours=1, step=HOUR)
        assert min(held.expires for held in said(one).values()) - world.clock.now() >= 11 * HOUR
        assert other.adopts(HOST)
    assert spoken(one) <= 16  # with what renewals and their checkpoints take

    await one.stop()
    await world.advance(hours=25)
    assert not other.adopts(HOST)


async def test_no_word_outlives_its_feed(world):
    """A publisher that stopped: what is announced ends when the list counts no more."""
    one = await announcing(world, feed=replace(FEED, max_age=30 * HOUR))
    one.feeds.errors[URL] = FeedError("HTTP 500")
    end = one.node.feeding.find("drop").until
    await live(world, one, 29)
    assert {held.expires for held in said(one).values()} == {end}
    position = spoken(one)
    await live(world, one, 2)

    assert said(one) == {}
    assert spoken(one) == position


async def test_a_restart_announces_nothing(world):
    """Neither a clean one nor a crash: what is on disk is compared with what the feed says."""
    one, _, other = await neighbours(world)
    for crash in (False, True):
        await one.restart(crash=crash)
        await turn(world, one)
        assert (one.node.originator.position[1], len(said(one))) == (0, 10)
    assert other.adopts(HOST)


async def test_only_the_difference_is_announced_after_a_restart(world):
    """One came and one went while this node was down: one RETRACT and one BLOCK."""
    one = await announcing(world)
    await one.stop()
    world.clock.pass_time(7 * HOUR)
    one._build()
    one.feeds.publish(URL, "\n".join([*TEN[1:], "203.0.113.99"]))
    await one.start()
    await turn(world, one)

    assert said(one).keys() == {f"{host}/32" for host in [*TEN[1:], "203.0.113.99"]}
    assert spoken(one) == 2


async def test_an_unchanged_list_announces_nothing(world):
    """Fetch after fetch."""
    one = await announcing(world, feed=replace(FEED, refresh=HOUR))
    position = spoken(one)
    await live(world, one, 10)

    assert spoken(one) == position


# --- the end -------------------------------------------------------------------------------------------------------


async def test_a_feed_that_is_removed_is_retracted(world):
    """By command; and in the configuration, also while this node was down."""
    one, mate, other = await neighbours(world)
    one.node.feed_desk.configure(())
    one.judge()
    await one.housekeeping.tick()
    await world.settle()

    assert said(one) == {}
    assert not any(node.adopts(HOST) for node in (one, mate, other))
    assert one.node.feeding.subscriptions() == []


async def test_a_feed_whose_announce_is_taken_back_is_retracted(world):
    """It stays blocked here."""
    one, mate, _ = await neighbours(world)
    one.node.feed_desk.configure((replace(FEED, announce=False),))
    await one.housekeeping.tick()
    await world.settle()

    assert one.adopts(HOST)
    assert not mate.adopts(HOST)


async def test_another_source_replaces_the_old_ones_words_when_it_is_here(world):
    """Nothing is taken back for a list that has not come yet; its basis is its own."""
    one = await announcing(world)
    url = "https://lists.example.net/other"
    one.node.feed_desk.configure((replace(FEED, url=url),))
    position = spoken(one)
    await turn(world, one)
    assert spoken(one) == position
    assert {held.basis for held in said(one).values()} == {BASIS}

    one.feeds.publish(url, "\n".join(TEN[1:]))
    await live(world, one, 1)
    assert {held.basis for held in said(one).values()} == {feed_basis(canonical_name(url))}
    assert HOST not in said(one)


async def test_retract_all_silences_feeds_until_they_are_asked_for(world):
    """The operator panicked: what was taken back must not be back a second later, nor after a restart."""
    one, mate, _ = await neighbours(world)
    await one.app.retract_all(CALLER)
    await turn(world, one)
    await one.restart(crash=True)
    await live(world, one, 3)
    assert said(one) == {}
    assert not mate.adopts(HOST)
    assert one.adopts(HOST)
    (line,) = one.node.repeating.lines()
    assert "since retract --all" in line.text

    one.feeds.publish(URL, "\n".join(TEN))
    await one.node.feed_desk.refresh_feed("drop", schema.RefreshRequest())
    await turn(world, one)
    assert len(said(one)) == 10
    assert list(one.node.repeating.lines()) == []


async def test_a_node_that_must_be_silent_says_nothing_yet(world):
    """It says it afterwards."""
    one = await world.node("a", owner=1, feeds=(FEED,), start=False)
    one.feeds.publish(URL, "\n".join(TEN))
    await one.start()
    one.node.originator.hold("test", "restored")
    await turn(world, one)
    assert said(one) == {}

    one.node.originator.release("test")
    await turn(world, one)
    assert len(said(one)) == 10


# --- limits ------------------------------------------------------------------------------------------------------


async def test_a_feed_that_is_too_large_is_announced_as_far_as_there_is_room(world, monkeypatch):
    """What is said stays said; the rest is blocked here, and health and the feed's state say how much that is."""
    monkeypatch.setattr(repeating, "ROOM", 8)
    one = await announcing(world)
    assert len(said(one)) == 8
    assert one.node.feed_desk.feed("drop").announced == 8
    (line,) = one.node.repeating.lines()
    assert (line.level, line.code) == ("warning", "feed-announce")
    assert "8 of its prefixes are announced, 2 are not" in line.text
    before = said(one).keys()

    await publish(world, one, ["203.0.112.9", *TEN])
    assert said(one).keys() == before
    await publish(world, one, ["203.0.112.9", *TEN[1:]])
    assert "203.0.112.9/32" in said(one)
    assert len(said(one)) == 8


async def test_the_operator_has_room_whatever_feeds_say():
    """Feeds take half of a node's part at most."""
    assert repeating.ROOM * 2 * repeating.ORIGIN_PART == repeating.SHARE


async def test_a_disk_that_refuses_is_asked_again(world):
    """A minute later."""
    one = await world.node("a", owner=1, feeds=(FEED,), start=False)
    one.feeds.publish(URL, "\n".join(TEN))
    await one.start()
    await fetch(one)
    one.store.fill_up()
    with pytest.raises(StoreError):
        await one.node.repeating.tick()
    one.store.repair()
    await one.node.repeating.tick()
    assert said(one) == {}
    world.clock.pass_time(61)
    await turn(world, one)

    assert len(said(one)) == 10


# --- whatever happens --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
async def test_what_is_announced_is_what_the_feed_blocks_and_nobody_else_said(world, seed):
    """After any row of lists, blocks, whitelist edits, restarts and hours: a twin of sets agrees, and the fleet too."""
    rng = random.Random(seed)
    one, mate, _ = await neighbours(world)
    listed, allowed, blocked = set(TEN), set(), set()
    for _ in range(40):
        host = rng.choice(TEN)
        match rng.choice(["list", "list", "block", "unblock", "allow", "disallow", "restart", "hours"]):
            case "list":
                listed = set(rng.sample(TEN, rng.randint(1, 10)))
                await publish(world, one, sorted(listed))
            case "block" if host not in allowed:
                await one.block(host, ttl="30d")
                blocked.add(host)
            case "unblock" if host in blocked:
                await one.beside(one.unblock(host, scope="own"))
                blocked.discard(host)
            case "allow" if host not in blocked:
                await one.allow(host)
                allowed.add(host)
            case "disallow" if host in allowed:
                await one.app.disallow(Prefix.parse(host), CALLER)
                allowed.discard(host)
            case "restart":
                feeds = one.feeds
                await one.restart(crash=rng.random() < 0.5)
                one.feeds.lists = feeds.lists
                world.dial(one)
            case "hours":
                await world.advance(hours=13, step=HOUR)
        await world.advance(hours=1, step=HOUR)  # so that no limit of flips is reached
        one.node.repeating.changed()  # an unblock alone is found by the hourly look
        await one.housekeeping.tick()
        await world.settle()

        assert said(one).keys() == {f"{host}/32" for host in listed - allowed - blocked}
        assert {host for host in TEN if mate.adopts(f"{host}/32")} == (listed - allowed) | blocked
