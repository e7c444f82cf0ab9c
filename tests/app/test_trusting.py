"""Vouches, what another trust would do, scorecards, who could do what, and edits on trial."""

import pytest

from p2pfw import schema
from p2pfw.app.trials import TRIALS_SETTING
from p2pfw.core.idtext import encode_id
from p2pfw.core.prefix import Prefix
from p2pfw.errors import InputError, NotAcceptableError, NotFoundError
from p2pfw.ports import Neighbour
from tests.app.world import CALLER, Running, World, key

BAD, OTHER = "203.0.113.9", "198.51.100.7"


async def friends(world: World, **trust: float) -> list[Running]:
    """A, and others that it trusts so much."""
    found = [await world.node("a", owner=1, enforce=True)]
    for number, (name, worth) in enumerate(trust.items(), start=2):
        one = await world.node(name, owner=number)
        await world.meet(found[0], one, trust=worth)
        found.append(one)
    await world.advance(seconds=2)
    return found


# --- vouches ---------------------------------------------------------------------------------------------------------


async def test_a_vouch_needs_the_owners_key_another_owner_and_an_end():
    """And there must be one to take back."""
    world = World()
    a, b = await friends(world, b=0.4)
    keyless = await world.node("keyless", owner=9, holds_owner_key=False)

    for wrong, error in (
        ({"id": encode_id(a.owner)}, NotAcceptableError),
        ({"id": "b", "ttl": "91d"}, InputError),
        ({"id": "b", "ttl": "forever"}, InputError),
        ({"id": "nobody"}, NotFoundError),
    ):
        with pytest.raises(error):
            await a.node.trusting.vouch(schema.VouchRequest(**wrong), CALLER)
    with pytest.raises(InputError, match="owner's key"):
        await keyless.node.trusting.vouch(schema.VouchRequest(id=encode_id(b.owner)), CALLER)
    with pytest.raises(NotFoundError, match="no vouch"):
        await a.node.trusting.unvouch("b", CALLER)


async def test_a_vouch_that_is_said_again_lives_longer_and_ends_with_its_time():
    """The newest word holds; afterwards the vouched owner is nobody again."""
    world = World()
    a, b, c = await friends(world, b=0.9, c=0.4)
    stranger = await world.node("stranger", owner=7)
    ask = encode_id(stranger.owner)
    await b.beside(b.node.trusting.vouch(schema.VouchRequest(id=ask, ttl="1h", level=0.5), CALLER))
    await b.beside(b.node.trusting.vouch(schema.VouchRequest(id=ask, ttl="2h"), CALLER))
    await world.settle()
    levels = [one.level for one in a.node.trusting.vouches().vouches]
    carried = a.node.domain.trust.carries(stranger.owner)
    await world.advance(hours=3, step=1800)

    assert (levels, carried) == ([1.0], True)
    assert not a.node.domain.trust.carries(stranger.owner)
    assert a.node.trusting.vouches().vouches == []
    assert not c.node.domain.trust.carries(stranger.owner)


# --- peer try --------------------------------------------------------------------------------------------------------


async def test_trying_a_trust_tells_what_it_would_do_and_does_nothing():
    """Adopted, dropped, and who of those connected now would be cut off."""
    world = World()
    a, b, c = await friends(world, b=0.4, c=0.9)
    await b.block(BAD)
    await c.block(OTHER)
    await world.settle()
    a.machine.connected = [Neighbour(key=key(BAD), reason="connected with port 22")]
    more = await a.node.trusting.try_trust("b", "solo")
    less = await a.node.trusting.try_trust("c", "watch")

    assert (more.adopted, more.adopts, more.dropped, more.trust_now, more.trust) == (1, [f"{BAD}/32"], 0, 0.4, 0.9)
    assert [(hit.address, hit.what) for hit in more.clients] == [(f"{BAD}/32", "connected with port 22")]
    assert (less.adopted, less.drops, less.clients) == (0, [f"{OTHER}/32"], [])
    assert (a.adopts(BAD), a.adopts(OTHER)) == (False, True)
    assert (more.prefixes_limit, more.rate_limit) == (90_000, 1_800)
    with pytest.raises(NotAcceptableError, match="own fleet"):
        await a.node.trusting.try_trust(encode_id(a.owner), "pair")
    with pytest.raises(InputError, match="no trust"):
        await a.node.trusting.try_trust("b", "much")


