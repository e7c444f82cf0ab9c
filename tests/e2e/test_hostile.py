"""Hostile peers with real sessions: refused, counted, and hung up on where they answer for it; nothing is adopted.

Mallory's owner is trusted with `solo` on C: what is refused here is refused for what it is, not for who says it. After
each attack an honest block of A's reaches C's kernel as if nothing had been.
"""

import itertools
import time

import msgpack
import pytest

from p2pfw.core.announcement import Action, Kind, build_other, build_revocation
from p2pfw.core.canonical import pack
from p2pfw.core.header import content_hash
from p2pfw.core.identity import NodeId, Uses, network_id, revoke
from p2pfw.core.idtext import encode_id
from p2pfw.core.proof import Identity, Role, prove
from p2pfw.core.wire import Bye, ByeCode, Hello, Ping, Pong, decode_frame, encode_frame
from tests.e2e.fleet import Owner, until
from tests.e2e.mallory import STORE_ID, Mallory, certificate_of

HOUR = 3_600
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def owner(fleet, tmp_path_factory):
    """Mallory's owner, whom C's operator trusts alone to block a host."""
    folder = tmp_path_factory.mktemp("mallory")
    folder.chmod(0o700)
    made = Owner(folder)
    answer = fleet.c.api.request("PUT", f"/v1/peers/{made.id}", {"trust": "solo", "name": "mallory"})
    assert answer.status == 200, answer
    return made


@pytest.fixture
def arena(fleet, owner):
    """The fleet and an empty record of refusals; afterwards an honest block must get through."""
    yield Arena(fleet, owner)
    number = next(_numbers)
    honest = f"55.{1 + number // 250}.{number % 250}.1"  # one host a /24: a lone voice gets no more than sixteen there
    begun = time.monotonic()
    fleet.a.api.block(honest)
    fleet.c.has(honest)
    assert time.monotonic() - begun < 20, "an honest block in the same second comes at once"


class Arena:
    """C, what it had refused before, and as many Mallorys as wanted, each with an address and a key of its own."""

    def __init__(self, fleet, owner):
        self.fleet, self.owner, self.victim = fleet, owner, fleet.c
        self.before = self.victim.api.status()["refusals"]

    def mallory(self, **options):
        number = next(_numbers)
        source = f"55.{100 + number % 100}.{number // 100}.1"
        self.fleet.attackers(source)
        return Mallory(self.fleet.attacker, source, self.victim, **options)

    def certificate(self, mallory, **terms):
        return certificate_of(self.owner, mallory.key, **terms)

    def session_of(self, mallory):
        return mallory.join(self.certificate(mallory))

    def counts(self, reason):
        """Wait until the reason was counted."""
        until(lambda: self.victim.api.status()["refusals"].get(reason, 0) > self.before.get(reason, 0))

    def adopts(self, prefix):
        """True when C blocks it, in its verdict or in its kernel."""
        return self.victim.api.why(prefix)["blocked"] or prefix.removesuffix("/32") in self.victim.installed()


async def test_a_trusted_peer_is_believed(arena):
    """The counter-proof: what all other tests make wrong is right here, and is in the kernel."""
    async with arena.mallory() as mallory:
        await arena.session_of(mallory)
        await mallory.push(mallory.says("56.1.1.1").raw)

        arena.victim.has("56.1.1.1")


# --- who is not let in ---------------------------------------------------------------------------------------------


async def test_another_network_is_refused(arena):
    """Its third message was sealed under another transcript."""
    async with arena.mallory(network=network_id("another")) as mallory:
        await mallory.socket.send_bytes(mallory.noise.write(lambda _: b""))
        await mallory.socket.receive_bytes()
        await mallory.socket.send_bytes(bytes(300))
        await mallory.closing()

        arena.counts("not-authentic")


