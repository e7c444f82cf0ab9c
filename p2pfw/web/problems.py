"""Errors as RFC 9457 problems: one table from the exception tree to status codes.

Every answer that is no success is made here, the router's own 404 and 405 and the HTTP parser's 400 too, so that no
client ever meets HTML or plain text. What went wrong inside is logged, never told; what a caller sent is told back
without control characters, because answers end up in terminals.
"""

import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from p2pfw import schema
from p2pfw.errors import (
    ConfigError,
    ConflictError,
    DiskFullError,
    FirewallError,
    InputError,
    NodeError,
    NotAcceptableError,
    NotFoundError,
    PeerError,
    StoreError,
)

log = logging.getLogger(__name__)

CONTENT_TYPE: Final = "application/problem+json"
SAFE_HEADERS: Final = {"Server": "p2pfw", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
"""On every answer that does not say otherwise."""
# The first that fits holds: a subclass comes before its base.
_STATUS: Final[tuple[tuple[type[Exception], int], ...]] = (
    (ConflictError, 409),
    (NotFoundError, 404),
    (NotAcceptableError, 422),
    (InputError, 400),
    (ConfigError, 400),
    (DiskFullError, 507),
    (StoreError, 503),
    (FirewallError, 503),
    (NodeError, 503),
    (PeerError, 502),
)
_INDEX: Final = re.compile(r"\[(\d{1,9})\]")
_PATH: Final = re.compile(r"`\$\.?([^`]*)`$")


class Refusal(Exception):  # noqa: N818  # an answer, not an error of ours
    """A refusal by the API itself: access, size, rate, route."""

    def __init__(
        self, status: int, detail: str, *, field: str = "", hint: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.field, self.hint, self.headers = status, detail, field, hint, headers or {}


def problem(status: int, detail: str, *, hint: str = "", field: str = "", overlap: str = "") -> schema.Problem:
    """The value; its title is the status's own phrase, its index the one that the field names (`prefixes[3]`)."""
    index = _INDEX.search(field)
    return schema.Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=printable(detail),
        field=printable(field),
        hint=printable(hint),
        overlap=printable(overlap),
        index=int(index[1]) if index else None,
    )


def response(value: schema.Problem, headers: Mapping[str, str] | None = None) -> web.Response:
    """As it is sent."""
    return web.Response(
        body=msgspec.json.encode(value),
        status=value.status,
        content_type=CONTENT_TYPE,
        headers={**SAFE_HEADERS, **(headers or {})},
    )


def answer_to(error: Exception) -> web.Response:
    """What the client gets for whatever was raised before an answer began."""
    if isinstance(error, Refusal):
        value = problem(error.status, error.detail, hint=error.hint, field=error.field)
        return response(value, error.headers)
    return response(of_exception(error))


def of_exception(error: Exception) -> schema.Problem:
    """The problem that an exception of ours stands for; 500, and a line in the log, for any other."""
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return _told(error, status)
    if isinstance(error, msgspec.DecodeError | UnicodeDecodeError | RecursionError):
        return problem(400, f"the body is not as it should be: {_first_line(error)}", field=_field(str(error)))
    if isinstance(error, web.RequestPayloadError):
        return problem(400, "the body is not whole")
    if isinstance(error, TimeoutError):
        return problem(408, "the body did not come in time")
    log.error("request failed", exc_info=error)
    return problem(500, "an error of ours; the log has it")


def _told(error: Exception, status: int) -> schema.Problem:
    if isinstance(error, InputError):
        overlap = error.overlap if isinstance(error, ConflictError) else ""
        return problem(status, error.problem, hint=error.hint, field=error.field, overlap=overlap)
    return problem(status, str(error))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]


def _field(text: str) -> str:
    """The field that msgspec names, as in "... - at `$.ttl`"."""
    path = _PATH.search(text)
    return path[1] if path else ""


def printable(text: str) -> str:
    """Without control characters (terminal escapes) and other surprises; lines stay."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)
