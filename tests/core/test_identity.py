"""protocol 7: keys, certificates, revocations, and what signatures are worth."""

from dataclasses import replace
from hashlib import blake2b

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.canonical import pack
from p2pfw.core.identity import (
    Certificate,
    NodeId,
    Revocation,
    SigningKey,
    Uses,
    certify,
    is_public_key,
    network_id,
    revoke,
    verify,
)
from p2pfw.errors import CertificateError, InputError, MalformedError, PeerError, SignatureError
from tests.core.making import DAY, NOW, certificate, flips, key, node_id, owner_id

ORDER = 2**252 + 27742317777372353535851937790883648493
# Every encoding of a point of small order, non-canonical ones included (libsodium's own list).
SMALL_ORDER = [
    bytes.fromhex(text)
    for text in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
]


class TestSigning:
    """Context, zero byte, message."""

    @given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=300))
    def test_signatures_are_those_of_another_ed25519(self, seed, message):
        """Byte for byte: keys and signatures are deterministic (RFC 8032)."""
        other = Ed25519PrivateKey.from_private_bytes(seed)
        ours = SigningKey(seed)

        assert ours.public_key == other.public_key().public_bytes_raw()
        assert ours.sign("p2pfw/x/1", message) == other.sign(b"p2pfw/x/1\0" + message)
        assert verify(ours.public_key, "p2pfw/x/1", message, ours.sign("p2pfw/x/1", message))

    def test_a_signature_holds_in_its_context_only(self):
        """Not under another, and not with the boundary moved."""
        signature = key(1).sign("p2pfw/a/1", b"message")

        assert verify(key(1).public_key, "p2pfw/a/1", b"message", signature)
        assert not verify(key(1).public_key, "p2pfw/b/1", b"message", signature)
        assert not verify(key(1).public_key, "p2pfw/a/1\0", b"essage", signature)
        assert not verify(key(2).public_key, "p2pfw/a/1", b"message", signature)

    def test_every_flip_of_one_bit_is_noticed(self):
        """Of key, message and signature."""
        public, message, signature = key(1).public_key, b"eight by", key(1).sign("c", b"eight by")

        assert not any(verify(flip, "c", message, signature) for flip in flips(public))
        assert not any(verify(public, "c", flip, signature) for flip in flips(message))
        assert not any(verify(public, "c", message, flip) for flip in flips(signature))

    @given(public=st.binary(max_size=70), message=st.binary(max_size=70), signature=st.binary(max_size=140))
    def test_garbage_of_any_length_is_false_and_never_an_error(self, public, message, signature):
        """Whatever arrives."""
        assert not verify(public, "c", message, signature)

    def test_an_empty_message_can_be_signed(self):
        """The context alone is signed then."""
        assert verify(key(1).public_key, "c", b"", key(1).sign("c", b""))

    def test_a_malleated_signature_is_refused(self):
        """S + L verifies under the bare equation; there is one signature, not two."""
        signature = key(1).sign("c", b"m")
        scalar = int.from_bytes(signature[32:], "little") + ORDER

        assert not verify(key(1).public_key, "c", b"m", signature[:32] + scalar.to_bytes(32, "little"))

    @pytest.mark.parametrize("public", SMALL_ORDER)
    @pytest.mark.parametrize("nonce", SMALL_ORDER)
    def test_no_signature_holds_under_a_key_of_small_order(self, public, nonce):
        """With S = 0 the bare equation accepts such keys for any message; sign bit set or not."""
        for top in (0, 0x80):
            weak = public[:31] + bytes([public[31] | top])
            assert not any(verify(weak, "c", bytes([n]), nonce + bytes(32)) for n in range(8))
            assert not is_public_key(weak)

    def test_that_attack_works_against_another_library(self):
        """So the test above is about something."""
        identity = SMALL_ORDER[1]

        Ed25519PublicKey.from_public_bytes(identity).verify(identity + bytes(32), b"any message at all")
        with pytest.raises(InvalidSignature):
            Ed25519PublicKey.from_public_bytes(key(1).public_key).verify(identity + bytes(32), b"message")

    def test_a_usable_key_is_told_from_any_32_bytes(self):
        """Canonical, on the curve, of full order."""
        assert is_public_key(key(1).public_key)
        assert not is_public_key(key(1).public_key[:31])
        assert not is_public_key(b"\xff" * 32)
        assert not is_public_key(b"\x02" + bytes(31))

    def test_a_keys_text_never_shows_its_secret(self):
        """repr and str, as a traceback or a log would print them; and there is no dict to dump."""
        secret = SigningKey(b"\x42" * 32)

        for text in (repr(secret), str(secret), f"{secret}"):
            assert text.startswith("SigningKey(p2pfw1")
            assert "42" * 8 not in text
            assert "BBBB" not in text
        assert not hasattr(secret, "__dict__")

    @pytest.mark.parametrize("length", [0, 31, 33, 64])
    def test_a_seed_has_32_bytes(self, length):
        """A truncated seed must not make a key."""
        with pytest.raises(InputError):
            SigningKey(bytes(length))


