"""One pasted line makes two servers work together: fleets, guests, and everything that is wrong with a line."""

import asyncio

import pytest

from p2pfw import schema
from p2pfw.app.joining import BACKDATE, MAX_INVITES, redeem
from p2pfw.core.identity import DAY, NodeId, Uses, certify
from p2pfw.core.token import Token, key_hash, secret_hash
from p2pfw.core.wire import JoinAnswer, JoinNode, JoinRefusal, JoinRequest, Ping, encode_frame
from p2pfw.errors import AdmissionError, ConflictError, InputError, SignatureError, StoreError
from p2pfw.ports import DialTarget, SendClass
from p2pfw.rows import InviteRow, PeerRow
from tests.app.fakes import START
from tests.app.world import Running, World, key, node_key, owner_key, peer_id

BAD = "203.0.113.9"


async def invite(one: Running, **wishes) -> str:
    """The token that `p2pfw invite` would print."""
    return (await one.app.invite(schema.InviteRequest(**wishes))).token


async def join(one: Running, token: str, trust: str | float = "trio") -> schema.JoinAnswer:
    """Redeem it, with the wires carrying what both sides say."""
    task = asyncio.create_task(one.app.join(schema.JoinRequest(token=token, trust=trust)))
    for _ in range(200):
        await asyncio.sleep(0)
        one.world.wires.carry()
        one.judge()
        if task.done():
            break
    return await asyncio.wait_for(task, 5)


async def test_a_fleet_invitation_makes_a_fleet():
    """B becomes a node of A's owner, and after its restart a block on either is dropped on both."""
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b")
    answer = await join(b, await invite(a))
    assert (answer.guest, answer.nodes, answer.mode) == (False, 2, "observe")
    assert answer.text == (
        "b is now in fleet example (2 nodes). A block on any of them is dropped here. "
        "Mode: observe; p2pfw enforce on to start."
    )
    await world.settle()
    await b.restart()
    assert b.owner == a.owner
    world.dial(b)
    await world.settle()
    await b.block(BAD)
    await world.settle()

    assert a.adopts(BAD)
    assert [view.name for view in a.app.owner().nodes if view.id == peer_id(b)] == ["b"]


async def test_the_new_certificate_holds_over_the_one_that_init_made():
    """`init` certified the node a moment ago with an owner key of its own: of the two, the join's is newer."""
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b", owner=2, start=False)
    b.store.values["certificate"] = (
        certify(owner_key(2), b.id, serial=1, not_before=START - 1, not_after=START + 80 * DAY, uses=Uses.ALL)
        .encode()
        .hex()
    )
    b._build()
    await b.start()
    await join(b, await invite(a))
    await b.restart()
    world.dial(b)
    await world.settle()

    assert b.owner == a.owner
    assert a.node.domain.directory.owner_of(b.id, START) == a.owner
    assert b.node.me.owner_key is not None  # the old one: node.py drops it, this bench does not


async def test_a_guest_invitation_introduces_two_owners():
    """Each says which trust it gives; both know the other from then on; no certificate changes hands."""
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b", owner=2)
    answer = await join(b, await invite(a, guest=True, trust="solo"), trust="pair")
    await world.settle()

    assert answer.guest
    assert "You give it trust 0.40; it gives you 0.90." in answer.text
    assert a.node.domain.trust.given(b.owner).trust == 0.9
    assert b.node.domain.trust.given(a.owner).trust == 0.4
    assert b.owner != a.owner
    world.dial(b)
    await world.settle()
    await b.block(BAD)
    await world.settle()
    assert a.adopts(BAD)


async def test_a_line_works_once():
    """Used up with the first success, synced before the answer, gone after a restart too."""
    world = World()
    a, b, c = await world.node("a", owner=1), await world.node("b"), await world.node("c")
    token = await invite(a)
    await join(b, token)
    assert a.store.rows(InviteRow) == []
    with pytest.raises(InputError, match="cannot be reached"):
        await join(c, token)
    await a.restart()

    with pytest.raises(InputError):
        await join(c, token)


async def test_a_line_for_several_servers_counts_down():
    """`--uses 2`: two, and no third."""
    world = World()
    a = await world.node("a", owner=1)
    others = [await world.node(name) for name in ("b", "c", "d")]
    token = await invite(a, uses=2)
    for one in others[:2]:
        await join(one, token)

    with pytest.raises(InputError):
        await join(others[2], token)


async def test_a_line_ends():
    """After its hour it opens no door."""
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b")
    token = await invite(a, ttl="10m")
    world.clock.pass_time(601)

    with pytest.raises(InputError, match=r"bad-invitation|unknown, used up or expired"):
        await join(b, token)
    await invite(a)
    assert len(a.store.rows(InviteRow)) == 1


async def test_only_the_hash_of_a_secret_is_kept():
    """Whoever reads the disk cannot join."""
    world = World()
    a = await world.node("a", owner=1)
    token = Token.parse(await invite(a))
    (row,) = a.store.rows(InviteRow)

    assert row.secret_hash == secret_hash(token.secret)
    assert token.secret != row.secret_hash
    assert token.key_hash == key_hash(a.id)


