"""protocol 1.5: the proof that an origin contradicted itself has one spelling and cannot be forged."""

import pytest

from p2pfw.core.announcement import Announcement
from p2pfw.core.canonical import pack
from p2pfw.core.equivocation import Equivocation, Quarantine, signed
from p2pfw.errors import MalformedError, NotCanonicalError, SignatureError
from tests.core.making import NOW, block, node_id
from tests.core.saying import HOST, NEXT, say

ONE, TWO = say(1, block(HOST)), say(1, block(NEXT, ttl=9000))


def of(one: Announcement, two: Announcement) -> Equivocation:
    """The proof that these two make."""
    return Equivocation.of(signed(one.raw), signed(two.raw))


def test_a_proof_travels_and_is_verified():
    """Either way round it is the same bytes; it names whom and what it concerns, and until when."""
    proof = of(ONE, TWO)

    assert proof == of(TWO, ONE) == Equivocation.decode(proof.encode())
    assert (proof.origin, proof.epoch, proof.until) == (node_id(1), 1, NOW + 9000)
    assert proof.network == ONE.header.network
    proof.check_signatures()


@pytest.mark.parametrize(
    "other",
    [ONE, say(2, block(NEXT)), say(1, block(NEXT), epoch=2), say(1, block(NEXT), by=2)],
    ids=["the same", "another seq", "another epoch", "another origin"],
)
def test_only_a_contradiction_is_a_proof(other):
    """One origin, one epoch, one seq, two headers."""
    with pytest.raises(MalformedError):
        of(ONE, other)


def test_both_signatures_must_be_good():
    """Else anybody could put anybody into quarantine."""
    (header, signature), (other_header, other_signature) = signed(ONE.raw), signed(TWO.raw)

    for forged in (
        Equivocation.of((header, bytes(64)), (other_header, other_signature)),
        Equivocation.of((header, signature), (other_header, signature)),
    ):
        with pytest.raises(SignatureError):
            forged.check_signatures()


def test_no_other_spelling_is_accepted():
    """The greater header first, a short signature, other bytes."""
    proof = of(ONE, TWO)

    with pytest.raises(NotCanonicalError):
        Equivocation.decode(pack((*proof.other, *proof.one)))
    with pytest.raises(MalformedError):
        Equivocation.decode(pack((*proof.one, proof.other[0], b"short")))
    with pytest.raises(MalformedError):
        Equivocation.decode(pack((proof.one[0], b"short", *proof.other)))
    with pytest.raises(MalformedError):
        Equivocation.decode(b"")


def test_a_quarantine_lasts_as_long_as_the_longest_word_on_it():
    """And ends by time alone."""
    quarantine = Quarantine()
    assert quarantine.next_deadline() is None
    assert quarantine.add(node_id(1), 1, NOW + 50)
    assert not quarantine.add(node_id(1), 1, NOW + 100)
    assert not quarantine.add(node_id(1), 1, NOW + 10)
    assert quarantine.next_deadline() == NOW + 100

    quarantine.expire(NOW + 99)
    assert quarantine.holds(node_id(1), 1)
    assert not quarantine.holds(node_id(1), 2)
    quarantine.expire(NOW + 100)
    assert not quarantine.holds(node_id(1), 1)