class TestNetworkId:
    """protocol 7.3."""

    def test_it_is_the_hash_of_its_name(self):
        """Under its own context."""
        assert network_id("example") == blake2b(b"p2pfw/network/1\0example", digest_size=32).digest()

    @pytest.mark.parametrize("name", ["a", "7", "my-net.example_2", "x" * 64])
    def test_names_that_are_allowed(self, name):
        """Lower case, digits, inner punctuation."""
        assert len(network_id(name)) == 32

    @pytest.mark.parametrize("name", ["", "Example", " a", "a ", "-a", "a-", "a b", "ä", "a\n", "x" * 65, "a/b"])
    def test_names_that_two_people_would_type_differently_are_refused(self, name):
        """Else one network would silently be two."""
        with pytest.raises(InputError):
            network_id(name)


class TestCertificate:
    """protocol 7.1."""

    def test_it_survives_its_bytes(self):
        """And its signature still holds."""
        made = certificate(serial=2**63 - 1, uses=Uses.SESSION | Uses.PARDON)
        read = Certificate.decode(made.encode())

        assert read == made
        read.check_signature()
        assert len(made.encode()) <= 256

    def test_every_flip_of_one_bit_is_refused(self):
        """By the format or by the signature."""
        for data in flips(certificate().encode()):
            with pytest.raises(PeerError):
                Certificate.decode(data).check_signature()

    @given(data=st.binary(max_size=300))
    def test_random_bytes_are_the_peers_fault(self, data):
        """Whatever arrives."""
        with pytest.raises(PeerError):
            Certificate.decode(data)

    def test_only_its_owner_can_have_signed_it(self):
        """A node cannot certify itself into a fleet."""
        with pytest.raises(SignatureError):
            replace(certificate(owner=101), owner=owner_id(100)).check_signature()

    def test_its_signature_is_of_its_own_context(self):
        """A revocation's signature over the same bytes is none."""
        made = certificate()
        fields = (1, made.owner, made.node, made.serial, made.not_before, made.not_after, int(made.uses))
        other = replace(made, signature=key(100).sign("p2pfw/revocation/1", pack(fields)))

        assert replace(made, signature=key(100).sign("p2pfw/certificate/1", pack(fields))) == made
        with pytest.raises(SignatureError):
            other.check_signature()

    def test_it_is_valid_from_two_minutes_before_its_beginning_to_its_end(self):
        """Clocks differ at the beginning; the end is exact."""
        made = certificate(begins=NOW, days=1)

        assert [made.valid_at(t) for t in (NOW - 121, NOW - 120, NOW + DAY - 0.5, NOW + DAY)] == [
            False, True, True, False,
        ]  # fmt: skip

    def test_it_is_carried_for_thirty_days_more(self):
        """What the node said is kept and relayed, but supports nothing."""
        made = certificate(begins=NOW, days=1)

        assert [made.carried_at(t) for t in (NOW - 121, NOW - 120, NOW + 31 * DAY - 1, NOW + 31 * DAY)] == [
            False, True, True, False,
        ]  # fmt: skip

    @pytest.mark.parametrize(
        "wrong",
        [
            {"not_after": NOW + 90 * DAY + 1},
            {"not_after": NOW},
            {"not_after": NOW - 1},
            {"not_before": -1},
            {"not_before": 2**40 - 10, "not_after": 2**40},
            {"serial": 0},
            {"serial": 2**63},
            {"serial": 2**70},
            {"uses": Uses(0)},
            {"uses": Uses(1 << 16)},
            {"node": NodeId(bytes(31))},
            {"node": NodeId(key(100).public_key)},
        ],
    )
    def test_values_that_are_not_allowed_are_neither_made_nor_read(self, wrong):
        """The caller's error when made, the sender's when it arrives rightly signed."""
        values = {"node": node_id(1), "serial": 1, "not_before": NOW, "not_after": NOW + DAY, "uses": Uses.ALL} | wrong
        with pytest.raises(InputError):
            certify(key(100), **values)
        if values["serial"] >= 2**64:
            return

        fields = (1, key(100).public_key, values["node"], values["serial"], values["not_before"], values["not_after"])
        signed = (*fields, int(values["uses"]))
        signature = key(100).sign("p2pfw/certificate/1", pack(signed))
        with pytest.raises((CertificateError, MalformedError)):
            Certificate.decode(pack((*signed, signature)))

    def test_ninety_days_are_allowed(self):
        """Exactly."""
        assert certificate(days=90).not_after == NOW - 120 + 90 * DAY

    def test_another_version_is_malformed(self):
        """It may mean something else."""
        data = certificate().encode()

        with pytest.raises(MalformedError, match="version 2"):
            Certificate.decode(data[:1] + b"\x02" + data[2:])

    def test_uses_of_later_versions_are_kept_and_grant_nothing(self):
        """So that a newer owner's nodes are carried by older ones."""
        made = certificate(uses=Uses(1 << 15 | Uses.SESSION))
        read = Certificate.decode(made.encode())

        read.check_signature()
        assert read.uses & Uses.ALL == Uses.SESSION


