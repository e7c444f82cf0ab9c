"""Handlers about owners, vouches and charters, each by one call to the operations. Named as in routes."""

from dataclasses import dataclass

from aiohttp import web

from p2pfw import schema
from p2pfw.operations import TrustOperations
from p2pfw.web.answers import json_answer
from p2pfw.web.calls import Call


@dataclass(frozen=True, slots=True)
class Trusting:
    """One method a route."""

    operations: TrustOperations

    async def forgive(self, call: Call) -> web.StreamResponse:
        """POST /v1/forgive."""
        body = await call.body(schema.ForgiveRequest)
        return json_answer(await self.operations.forgive(body, call.caller))

    async def try_trust(self, call: Call) -> web.StreamResponse:
        """POST /v1/try."""
        body = await call.body(schema.TryRequest)
        return json_answer(await self.operations.try_trust(body.id, str(body.trust)))

    async def scorecards(self, _: Call) -> web.StreamResponse:
        """GET /v1/scorecards."""
        return json_answer(await self.operations.scorecards(""))

    async def scorecard(self, call: Call) -> web.StreamResponse:
        """GET /v1/scorecards/{id}."""
        return json_answer(await self.operations.scorecards(call.name()))

    async def vouches(self, _: Call) -> web.StreamResponse:
        """GET /v1/vouches."""
        return json_answer(self.operations.vouches())

    async def vouch(self, call: Call) -> web.StreamResponse:
        """POST /v1/vouches."""
        body = await call.body(schema.VouchRequest)
        return json_answer(await self.operations.vouch(body, call.caller), 201)

    async def unvouch(self, call: Call) -> web.StreamResponse:
        """DELETE /v1/vouches/{id}."""
        return json_answer(await self.operations.unvouch(call.name(), call.caller))

    async def charter(self, _: Call) -> web.StreamResponse:
        """GET /v1/charter."""
        return json_answer(self.operations.charter())

    async def submit_charter(self, call: Call) -> web.StreamResponse:
        """POST /v1/charter."""
        return json_answer(await self.operations.submit_charter(await call.body(schema.CharterRequest)))

    async def succeed(self, call: Call) -> web.StreamResponse:
        """POST /v1/owner/succeed."""
        return json_answer(await self.operations.succeed(await call.body(schema.SuccessionRequest)))

    async def sign_charter(self, call: Call) -> web.StreamResponse:
        """POST /v1/charter/sign."""
        return json_answer(await self.operations.sign_charter(await call.body(schema.CharterSign)))
