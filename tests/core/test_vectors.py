"""Frozen announcements of every kind: what these bytes mean may never change (docs/protocol.md 1 and 7).

A file holds the values that a builder was given and the exact bytes that came out, in hex. The bytes are never made
again: a failing test here means that old announcements became unreadable. A vector for a new kind is added by writing a
case into CASES and running

    python -m tests.core.test_vectors

which writes only files that do not exist yet.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from p2pfw.core import announcement as a
from p2pfw.core.charter import Charter, Member, Seed, SignedCharter, members_of
from p2pfw.core.identity import NodeId, OwnerId, SigningKey, Uses, certify, network_id, revoke
from p2pfw.core.idtext import encode_id
from p2pfw.core.prefix import Prefix, key_text
from p2pfw.core.succession import succeed
from p2pfw.core.vouch import vouch
from p2pfw.errors import PeerError
from tests.core.making import flips

FOLDER = Path(__file__).parent / "vectors"
NODE, OTHER_NODE, OWNER = (SigningKey(bytes([n]) * 32) for n in (1, 2, 3))
NETWORK = "vectors.example"
CREATED_MS = 1_800_000_000_123
CREATED = CREATED_MS // 1000
STAMP = {"epoch": CREATED_MS - 5_000, "seq": 300, "created_ms": CREATED_MS}
HELD = [["aa" * 32, CREATED + 60], ["bb" * 32, CREATED + 2_592_000]]

CHARTER = {
    "network": "vectors.example",
    "changes_need": 2,
    "created": CREATED - 60,
    "valid_until": CREATED + 365 * 86_400,
    "members": sorted([[OWNER.public_key.hex(), "three", 250], [OTHER_NODE.public_key.hex(), "two", 400]]),
    "seeds": [[NODE.public_key.hex(), "wss://seed.vectors.example/p2p"]],
}

# What the builder is given, by the name of the file.
CASES: dict[str, dict[str, Any]] = {
    "entries": {
        "kind": 0,
        "basis": a.feed_basis("example-feed"),
        "entries": [
            ["0.0.0.0/0", "BLOCK", "SSH", 0, 1, 0],
            ["192.0.2.0/24", "BLOCK", "WEB", 1, 3_600, 0],
            ["192.0.2.0/32", "RETRACT", "MAIL", 2, 2_592_000, 0],
            ["203.0.113.9/32", "BLOCK", "SCAN", 3, 86_400, 2_505_600],
            ["255.255.255.255/32", "RETRACT", "DDOS", 4, 60, 1],
            ["2001:db8::/32", "BLOCK", "VOIP", 5, 255, 256],
            ["2001:db8::/64", "RETRACT", "OTHER", 6, 65_536, 65_535],
            ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", "BLOCK", "OTHER", 7, 16_384, 0],
        ],
    },
    "one-entry": {"kind": 0, "basis": 0, "entries": [["203.0.113.9/32", "BLOCK", "SSH", 7, 3_600, 0]]},
    "pardon": {
        "kind": 1,
        "basis": 0,
        "entries": [
            ["203.0.113.9/32", "PARDON", "SSH", 7, 2_592_000, 0],
            ["2001:db8::1/128", "PARDON", "OTHER", 0, 1, 9],
        ],
    },
    "certificate": {
        "kind": 2,
        "certificate": {"serial": 7, "not_before": CREATED - 120, "not_after": CREATED + 89 * 86_400, "uses": 15},
    },
    "revocation-of-a-key": {"kind": 3, "revocation": {"node": "other", "below_serial": 0, "created": CREATED}},
    "revocation-below-a-serial": {"kind": 3, "revocation": {"node": None, "below_serial": 65_536, "created": CREATED}},
    "checkpoint": {"kind": 6, "checkpoint": {"epoch": STAMP["epoch"], "seq": 299, "held": HELD}},
    "checkpoint-of-nothing": {"kind": 6, "checkpoint": {"epoch": STAMP["epoch"], "seq": 300, "held": []}},
    "vouch": {"kind": 4, "vouch": {"level": 100, "created": CREATED - 5, "expires": CREATED + 89 * 86_400}},
    "vouch-taken-back": {"kind": 4, "vouch": {"level": 0, "created": CREATED, "expires": CREATED + 60}},
    "charter": {"kind": 5, "charter": CHARTER, "expires": CREATED + 30 * 86_400},
    "succession": {"kind": 8, "succession": {"created": CREATED - 5}, "expires": CREATED + 400 * 86_400},
    "equivocation": {"kind": 7, "opaque": "reserved", "expires": CREATED + 30 * 86_400},
    "unknown-kind": {"kind": 200, "opaque": "of a later version", "expires": CREATED + 1},
}


def build(case: dict[str, Any]) -> a.Announcement:
    """The announcement that a node makes of a case's values."""
    stamp = a.Stamp(network=network_id(NETWORK), **STAMP)
    if "entries" in case:
        entries = [_entry(*values) for values in reversed(case["entries"])]
        return a.build_entries(NODE, stamp, entries, basis=case["basis"], kind=a.Kind(case["kind"]))
    if "certificate" in case:
        values = case["certificate"] | {"uses": Uses(case["certificate"]["uses"])}
        return a.build_certificate(NODE, stamp, certify(OWNER, NodeId(NODE.public_key), **values))
    if "revocation" in case:
        node = NodeId(OTHER_NODE.public_key) if case["revocation"]["node"] else None
        return a.build_revocation(NODE, stamp, revoke(OWNER, **(case["revocation"] | {"node": node})))
    if "checkpoint" in case:
        held = tuple((a.AnnouncementId(bytes.fromhex(held)), expires) for held, expires in case["checkpoint"]["held"])
        return a.build_checkpoint(NODE, stamp, a.Checkpoint(**(case["checkpoint"] | {"held": held})))
    if "vouch" in case:
        signed = vouch(OWNER, OwnerId(OTHER_NODE.public_key), **case["vouch"])
        return a.build_other(NODE, stamp, case["kind"], signed.encode(), signed.expires)
    if "succession" in case:
        taken = succeed(OWNER, OTHER_NODE, **case["succession"])
        return a.build_other(NODE, stamp, case["kind"], taken.encode(), case["expires"])
    if "charter" in case:
        return a.build_other(NODE, stamp, case["kind"], _charter(case["charter"]).encode(), case["expires"])
    return a.build_other(NODE, stamp, case["kind"], case["opaque"].encode(), case["expires"])


