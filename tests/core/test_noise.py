"""Noise is what the public vectors say, to the byte, and refuses everything that is not."""

import json
import random
from pathlib import Path

import pytest
from noise.connection import Keypair, NoiseConnection

from p2pfw.core.noise import IK, PATTERNS, XX, Cipher, KeyPair, Keys, NoiseHandshake
from p2pfw.errors import FrameError, HandshakeError

PROTOCOL = b"Noise_XX_25519_ChaChaPoly_SHA256"
FROZEN = Path(__file__).parent / "vectors" / "noise.json"
SHARED = Path(__file__).parents[3] / "shared" / "data" / "noise-vectors.json"
SMALL_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def vectors():
    """The frozen ones, and all of the shared collection where that is present."""
    found = []
    for path in (FROZEN, SHARED):
        if path.exists():
            for number, vector in enumerate(json.loads(path.read_text())["vectors"]):
                name = f"{path.stem}-{number}-{vector['protocol_name']}"
                found.append(pytest.param(vector, id=name))
    return found


def side(vector, *, initiator):
    """Our handshake with everything that the vector fixes."""
    who = "init" if initiator else "resp"
    _, name, _, _, hash_name = vector["protocol_name"].split("_")

    def pair(field):
        return KeyPair.of(bytes.fromhex(vector[f"{who}_{field}"])) if f"{who}_{field}" in vector else None

    keys = Keys(
        ephemeral=pair("ephemeral"),
        static=pair("static"),
        remote=bytes.fromhex(vector.get(f"{who}_remote_static", "")),
        psk=bytes.fromhex("".join(vector.get(f"{who}_psks", []))),
    )
    prologue = bytes.fromhex(vector[f"{who}_prologue"])
    return NoiseHandshake(PATTERNS[name], keys, initiator=initiator, prologue=prologue, hash_name=hash_name)


@pytest.mark.parametrize("vector", vectors())
def test_every_byte_is_as_in_the_public_vectors(vector):
    """Handshake, its hash, and transport messages in both directions."""
    left, right = side(vector, initiator=True), side(vector, initiator=False)
    messages = [(bytes.fromhex(one["payload"]), bytes.fromhex(one["ciphertext"])) for one in vector["messages"]]
    count = len(PATTERNS[vector["protocol_name"].split("_")[1]].messages)
    for payload, expected in messages[:count]:
        assert left.write(lambda _, payload=payload: payload) == expected
        assert right.read(expected)[0] == payload
        left, right = right, left
    initiator, responder = (left, right) if count % 2 == 0 else (right, left)
    if "handshake_hash" in vector:
        assert initiator.hash == responder.hash == bytes.fromhex(vector["handshake_hash"])
    # The collections go on alternating over the transport messages (one-way patterns are not among them).
    ends = [initiator.split(), responder.split()]
    for number, (payload, expected) in enumerate(messages[count:], start=count):
        (sending, _), (_, receiving) = ends[number % 2], ends[1 - number % 2]
        assert sending.encrypt(payload) == expected
        assert receiving.decrypt(expected) == payload


def test_the_shared_collection_is_supported_as_a_whole():
    """No vector of the collection is left out for want of a pattern or hash."""
    names = {vector.values[0]["protocol_name"].split("_")[1] for vector in vectors()}

    assert {"XX", "XXpsk3", "IK"} <= names <= set(PATTERNS)


def ours(chance, *, initiator, prologue=b"", keys=None):
    """One side of XX with keys drawn from `chance`."""
    fresh = Keys(ephemeral=KeyPair.of(chance.randbytes(32)), static=KeyPair.of(chance.randbytes(32)))
    return NoiseHandshake(XX, keys or fresh, initiator=initiator, prologue=prologue)


def theirs(chance, *, initiator, prologue=b""):
    """The same by PyPI's noiseprotocol."""
    other = NoiseConnection.from_name(PROTOCOL)
    (other.set_as_initiator if initiator else other.set_as_responder)()
    other.set_prologue(prologue)
    other.set_keypair_from_private_bytes(Keypair.STATIC, chance.randbytes(32))
    other.start_handshake()
    return other