async def test_a_client_inside_a_network_that_would_be_blocked_is_named():
    """A /28 that two would block; hysteresis keeps what one of them alone would not get adopted."""
    world = World()
    a, b, c = await friends(world, b=0.9, c=0.0)
    for one in (b, c):
        await one.block("203.0.113.0/28")
    await world.settle()
    a.machine.connected = [Neighbour(key=key(BAD), reason="ssh"), Neighbour(key=key(OTHER), reason="ssh")]
    answer = await a.node.trusting.try_trust("c", "trio")

    assert answer.adopted == 1
    assert [(hit.address, hit.prefix) for hit in answer.clients] == [(f"{BAD}/32", "203.0.113.0/28")]
    await a.beside(a.app.put_peer("c", schema.PeerRequest(trust="trio"), CALLER))
    assert (await a.node.trusting.try_trust("c", "watch")).dropped == 0
    assert (await a.node.trusting.try_trust("b", "watch")).dropped == 1


# --- scorecards ------------------------------------------------------------------------------------------------------


async def test_a_scorecard_counts_what_each_owner_was_worth():
    """Alone, first, confirmed, contradicted; a suggestion that nobody applies."""
    world = World()
    a, b, c = await friends(world, b=0.9, c=0.3)
    await b.block(BAD)
    await world.advance(seconds=90, step=45)
    await c.block(BAD)
    await c.block(OTHER)
    await world.settle()
    request = schema.SightingRequest(prefix=BAD)
    await a.beside(a.app.sighting(Prefix.parse(BAD), request, CALLER))
    good = schema.SightingRequest(prefix=OTHER, verdict="good")
    await a.beside(a.app.sighting(Prefix.parse(OTHER), good, CALLER))
    cards = {card.name: card for card in (await a.node.trusting.scorecards("")).cards}

    assert (cards["b"].entries, cards["b"].alone_share, cards["b"].first) == (1, 0.0, 1)
    assert 80 <= cards["b"].lead_seconds <= 100
    assert (cards["c"].entries, cards["c"].alone_share, cards["c"].first) == (2, 0.5, 0)
    assert (cards["b"].confirmed, cards["c"].contradicted) == (1, 1)
    assert (cards["b"].suggested, cards["c"].suggested) == (0.9, 0.25)
    assert (await a.node.trusting.scorecards("c")).cards[0].name == "c"
    assert a.node.domain.trust.worth(c.owner).overall == 0.3


async def test_who_is_right_often_is_worth_a_step_up():
    """Twelve confirmations, nothing wrong; never above `pair`."""
    world = World()
    a, _, _ = await friends(world, b=0.25, c=0.4)
    scoring = a.node.trusting.scoring
    owners = [view.owner for view in a.app.peers().peers]
    assert len(owners) == 2
    b, c = (a.node.book.owner_of(name) for name in "bc")

    assert scoring._suggested(b, 12, 0)[0] == 0.3
    assert scoring._suggested(c, 12, 0)[0] == 0.4
    assert scoring._suggested(b, 3, 0)[0] == 0.25
    assert scoring._suggested(b, 0, 1)[0] == 0.0
    assert scoring._suggested(a.owner, 0, 1)[0] == 0.0


# --- the doctor ------------------------------------------------------------------------------------------------------