async def test_a_use_that_the_disk_refused_is_not_used_up():
    """The joiner is told; when the disk works again, the same line works."""
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b")
    token = await invite(a)
    a.store.fill_up()
    with pytest.raises(InputError, match="disk"):
        await join(b, token)
    a.store.repair()

    assert not (await join(b, token)).guest


async def test_a_joiners_full_disk_joins_nothing():
    """Without the certificate on its own disk it is not in the fleet, and says so."""
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b")
    token = await invite(a)
    b.store.fill_up()
    with pytest.raises(StoreError):
        await join(b, token)

    assert b.joined == []


async def test_a_session_with_a_secret_may_do_nothing_but_join():
    """Any other frame ends it; gossip never sees it."""
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b")
    token = Token.parse(await invite(a))
    b.node.peering._asking = None
    b.node.book.put(PeerRow(id=a.id, owner=a.owner, name="a", trust=0.3))
    session = b.transport.connect(DialTarget(url=a.transport.url, token=token.secret))
    assert a.node.peering.sessions == []
    b.transport.send(session, encode_frame(Ping(token=1, clock_ms=0)), SendClass.CONTROL)
    world.wires.carry()

    assert session not in b.transport.open


async def test_strangers_are_not_let_in():
    """Closed by default; each refusal is counted, and told at most once a second."""
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b", owner=2)
    await world.know(b, a, trust=0.3)
    for _ in range(5):
        with pytest.raises(AdmissionError):
            world.call(b, a)

    assert a.app.status().refusals["stranger"] == 5
    assert len(a.events("peer-refused")) == 1


@pytest.mark.parametrize(
    ("wishes", "text"),
    [({"ttl": "forever"}, "must end"), ({"trust": "2"}, "trust"), ({"trust": "friend"}, "trust")],
)
async def test_impossible_invitations_are_refused(wishes: dict, text: str):
    """With the field that is wrong."""
    world = World()
    a = await world.node("a", owner=1)
    with pytest.raises(InputError, match=text):
        await invite(a, **wishes)


async def test_who_cannot_certify_cannot_invite_into_the_fleet():
    """Without the owner key: a guest, or elsewhere."""
    world = World()
    a = await world.node("a", owner=1, holds_owner_key=False)
    with pytest.raises(InputError, match="does not hold its owner's key"):
        await invite(a)

    assert await invite(a, guest=True)


async def test_a_node_that_nobody_can_dial_cannot_invite():
    """It names what to set."""
    world = World()
    a = await world.node("a", owner=1)
    a.node.household.bound = ""
    with pytest.raises(InputError, match=r"listen\.peer"):
        await invite(a)


async def test_open_invitations_are_bounded():
    """A thousand, counting none that has ended."""
    world = World()
    a = await world.node("a", owner=1)
    rows = [
        InviteRow(secret_hash=number.to_bytes(32), guest=True, trust=0.3, uses_left=1, expires=START + 60)
        for number in range(MAX_INVITES)
    ]
    a.node.invitations.load(rows)
    with pytest.raises(InputError, match="open already"):
        await invite(a)
    world.clock.pass_time(61)

    assert await invite(a)


async def test_a_line_for_another_network_is_refused_before_anything_is_sent():
    """409 with what to set."""
    world = World()
    b = await world.node("b")
    token = Token(key_hash=bytes(16), secret=bytes(16), network="other", addresses=("ws://10.0.0.9:1",))
    with pytest.raises(ConflictError, match=r"node\.network"):
        await join(b, str(token))


async def test_an_inviter_that_is_somebody_else_never_sees_the_secret():
    """The key hash in the line is checked in the handshake: the address may be anybody's."""
    world = World()
    a, b, evil = await world.node("a", owner=1), await world.node("b"), await world.node("evil")
    token = Token.parse(await invite(a))
    wrong = Token(key_hash=token.key_hash, secret=token.secret, network=token.network, addresses=(evil.transport.url,))
    with pytest.raises(InputError, match="cannot be reached") as caught:
        await join(b, str(wrong))

    assert evil.node.peering.sessions == []
    assert evil.transport.url in caught.value.hint


async def test_an_inviter_cannot_change_what_the_operator_said_of_others():
    """Its list of nodes is its own: a peer that is named already keeps its owner, trust and addresses."""
    world = World()
    a, b, c = await world.node("a", owner=1), await world.node("b", owner=2), await world.node("c", owner=3)
    await world.know(b, c, trust=0.9)
    lie = JoinNode(node=c.id, name="stolen", addresses=("ws://10.6.6.6:1",))
    honest = a.node.household.fleet_nodes
    a.node.household.fleet_nodes = lambda: [*honest(), lie]
    await join(b, await invite(a, guest=True), trust="watch")
    await world.settle()

    assert b.node.domain.trust.given(c.owner).trust == 0.9
    assert b.node.book.get(c.id).name == "c"
    assert {row.name for row in b.store.rows(PeerRow)} == {"a", "c"}


