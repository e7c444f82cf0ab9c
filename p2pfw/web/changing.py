"""Handlers that change something, each by one call to the operations. Named as in routes."""

from dataclasses import dataclass

from aiohttp import web

from p2pfw import schema
from p2pfw.core.prefix import Prefix
from p2pfw.errors import InputError
from p2pfw.operations import Operations
from p2pfw.web.answers import json_answer
from p2pfw.web.calls import Call
from p2pfw.web.problems import SAFE_HEADERS


@dataclass(frozen=True, slots=True)
class Changing:
    """One method a route."""

    operations: Operations

    async def block(self, call: Call) -> web.StreamResponse:
        """POST /v1/blocks."""
        body = await call.body(schema.BlockRequest)
        return json_answer(await self.operations.block(body, call.caller), 201)

    async def unblock(self, call: Call) -> web.StreamResponse:
        """DELETE /v1/blocks/{prefix}."""
        scope = call.text("scope", "owner")
        if scope not in ("own", "owner"):
            raise InputError(f"{scope[:40]!r} is no scope", field="scope", hint="own or owner")
        return json_answer(await self.operations.unblock(call.prefix(), scope, call.caller))

    async def retract_all(self, call: Call) -> web.StreamResponse:
        """POST /v1/retract."""
        return json_answer(await self.operations.retract_all(call.caller))

    async def sighting(self, call: Call) -> web.StreamResponse:
        """POST /v1/sightings."""
        body = await call.body(schema.SightingRequest)
        return json_answer(await self.operations.sighting(Prefix.of_client(body.prefix), body, call.caller), 201)

    async def allow(self, call: Call) -> web.StreamResponse:
        """PUT /v1/allow/{prefix}."""
        prefix, body = call.prefix(), await call.body(schema.AllowRequest)
        return json_answer(await self.operations.allow(prefix, body, call.caller))

    async def disallow(self, call: Call) -> web.StreamResponse:
        """DELETE /v1/allow/{prefix}."""
        return json_answer(await self.operations.disallow(call.prefix(), call.caller))

    async def put_peer(self, call: Call) -> web.StreamResponse:
        """PUT /v1/peers/{id}."""
        name, body = call.name(), await call.body(schema.PeerRequest)
        return json_answer(await self.operations.put_peer(name, body, call.caller))

    async def forget_peer(self, call: Call) -> web.StreamResponse:
        """DELETE /v1/peers/{id}."""
        await self.operations.forget_peer(call.name(), call.caller)
        return web.Response(status=204, headers=SAFE_HEADERS)

    async def renew_owner(self, _: Call) -> web.StreamResponse:
        """POST /v1/owner/renew."""
        return json_answer(await self.operations.renew_owner())

    async def revoke_node(self, call: Call) -> web.StreamResponse:
        """POST /v1/owner/revoke."""
        return json_answer(await self.operations.revoke_node(await call.body(schema.RevokeRequest)))

    async def invite(self, call: Call) -> web.StreamResponse:
        """POST /v1/invites."""
        return json_answer(await self.operations.invite(await call.body(schema.InviteRequest)), 201)

    async def join(self, call: Call) -> web.StreamResponse:
        """POST /v1/join."""
        return json_answer(await self.operations.join(await call.body(schema.JoinRequest)))

    async def set_mode(self, call: Call) -> web.StreamResponse:
        """PUT /v1/mode."""
        return json_answer(await self.operations.set_mode(await call.body(schema.ModeRequest), call.caller))

    async def confirm(self, _: Call) -> web.StreamResponse:
        """POST /v1/confirm."""
        return json_answer(await self.operations.confirm())

    async def panic(self, _: Call) -> web.StreamResponse:
        """POST /v1/panic."""
        return json_answer(await self.operations.panic())

    async def tokens(self, _: Call) -> web.StreamResponse:
        """GET /v1/tokens."""
        return json_answer(self.operations.tokens())

    async def add_token(self, call: Call) -> web.StreamResponse:
        """POST /v1/tokens."""
        return json_answer(await self.operations.add_token(await call.body(schema.TokenRequest), call.caller), 201)

    async def revoke_token(self, call: Call) -> web.StreamResponse:
        """DELETE /v1/tokens/{id}."""
        await self.operations.revoke_token(call.name(), call.caller)
        return web.Response(status=204, headers=SAFE_HEADERS)

    async def reload(self, _: Call) -> web.StreamResponse:
        """POST /v1/reload."""
        return json_answer(await self.operations.reload())
