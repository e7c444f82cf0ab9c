"""What CrowdSec's bouncers are answered: names and shapes are those of CrowdSec's local API, not ours."""

from typing import Annotated, Literal

from msgspec import Meta

from p2pfw.schema.common import PREFIX, Frozen


class Decision(Frozen, frozen=True, kw_only=True):
    """One prefix that is blocked, or is so no more."""

    duration: Annotated[str, Meta(pattern=r"^-?([0-9]+h)?([0-9]+m)?[0-9]+s$", examples=["3h59m58s"])]
    """What is left of it; negative of what is over."""
    id: Annotated[int, Meta(ge=1)]
    origin: Literal["p2pfw"]
    scenario: Annotated[str, Meta(examples=["p2pfw/ssh"])]
    scope: Literal["Ip", "Range"]
    type: Literal["ban"]
    uuid: str
    value: Annotated[str, Meta(max_length=43, extra_json_schema=PREFIX)]
    """Canonical; an address without its length."""


class Decisions(Frozen, frozen=True, kw_only=True):
    """GET /v1/decisions/stream: all at first, then what changed since the same key and address asked."""

    new: list[Decision]
    deleted: list[Decision]


class Message(Frozen, frozen=True, kw_only=True):
    """How CrowdSec's local API tells an error."""

    message: str


class Up(Frozen, frozen=True, kw_only=True):
    """GET /health."""

    status: Literal["up"]