@pytest.mark.parametrize("certified", [True, False], ids=["certified", "bare"])
async def test_a_stranger_is_refused(arena, tmp_path, certified):
    """A good handshake by somebody whom nobody named here: proven, told so, not let in."""
    tmp_path.chmod(0o700)
    stranger = Owner(tmp_path)
    async with arena.mallory() as mallory:
        certificate = certificate_of(stranger, mallory.key) if certified else b""
        session = await mallory.greet(signer=mallory.key, certificate=certificate)
        frame = decode_frame(session.open(await mallory.socket.receive_bytes()))
        await mallory.is_hung_up_on()

        assert frame == Bye(code=ByeCode.NOT_ADMITTED)
        arena.counts("stranger")


@pytest.mark.parametrize(
    "terms",
    [{"begin": -2 * HOUR, "end": -HOUR}, {"begin": HOUR, "end": 2 * HOUR}, {"uses": Uses.ANNOUNCE}],
    ids=["expired", "not-yet", "not-for-sessions"],
)
async def test_a_certificate_that_does_not_count_is_refused(arena, terms):
    """By the right owner, for the right node, and still not valid for this."""
    async with arena.mallory() as mallory:
        await mallory.greet(signer=mallory.key, certificate=arena.certificate(mallory, **terms))
        await mallory.is_hung_up_on()

        arena.counts("bad-certificate")


async def test_a_certificate_of_another_node_is_refused(arena):
    """A stolen certificate proves nothing about who shows it."""
    async with arena.mallory() as mallory, arena.mallory() as other:
        await mallory.greet(signer=mallory.key, certificate=arena.certificate(other))
        await mallory.is_hung_up_on()

        arena.counts("bad-certificate")


async def test_nobody_holds_a_session_as_somebody_else(arena):
    """A's id and certificate, and a proof that Mallory signed."""
    async with arena.mallory() as mallory:
        claimed = arena.fleet.a.key.public_key

        class Pretender:
            public_key = claimed
            sign = staticmethod(mallory.key.sign)

        identity = Identity(signer=Pretender(), certificate=b"")
        await mallory.greet(lambda transcript: prove(identity, Role.INITIATOR, transcript))
        await mallory.is_hung_up_on()

        arena.counts("bad-proof")
        assert arena.victim.api.status()["peers"] >= 1


async def test_a_revoked_node_is_dropped_and_not_let_in_again(arena):
    """A revocation by its owner, brought by another of its nodes, ends the session and voids what it said."""
    async with arena.mallory() as thief, arena.mallory() as honest:
        await arena.session_of(thief)
        await thief.push(thief.says("56.2.2.2").raw)
        arena.victim.has("56.2.2.2")
        await arena.session_of(honest)
        revocation = revoke(arena.owner.key, node=NodeId(thief.key.public_key), created=int(time.time()))
        await honest.push(build_revocation(honest.key, honest.stamp(), revocation).raw)
        await thief.is_hung_up_on()

        arena.victim.lacks("56.2.2.2")
        await honest.is_served()
    async with arena.mallory(key=thief.key) as again:
        await again.greet(signer=again.key, certificate=arena.certificate(again))
        await again.is_hung_up_on()

        arena.counts("revoked")


# --- what is not taken ---------------------------------------------------------------------------------------------


