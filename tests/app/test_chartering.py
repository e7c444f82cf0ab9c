"""Membership without a centre, on running nodes: versions are gossiped, signed, applied by each node by itself."""

import asyncio

import pytest

from p2pfw import schema
from p2pfw.app.chartering import ROOT_SETTING
from p2pfw.app.housekeeping import Housekeeping
from p2pfw.config.charterfile import parse_charter
from p2pfw.core.charter import Charter, Member, Seed, SignedCharter, members_of
from p2pfw.core.identity import NodeId, OwnerId, network_id
from p2pfw.errors import ConflictError, InputError, NotFoundError
from tests.app.world import CALLER, START, Running, World, owner_key

BAD = "203.0.113.9"
DAY = 86_400


def owner_id(number: int) -> OwnerId:
    """An owner's id."""
    return OwnerId(owner_key(number).public_key)


def charter(*owners: int, need: int = 2, trust: int = 400, **fields) -> Charter:
    """Of the network that the world's nodes are in."""
    given = {
        "network": "example",
        "founded": network_id("example"),
        "changes_need": need,
        "created": START - DAY,
        "valid_until": START + 90 * DAY,
        "members": members_of(Member(owner=owner_id(n), name=f"o{n}", trust=trust) for n in owners),
    }
    return Charter(**{**given, **fields})


def signed(of: Charter, *owners: int) -> SignedCharter:
    """With their signatures."""
    made = SignedCharter(charter=of, signatures={})
    for number in owners:
        made = made.signed_by(owner_key(number))
    return made


def after(before: Charter, *owners: int, **fields) -> Charter:
    """A next version."""
    return charter(*owners, number=before.number + 1, previous=before.hash, **fields)


ROOT = signed(charter(1, 2, 3), 1, 2)


async def equals(world: World, root: SignedCharter = ROOT) -> list[Running]:
    """Three owners under one charter, connected."""
    nodes = [await world.node(name, owner=n, charter=root) for n, name in enumerate("abc", start=1)]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        world.call(nodes[one], nodes[other])
        await world.settle()
    await world.advance(seconds=2)
    return nodes


def held_by(one: Running) -> int:
    """The number of the version that holds there."""
    return one.node.trusting.charter().current.number


def body(one: SignedCharter) -> schema.CharterRequest:
    """As the API takes it."""
    return schema.CharterRequest(charter=one.encode().hex())


async def test_members_believe_one_another_as_the_charter_says():
    """Two at 0.40 block a host; names come from the charter; nothing was configured."""
    world = World()
    a, b, c = await equals(world)
    await b.block(BAD)
    await c.block(BAD)
    await world.settle()

    assert a.adopts(BAD)
    assert {a.node.book.name_of(owner_id(n)) for n in (2, 3)} == {"o2", "o3"}
    assert {view.name for view in a.app.peers().peers} == {"o2", "o3"}
    assert a.node.book.owner_of("o2") == owner_id(2)


async def test_a_version_holds_everywhere_once_enough_have_signed():
    """Proposed here, signed there; a member that left is believed nothing from then on."""
    world = World()
    a, b, c = await equals(world)
    await b.block(BAD)
    await c.block(BAD)
    await world.settle()
    two = after(ROOT.charter, 1, 2)
    await a.beside(a.node.trusting.submit_charter(body(signed(two, 1))))
    await world.settle()
    seen = b.node.trusting.charter().proposals
    await b.beside(b.node.trusting.sign_charter(schema.CharterSign(hash=two.hash.hex()[:8])))
    await world.settle()

    assert [(one.signatures, one.needed, one.number) for one in seen] == [(1, 2, 2)]
    assert [held_by(one) for one in (a, b, c)] == [2, 2, 2]
    assert not a.adopts(BAD)
    assert any(event.kind == "charter" for event in a.node.events.after(0))


async def test_what_holds_is_known_after_a_restart():
    """From the disk, and gossiped again by whoever has it when nobody does."""
    world = World()
    a, b, _ = await equals(world)
    two = after(ROOT.charter, 1, 2, 4, trust=900)
    await a.beside(a.node.trusting.submit_charter(body(signed(two, 1, 2))))
    await world.settle()
    await b.restart(crash=False)

    assert held_by(b) == 2
    d = await world.node("d", owner=4, charter=ROOT)
    world.call(d, b)
    await world.settle()
    await world.advance(seconds=2)
    await d.block(BAD)
    await world.settle()
    assert held_by(d) == 2
    assert b.adopts(BAD)


async def test_two_valid_versions_are_both_shown_and_neither_applied():
    """An alarm, until the members settle it by a next version of one of them."""
    world = World()
    a, b, c = await equals(world)
    one, other = after(ROOT.charter, 1, 2, 3, trust=300), after(ROOT.charter, 1, 2, 3, trust=200)
    await a.beside(a.node.trusting.submit_charter(body(signed(one, 1, 2))))
    await c.beside(c.node.trusting.submit_charter(body(signed(other, 1, 3))))
    await world.settle()
    shown = b.node.trusting.charter()
    lines = {line.code: line.level for line in b.node.health.lines()}
    settled = after(one, 1, 2, 3)
    await a.beside(a.node.trusting.submit_charter(body(signed(settled, 1, 2))))
    await world.settle()

    assert (shown.current.number, len(shown.conflict)) == (1, 2)
    assert lines["charter-conflict"] == "error"
    assert [held_by(node) for node in (a, b, c)] == [3, 3, 3]
    assert b.node.trusting.charter().conflict == []


