"""Handshake and session: who is speaking is proven, in this session, in this role, or nothing happens."""

import random

import pytest

from p2pfw.core.canonical import pack
from p2pfw.core.handshake import VERSIONS, Initiator, Responder, Terms, parse_offer, pick
from p2pfw.core.identity import Certificate, SigningKey, Uses, certify, network_id
from p2pfw.core.noise import XX, KeyPair, Keys, NoiseHandshake
from p2pfw.core.proof import CONTEXT, Identity, Role, check, prove, reason_of
from p2pfw.core.session import MAX_FRAME, REKEY_FRAMES, Session
from p2pfw.errors import AdmissionError, CertificateError, FrameError, HandshakeError, PeerError, SignatureError

NOW = 1_800_000_000
TERMS = Terms(network=network_id("test"))
ALICE, BOB, OWNER, MALLORY = (SigningKey(bytes([number]) * 32) for number in range(1, 5))
TOKEN = b"sixteen byte key"


def certificate(node=ALICE, *, owner=OWNER, begin=NOW - 100, end=NOW + 1_000, uses=Uses.ALL):
    """A certificate as the cases below need it."""
    return certify(owner, node.public_key, serial=1, not_before=begin, not_after=end, uses=uses)


def fresh_keys(chance):
    """Ephemeral and static keys for one side of one handshake."""
    return Keys(ephemeral=KeyPair.of(chance.randbytes(32)), static=KeyPair.of(chance.randbytes(32)))


def initiator(identity=None, terms=TERMS, *, seed=1, expects=None):
    """Alice, who calls."""
    return Initiator(
        identity or Identity(signer=ALICE, certificate=certificate().encode(), features=5, token=TOKEN),
        terms,
        fresh_keys(random.Random(seed)),
        expects=expects,
    )


def responder(identity=None, terms=TERMS, *, seed=2):
    """Bob, who is called."""
    return Responder(identity or Identity(signer=BOB), terms, fresh_keys(random.Random(seed)))


def sessions():
    """Both ends of one open session."""
    left, right = initiator(), responder()
    left.meet(right.answer(left.offer()), NOW)
    right.meet(left.answer(), NOW)
    return left.session(), right.session()


class RawInitiator:
    """A dialler that keeps Noise's rules and puts whatever it likes into message 3."""

    def __init__(self, target, *, seed=9):
        self.noise = NoiseHandshake(XX, fresh_keys(random.Random(seed)), initiator=True, prologue=TERMS.prologue())
        self.payload, _ = self.noise.read(target.answer(self.noise.write(lambda _: b"")))

    def message_3(self, payload):
        return self.noise.write(payload)


# --- the handshake -----------------------------------------------------------------------------------------------


def test_both_sides_learn_who_the_other_is():
    """Message 2 proves the responder, message 3 the initiator with certificate, features and token."""
    left, right = initiator(), responder()
    met = left.meet(right.answer(left.offer()), NOW)
    called = right.meet(left.answer(), NOW)

    assert (met.node, met.certificate, met.features, met.token) == (BOB.public_key, None, 0, b"")
    assert (called.node, called.certificate) == (ALICE.public_key, certificate())
    assert (called.features, called.token) == (5, TOKEN)


def test_both_sides_agree_on_one_session():
    """The same id on both sides, frames in both directions, other sessions have other ids."""
    left, right = sessions()

    assert left.id == right.id
    assert right.open(left.seal(b"to the right")) == b"to the right"
    assert left.open(right.seal(b"to the left")) == b"to the left"


def test_messages_have_the_sizes_of_the_protocol():
    """M1 is 32 bytes; with certificate and token the others stay far below 1,024."""
    left, right = initiator(), responder(Identity(signer=BOB, certificate=certificate(BOB).encode()))
    first = left.offer()
    second = right.answer(first)
    left.meet(second, NOW)

    assert len(first) == 32
    assert len(second) < 512
    assert len(left.answer()) < 512


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_first_message_is_exactly_a_key(size):
    """Nothing may be said before the responder has proven itself."""
    with pytest.raises(HandshakeError) as caught:
        responder().answer(bytes(size))
    assert caught.value.code == "malformed-message"


@pytest.mark.parametrize("size", [0, 47, 1_025, 65_000])
def test_other_messages_have_their_limit(size):
    """Message 2 and 3 are at least a key and at most 1,024 bytes."""
    left = initiator()
    left.offer()

    with pytest.raises(HandshakeError) as caught:
        left.meet(bytes(size), NOW)
    assert caught.value.code in {"malformed-message", "weak-key"}