def _charter(values: dict[str, Any]) -> SignedCharter:
    members = [Member(owner=OwnerId(bytes.fromhex(owner)), name=name, trust=n) for owner, name, n in values["members"]]
    seeds = tuple(Seed(node=NodeId(bytes.fromhex(node)), address=address) for node, address in values["seeds"])
    rest = {name: values[name] for name in ("network", "changes_need", "created", "valid_until")}
    charter = Charter(members=members_of(members), seeds=seeds, **rest)
    return SignedCharter(charter=charter, signatures={}).signed_by(OWNER)


def _entry(prefix: str, action: str, category: str, confidence: int, ttl: int, age: int) -> a.Entry:
    key = Prefix.parse(prefix).key
    return a.Entry(
        key=key, action=a.Action[action], category=a.Category[category], confidence=confidence, ttl=ttl, age=age
    )


def values_in(announcement: a.Announcement) -> dict[str, Any]:
    """A case's values, read back out of an announcement."""
    header = announcement.header
    match header.kind:
        case a.Kind.ENTRIES | a.Kind.PARDON:
            read = [[key_text(k), *_words(c), ttl, age] for k, ttl, age, c in a.records(announcement)]
            return {"kind": header.kind, "basis": header.basis, "entries": read}
        case a.Kind.CERTIFICATE:
            c = a.certificate_of(announcement)
            assert (c.owner, c.node) == (OWNER.public_key, NODE.public_key)
            read = {"serial": c.serial, "not_before": c.not_before, "not_after": c.not_after, "uses": int(c.uses)}
            return {"kind": header.kind, "certificate": read}
        case a.Kind.REVOCATION:
            r = a.revocation_of(announcement)
            assert (r.owner, r.node) in ((OWNER.public_key, OTHER_NODE.public_key), (OWNER.public_key, None))
            read = {"node": r.node and "other", "below_serial": r.below_serial, "created": r.created}
            return {"kind": header.kind, "revocation": read}
        case a.Kind.VOUCH:
            v = a.vouch_of(announcement)
            assert (v.voucher, v.subject) == (OWNER.public_key, OTHER_NODE.public_key)
            return {"kind": header.kind, "vouch": {"level": v.level, "created": v.created, "expires": v.expires}}
        case a.Kind.CHARTER:
            c = a.charter_of(announcement)
            assert c.signatures.keys() == {OWNER.public_key}
            read = {name: getattr(c.charter, name) for name in ("network", "changes_need", "created", "valid_until")}
            read["members"] = [[one.owner.hex(), one.name, one.trust] for one in c.charter.members]
            read["seeds"] = [[one.node.hex(), one.address] for one in c.charter.seeds]
            return {"kind": header.kind, "charter": read, "expires": header.expires}
        case a.Kind.SUCCESSION:
            s = a.succession_of(announcement)
            assert (s.old, s.new) == (OWNER.public_key, OTHER_NODE.public_key)
            return {"kind": header.kind, "succession": {"created": s.created}, "expires": header.expires}
        case a.Kind.CHECKPOINT:
            p = a.checkpoint_of(announcement)
            held = [[held.hex(), expires] for held, expires in p.held]
            return {"kind": header.kind, "checkpoint": {"epoch": p.epoch, "seq": p.seq, "held": held}}
        case _:
            return {"kind": header.kind, "opaque": announcement.raw.body.decode(), "expires": header.expires}


