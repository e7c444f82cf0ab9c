"""Tokens of the local API: who may ask from beyond the socket, for what, until when and how often.

A secret is shown once and kept as a hash only. It has 160 bits, so a hash that takes long would protect nothing more.
What a scope opens is web's business. When a token was last used is kept to the hour: it is for the operator, who asks
which may go.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Final

from p2pfw import schema
from p2pfw.app.events import Events
from p2pfw.app.terms import seconds_of
from p2pfw.core.times import ending, rfc3339
from p2pfw.errors import ConflictError, NotAcceptableError, NotFoundError
from p2pfw.operations import Caller, Granted
from p2pfw.ports import Clock, Store
from p2pfw.rows import Drop, Put, TokenRow

PREFIX: Final = "p2pfw-token-"
"""How a secret begins: secret scanners and people recognise it."""
SECRET_BYTES: Final = 20
MAX_TOKENS: Final = 256
USED_EVERY: Final = 3_600
"""Seconds between two notes of a token's last use."""


def hash_of(secret: str) -> bytes:
    """What is kept of a secret."""
    return blake2b(secret.encode(), digest_size=32, person=b"p2pfw/token").digest()


class Tokens:
    """All tokens of this node."""

    def __init__(self, store: Store, clock: Clock, random: Callable[[int], bytes], events: Events) -> None:
        self._store, self._clock, self._random, self._events = store, clock, random, events
        self._by_hash: dict[bytes, TokenRow] = {}
        self._adding = asyncio.Lock()

    def load(self, rows: Sequence[TokenRow]) -> None:
        """At start."""
        self._by_hash = {row.secret_hash: row for row in rows}

    def check(self, secret: str) -> Granted | None:
        """Whose token it is; None when it is none of this node's, or is over.

        Found by its hash: how long that takes says nothing about the secrets that are right.
        """
        now = int(self._clock.now())
        row = self._by_hash.get(hash_of(secret)) if secret.isascii() else None
        if row is None or 0 < row.expires <= now:
            return None
        if now - row.used >= USED_EVERY or now < row.used:
            row = self._by_hash[row.secret_hash] = replace(row, used=now)
            self._store.post(Put(row=row))
        return Granted(row.name, row.scope, row.rate)

    async def add(self, request: schema.TokenRequest, caller: Caller) -> schema.TokenAnswer:
        """See operations.Operations.add_token."""
        async with self._adding:
            return await self._add(request, caller)

    async def _add(self, request: schema.TokenRequest, caller: Caller) -> schema.TokenAnswer:
        now = int(self._clock.now())
        if any(row.name == request.name and not 0 < row.expires <= now for row in self._by_hash.values()):
            hint = f"p2pfw token revoke {request.name} first, or choose another name"
            raise ConflictError(
                f"there is a token named {request.name!r} already", overlap=request.name, field="name", hint=hint
            )
        await self._prune(now)
        if len(self._by_hash) >= MAX_TOKENS:
            raise NotAcceptableError(f"there are {MAX_TOKENS} tokens already", hint="p2pfw token list; revoke some")
        seconds = seconds_of(request.ttl)
        secret = PREFIX + self._random(SECRET_BYTES).hex()
        row = TokenRow(
            secret_hash=hash_of(secret), name=request.name, scope=request.scope, rate=request.rate,
            created=now, expires=0 if seconds is None else now + seconds, used=0,
        )  # fmt: skip
        await self._store.commit(Put(row=row))
        self._by_hash[row.secret_hash] = row
        self._events.tell("token-added", reason=request.scope, name=request.name, by=caller.name)
        return schema.TokenAnswer(token=secret, view=_view(row))

    async def revoke(self, name: str, caller: Caller) -> None:
        """See operations.Operations.revoke_token."""
        found = [row for row in self._by_hash.values() if row.name == name]
        if not found:
            raise NotFoundError(f"there is no token named {name!r}", field="name", hint="p2pfw token list")
        await self._store.commit(*(Drop(table=TokenRow, identity=row.secret_hash) for row in found))
        for row in found:
            self._by_hash.pop(row.secret_hash, None)
        self._events.tell("token-revoked", name=name, by=caller.name)

    def all(self) -> schema.TokenList:
        """See operations.Operations.tokens."""
        rows = sorted(self._by_hash.values(), key=lambda row: row.name)
        return schema.TokenList(tokens=[_view(row) for row in rows])

    async def _prune(self, now: int) -> None:
        over = [row for row in self._by_hash.values() if 0 < row.expires <= now]
        if over:
            await self._store.commit(*(Drop(table=TokenRow, identity=row.secret_hash) for row in over))
        for row in over:
            self._by_hash.pop(row.secret_hash, None)


def _view(row: TokenRow) -> schema.TokenView:
    return schema.TokenView(
        name=row.name,
        scope=row.scope,  # type: ignore[arg-type]  # one of the scope's words, checked when it was made
        rate=row.rate,
        created=rfc3339(row.created),
        expires=ending(row.expires),
        used=rfc3339(row.used) if row.used else None,
    )