def test_proof_that_would_not_fit_is_our_own_mistake():
    """The limit holds for what we send, too."""
    with pytest.raises(ValueError, match="own proof"):
        responder(Identity(signer=BOB, certificate=bytes(1_000))).answer(initiator().offer())


@pytest.mark.parametrize(
    "other",
    [
        Terms(network=network_id("other")),
        Terms(network=TERMS.network, offered=("p2pfw.2", "p2pfw.1")),
        Terms(network=TERMS.network, picked="p2pfw.0"),
    ],
    ids=["network", "stripped offer", "downgrade"],
)
def test_who_means_something_else_is_not_understood(other):
    """Network, offered and picked version are in the prologue: message 2 does not open, message 3 is never sent."""
    left, right = initiator(terms=other), responder()
    message = right.answer(left.offer())

    with pytest.raises(HandshakeError) as caught:
        left.meet(message, NOW)
    assert caught.value.code == "not-authentic"
    with pytest.raises(HandshakeError, match="no such step"):
        left.answer()


def test_impostor_never_learns_who_called():
    """Another node than the expected one: refused after message 2, and there is no message 3."""
    left, right = initiator(expects=lambda node: node == MALLORY.public_key), responder()
    message = right.answer(left.offer())

    with pytest.raises(HandshakeError) as caught:
        left.meet(message, NOW)
    assert caught.value.code == "wrong-id"
    with pytest.raises(HandshakeError):
        left.answer()


def test_expected_node_is_accepted():
    """The same check, passed."""
    left, right = initiator(expects=lambda node: node == BOB.public_key), responder()

    assert left.meet(right.answer(left.offer()), NOW).node == BOB.public_key


def test_own_id_is_refused_on_both_sides():
    """Dialling oneself proves nothing about anybody."""
    left, right = initiator(), responder(Identity(signer=ALICE))
    message = right.answer(left.offer())
    with pytest.raises(HandshakeError) as caught:
        left.meet(message, NOW)
    assert caught.value.code == "own-id"

    left, right = initiator(Identity(signer=BOB)), responder()
    stranger = RawInitiator(right)
    proof = stranger.message_3(lambda transcript: prove(Identity(signer=BOB), Role.INITIATOR, transcript))
    with pytest.raises(HandshakeError) as caught:
        right.meet(proof, NOW)
    assert caught.value.code == "own-id"


def test_reflected_first_message_gets_nowhere():
    """A mirror that sends our own message 1 back as message 2."""
    left = initiator()

    with pytest.raises(HandshakeError):
        left.meet(left.offer(), NOW)


def test_proof_of_another_role_is_no_proof():
    """The responder's proof sent back as the initiator's: role swap."""
    right = responder()
    mallory = RawInitiator(right)
    swapped = mallory.message_3(
        lambda transcript: pack(
            (1, ALICE.public_key, b"", ALICE.sign(CONTEXT, Role.RESPONDER.value + transcript), 0, b"")
        )
    )

    with pytest.raises(HandshakeError) as caught:
        right.meet(swapped, NOW)
    assert caught.value.code == "bad-proof"


def test_proof_of_another_session_is_no_proof():
    """Splice: Alice's proof from a session with Mallory, used by Mallory towards Bob."""
    alice = initiator()
    mallory = NoiseHandshake(XX, fresh_keys(random.Random(12)), initiator=False, prologue=TERMS.prologue())
    mallory.read(alice.offer())
    alice.meet(mallory.write(lambda t: prove(Identity(signer=MALLORY), Role.RESPONDER, t)), NOW)
    stolen, _ = mallory.read(alice.answer())
    right = responder()
    spliced = RawInitiator(right).message_3(lambda _: stolen)

    with pytest.raises(HandshakeError) as caught:
        right.meet(spliced, NOW)
    assert caught.value.code == "bad-proof"


def test_replayed_messages_get_nowhere():
    """Messages 1 to 3 of one session, replayed to another responder and initiator."""
    left, right = initiator(), responder()
    first = left.offer()
    second = right.answer(first)
    left.meet(second, NOW)
    third = left.answer()
    right.meet(third, NOW)
    victim = responder(seed=20)
    victim.answer(first)
    with pytest.raises(HandshakeError):
        victim.meet(third, NOW)

    caller = initiator(seed=21)
    caller.offer()
    with pytest.raises(HandshakeError):
        caller.meet(second, NOW)


