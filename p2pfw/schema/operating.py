"""Joining, enforcement, and what an operator does with a node."""

from typing import Annotated, Literal

from msgspec import Meta, field

from p2pfw.schema.common import LINE, Frozen, ModeName, Request, Time, Trust, Ttl
from p2pfw.schema.state import Confirming
from p2pfw.schema.trust import PeerView, TrustReport


class InviteRequest(Request, frozen=True, kw_only=True):
    """POST /v1/invites."""

    guest: bool = False
    ttl: Ttl = "1h"
    uses: Annotated[int, Meta(ge=1, le=1000)] = 1
    trust: Trust = "trio"


class InviteAnswer(Frozen, frozen=True, kw_only=True):
    """201 of POST /v1/invites."""

    token: str
    line: str
    """The whole command to paste on the other server."""
    expires: Time
    uses: int
    fingerprint: str
    """This node's id in groups, to be compared over the telephone."""


class JoinRequest(Request, frozen=True, kw_only=True):
    """POST /v1/join."""

    token: Annotated[str, Meta(max_length=2048, extra_json_schema={"format": "invitation"})]
    trust: Trust = "trio"


class JoinAnswer(Frozen, frozen=True, kw_only=True):
    """200 of POST /v1/join."""

    fleet: str
    nodes: int
    guest: bool
    network: str
    mode: ModeName
    text: str
    """The closing words."""
    fingerprint: str = ""
    peer_fingerprint: str = ""


class ModeRequest(Request, frozen=True, kw_only=True):
    """PUT /v1/mode."""

    mode: ModeName
    confirm: Annotated[int, Meta(ge=0, le=3600)] = 0
    """Seconds until it reverts unless confirmed; 0: no timer."""


class ModeAnswer(Frozen, frozen=True, kw_only=True):
    """200 of PUT /v1/mode, POST /v1/confirm, POST /v1/panic."""

    mode: ModeName
    enforcing: bool
    installed: int
    confirming: Confirming | None = None
    text: str = ""


class Event(Frozen, frozen=True, kw_only=True):
    """One line of GET /v1/events."""

    id: int
    time: Time
    kind: str
    """adopted, released, held, refused, block, unblock, allow, peer-up, peer-down, refused-peer, mode, drift, ..."""
    prefix: str = ""
    peer: str = ""
    reason: str = ""
    detail: dict[str, str | int | float | bool | None] = field(default_factory=dict)
    evidence: list[dict[str, str]] = []
    """With evidence=1: signed announcements (header, signature, body in hexadecimal) that anybody can verify."""


class WebhookPayload(Frozen, frozen=True, kw_only=True):
    """What a webhook is sent: events in order, the oldest first."""

    schema: Literal["p2pfw.webhook/1"] = "p2pfw.webhook/1"
    node_id: str
    name: str
    dropped: int
    """Events that were never sent since the start, because the webhook was away or too slow."""
    events: list[Event]


class Check(Frozen, frozen=True, kw_only=True):
    """One line of the doctor's report."""

    code: str
    level: Literal["ok", "warning", "error"]
    text: str
    remedy: str = ""


class Doctor(Frozen, frozen=True, kw_only=True):
    """GET /v1/doctor."""

    schema: Literal["p2pfw.doctor/1"] = "p2pfw.doctor/1"
    level: Literal["ok", "warning", "error"]
    checks: list[Check]
    trust: TrustReport | None = None


class ReloadAnswer(Frozen, frozen=True, kw_only=True):
    """200 of POST /v1/reload."""

    changed: list[str]
    needs_restart: list[str] = []


class OwnerView(Frozen, frozen=True, kw_only=True):
    """GET /v1/owner: the fleet as this node knows it."""

    schema: Literal["p2pfw.owner/1"] = "p2pfw.owner/1"
    owner_id: str
    holds_key: bool
    nodes: list[PeerView]


class RevokeRequest(Request, frozen=True, kw_only=True):
    """POST /v1/owner/revoke."""

    node: Annotated[str, Meta(max_length=128, extra_json_schema=LINE)]


class SuccessionRequest(Request, frozen=True, kw_only=True):
    """POST /v1/owner/succeed: this owner takes another key, signed by both."""

    succession: Annotated[
        str,
        Meta(max_length=512, description="the signed bytes, hexadecimal", extra_json_schema={"format": "succession"}),
    ]


class OwnerAnswer(Frozen, frozen=True, kw_only=True):
    """200 of POST /v1/owner/renew and /v1/owner/revoke."""

    text: str
    expires: Time | None = None