class Answers:
    """joining.Caller with a prepared answer."""

    def __init__(self, inviter: NodeId, answer: JoinAnswer | JoinRefusal) -> None:
        self.inviter, self.answer = inviter, answer

    async def ask(self, token: Token, request: JoinRequest) -> tuple[NodeId, JoinAnswer | JoinRefusal]:
        return self.inviter, self.answer


ME, INVITER = NodeId(node_key(1).public_key), NodeId(node_key(2).public_key)
TOKEN = Token(key_hash=key_hash(INVITER), secret=bytes(16), network="example", addresses=("ws://10.0.0.2:1",))
REQUEST = JoinRequest(guest=False, name="me", addresses=(), owner=ME, owner_name="", trust=0.3)


def answered(certificate: bytes) -> JoinAnswer:
    """An inviter's answer with this certificate."""
    return JoinAnswer(
        certificate=certificate,
        owner=owner_key(1).public_key,
        owner_name="acme",
        network="example",
        nodes=(JoinNode(node=INVITER, name="a", addresses=()),),
        trust=0.0,
    )


def certified(node: NodeId = ME, owner: int = 1, begins: int = START) -> bytes:
    """A certificate as bytes."""
    return certify(
        owner_key(owner), node, serial=1, not_before=begins, not_after=begins + 90 * DAY, uses=Uses.ALL
    ).encode()


async def test_a_good_answer_is_taken():
    """Its certificate, and its nodes as rows pinned to its owner."""
    joined = await redeem(Answers(INVITER, answered(certified())), TOKEN, REQUEST, ME, START)

    assert joined.certificate is not None
    assert joined.certificate.owner == owner_key(1).public_key
    assert [(row.id, row.owner, row.trust) for row in joined.rows] == [(INVITER, owner_key(1).public_key, None)]


@pytest.mark.parametrize(
    "certificate",
    [
        certified(node=INVITER),
        certified(owner=2),
        certified(begins=START + BACKDATE * 10),
        certified(begins=START - 91 * DAY),
    ],
    ids=["another node", "another owner", "future", "past"],
)
async def test_a_certificate_that_does_not_fit_is_refused(certificate: bytes):
    """For another node, by another owner, not yet or no longer valid."""
    with pytest.raises(InputError, match="not for this node and now"):
        await redeem(Answers(INVITER, answered(certificate)), TOKEN, REQUEST, ME, START)


async def test_a_forged_certificate_is_refused():
    """Its signature is checked."""
    forged = certified()[:-1] + bytes([certified()[-1] ^ 1])
    with pytest.raises((SignatureError, InputError)):
        await redeem(Answers(INVITER, answered(forged)), TOKEN, REQUEST, ME, START)


async def test_refusals_are_told_in_words():
    """Known codes in sentences, unknown ones as they are."""
    for code, text in (("unknown", "ask for a new line"), ("no-owner-key", "no longer holds"), ("odd", "odd")):
        with pytest.raises(InputError, match=text):
            await redeem(Answers(INVITER, JoinRefusal(code=code)), TOKEN, REQUEST, ME, START)


async def test_somebody_elses_answer_is_refused():
    """Checked again behind the transport."""
    with pytest.raises(InputError, match="somebody else"):
        await redeem(Answers(ME, answered(certified())), TOKEN, REQUEST, ME, START)


async def test_silence_is_no_answer(monkeypatch):
    """The joiner gives up in time."""

    class Silent(Answers):
        async def ask(self, token, request):
            await asyncio.sleep(60)

    monkeypatch.setattr("p2pfw.app.joining.ANSWER_WITHIN", 0.01)
    with pytest.raises(InputError, match="did not answer"):
        await redeem(Silent(INVITER, JoinRefusal(code="x")), TOKEN, REQUEST, ME, START)


async def test_two_joins_at_a_time_are_one_too_many():
    """The second is told so, and does not disturb the first."""
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b")
    token = await invite(a, uses=2)
    first = asyncio.create_task(b.app.join(schema.JoinRequest(token=token, trust="trio")))
    while b.node.peering._asking is None:  # noqa: ASYNC110  # it tells nobody when it begins
        await asyncio.sleep(0)
    with pytest.raises(InputError, match="under way"):
        await join(b, token)

    assert not (await asyncio.wait_for(first, 5)).guest


async def test_blocks_of_a_fleet_reach_a_node_that_joined(monkeypatch):
    """What the fleet said before comes with the first reconciliation."""
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b")
    await a.block(BAD, ttl="1d")
    await world.advance(seconds=60)
    await join(b, await invite(a))
    await world.settle()
    await b.restart()
    world.dial(b)
    await world.advance(seconds=60)

    assert b.adopts(BAD)
    assert key(BAD) not in b.node.domain.standing
