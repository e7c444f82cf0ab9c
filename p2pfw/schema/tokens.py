"""Tokens of the local API."""

from typing import Annotated, Final, Literal

from msgspec import Meta

from p2pfw.schema.common import Frozen, Request, ScopeName, Time, Ttl

DEFAULT_RATE: Final = 1_000
"""Requests a second; a bouncer asks a few times a minute, a proxy once a connection."""


class TokenRequest(Request, frozen=True, kw_only=True):
    """POST /v1/tokens."""

    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    scope: ScopeName = "read"
    """Each includes the ones before."""
    ttl: Ttl = "forever"
    rate: Annotated[int, Meta(ge=1, le=1_000_000, description="requests a second")] = DEFAULT_RATE


class TokenView(Frozen, frozen=True, kw_only=True):
    """One token, without its secret."""

    name: str
    scope: ScopeName
    rate: int
    created: Time
    expires: Time | None
    """None: no end."""
    used: Time | None
    """When it was last used, to the hour."""


class TokenAnswer(Frozen, frozen=True, kw_only=True):
    """201 of POST /v1/tokens: the only time that the secret is shown."""

    schema: Literal["p2pfw.token/1"] = "p2pfw.token/1"
    token: str
    view: TokenView


class TokenList(Frozen, frozen=True, kw_only=True):
    """GET /v1/tokens."""

    schema: Literal["p2pfw.tokens/1"] = "p2pfw.tokens/1"
    tokens: list[TokenView]
