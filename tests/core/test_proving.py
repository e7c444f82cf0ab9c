"""Evidence proves itself: to somebody who has no node and trusts nobody who hands it to him."""

import json

import pytest

from p2pfw.core.announcement import Kind, RawAnnouncement, Stamp, build_entries, build_other
from p2pfw.core.equivocation import Equivocation, signed
from p2pfw.core.proving import MOST_PROOFS, check_line, proof_of
from tests.core.making import NETWORK, NOW, block, key, stamp
from tests.core.making import signed as announced
from tests.core.test_vectors import frozen


def line(*proofs, prefix=""):
    """One of an export."""
    return json.dumps({"kind": "adopted", "prefix": prefix, "evidence": list(proofs)})


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("one-entry", "BLOCK 203.0.113.9/32 (ssh), first said"),
        ("pardon", "PARDON 203.0.113.9/32"),
        ("certificate", "it is of owner"),
        ("revocation-of-a-key", "revoked p2pfw1"),
        ("revocation-below-a-serial", "revoked all below serial 65536"),
        ("vouch", "at 100 %"),
        ("charter", "version 1: signed by"),
        ("succession", "takes over from"),
        ("checkpoint", "an announcement of kind 6"),
        ("unknown-kind", "an announcement of kind 200"),
    ],
)
def test_what_a_genuine_proof_says(name, words):
    """Of every kind, in words."""
    checked = check_line(line(proof_of(frozen(name)[1]), prefix="203.0.113.9/32"))

    assert (checked.good, checked.problems) == (1, ())
    assert words in checked.said[0]


def test_a_contradiction_proves_itself():
    """Two headers of one number."""
    one, other = (build_entries(key(1), stamp(), [block(text)]).raw for text in ("203.0.113.9", "203.0.113.10"))
    proof = Equivocation.of(signed(one), signed(other))
    raw = build_other(key(2), stamp(), Kind.EQUIVOCATION, proof.encode(), NOW + 60).raw
    forged = Equivocation.of(signed(one), (other.header, bytes(64)))
    bad = build_other(
        key(2), Stamp(network=NETWORK, epoch=1, seq=2, created_ms=1), Kind.EQUIVOCATION, forged.encode(), 9
    ).raw

    assert "contradicted itself" in check_line(line(proof_of(raw))).said[0]
    assert check_line(line(proof_of(bad))).problems


def test_what_is_not_genuine_or_about_something_else_is_a_problem():
    """Another prefix, a forged signature, another body, parts that are missing."""
    one = announced([block("203.0.113.9")]).raw
    forged = RawAnnouncement(one.header, bytes(64), one.body)

    for proof, prefix in (
        (proof_of(one), "203.0.113.10/32"),
        (proof_of(forged), "203.0.113.9/32"),
        ({**proof_of(one), "body": "00"}, "203.0.113.9/32"),
        ({"header": "zz"}, ""),
        (7, ""),
        (proof_of(one), "no prefix"),
    ):
        checked = check_line(line(proof, prefix=prefix))
        assert (checked.good, len(checked.problems)) == (0, 1)


@pytest.mark.parametrize(
    "text",
    ["", "no json", "[]", "7", '{"evidence": 7}', '{"prefix": 7}', json.dumps({"evidence": [{}] * (MOST_PROOFS + 1)})],
)
def test_what_is_no_event_is_said(text):
    """Whatever it is."""
    assert check_line(text).problems == ("not an event of p2pfw",)
