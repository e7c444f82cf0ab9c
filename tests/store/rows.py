"""Rows and announcements for tests of the store: every table once, and writes that can be counted."""

import hashlib

from p2pfw.core.announcement import AnnouncementId, RawAnnouncement
from p2pfw.core.prefix import PrefixKey, v4_key, v6_key
from p2pfw.rows import (
    AllowRow,
    EvidenceRow,
    FeedRow,
    IntentionRow,
    InviteRow,
    LocalRow,
    ObservationRow,
    PeerRow,
    PutAnnouncement,
    RuleRow,
    TokenRow,
)

V4 = v4_key(0xCB007109, 32)
V6 = v6_key(0x20010DB8 << 96, 48)

ALLOW = AllowRow(key=V4, until=0, comment="bastion — büro", added=1_700_000_000)
LOCAL = LocalRow(source="operator", key=V6, until=1_800_000_000, category=3, reason="scan", added=1_700_000_000)
INTENTION = IntentionRow(
    key=V4, until=0, category=0, confidence=7, reason="ssh", added=1_700_000_000, basis=(1 << 64) - 1
)
PEER = PeerRow(
    id=b"\x01" * 32,
    owner=b"\x02" * 32,
    name="berlin",
    trust=None,
    trust_for=(("mail", 0.1), ("ssh", 1.0)),
    addresses=("ws://berlin.example.net:7787",),
    distrusted=True,
    forgotten=False,
)
INVITE = InviteRow(secret_hash=b"\x03" * 32, guest=True, trust=0.3, uses_left=2, expires=1_700_003_600)
FEED = FeedRow(name="drop", fetched=1_700_000_000, etag='"abc"', modified="", keys=V4.to_bytes(18) + V6.to_bytes(18))
EVIDENCE = EvidenceRow(owner=b"\x02" * 32, pos=1.5, neg=0.25, at=1.7e9, confirmed=3, contradicted=1)
TOKEN = TokenRow(
    secret_hash=b"\x04" * 32, name="grafana", scope="feeds", rate=1_000, created=1_700_000_000, expires=0, used=5
)
RULE = RuleRow(
    chain="FORWARD", target="REJECT", in_interface="ppp+", out_interface="", from_key=V6, to_key=0, until=9, added=3
)
OBSERVATION = ObservationRow(owner=b"", key=V6, what="own", at=1_700_000_000)
EVERY_ROW = (ALLOW, LOCAL, INTENTION, PEER, INVITE, FEED, EVIDENCE, OBSERVATION, TOKEN, RULE)


def allow(number: int) -> AllowRow:
    """The whitelist entry number `number` of a long list."""
    return AllowRow(key=host(number), until=0, comment="", added=number)


def host(number: int) -> PrefixKey:
    """The host number `number` of 10/8."""
    return v4_key((10 << 24) + number, 32)


def put_announcement(number: int, *, kind: int = 0, size: int = 120, recorded: int = 0) -> PutAnnouncement:
    """Bytes that look like an announcement, different for every number; the store does not look inside."""
    seed = hashlib.sha256(number.to_bytes(8)).digest()
    raw = RawAnnouncement(seed * 4, seed * 2, (seed * (size // 32 + 1))[:size])
    return PutAnnouncement(raw=raw, id=AnnouncementId(seed), kind=kind, expires=2_000_000_000, recorded=recorded)
