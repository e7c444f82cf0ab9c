"""A vouch is a signed, expiring word of one owner about another; it cannot be invalid."""

import pytest

from p2pfw.core.canonical import pack
from p2pfw.core.vouch import MAX_LIFE, Vouch, vouch
from p2pfw.errors import CertificateError, InputError, MalformedError, PeerError, SignatureError
from tests.core.making import DAY, NOW, flips, key, owner_id


def made(**fields):
    """Owner 1 vouches for owner 2."""
    return vouch(key(1), owner_id(2), **{"created": NOW, "expires": NOW + 60 * DAY, **fields})


def test_what_was_encoded_decodes_to_the_same():
    """Canonical bytes, whose signature is good."""
    one = made(level=50)

    again = Vouch.decode(one.encode())

    assert again == one
    again.check_signature()


@pytest.mark.parametrize(
    "fields",
    [
        {"level": 101},
        {"level": -1},
        {"expires": NOW},
        {"expires": NOW + MAX_LIFE + 1},
        {"created": -1},
        {"level": 2**70},
    ],
)
def test_what_must_not_be_cannot_be_made(fields):
    """Level in percent, at most 90 days."""
    with pytest.raises(InputError):
        made(**fields)


def test_nobody_vouches_for_himself():
    """Voucher and subject are two."""
    with pytest.raises(InputError, match="himself"):
        vouch(key(1), owner_id(1), created=NOW, expires=NOW + 1)


def test_another_length_or_version_is_no_vouch():
    """Malformed, before anything is verified."""
    one = made()
    fields = [2, one.voucher, one.subject, one.level, one.created, one.expires, one.signature]

    with pytest.raises(MalformedError, match="version 2"):
        Vouch.decode(pack(fields))
    with pytest.raises(MalformedError, match="length"):
        Vouch.decode(pack([1, b"short", *fields[2:]]))


def test_no_flipped_bit_is_accepted():
    """Every bit of it is signed."""
    accepted = []
    for data in flips(made().encode()):
        try:
            Vouch.decode(data).check_signature()
        except PeerError:
            continue
        accepted.append(data)

    assert accepted == []


def test_another_owners_signature_is_none():
    """SignatureError."""
    one, other = made(), vouch(key(3), owner_id(2), created=NOW, expires=NOW + 60 * DAY)
    forged = Vouch(
        voucher=one.voucher, subject=one.subject, level=100, created=NOW, expires=NOW + 1, signature=other.signature
    )

    with pytest.raises(SignatureError):
        forged.check_signature()
    assert issubclass(CertificateError, PeerError)