@pytest.mark.parametrize("initiator", [True, False], ids=["as initiator", "as responder"])
@pytest.mark.parametrize("block", range(10))
def test_another_implementation_understands_us_and_we_it(initiator, block):
    """100 handshakes in each role against noiseprotocol, with random payloads, and frames in both directions."""
    chance = random.Random(block * 2 + initiator)
    for _ in range(10):
        prologue = chance.randbytes(chance.randrange(100))
        us = ours(chance, initiator=initiator, prologue=prologue)
        them = theirs(chance, initiator=not initiator, prologue=prologue)
        for turn in range(3):
            payload = chance.randbytes(chance.randrange(900))
            if (turn % 2 == 0) is initiator:
                assert them.read_message(us.write(lambda _, payload=payload: payload)) == payload
            else:
                assert us.read(bytes(them.write_message(payload)))[0] == payload
        assert us.hash == them.get_handshake_hash()
        sending, receiving = us.split()
        for _ in range(20):
            frame = chance.randbytes(chance.randrange(2_000))
            assert them.decrypt(sending.encrypt(frame)) == frame
            assert receiving.decrypt(them.encrypt(frame)) == frame
        sending.rekey()
        them.rekey_inbound_cipher()
        assert them.decrypt(sending.encrypt(b"after rekeying")) == b"after rekeying"


class Replayable:
    """One fixed XX handshake that can be begun again for every tampering."""

    def __init__(self):
        chance = random.Random(7)
        self.initiator_keys = Keys(ephemeral=KeyPair.of(chance.randbytes(32)), static=KeyPair.of(chance.randbytes(32)))
        self.responder_keys = Keys(ephemeral=KeyPair.of(chance.randbytes(32)), static=KeyPair.of(chance.randbytes(32)))
        self.payloads = [b"", b"responder's proof", b"initiator's proof"]
        self.messages = self.run({})

    def run(self, replaced):
        """The three messages, each replaced on its way where `replaced` says so; raises what the reader raises."""
        left = NoiseHandshake(XX, self.initiator_keys, initiator=True, prologue=b"p")
        right = NoiseHandshake(XX, self.responder_keys, initiator=False, prologue=b"p")
        messages = []
        for number, payload in enumerate(self.payloads):
            messages.append(left.write(lambda _, payload=payload: payload))
            right.read(replaced.get(number, messages[-1]))
            left, right = right, left
        assert left.hash == right.hash
        return messages


FIXED = Replayable()


@pytest.mark.parametrize("number", [0, 1, 2], ids=["M1", "M2", "M3"])
def test_no_flipped_bit_is_accepted(number):
    """Every single bit of every message matters. A flip in M1 shows in M2 at the latest."""
    message = FIXED.messages[number]
    for bit in range(len(message) * 8):
        changed = bytearray(message)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(HandshakeError):
            FIXED.run({number: bytes(changed)})


@pytest.mark.parametrize("number", [0, 1, 2], ids=["M1", "M2", "M3"])
def test_no_cut_or_prolonged_message_is_accepted(number):
    """Every truncation, and extensions by 1, 16 and 1,000 bytes."""
    message = FIXED.messages[number]
    variants = [message[:size] for size in range(len(message))] + [message + bytes(more) for more in (1, 16, 1_000)]
    for changed in variants:
        with pytest.raises(HandshakeError):
            FIXED.run({number: changed})


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_key_of_small_order_is_refused(point):
    """An all-zero Diffie-Hellman result would be known to everybody."""
    responder = ours(random.Random(1), initiator=False)
    responder.read(bytes.fromhex(point))

    with pytest.raises(HandshakeError) as caught:
        responder.write(lambda _: b"")
    assert caught.value.code == "weak-key"


def test_after_an_error_the_handshake_is_over():
    """A refused message leaves nothing that could be tried again with another one."""
    chance = random.Random(2)
    initiator, responder = ours(chance, initiator=True), ours(chance, initiator=False)
    responder.read(initiator.write(lambda _: b""))
    message = responder.write(lambda _: b"")
    with pytest.raises(HandshakeError, match="cut short"):
        initiator.read(message[:40])

    with pytest.raises(HandshakeError, match="no such message"):
        initiator.read(message)