async def test_a_tampered_frame_ends_the_session(arena):
    """One bit of the sealed bytes."""
    async with arena.mallory() as mallory:
        await arena.session_of(mallory)
        sealed = bytearray(mallory.session.seal(encode_frame(Bye(code=0))))
        sealed[len(sealed) // 2] ^= 1
        await mallory.socket.send_bytes(bytes(sealed))
        await mallory.is_hung_up_on()

        arena.counts("not-authentic")


async def test_a_replayed_frame_ends_the_session(arena):
    """The same sealed bytes a second time do not open."""
    async with arena.mallory() as mallory:
        await arena.session_of(mallory)
        sealed = mallory.session.seal(encode_frame(Ping(token=1, clock_ms=0)))
        await mallory.socket.send_bytes(sealed)
        await mallory.hears(Pong)
        await mallory.socket.send_bytes(sealed)
        await mallory.is_hung_up_on()

        arena.counts("not-authentic")


async def test_garbage_in_a_frame_ends_the_session(arena):
    """Properly sealed, and no frame."""
    async with arena.mallory() as mallory:
        await arena.session_of(mallory)
        await mallory.socket.send_bytes(mallory.session.seal(b"\xff" * 40))
        await mallory.is_hung_up_on()

        arena.counts("bad-frame")


def forged(mallory, arena):
    """In A's name."""
    return mallory.resigned(mallory.says(TARGET), origin=NodeId(arena.fleet.a.key.public_key))


def other_body(mallory, _arena):
    """Under a header that names another body."""
    return mallory.resigned(mallory.says("56.9.9.9"), body=mallory.says(TARGET).raw.body)


def other_network(mallory, _arena):
    """Made for another network."""
    return mallory.resigned(mallory.says(TARGET), network=network_id("another")[:8])


def too_long(mallory, _arena):
    """Lives for a year."""
    said = mallory.says(TARGET)
    return mallory.resigned(said, expires=said.header.created + 365 * 86_400)


def respelled(mallory, _arena):
    """A number in the header spelled with more bytes than it needs."""
    said = mallory.says(TARGET)
    header = said.raw.header
    assert header[1] == 1, "the version, one byte"
    return mallory.signed(header[:1] + b"\xcc\x01" + header[2:], said.raw.body)


def unsorted(mallory, _arena):
    """Two records in the wrong order, and the right hash of that."""
    said = mallory.says(TARGET)
    body = said.raw.body + mallory.says("1.2.3.4").raw.body
    return mallory.resigned(said, body=body, n4=2, body_len=len(body), body_hash=content_hash(body))


def host_bits(mallory, _arena):
    """A /24 with a host's bits."""
    said = mallory.says(TARGET)
    body = bytearray(said.raw.body)
    body[4] = 24
    return mallory.resigned(said, body=bytes(body), body_hash=content_hash(bytes(body)))


def no_consent(mallory, arena):
    """A certificate by Mallory's owner for C itself, under Mallory's signature."""
    body = certificate_of(arena.owner, arena.victim.key)
    expires = int(time.time()) + 31 * 86_400
    return build_other(mallory.key, mallory.stamp(), Kind.CERTIFICATE, body, expires).raw


TARGET = "56.66.66.66"
BLAMED = [
    (forged, "bad-signature"),
    (other_body, "body-hash"),
    (other_network, "wrong-network"),
    (too_long, "lifetime-too-long"),
    (respelled, "not-canonical"),
    (unsorted, "not-canonical"),
    (host_bits, "not-canonical"),
    (no_consent, "bad-certificate"),
]


@pytest.mark.parametrize("make, reason", BLAMED, ids=[make.__name__ for make, _ in BLAMED])
async def test_what_its_sender_answers_for_ends_the_session(arena, make, reason):
    """Counted, hung up on, banned, not adopted."""
    async with arena.mallory() as mallory:
        await arena.session_of(mallory)
        await mallory.push(make(mallory, arena))
        await mallory.is_hung_up_on()

        arena.counts(reason)
        assert not arena.adopts(TARGET)
    async with arena.mallory(key=mallory.key) as again:
        await again.greet(signer=again.key, certificate=arena.certificate(again))
        await again.is_hung_up_on()

        arena.counts("banned")


@pytest.mark.parametrize("shift, ttl, reason", [(HOUR, HOUR, "future"), (-2 * HOUR, HOUR, "expired")])
async def test_what_a_clock_may_be_guilty_of_is_only_refused(arena, shift, ttl, reason):
    """An hour ahead, or over for an hour: counted and not adopted, and the session goes on."""
    async with arena.mallory() as mallory:
        await arena.session_of(mallory)
        await mallory.push(mallory.says(TARGET, shift=shift, ttl=ttl).raw)
        await mallory.is_served()

        arena.counts(reason)
        assert not arena.adopts(TARGET)


@pytest.mark.parametrize(
    "prefix", ["0.0.0.0/1", "44.0.0.0/8", "44.0.0.0/16", "44.1.2.0/23", "2a00::/12", "2a00:1::/47"]
)
async def test_what_is_too_wide_is_refused_by_policy(arena, prefix):
    """Whatever the trust: shown as refused, and not in the kernel."""
    async with arena.mallory() as mallory:
        await arena.session_of(mallory)
        await mallory.push(mallory.says(prefix).raw)
        await mallory.is_served()
        verdict = until(lambda: arena.victim.api.why(prefix)["verdict"])

        assert verdict == "REFUSE"
        assert arena.victim.api.status()["refused"] >= 1
        assert not arena.adopts(prefix)


async def test_what_a_stranger_said_is_shown_and_not_taken(arena):
    """Relayed by a peer who is trusted: counted, its origin named in the status, and no word of it adopted."""
    stranger = arena.mallory()
    async with arena.mallory() as mallory:
        await arena.session_of(mallory)
        await mallory.push(stranger.says("56.1.1.7").raw)
        await mallory.is_served()

        arena.counts("not-carried")
        assert encode_id(stranger.key.public_key) in arena.victim.api.status()["origins_not_carried"]
        assert not arena.adopts("56.1.1.7")


async def test_a_replay_resurrects_nothing(arena):
    """Block, retract, and the block's bytes once more, by the same node and by another in a new session."""
    source = "56.3.3.3"
    async with arena.mallory() as mallory:
        await arena.session_of(mallory)
        said = mallory.says(source).raw
        await mallory.push(said)
        arena.victim.has(source)
        await mallory.push(mallory.says(source, action=Action.RETRACT, ttl=2 * HOUR).raw)
        arena.victim.lacks(source)
        await mallory.push(said)
        await mallory.is_served()
        async with arena.mallory() as another:
            await arena.session_of(another)
            await another.push(said)
            await another.is_served()

        assert not arena.adopts(source)


@pytest.mark.parametrize("sequence, reason", [((1 << 63) - 1, "bad-signature"), ((1 << 64) - 1, "malformed")])
async def test_a_claim_about_our_own_numbers_needs_our_signature(arena, sequence, reason):
    """A HELLO that says that C has said number 2^63 - 1, or 2^64 - 1: counted, and C goes on counting as before."""
    async with arena.mallory() as mallory:
        ours = mallory.resigned(mallory.says(TARGET), origin=NodeId(arena.victim.key.public_key))
        fields = msgpack.unpackb(ours.header)
        fields[5] = sequence
        header = pack(fields)
        mallory.session = await mallory.greet(signer=mallory.key, certificate=arena.certificate(mallory))
        claim = mallory.signed(header, b"")
        await mallory.say(
            Hello(
                versions=(1,),
                store_id=STORE_ID,
                clock_ms=int(time.time() * 1000),
                held_header=claim.header,
                held_signature=claim.signature,
            )
        )
        await mallory.is_served()

        arena.counts(reason)
    spoken = f"56.4.{sequence % 251}.4"
    answer = arena.victim.api.block(spoken)
    assert answer["announcement"]
    arena.victim.has(spoken)


async def test_mallory_cannot_speak_for_the_fleet(arena):
    """A's word is the operator's word on B only with A's owner behind it: Mallory's is one voice on C and none on B."""
    async with arena.mallory() as mallory:
        await arena.session_of(mallory)
        await mallory.push(mallory.says("56.5.5.5").raw)
        arena.victim.has("56.5.5.5")

        assert not arena.fleet.b.api.why("56.5.5.5")["blocked"]
        assert not arena.fleet.a.api.why("56.5.5.5")["blocked"]
