"""simulate and verify: what an attack would give, and evidence that proves itself."""

import json

import pytest

from p2pfw.core.announcement import Kind, RawAnnouncement
from p2pfw.core.proving import proof_of
from tests.core.making import block
from tests.core.making import signed as announced
from tests.core.test_vectors import CASES, frozen


def test_an_attack_is_played_against_stated_peers(offline):
    """A line for each number of liars, with the collusion number; rules side by side."""
    argv = ("simulate", "--peers", "4xpair,2x0.25", "--malicious", "0-1", "--seeds", "1", "--sybils", "3")
    human, plain = offline(*argv), offline("--plain", *argv)
    found = json.loads(offline("--json", *argv).out)

    assert "6 peers, attack sybils; collusion number for a host: 2" in human.out
    assert len(human.out.splitlines()) == 5
    assert len(plain.out.splitlines()) == 8
    assert [row["malicious"] for row in found["rows"]] == [0, 1]
    assert set(found["rows"][0]["rules"]) == {"union", "3 keys", "3 owners", "ours"}


def test_the_configurations_peers_are_those_that_count(offline, tmp_path):
    """And there must be some."""
    file = tmp_path / "p2pfw.toml"
    file.write_text("")
    none = offline("-c", str(file), "simulate")
    peer = "p2pfw18d4z00xwk6jz6c4r4rgz5mcdwdjny9thrh3y8f36cpy2rz6emg5s7ht20t"
    file.write_text(f'[[peer]]\nid = "{peer}"\ntrust = "solo"\n')
    one = offline("-c", str(file), "simulate", "--seeds", "1", "--malicious", "1", "--attack", "flood")

    assert (none.code, one.code) == (2, 0)
    assert "1 peers, attack flood" in one.out


@pytest.mark.parametrize("argv", [("--peers", "many"), ("--peers", "2xmuch"), ("--peers", "1x0.4", "--malicious", "x")])
def test_what_cannot_be_played_is_said(offline, argv):
    """With how it is written."""
    assert offline("simulate", "--seeds", "1", *argv).code == 2


def event(proofs, prefix=""):
    """A line of an export."""
    return json.dumps({"kind": "adopted", "prefix": prefix, "evidence": proofs})


def proof(name):
    """Of a frozen announcement."""
    return proof_of(frozen(name)[1])


def test_every_kind_of_evidence_is_checked(offline, tmp_path):
    """Entries, pardons, certificates, revocations, vouches, charters, and kinds of later versions."""
    names = [name for name in CASES if name not in ("entries", "equivocation", "pardon")]
    lines = [event([proof(name)]) for name in names if name != "one-entry"]
    lines += [event([proof("one-entry")], "203.0.113.9/32"), event([proof("pardon")], "203.0.113.9/32")]
    file = tmp_path / "evidence"
    file.write_text("\n".join(lines) + "\n")
    done = offline("verify", str(file))

    assert done.code == 0, done.out
    for words in (
        "BLOCK 203.0.113.9/32 (ssh)",
        "PARDON",
        "it is of owner",
        "revoked",
        "vouches for",
        "charter of",
        "takes over from",
    ):
        assert words in done.out
    assert offline("--plain", "verify", str(file)).out.splitlines()[-1].split("\t")[0] == "total"
    assert json.loads(offline("--json", "verify", str(file)).out)["bad"] == 0


def test_what_proves_nothing_is_told(offline, tmp_path):
    """Another prefix, a forged signature, a body of another, no evidence at all, lines that are none."""
    one = announced([block("203.0.113.9")]).raw
    other = RawAnnouncement(one.header, bytes(64), one.body)
    file = tmp_path / "evidence"
    for line, code in (
        (event([proof_of(one)], "203.0.113.9/32"), 0),
        (event([proof_of(one)], "203.0.113.10/32"), 1),
        (event([proof_of(other)], "203.0.113.9/32"), 1),
        (event([{**proof_of(one), "body": "00"}]), 1),
        (event([{"header": "zz"}]), 1),
        (event([]), 1),
        ("no json", 1),
        ('{"evidence": 7}', 1),
        ("[]", 1),
        (event([proof("equivocation")]), 1),
    ):
        file.write_text(line + "\n")
        assert offline("verify", str(file)).code == code, line
    assert offline("verify", str(tmp_path / "none")).code == 2
    assert Kind.EQUIVOCATION in set(Kind)