def test_no_flipped_bit_in_the_proofs_is_accepted():
    """The payload level of what test_noise does on the messages: every bit of a proof counts."""
    transcript = bytes(range(32))
    payload = prove(Identity(signer=ALICE, certificate=certificate().encode(), token=TOKEN), Role.INITIATOR, transcript)
    fixed = check(payload, Role.INITIATOR, transcript, NOW)
    survivors = []
    for bit in range(len(payload) * 8):
        changed = bytearray(payload)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            survivors.append(check(bytes(changed), Role.INITIATOR, transcript, NOW))
        except PeerError:
            continue

    # Features and token are protected by the session's encryption alone: they say nothing about who speaks.
    assert all((one.node, one.certificate) == (fixed.node, fixed.certificate) for one in survivors)
    assert len(survivors) <= 8 * (1 + len(TOKEN))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        pack((1, ALICE.public_key, b"", bytes(64), 0)),
        pack((2, ALICE.public_key, b"", ALICE.sign(CONTEXT, b"Itranscript"), 0, b"")),
        pack((1, ALICE.public_key, b"", ALICE.sign(CONTEXT, b"Itranscript"), 2**32, b"")),
        pack((1, ALICE.public_key, b"", ALICE.sign(CONTEXT, b"Itranscript"), 0, bytes(65))),
        pack((1, ALICE.public_key, b"", ALICE.sign(CONTEXT, b"Itranscript"), 0, b"")) + b"\0",
        pack((1, ALICE.public_key[:31], b"", ALICE.sign(CONTEXT, b"Itranscript"), 0, b"")),
        pack((1, b"\1" + bytes(31), b"", b"\1" + bytes(63), 0, b"")),
        pack((1, ALICE.public_key, b"junk", ALICE.sign(CONTEXT, b"Itranscript"), 0, b"")),
    ],
    ids=["empty", "junk", "short", "version", "features", "token", "trailing", "key", "small order", "certificate"],
)
def test_malformed_proof_is_refused(payload):
    """Structure, ranges, canonical form, and keys that would sign anything."""
    with pytest.raises(PeerError):
        check(payload, Role.INITIATOR, b"transcript", NOW)


@pytest.mark.parametrize(
    "presented, error, words",
    [
        (certificate(BOB), CertificateError, "another node"),
        (certificate(begin=NOW - 500, end=NOW), CertificateError, "not valid now"),
        (certificate(begin=NOW + 121), CertificateError, "not valid now"),
        (certificate(uses=Uses.ANNOUNCE), CertificateError, "not for sessions"),
    ],
    ids=["for another node", "expired", "not yet", "other use"],
)
def test_certificate_that_does_not_count_is_refused(presented, error, words):
    """It must be this node's, valid now, and for sessions."""
    right = responder()
    mallory = RawInitiator(right)
    identity = Identity(signer=ALICE, certificate=presented.encode())

    with pytest.raises(error, match=words):
        right.meet(mallory.message_3(lambda transcript: prove(identity, Role.INITIATOR, transcript)), NOW)


def test_certificate_that_its_owner_did_not_sign_is_refused():
    """Naming an owner is not enough."""
    genuine = certificate()
    forged = Certificate(
        owner=OWNER.public_key,
        node=ALICE.public_key,
        serial=2,
        not_before=genuine.not_before,
        not_after=genuine.not_after,
        uses=Uses.ALL,
        signature=genuine.signature,
    )
    right = responder()
    mallory = RawInitiator(right)
    identity = Identity(signer=ALICE, certificate=forged.encode())

    with pytest.raises(SignatureError):
        right.meet(mallory.message_3(lambda transcript: prove(identity, Role.INITIATOR, transcript)), NOW)


def test_steps_come_in_order_and_once():
    """The table of steps; a wrong one ends the handshake."""
    left, right = initiator(), responder()
    with pytest.raises(HandshakeError):
        right.session()
    with pytest.raises(HandshakeError):
        right.answer(initiator().offer())
    with pytest.raises(HandshakeError):
        left.answer()
    with pytest.raises(HandshakeError):
        left.offer()

    left, right = initiator(), responder()
    left.meet(right.answer(left.offer()), NOW)
    right.meet(left.answer(), NOW)
    left.session()
    with pytest.raises(HandshakeError) as caught:
        left.session()
    assert caught.value.code == "out-of-turn"


def test_offer_is_read_however_a_proxy_spaces_it():
    """Respacing does not break the prologue; anything else does."""
    assert parse_offer("p2pfw.2,p2pfw.1") == parse_offer(" p2pfw.2 ,\tp2pfw.1,") == ("p2pfw.2", "p2pfw.1")
    assert pick(("p2pfw.2", "p2pfw.1")) == VERSIONS[0]


