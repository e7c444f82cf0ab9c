"""The operator's word on peers at run time: trust, distrust, names, addresses, and what is seen of each."""

import pytest

from p2pfw import schema
from p2pfw.core.idtext import encode_id
from p2pfw.core.prefix import Prefix
from p2pfw.errors import AdmissionError, InputError, NotFoundError, StoreError
from p2pfw.operations import Caller
from p2pfw.rows import PeerRow
from tests.app.world import CALLER, Running, World, peer_id

BAD = "203.0.113.9"


async def strangers(world: World) -> tuple[Running, Running]:
    """A and C of two owners, connected, trusting one another a little."""
    a, c = await world.node("a", owner=1), await world.node("c", owner=2)
    await world.meet(a, c, trust=0.3)
    await world.advance(seconds=2)
    return a, c


async def put(one: Running, peer: str, **request) -> schema.PeerView:
    """PUT /v1/peers/{id}."""
    return await one.beside(one.app.put_peer(peer, schema.PeerRequest(**request), CALLER))


async def test_trust_changes_verdicts_before_the_answer():
    """Raised: adopted when it returns. Lowered: gone when it returns; over restarts too."""
    world = World()
    a, c = await strangers(world)
    await c.block(BAD)
    await world.settle()
    assert not a.adopts(BAD)
    view = await put(a, "c", trust="solo")
    assert (view.trust, view.trust_from, view.state) == (0.9, "configured", "connected")
    assert a.adopts(BAD)
    await a.restart(crash=True)
    a.judge()
    assert a.node.domain.trust.given(c.owner).trust == 0.9
    await put(a, "c", trust=0.0)

    assert not a.adopts(BAD)


async def test_an_owner_is_connected_while_one_of_its_nodes_is():
    """Named by the owner's id: state, address and what was said are those of its nodes, which have its name."""
    world = World()
    a, c = await strangers(world)
    await put(a, encode_id(c.owner), name="helios", trust=0.9)
    await c.block(BAD)
    await world.settle()
    owner = a.app.peer("helios")

    assert (owner.id, owner.state, owner.entries) == (encode_id(c.owner), "connected", 1)
    why = await a.app.why(Prefix.parse(BAD))
    assert [one.name for one in why.evidence] == ["helios"]


async def test_trust_may_depend_on_the_category():
    """What is trusted in ssh need not be in mail."""
    world = World()
    a, c = await strangers(world)
    view = await put(a, "c", trust=0.9, trust_for={"mail": 0.1})
    await c.block(BAD, category="ssh")
    await c.block("203.0.113.10", category="mail")
    await world.settle()

    assert view.trust_for == {"mail": 0.1}
    assert a.adopts(BAD)
    assert not a.adopts("203.0.113.10")


async def test_distrust_ends_the_session_and_shuts_the_door():
    """Nothing of it counts any more, and it is not let in; trust opens the door again."""
    world = World()
    a, c = await strangers(world)
    await put(a, "c", trust=0.9)
    await c.block(BAD)
    await world.settle()
    assert a.adopts(BAD)
    view = await put(a, "c", distrust=True)

    assert not a.adopts(BAD)
    assert view.trust == 0.0
    assert a.node.peering.session_with(c.id) is None
    with pytest.raises(AdmissionError):
        world.call(c, a)
    await put(a, "c", name="renamed")
    with pytest.raises(AdmissionError):
        world.call(c, a)
    await put(a, "renamed", trust=0.9)
    world.call(c, a)


async def test_forgetting_takes_back_the_word():
    """Trust, addresses and admission; a peer of the file stays forgotten, one of the run time leaves no trace."""
    world = World()
    a, c = await strangers(world)
    await put(a, "c", trust=0.9)
    await a.beside(a.app.forget_peer("c", CALLER))

    assert a.node.domain.trust.given(c.owner) is None
    assert a.store.rows(PeerRow) == []
    assert a.transport.targets == []
    assert a.node.peering.session_with(c.id) is None
    with pytest.raises(NotFoundError):
        await a.app.forget_peer(peer_id(c), CALLER)


