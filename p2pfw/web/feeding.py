"""Handlers about feeds, each by one call to the operations. Named as in routes."""

from dataclasses import dataclass

from aiohttp import web

from p2pfw import schema
from p2pfw.operations import FeedOperations
from p2pfw.web.answers import json_answer
from p2pfw.web.calls import Call
from p2pfw.web.problems import SAFE_HEADERS


@dataclass(frozen=True, slots=True)
class Feeding:
    """One method a route."""

    operations: FeedOperations

    async def feeds(self, _: Call) -> web.StreamResponse:
        """GET /v1/feeds."""
        return json_answer(self.operations.feeds())

    async def feed(self, call: Call) -> web.StreamResponse:
        """GET /v1/feeds/{id}."""
        return json_answer(self.operations.feed(call.name()))

    async def add_feed(self, call: Call) -> web.StreamResponse:
        """POST /v1/feeds."""
        body = await call.body(schema.FeedRequest)
        return json_answer(await self.operations.add_feed(body, call.caller), 201)

    async def refresh_feed(self, call: Call) -> web.StreamResponse:
        """POST /v1/feeds/{id}."""
        name, body = call.name(), await call.body(schema.RefreshRequest)
        return json_answer(await self.operations.refresh_feed(name, body))

    async def remove_feed(self, call: Call) -> web.StreamResponse:
        """DELETE /v1/feeds/{id}."""
        await self.operations.remove_feed(call.name(), call.caller)
        return web.Response(status=204, headers=SAFE_HEADERS)

    async def test_feed(self, call: Call) -> web.StreamResponse:
        """POST /v1/test-feed."""
        return json_answer(await self.operations.test_feed(await call.body(schema.FeedRequest), call.caller))