@pytest.mark.parametrize("header", ["", "chat", "p2pfw.2", "p2pfw.11"])
def test_no_common_version_is_refused(header):
    """Never guess what was meant."""
    with pytest.raises(HandshakeError) as caught:
        pick(parse_offer(header))
    assert caught.value.code == "version"


def test_endless_offer_is_refused():
    """Untrusted input has a bound where it enters."""
    with pytest.raises(HandshakeError, match="too long"):
        parse_offer("p2pfw.1," * 33)


def test_prologue_is_as_the_protocol_writes_it():
    """Frozen bytes: another implementation must compute the same."""
    terms = Terms(network=bytes(range(32)), offered=("p2pfw.2", "p2pfw.1"))

    assert terms.prologue() == (
        b"p2pfw\x01" + b"\0\x20" + bytes(range(32)) + b"\0\x0f" + b"p2pfw.2,p2pfw.1" + b"\0\x07" + b"p2pfw.1"
    )


def test_reason_is_the_code_where_there_is_one():
    """What `status` counts refusals by."""
    assert reason_of(HandshakeError("wrong-id", "text")) == "wrong-id"
    assert reason_of(AdmissionError("stranger")) == "stranger"
    assert reason_of(CertificateError("text")) == "bad-certificate"


def test_secrets_are_not_printed():
    """Tokens in logs would be tokens lost."""
    identity = Identity(signer=ALICE, token=TOKEN)
    left, right = initiator(), responder()
    left.meet(right.answer(left.offer()), NOW)

    assert "sixteen" not in repr(identity) + repr(right.meet(left.answer(), NOW))


# --- the open session --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tamper", ["replay", "reorder", "reflect", "change", "cut", "prolong", "empty"])
def test_any_disturbance_of_the_order_ends_the_session(tamper):
    """Nothing is skipped or tried again; frames before it were delivered."""
    left, right = sessions()
    first, second, third = (left.seal(bytes([number])) for number in (1, 2, 3))
    assert right.open(first) == b"\1"
    disturbed = {
        "replay": first,
        "reorder": third,
        "reflect": right.seal(b"own"),
        "change": bytes([second[0] ^ 1]) + second[1:],
        "cut": second[:-1],
        "prolong": second + b"\0",
        "empty": b"",
    }[tamper]
    with pytest.raises(FrameError):
        right.open(disturbed)

    assert right.ended
    with pytest.raises(FrameError, match="has ended"):
        right.open(second)
    with pytest.raises(FrameError, match="has ended"):
        right.seal(b"")


def test_frame_of_another_session_does_not_open():
    """Keys are fresh for every session."""
    left, _ = sessions()
    other = initiator(seed=31), responder(seed=32)
    other[0].meet(other[1].answer(other[0].offer()), NOW)
    other[1].meet(other[0].answer(), NOW)

    with pytest.raises(FrameError):
        other[1].session().open(left.seal(b"x"))


def test_frames_have_their_limit():
    """65,519 bytes fit a message of Noise; more is our own mistake when sent, and the end when received."""
    left, right = sessions()
    assert len(right.open(left.seal(bytes(MAX_FRAME)))) == MAX_FRAME
    with pytest.raises(ValueError, match="65520 bytes"):
        left.seal(bytes(MAX_FRAME + 1))
    with pytest.raises(FrameError, match="message of"):
        right.open(bytes(65_536))

    assert right.ended


def test_empty_frame_is_carried():
    """Whether it means anything is for the decoder of frames to say."""
    left, right = sessions()

    assert right.open(left.seal(b"")) == b""


def test_keys_change_after_1024_frames_in_each_direction_apart():
    """With crossing traffic at different speeds both sides stay in step; a receiver that did not rekey would not be."""
    left, right = sessions()
    for number in range(REKEY_FRAMES * 2 + 10):
        assert right.open(left.seal(number.to_bytes(2, "big"))) == number.to_bytes(2, "big")
        if number % 3 == 0:
            assert left.open(right.seal(b"back")) == b"back"


def test_key_is_another_exactly_after_the_1024th_frame():
    """Frozen rule: frames 1..1024 under one key, 1025 under the next."""
    left, right = sessions()
    keys = []
    for _ in range(REKEY_FRAMES + 1):
        keys.append(left._sending._key)
        right.open(left.seal(b""))

    assert len(set(keys[:REKEY_FRAMES])) == 1
    assert keys[REKEY_FRAMES] != keys[0]
    assert isinstance(left, Session)
