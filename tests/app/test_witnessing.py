"""What this node sees for itself lowers trust in who was wrong, speaks for who was right, and is kept."""

import pytest

from p2pfw import schema
from p2pfw.app.witnessing import SURGE_TOLD
from p2pfw.core.prefix import Prefix
from p2pfw.errors import ConflictError, InputError, StoreError
from tests.app.world import CALLER, Running, World, key

BAD, OTHER = "203.0.113.9", "203.0.113.10"


async def pair(world: World, trust: float = 0.9) -> tuple[Running, Running]:
    """A trusts B's owner."""
    a, b = await world.node("a", owner=1, enforce=True), await world.node("b", owner=2)
    await world.meet(a, b, trust=trust)
    await world.advance(seconds=2)
    return a, b


async def sight(one: Running, text: str, verdict: str = "bad") -> schema.SightingAnswer:
    """POST /v1/sightings."""
    request = schema.SightingRequest(prefix=text, verdict=verdict, category="ssh")
    return await one.beside(one.app.sighting(Prefix.parse(text), request, CALLER))


def worth(one: Running, other: Running):
    """What an owner counts for."""
    return one.node.domain.trust.worth(other.owner)


async def test_who_said_it_before_is_confirmed_once():
    """By arrival here; a second sighting, or one after this node's own word, confirms nobody."""
    world = World()
    a, b = await pair(world)
    await b.block(BAD)
    await world.settle()
    first = await sight(a, BAD)
    again = await sight(a, BAD)
    await a.block(OTHER)
    await world.settle()
    await b.block(OTHER)
    await world.settle()
    copied = await sight(a, OTHER)

    assert (first.confirmed, again.confirmed, copied.confirmed) == (["b"], [], [])
    assert a.app.peer("b").confirmed == 1
    assert first.state == "recorded"


async def test_a_detectors_block_confirms_who_had_said_so():
    """fail2ban's ban is this node's own word and its evidence; a block by hand is no evidence, a bad request none."""
    world = World()
    a, b = await pair(world)
    await b.block(BAD)
    await b.block(OTHER)
    await world.settle()

    async def block(prefix: str, **said) -> schema.BlockAnswer:
        return await a.beside(a.app.block(schema.BlockRequest(prefix=prefix, **said), CALLER))

    with pytest.raises(InputError):
        await block(BAD, ttl="soon", detected=True)
    by_hand = await block(OTHER)
    seen = await block(BAD, detected=True)
    again = await block(BAD, detected=True)
    copied = await block(OTHER, detected=True)

    assert [one.confirmed for one in (by_hand, seen, again, copied)] == [[], ["b"], [], []]
    assert a.app.peer("b").confirmed == 1
    await a.restart(crash=True)
    assert a.app.peer("b").confirmed == 1


async def test_a_false_positive_lowers_trust_and_lets_go_at_once():
    """0.90 to 0.45: released from the kernel before the answer; kept over a restart; forgiven with a record."""
    world = World()
    a, b = await pair(world)
    await b.block(BAD)
    await world.settle()
    before = a.drops(BAD)
    answer = await sight(a, BAD, "good")

    assert (before, a.drops(BAD)) == (True, False)
    assert (answer.state, answer.contradicted) == ("released", ["b"])
    await a.restart(crash=True)
    assert worth(a, b).rep == 0.5
    assert a.app.peer("b").weight == 0.45
    words = await a.beside(a.node.trusting.forgive(schema.ForgiveRequest(id="b"), CALLER))
    assert "b counts no more" in words.text
    assert worth(a, b).rep == 1.0
    await world.settle()
    assert a.adopts(BAD)
    assert a.events("forgiven")


async def test_three_mistakes_mute_an_owner():
    """Alarm: an event, and the doctor names it."""
    world = World()
    a, b = await pair(world)
    for text in (BAD, OTHER, "203.0.113.11"):
        await b.block(text)
    await world.settle()
    for text in (BAD, OTHER, "203.0.113.11"):
        await sight(a, text, "good")
    doctor = await a.app.doctor()

    assert worth(a, b).muted
    assert [event.peer for event in a.events("muted")] == ["b"]
    assert {check.code: check.level for check in doctor.checks}["muted"] == "warning"
    answer = await a.app.why(Prefix.parse(BAD))
    assert [one.not_counted for one in answer.evidence] == ["muted"]