@pytest.mark.parametrize("initiator", [True, False])
def test_messages_come_in_turn(initiator):
    """Reading when it is one's turn to write, or the other way round, is refused."""
    side_ = ours(random.Random(3), initiator=initiator)

    with pytest.raises(HandshakeError) as caught:
        side_.read(bytes(32)) if initiator else side_.write(lambda _: b"")
    assert caught.value.code == "out-of-turn"


def test_finished_handshake_has_no_fourth_message():
    """XX has three messages."""
    left, right = ours(random.Random(4), initiator=True), ours(random.Random(5), initiator=False)
    for _ in range(3):
        right.read(left.write(lambda _: b""))
        left, right = right, left

    with pytest.raises(HandshakeError):
        left.write(lambda _: b"")


def test_payload_is_bound_to_the_transcript_before_it():
    """What a proof signs is the same on both sides, and never the same twice."""
    chance = random.Random(6)
    left, right = ours(chance, initiator=True), ours(chance, initiator=False)
    signed, seen = [], []
    for _ in range(3):
        seen.append(right.read(left.write(lambda bound: signed.append(bound) or b"payload"))[1])
        left, right = right, left

    assert signed == seen
    assert len(set(seen)) == 3


def test_other_prologue_makes_message_two_fail():
    """Network and version are in the prologue: whoever has another one is not understood."""
    chance = random.Random(8)
    initiator, responder = ours(chance, initiator=True, prologue=b"a"), ours(chance, initiator=False, prologue=b"b")
    responder.read(initiator.write(lambda _: b""))
    message = responder.write(lambda _: b"")

    with pytest.raises(HandshakeError) as caught:
        initiator.read(message)
    assert caught.value.code == "not-authentic"


def test_pattern_that_needs_a_static_key_says_so():
    """A caller's mistake, not a peer's."""
    keys = Keys(ephemeral=KeyPair.of(bytes(range(32))))

    with pytest.raises(ValueError, match="static key pair"):
        NoiseHandshake(IK, keys, initiator=False)


def test_failed_decryption_leaves_the_counter_where_it_was():
    """Garbage must not push the receiver out of step."""
    sending, receiving = Cipher(bytes(32)), Cipher(bytes(32))
    first, second = sending.encrypt(b"one"), sending.encrypt(b"two")
    for garbage in (b"", b"short", bytes(40), second):
        with pytest.raises(FrameError, match="does not authenticate"):
            receiving.decrypt(garbage)
        assert receiving.counter == 0

    assert receiving.decrypt(first) == b"one"
    assert receiving.decrypt(second) == b"two"


def test_counter_never_wraps():
    """The last counter value is kept for rekeying; at it nothing is sealed or opened any more."""
    cipher = Cipher(bytes(32))
    cipher.counter = 2**64 - 2
    sealed = cipher.encrypt(b"the last one")
    with pytest.raises(FrameError, match="used up"):
        cipher.encrypt(b"one too many")
    with pytest.raises(FrameError, match="used up"):
        cipher.decrypt(sealed)

    assert cipher.counter == 2**64 - 1


def test_rekeying_changes_the_key_and_keeps_the_counter():
    """Both directions of a connection rekey alike; who does not is not understood."""
    sending, receiving, stale = Cipher(bytes(32)), Cipher(bytes(32)), Cipher(bytes(32))
    receiving.decrypt(sending.encrypt(b"before"))
    stale.counter = 1
    sending.rekey()
    receiving.rekey()
    sealed = sending.encrypt(b"after")

    assert sending.counter == 2
    with pytest.raises(FrameError):
        stale.decrypt(sealed)
    assert receiving.decrypt(sealed) == b"after"


def test_secrets_are_not_printed():
    """A key in a traceback or a log line is a key lost."""
    secret = bytes(range(1, 33))
    keys = Keys(ephemeral=KeyPair.of(secret), psk=secret)

    assert repr(secret)[2:-1] not in repr(keys)
    assert "secret" not in repr(keys)