async def test_the_doctor_says_who_could_do_what_and_whom_it_needs():
    """The collusion number with names, what each can do alone, and without whom verdicts would change now."""
    world = World()
    a, b, c = await friends(world, b=0.9, c=0.4)
    await b.block(BAD)
    for one in (b, c):
        await one.block("203.0.113.0/28")
    await world.settle()
    doctor = await a.app.doctor()
    report = doctor.trust
    checks = {check.code: check for check in doctor.checks}

    assert (checks["collusion"].level, "b" in checks["collusion"].text) == ("warning", True)
    assert [(one.number, one.owners) for one in report.coalitions[:3]] == [(1, ["b"]), (2, ["b", "c"]), (2, ["b", "c"])]
    assert report.coalitions[3].number is None
    assert {one.owner: one.can_block for one in report.alone} == {"b": ["/32 or /64"], "c": []}
    assert {one.owner: one.prefixes for one in report.needed_now} == {"b": 2, "c": 0} or {
        one.owner: one.prefixes for one in report.needed_now
    } == {"b": 2}
    assert report.fleet == 1


@pytest.mark.parametrize(("trusts", "words"), [({"b": 0.4, "c": 0.4}, "it takes 2"), ({"b": 0.25}, "could not make")])
async def test_a_network_of_equals_is_told_how_many_it_takes(trusts, words):
    """No warning from two on; and none where nobody can."""
    world = World()
    a, *_ = await friends(world, **trusts)
    (check,) = [one for one in (await a.app.doctor()).checks if one.code == "collusion"]

    assert (check.level, words in check.text) == ("ok", True)


# --- on trial --------------------------------------------------------------------------------------------------------


async def test_an_edit_on_trial_is_taken_back_by_itself():
    """After its time, also over a crash; with what it adopted."""
    world = World()
    a, b = await friends(world, b=0.4)
    await b.block(BAD)
    await world.settle()
    await a.beside(a.app.put_peer("b", schema.PeerRequest(trust="solo", confirm=60), CALLER))
    await world.settle()
    during = a.adopts(BAD)
    await a.restart(crash=True)
    await world.settle()
    lines = [line.code for line in a.node.health.lines()]
    a.clock.wall += 61
    await a.beside(a.housekeeping.tick())
    await world.settle()

    assert (during, "unconfirmed-peer" in lines, a.adopts(BAD)) == (True, True, False)
    assert a.app.peer("b").trust == 0.4
    assert a.store.values.get(TRIALS_SETTING) is None
    assert [event.peer for event in a.events("peer-reverted")] == ["b"]


async def test_a_confirmed_edit_stays():
    """One word for all that is on trial; nothing to confirm is an error."""
    world = World()
    a, _ = await friends(world, b=0.4)
    await a.beside(a.app.put_peer("b", schema.PeerRequest(trust="solo", confirm=60), CALLER))
    await a.beside(a.app.put_peer("b", schema.PeerRequest(trust="trio", confirm=60), CALLER))
    answer = await a.beside(a.app.confirm())
    a.clock.wall += 61
    await a.beside(a.housekeeping.tick())

    assert "stays" in answer.text
    assert a.app.peer("b").trust == 0.3
    with pytest.raises(NotFoundError):
        await a.app.confirm()


async def test_an_edit_without_a_trial_ends_the_one_that_runs():
    """And a second one goes back to before the first; a peer that was not known is unknown again."""
    world = World()
    a, _ = await friends(world, b=0.4)
    stranger = encode_id(bytes(range(32)))
    await a.beside(a.app.put_peer("b", schema.PeerRequest(trust="solo", confirm=60), CALLER))
    await a.beside(a.app.put_peer("b", schema.PeerRequest(trust="quad"), CALLER))
    await a.beside(a.app.put_peer(stranger, schema.PeerRequest(trust="solo", name="new", confirm=60), CALLER))
    a.clock.wall += 61
    await a.beside(a.housekeeping.tick())

    assert a.app.peer("b").trust == 0.25
    with pytest.raises(NotFoundError):
        a.app.peer("new")


# --- evidence that leaves the node -----------------------------------------------------------------------------------


async def test_a_verdict_comes_with_what_others_signed():
    """And anybody can check it; what this operator did himself has none."""
    world = World()
    a, b = await friends(world, b=0.9)
    await b.block(BAD)
    await world.settle()
    adopted = [a.app.proven(event) for event in a.events("adopted")]
    plain = [a.app.proven(event) for event in a.events("peer-edit")]

    assert [len(event.evidence) for event in adopted] == [2]
    assert all(not event.evidence for event in plain)