def _words(code: int) -> tuple[str, str, int]:
    action, category, confidence = a.split_code(code)
    return action.name, category.name, confidence


def accept(raw: a.RawAnnouncement) -> a.Announcement:
    """Every check, at the second of creation."""
    announcement = a.parse(raw)
    a.check_time(announcement.header, network_id(NETWORK), CREATED)
    a.check_signature(announcement)
    a.check_body(announcement)
    return announcement


def frozen(name: str) -> tuple[dict[str, Any], a.RawAnnouncement]:
    """A vector as it lies in the repository: everything, and the three byte strings."""
    vector = json.loads((FOLDER / f"{name}.json").read_text())
    parts = (bytes.fromhex(vector[part]) for part in ("header", "signature", "body"))
    return vector, a.RawAnnouncement(*parts)


def every(test):
    """Run a test with each vector."""
    return pytest.mark.parametrize("name", CASES)(test)


def test_every_vector_has_its_file_and_every_file_its_vector():
    """A file that no test reads would prove nothing."""
    files = {path.stem: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}
    ours = {name for name, content in files.items() if {"values", "header", "signature", "body"} <= set(content)}

    assert ours == set(CASES)


@every
def test_building_gives_these_bytes(name):
    """Encoder and signature are deterministic."""
    vector, raw = frozen(name)

    assert vector["values"] == CASES[name]
    assert build(vector["values"]).raw == raw


@every
def test_reading_gives_these_values(name):
    """Accepted by every check, with the id that it always had."""
    vector, raw = frozen(name)
    announcement = accept(raw)

    assert values_in(announcement) == vector["values"]
    assert announcement.id.hex() == vector["id"]
    assert encode_id(announcement.origin) == vector["origin"]


@every
def test_other_libraries_read_the_same(name):
    """The header's array by msgspec and the signature by OpenSSL: no quirk of ours is frozen."""
    vector, raw = frozen(name)

    array = msgspec.msgpack.decode(raw.header)
    Ed25519PublicKey.from_public_bytes(array[3]).verify(raw.signature, b"p2pfw/announcement/1\0" + raw.header)
    assert array[:3] == [1, network_id(NETWORK)[:8], vector["values"]["kind"]]
    assert array[4:7] == [STAMP["epoch"], STAMP["seq"], STAMP["created_ms"]]
    assert array[11] == len(raw.body)


@every
def test_every_flip_of_one_bit_is_refused(name):
    """Header, signature and body: there is no second form of anything."""
    _, raw = frozen(name)

    for changed in (
        *(a.RawAnnouncement(header, raw.signature, raw.body) for header in flips(raw.header)),
        *(a.RawAnnouncement(raw.header, signature, raw.body) for signature in flips(raw.signature)),
        *(a.RawAnnouncement(raw.header, raw.signature, body) for body in flips(raw.body)),
    ):
        with pytest.raises(PeerError):
            accept(changed)


def _freeze(name: str) -> None:
    """Write a vector that does not exist yet."""
    made, path = build(CASES[name]), FOLDER / f"{name}.json"
    if path.exists():
        return
    vector = {
        "values": CASES[name],
        "network": NETWORK,
        "origin": encode_id(made.origin),
        "seed": (b"\1" * 32).hex(),
        **STAMP,
        "id": made.id.hex(),
        "header": made.raw.header.hex(),
        "signature": made.raw.signature.hex(),
        "body": made.raw.body.hex(),
    }
    path.write_text(json.dumps(vector, indent=1) + "\n")


if __name__ == "__main__":
    for each in CASES:
        _freeze(each)
