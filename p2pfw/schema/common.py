"""What every answer and request is made of: texts, times, the bases, and problems (RFC 9457)."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from p2pfw.core.duration import MAX_DURATION

# Formats are words of ours: what a text must be beyond what a schema can say (docs/api.md lists them).
LINE: Final = {"format": "line"}
"""Characters that can be printed, no line breaks."""
PREFIX: Final = {"format": "prefix"}
DURATION: Final = {"format": "duration-text"}
Text = Annotated[str, Meta(max_length=256, extra_json_schema=LINE)]
PrefixText = Annotated[
    str,
    Meta(
        max_length=64,
        description="address or CIDR; canonical in answers",
        examples=["203.0.113.9/32"],
        extra_json_schema=PREFIX,
    ),
]
CategoryName = Literal["ssh", "web", "mail", "scan", "ddos", "voip", "other"]
ModeName = Literal["observe", "enforce"]
Time = Annotated[str, Meta(description="RFC 3339, UTC", examples=["2026-01-31T12:00:00Z"])]
ScopeName = Literal["read", "feeds", "write", "admin"]
Ttl = (
    Annotated[int, Meta(ge=1, le=MAX_DURATION, description="seconds")]
    | Annotated[
        str,
        Meta(max_length=32, description='"90s", "15m", "4h", "7d", "forever"', extra_json_schema={"format": "ttl"}),
    ]
)
Trust = (
    Annotated[
        str,
        Meta(
            max_length=32,
            description="preset solo, pair, trio, quad, watch, or 0..1",
            extra_json_schema={"format": "trust"},
        ),
    ]
    | Annotated[float, Meta(ge=0, le=1)]
)


class Frozen(Struct, frozen=True):
    """Base of answers."""


class Request(Struct, frozen=True, forbid_unknown_fields=True):
    """Base of request bodies: an unknown field is an error, not a silent no-op."""


class Problem(Frozen, frozen=True, kw_only=True):
    """application/problem+json."""

    type: str
    title: str
    status: int
    detail: str
    field: str = ""
    hint: str = ""
    overlap: str = ""
    """409: the whitelist or protected range in the way."""
    index: int | None = None
    """Lists: which element is at fault, from 0."""