async def test_whitelisting_as_a_false_positive_contradicts():
    """`allow add` that says so; without it nobody is to blame."""
    world = World()
    a, b = await pair(world)
    await b.block(BAD)
    await b.block(OTHER)
    await world.settle()
    plain = await a.beside(a.app.allow(Prefix.parse(OTHER), schema.AllowRequest(), CALLER))
    told = await a.beside(a.app.allow(Prefix.parse(BAD), schema.AllowRequest(false_positive=True), CALLER))

    assert (plain.contradicted, told.contradicted) == ([], ["b"])
    assert (plain.released, told.released) == ([f"{OTHER}/32"], [f"{BAD}/32"])
    assert not a.adopts(BAD)


async def test_who_covers_the_good_address_with_a_network_was_wrong_too():
    """And what is still blocked by others is said."""
    world = World()
    a, b = await pair(world)
    c, d = await world.node("c", owner=3), await world.node("d", owner=4)
    await world.meet(a, c, trust=0.9)
    await world.meet(a, d, trust=0.9)
    for one in (b, c, d):
        await one.block("203.0.113.0/28")
    await world.settle()
    answer = await sight(a, BAD, "good")

    assert set(answer.contradicted) == {"b", "c", "d"}
    assert answer.state == "blocked"  # three at 0.45 are 0.83: enough for a /28


async def test_the_operators_own_block_is_nobodys_mistake():
    """Nor is the fleet's: known good there is theirs to say."""
    world = World()
    a, _ = await pair(world)
    await a.block(BAD)
    answer = await sight(a, BAD, "good")

    assert (answer.contradicted, answer.state) == ([], "blocked")


async def test_evidence_that_cannot_be_kept_is_refused():
    """A disk that is full; a protected address."""
    world = World()
    a, b = await pair(world)
    await b.block(BAD)
    await world.settle()
    with pytest.raises(ConflictError):
        await sight(a, "127.0.0.1")
    a.store.fill_up()
    with pytest.raises(StoreError):
        await sight(a, BAD, "good")


async def test_whoever_vouches_answers_for_it():
    """A quarter of a contradiction."""
    world = World()
    a, b = await pair(world)
    c = await world.node("c", owner=3)
    await world.meet(b, c, trust=0.9)
    request = schema.VouchRequest(id="c")
    await b.beside(b.node.trusting.vouch(request, CALLER))
    await world.settle()
    await world.advance(seconds=20, step=2)
    await c.block(BAD)
    await world.settle()
    sponsor = a.node.domain.trust.sponsor(c.owner)
    await sight(a, BAD, "good")

    assert sponsor == b.owner
    assert a.node.domain.trust.evidence.account(c.owner).neg == 1
    assert a.node.domain.trust.evidence.account(b.owner).neg == 0.25
    assert [one.counts for one in a.node.trusting.vouches().vouches] == [True]
    await b.beside(b.node.trusting.unvouch("c", CALLER))
    await world.settle()
    assert not a.node.domain.trust.carries(c.owner)


async def test_a_flood_is_told_once_and_costs_a_little():
    """Who tried to add how many in ten minutes, and how many are held."""
    world = World()
    a, b = await pair(world, trust=0.3)
    c = await world.node("c", owner=3)
    await world.meet(a, c, trust=0.55)
    hosts = [f"45.{n // 200}.{n % 200}.1" for n in range(1_000)]
    for one in (b, c):
        await one.app.block(schema.BlockRequest(prefixes=hosts), CALLER)
    await world.settle()
    await a.housekeeping.tick()
    await a.housekeeping.tick()
    lines = {line.code: line.text for line in a.node.health.lines()}

    assert a.node.domain.adoption.families()[0] == 600
    assert len(a.events("surge")) == 1
    assert "b tried to add 1,000 prefixes in 10 min" in lines["surge"]
    assert a.node.domain.trust.evidence.account(b.owner).neg == 0.25
    assert a.app.peer("b").limits.held == 400
    a.clock.wall += SURGE_TOLD
    await a.housekeeping.tick()
    assert "surge" not in {line.code for line in a.node.health.lines()}


async def test_old_observations_leave_the_disk():
    """After half a year."""
    world = World()
    a, b = await pair(world)
    await b.block(BAD)
    await world.settle()
    await sight(a, BAD, "good")
    a.clock.wall += 181 * 86_400
    a.node.witnessing.tick(a.clock.now())
    await a.restart()

    assert a.node.domain.trust.evidence.contradict(b.owner, key(BAD), a.clock.now())
