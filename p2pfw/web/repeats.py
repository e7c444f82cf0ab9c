"""Idempotency-Key: what is asked twice with the same key is done once, and answered alike.

For clients that do not know whether their first try arrived. Only successes are remembered: whatever was refused has
changed nothing, and may be tried again. Bounded in number, bytes and time, and gone when the process ends.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from aiohttp import web

from p2pfw.web.problems import Refusal

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
"""On an answer that was given before."""
MAX_KEY: Final = 128
"""Characters."""
KEY: Final = re.compile(rf"[!-~]{{1,{MAX_KEY}}}")
KEPT_SECONDS: Final = 3_600
MAX_KEPT: Final = 1_024
MAX_BYTES: Final = 8 << 20
"""Of all remembered bodies together."""

Place = tuple[str, str, str, str]
"""Who asked, method, path with its query, key."""


@dataclass(frozen=True, slots=True)
class _Doing:
    """A request that is being done; whoever repeats it waits."""

    digest: bytes
    over: asyncio.Event


@dataclass(frozen=True, slots=True)
class _Done:
    """A request that was done, and what it was answered."""

    digest: bytes
    at: float
    status: int
    body: bytes
    headers: dict[str, str]

    def again(self) -> web.Response:
        """The same answer, marked."""
        return web.Response(status=self.status, body=self.body, headers={**self.headers, REPLAYED: "true"})


class Repeats:
    """Remembers answers. What is under way is bounded by the doors' connections, what is over by the limits above."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._doing: dict[Place, _Doing] = {}
        self._done: OrderedDict[Place, _Done] = OrderedDict()
        self._bytes = 0

    async def once(
        self, place: Place, body: bytes, do: Callable[[], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """What `do` answered the first time. Refusal 422: the same key came with another body."""
        digest = blake2b(body, digest_size=16).digest()
        while (known := self._find(place)) is not None:
            if known.digest != digest:
                hint = "take a new key for a new request"
                raise Refusal(422, f"this {HEADER} came with another body before", field=HEADER, hint=hint)
            if isinstance(known, _Done):
                return known.again()
            await known.over.wait()
        doing = self._doing[place] = _Doing(digest, asyncio.Event())
        try:
            answer = await do()
            self._remember(place, digest, answer)
            return answer
        finally:
            del self._doing[place]
            doing.over.set()

    def _find(self, place: Place) -> _Doing | _Done | None:
        end = self._monotonic() - KEPT_SECONDS
        while self._done and next(iter(self._done.values())).at <= end:
            self._forget_oldest()
        return self._doing.get(place) or self._done.get(place)

    def _remember(self, place: Place, digest: bytes, answer: web.StreamResponse) -> None:
        if not isinstance(answer, web.Response) or not isinstance(answer.body, bytes | None) or answer.status >= 300:
            return
        data = answer.body or b""
        self._done[place] = _Done(digest, self._monotonic(), answer.status, data, dict(answer.headers))
        self._bytes += len(data)
        while len(self._done) > MAX_KEPT or self._bytes > MAX_BYTES:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        _, gone = self._done.popitem(last=False)
        self._bytes -= len(gone.body)