class TestRevocation:
    """protocol 7.2."""

    @pytest.mark.parametrize("target", [{"node": node_id(1)}, {"below_serial": 2**63 - 1}])
    def test_it_survives_its_bytes(self, target):
        """Both forms, with a good signature."""
        made = revoke(key(100), created=NOW, **target)
        read = Revocation.decode(made.encode())

        assert read == made
        read.check_signature()

    def test_values_at_their_limits_are_kept(self):
        """The last second, and the largest serial."""
        made = revoke(key(100), below_serial=2**63 - 1, created=2**40 - 1)

        assert Revocation.decode(made.encode()) == made

    @pytest.mark.parametrize("target", [{"node": node_id(1)}, {"below_serial": 300}])
    def test_every_flip_of_one_bit_is_refused(self, target):
        """By the format or by the signature."""
        for data in flips(revoke(key(100), created=NOW, **target).encode()):
            with pytest.raises(PeerError):
                Revocation.decode(data).check_signature()

    @given(data=st.binary(max_size=300))
    def test_random_bytes_are_the_peers_fault(self, data):
        """Whatever arrives."""
        with pytest.raises(PeerError):
            Revocation.decode(data)

    @pytest.mark.parametrize(
        "wrong",
        [
            {},
            {"node": node_id(1), "below_serial": 1},
            {"node": NodeId(bytes(31))},
            {"below_serial": -1},
            {"below_serial": 2**63},
            {"below_serial": 2**70},
            {"below_serial": 1, "created": -1},
            {"below_serial": 1, "created": 2**40},
        ],
    )
    def test_it_names_exactly_one_node_or_serial_within_limits(self, wrong):
        """Anything else would be two statements, or none."""
        with pytest.raises(InputError):
            revoke(key(100), **({"created": NOW} | wrong))

    def test_another_version_is_malformed(self):
        """It may mean something else."""
        data = revoke(key(100), below_serial=1, created=NOW).encode()

        with pytest.raises(MalformedError, match="version 2"):
            Revocation.decode(data[:1] + b"\x02" + data[2:])


def test_a_copy_of_a_key_is_made_of_its_seed():
    """For `owner export`; nothing else asks for it."""
    assert SigningKey(key(5).seed()).public_key == key(5).public_key
