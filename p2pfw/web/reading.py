"""Handlers that look and change nothing. Named as in routes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web

from p2pfw.core.prefix import Prefix
from p2pfw.errors import NotFoundError
from p2pfw.operations import Operations
from p2pfw.web import openapi
from p2pfw.web.access import TOKEN
from p2pfw.web.answers import json_answer, kept_answer, text_answer
from p2pfw.web.calls import Call
from p2pfw.web.metrics import Metrics
from p2pfw.web.problems import SAFE_HEADERS, Refusal
from p2pfw.web.rendering import FORMS, Renderer, Variant, read_cursor

DEFAULT_LIMIT: Final = 100
"""Verdicts in a page of GET /v1/list."""
# The first of a media type: several formats are text, and none but `plain` is what text/plain asks for.
_BY_MEDIA: Final = {form.media.partition(";")[0]: name for name, form in reversed(FORMS.items())}
_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')


@dataclass(frozen=True, slots=True)
class Reading:
    """One method a route."""

    operations: Operations
    renderer: Renderer
    collected: Metrics

    async def status(self, _: Call) -> web.StreamResponse:
        """GET /v1/status."""
        return json_answer(self.operations.status())

    async def blocklist(self, call: Call) -> web.StreamResponse:
        """GET /v1/blocklist."""
        call.text(TOKEN)  # its form only: what it opens was access's business
        kind = call.text("format", preferred(call.header(hdrs.ACCEPT)))
        variant = Variant(
            format=kind,
            family=call.number("family", 0, least=4),
            aggregate=call.flag("aggregate"),
            limit=call.number("limit", 0, least=1),
            cursor=read_cursor(call.text("cursor")),
        )
        headers = {"Vary": "Accept, Accept-Encoding", "Cache-Control": "no-cache"}
        gzip = accepts_gzip(call.header(hdrs.ACCEPT_ENCODING))
        tag = self.renderer.tag(variant, gzip=gzip)
        if matches(call.header(hdrs.IF_NONE_MATCH), tag):
            return web.Response(status=304, headers={**SAFE_HEADERS, **headers, "ETag": tag})
        tag, page = await self.renderer.page(variant, gzip=gzip)
        if tag:
            headers["ETag"] = tag
        if page.cursor:
            headers["X-Next-Cursor"] = page.cursor
        if gzip:
            headers["Content-Encoding"] = "gzip"
        return await kept_answer(call.request, page.parts, {"Content-Type": variant.form.media, **headers})

    async def covering(self, call: Call) -> web.StreamResponse:
        """GET /v1/blocklist/{prefix}."""
        prefix = call.prefix()
        found = self.operations.covering(prefix)
        if found is None:
            raise NotFoundError(f"{prefix} is not blocked", field="prefix")
        return json_answer(found)

    async def why(self, call: Call) -> web.StreamResponse:
        """GET /v1/why/{prefix}."""
        return json_answer(await self.operations.why(call.prefix(), counters=call.flag("counters")))

    async def listing(self, call: Call) -> web.StreamResponse:
        """GET /v1/list."""
        found = await self.operations.listing(
            call.text("view", "adopted"),
            call.text("origin"),
            Prefix.of_client(call.text("contains")) if "contains" in call.request.query else None,
            call.number("limit", DEFAULT_LIMIT, least=1),
            call.text("cursor"),
        )
        return json_answer(found)

    async def allow_list(self, call: Call) -> web.StreamResponse:
        """GET /v1/allow."""
        return json_answer(self.operations.allow_list(protected=call.flag("protected")))

    async def allow_check(self, call: Call) -> web.StreamResponse:
        """GET /v1/allow/{prefix}."""
        return json_answer(self.operations.allow_check(call.prefix()))

    async def peers(self, _: Call) -> web.StreamResponse:
        """GET /v1/peers."""
        return json_answer(self.operations.peers())

    async def peer(self, call: Call) -> web.StreamResponse:
        """GET /v1/peers/{id}."""
        return json_answer(self.operations.peer(call.name()))

    async def owner(self, _: Call) -> web.StreamResponse:
        """GET /v1/owner."""
        return json_answer(self.operations.owner())

    async def doctor(self, _: Call) -> web.StreamResponse:
        """GET /v1/doctor."""
        return json_answer(await self.operations.doctor())

    async def openapi(self, _: Call) -> web.StreamResponse:
        """GET /v1/openapi.json."""
        return web.Response(body=openapi.document(), content_type="application/json", headers=SAFE_HEADERS)

    async def metrics(self, _: Call) -> web.StreamResponse:
        """GET /metrics."""
        body, content_type = self.collected.render()
        return web.Response(body=body, headers={**SAFE_HEADERS, hdrs.CONTENT_TYPE: content_type})

    async def healthz(self, _: Call) -> web.StreamResponse:
        """GET /healthz."""
        return text_answer("ok\n")

    async def readyz(self, _: Call) -> web.StreamResponse:
        """GET /readyz."""
        unready = self.operations.ready()
        if unready:
            raise Refusal(503, unready)
        return text_answer("ready\n")


def matches(header: str, tag: str) -> bool:
    """True when If-None-Match names the tag; weak comparison (RFC 9110 13.1.2)."""
    return header.strip() == "*" or tag in _TAG.findall(header)


def accepts_gzip(header: str) -> bool:
    """True when Accept-Encoding names it, or `*`, and does not refuse it (RFC 9110 12.5.3)."""
    weights = dict(_weighted(header)) if header else {}
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def preferred(accept: str) -> str:
    """The format that an Accept header likes best; JSON when none of ours is named. text/plain is `plain`."""
    liked = [(weight, _BY_MEDIA[media]) for media, weight in _weighted(accept) if media in _BY_MEDIA and weight > 0]
    return max(liked, key=lambda one: one[0], default=(0, "json"))[1]


def _weighted(header: str) -> Iterator[tuple[str, float]]:
    """The names that a header of preferences has, with their q."""
    for part in header.split(","):
        name, *parameters = (one.strip().lower() for one in part.split(";"))
        yield name, next((_weight(one[2:]) for one in parameters if one.startswith("q=")), 1.0)


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
