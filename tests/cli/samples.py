"""Answers of a node, for tests of what commands print."""

from datetime import UTC, datetime, timedelta
from typing import Any

from p2pfw import schema
from p2pfw.core.idtext import encode_id

NODE = encode_id(bytes(range(32)))
OWNER = encode_id(bytes(range(1, 33)))


NOW = 1_769_860_800
"""2026-01-31T12:00:00Z: what the clock says in these tests."""


def at(**delta: float) -> str:
    """A time from now."""
    return (datetime.fromtimestamp(NOW, UTC) + timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%SZ")


def status(**changed: Any) -> schema.Status:
    """A node that enforces."""
    known: dict[str, Any] = {
        "node_id": NODE,
        "owner_id": OWNER,
        "name": "web-1",
        "network": "example",
        "version": "0.1.0",
        "started": "2026-01-31T12:00:00Z",
        "uptime": 3_700,
        "mode": "enforce",
        "mode_origin": "command",
        "enforcing": True,
        "adopted": 12,
        "installed": 11,
        "pending": 1,
        "held": 3,
        "refused": 2,
        "announcements": 40,
        "entries": 50,
        "whitelist": 7,
        "peers": 2,
        "peers_configured": 3,
        "fleet": 4,
        "generation": 99,
    }
    return schema.Status(**{**known, **changed})


def evidence(**changed: Any) -> schema.Evidence:
    """A statement that counts."""
    known: dict[str, Any] = {
        "source": "signed",
        "name": "helios",
        "action": "BLOCK",
        "category": "ssh",
        "confidence": 1.0,
        "trust": 0.9,
        "trust_from": "configured 0.90",
        "support": 0.9,
        "counted": True,
        "signed": at(minutes=-5),
        "expires": at(hours=4),
    }
    return schema.Evidence(**{**known, **changed})


def why(**changed: Any) -> schema.Why:
    """The sample of the contract."""
    known: dict[str, Any] = {
        "prefix": "203.0.113.9/32",
        "blocked": True,
        "dropped": True,
        "matched": "203.0.113.0/24",
        "matched_of": 2,
        "verdict": "ADOPT",
        "reason": "ok",
        "score": 0.94,
        "threshold": 0.92,
        "voices": 2,
        "voices_needed": 2,
        "since": at(minutes=-4),
        "expires": at(hours=3, minutes=56),
        "evidence": [
            evidence(),
            evidence(
                name="juno",
                category="scan",
                support=0.4,
                trust_from="configured 0.40",
                signed=at(minutes=-9),
                expires=at(hours=1),
            ),
            evidence(name="ceres", counted=False, not_counted="same-owner"),
        ],
        "flips": ["helios retracts (0.40 < 0.77)"],
        "whitelist_sources": 3,
        "whitelist_ranges": 214,
        "kernel": schema.KernelView(installed=True, set="p2pfw-block4", packets=41, bytes=2_460),
        "undo": ["p2pfw allow add 203.0.113.9 --ttl 1d", "p2pfw peer trust helios 0.2"],
    }
    return schema.Why(**{**known, **changed})


def peer(**changed: Any) -> schema.PeerView:
    """One that is connected."""
    known: dict[str, Any] = {"id": NODE, "owner": OWNER, "name": "berlin", "state": "connected", "trust": 0.4}
    return schema.PeerView(**{**known, **changed})


def entry(prefix: str, **changed: Any) -> schema.ListEntry:
    """One that is adopted and installed."""
    known: dict[str, Any] = {
        "verdict": "ADOPT",
        "reason": "ok",
        "expires": None,
        "installed": True,
        "origins": ["helios"],
    }
    return schema.ListEntry(prefix=prefix, **{**known, **changed})