async def test_a_new_peer_gets_the_default_trust():
    """Named without a number: what the policy says for new ones; addresses get their scheme."""
    world = World()
    a = await world.node("a", owner=1, default_trust=0.25)
    c = await world.node("c", owner=2)
    view = await put(a, peer_id(c), name="helios", addresses=["10.0.0.2:7787"])

    assert (view.trust, view.name, view.addresses) == (0.25, "helios", ["ws://10.0.0.2:7787"])
    assert [target.url for target in a.transport.targets] == ["ws://10.0.0.2:7787"]
    assert view.state == "connecting"
    a.transport.problems["ws://10.0.0.2:7787"] = "nobody answers there"
    after = a.app.peer("helios")
    assert (after.state, after.last_error) == ("unreachable", "nobody answers there")


async def test_peers_are_found_by_name_and_id_in_any_spelling():
    """Upper case and dashes are forgiven; unknown names and damaged ids are not."""
    world = World()
    a, c = await strangers(world)
    text = peer_id(c)
    for spelling in ("c", text, text.upper()):
        assert a.app.peer(spelling).id == text
    with pytest.raises(NotFoundError):
        a.app.peer("nobody")
    with pytest.raises(InputError):
        a.app.peer(text[:-1])
    with pytest.raises(NotFoundError, match="known here"):
        a.app.peer(encode_id(bytes(32)))


async def test_this_node_is_no_peer_of_its_own():
    """Its own id is refused."""
    world = World()
    a = await world.node("a", owner=1)
    with pytest.raises(InputError, match="own id"):
        await put(a, peer_id(a), trust=0.5)


@pytest.mark.parametrize("trust", ["friend", 1.5, -0.1])
async def test_impossible_trust_is_refused(trust: object):
    """And nothing is kept of the request."""
    world = World()
    a, c = await strangers(world)
    before = a.store.rows(PeerRow)
    with pytest.raises(InputError):
        await put(a, peer_id(c), trust=trust, name="other")

    assert a.store.rows(PeerRow) == before


async def test_on_a_full_disk_the_word_does_not_count():
    """Trust that the next start would not know is not given."""
    world = World()
    a, _ = await strangers(world)
    a.store.fill_up()
    with pytest.raises(StoreError):
        await put(a, "c", trust=0.9)
    with pytest.raises(StoreError):
        await a.app.forget_peer("c", Caller(name="socket:0"))

    assert a.app.peer("c").trust == 0.3


async def test_the_list_shows_fleet_first_and_what_is_measured():
    """Names, states, trust, bytes, ages of certificates; fleet before others."""
    world = World()
    a, c = await strangers(world)
    b = await world.node("b", owner=1)
    await world.meet(a, b)
    await c.block(BAD)
    await world.advance(seconds=60, step=2)
    views = a.app.peers().peers

    assert [(view.name, view.fleet, view.state) for view in views] == [
        ("b", True, "connected"),
        ("c", False, "connected"),
    ]
    assert views[0].trust_from == "own fleet"
    assert views[1].entries == 1
    assert views[1].bytes_in == 1
    assert views[1].certificate_expires is not None
    assert views[1].clock_offset_ms == 0


async def test_banned_peers_are_shown_as_such():
    """A configured peer is never banned silently (protocol 6)."""
    world = World()
    a, c = await strangers(world)
    session = a.node.peering.session_with(c.id)
    a.transport.deliver(session, b"\xc1 no frame at all")

    assert a.app.peer("c").state == "banned"
    assert a.app.status().refusals


async def test_two_peers_of_one_name_need_their_ids():
    """Ambiguous is an error, not a guess."""
    world = World()
    a, c = await strangers(world)
    d = await world.node("d", owner=3)
    await put(a, peer_id(d), name="c")

    with pytest.raises(InputError, match="2 peers are named"):
        a.app.peer("c")
    assert a.app.peer(peer_id(c)).id == peer_id(c)


async def test_several_words_on_one_owner_give_the_lowest_trust():
    """Nobody is trusted more by being named twice."""
    world = World()
    a, c = await strangers(world)
    d = await world.node("d", owner=2)
    await world.meet(a, d, trust=0.9)
    assert a.node.domain.trust.given(c.owner).trust == 0.3
    await put(a, "c", trust=0.9)

    assert a.node.domain.trust.given(c.owner).trust == 0.9