async def test_only_a_member_of_the_version_before_can_sign():
    """With its key at hand, and for what is known."""
    world = World()
    a, _, _ = await equals(world)
    d = await world.node("d", owner=4, charter=ROOT)
    e = await world.node("e", owner=1, charter=ROOT, holds_owner_key=False)
    two = after(ROOT.charter, 1, 2, 4)
    await d.beside(d.node.trusting.submit_charter(body(signed(two, 2))))
    await e.beside(e.node.trusting.submit_charter(body(signed(two, 2))))
    name = schema.CharterSign(hash=two.hash.hex())

    with pytest.raises(ConflictError, match="no member"):
        await d.beside(d.node.trusting.sign_charter(name))
    with pytest.raises(InputError, match="owner's key"):
        await e.beside(e.node.trusting.sign_charter(name))
    with pytest.raises(NotFoundError):
        await a.beside(a.node.trusting.sign_charter(name))
    with pytest.raises(InputError, match="hexadecimal"):
        await a.beside(a.node.trusting.sign_charter(schema.CharterSign(hash="zz")))


async def test_what_is_no_charter_of_this_network_is_refused():
    """Bytes that are none, a forged signature, another network's, one that has ended; and a node without any."""
    world = World()
    a, *_ = await equals(world)
    plain = await world.node("plain", owner=5)
    forged = SignedCharter(charter=ROOT.charter, signatures={owner_id(3): bytes(64)})
    other = signed(charter(1, 2, 3, network="other", founded=network_id("other")), 1, 2)
    ended = signed(after(ROOT.charter, 1, 2, created=START - 9 * DAY, valid_until=START), 1, 2)

    for wrong, error in (("00", InputError), (forged.encode().hex(), InputError), ("zz", InputError)):
        with pytest.raises(error):
            await a.beside(a.node.trusting.submit_charter(schema.CharterRequest(charter=wrong)))
    with pytest.raises(ConflictError, match="another network"):
        await a.beside(a.node.trusting.submit_charter(body(other)))
    with pytest.raises(InputError, match="has ended"):
        await a.beside(a.node.trusting.submit_charter(body(ended)))
    with pytest.raises(NotFoundError):
        plain.node.trusting.charter()
    assert list(plain.node.chartering.lines()) == []


async def test_the_end_of_a_charter_is_told_in_time():
    """A warning from 30 days before; an error afterwards."""
    world = World()
    soon = signed(charter(1, 2, 3, valid_until=START + 20 * DAY), 1, 2)
    a = await world.node("a", owner=1, charter=soon)
    before = [line.level for line in a.node.chartering.lines()]
    a.clock.wall += 21 * DAY

    assert before == ["warning"]
    assert [line.level for line in a.node.chartering.lines()] == ["error"]


async def test_seeds_are_called_and_counted_for_nothing():
    """Where somebody who knows nobody begins; never oneself."""
    world = World()
    a = await world.node("a", owner=1, charter=ROOT)
    seeds = tuple(sorted([Seed(node=a.id, address="ws://a"), Seed(node=NodeId(bytes(32)), address="ws://nine")]))
    root = signed(charter(1, 2, 3, seeds=seeds), 1, 2)
    b = await world.node("b", owner=2, charter=root)

    assert {target.url for target in b.node.chartering.targets()} == {"ws://a", "ws://nine"}
    assert {target.url for target in b.transport.targets} >= {"ws://a", "ws://nine"}


async def test_the_operators_word_on_a_member_wins():
    """Never, and less; it is not let in any more."""
    world = World()
    a, b, c = await equals(world)
    await b.block(BAD)
    await c.block(BAD)
    await world.settle()
    before = a.adopts(BAD)
    await a.beside(a.app.put_peer("o3", schema.PeerRequest(distrust=True), CALLER))
    await world.settle()

    assert (before, a.adopts(BAD)) == (True, False)
    assert not a.node.book.knows(c.id, owner_id(3))
    assert a.node.book.knows(b.id, owner_id(2))


async def test_an_exported_charter_is_the_one_that_holds():
    """Text to charter and back, signatures and all."""
    world = World()
    a, *_ = await equals(world)

    assert parse_charter(a.node.trusting.charter().current.text, "here") == ROOT


async def test_a_version_that_nobody_announces_any_more_is_announced_again():
    """Once, by a node that has it; not while another's copy lives."""
    world = World()
    a, b, _ = await equals(world)
    keeper = Housekeeping(a.node)
    await keeper.tick()
    said = a.node.originator.position
    await keeper.tick()

    assert a.node.originator.position == said
    assert any(one for one in b.node.domain.ledger.bodies(5, b.clock.now()))


async def test_a_guest_takes_nobodys_charter_and_a_node_of_the_fleet_its_owners():
    """Who introduces himself must not say whom the other trusts; the own owner may."""
    world = World()
    a = await world.node("a", owner=1, charter=ROOT)
    guest = await world.node("guest", owner=7)
    own = await world.node("own", owner=0)
    for one, line in ((guest, {"guest": True}), (own, {})):
        answer = await a.app.invite(schema.InviteRequest(**line))
        work = asyncio.get_running_loop().create_task(one.app.join(schema.JoinRequest(token=answer.token)))
        for _ in range(50):
            await asyncio.sleep(0)
            await world.settle()
            if work.done():
                break
        await work

    assert ROOT_SETTING not in guest.store.values
    assert bytes.fromhex(own.store.values[ROOT_SETTING]) == ROOT.encode()
