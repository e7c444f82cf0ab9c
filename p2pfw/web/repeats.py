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
MAX_KEY: Final = 128
"""Characters."""
KEY: Final = re.compile(rf"[!-~]{{1,{MAX_KEY}}}")
KEPT_SECONDS: Final = 3_600
MAX_KEPT: Final = 1_024
MAX_BYTES: Final = 8 << 20
"""Of all remembered bodies together."""

Place = tuple[str, str, str, str]
"""Who asked, method, path with its query, key."""


@dataclass(slots=True)
class _Known:
    """A request that was done, or is being done (`answer` None)."""

    digest: bytes
    at: float
    done: asyncio.Event
    answer: tuple[int, bytes, dict[str, str]] | None = None


class Repeats:
    """Remembers answers."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._known: OrderedDict[Place, _Known] = OrderedDict()
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
            if known.answer is not None:
                status, data, headers = known.answer
                return web.Response(status=status, body=data, headers={**headers, "Idempotency-Replayed": "true"})
            await known.done.wait()
        known = self._known[place] = _Known(digest, self._monotonic(), asyncio.Event())
        try:
            return self._remember(place, known, await do())
        finally:
            if known.answer is None and self._known.get(place) is known:
                del self._known[place]
            known.done.set()

    def _find(self, place: Place) -> _Known | None:
        now = self._monotonic()
        while self._known:
            first, known = next(iter(self._known.items()))
            if known.answer is None or (known.at > now - KEPT_SECONDS and not self._is_full()):
                break
            self._forget(first)
        return self._known.get(place)

    def _is_full(self) -> bool:
        return len(self._known) > MAX_KEPT or self._bytes > MAX_BYTES

    def _forget(self, place: Place) -> None:
        known = self._known.pop(place)
        self._bytes -= len(known.answer[1]) if known.answer else 0

    def _remember(self, place: Place, known: _Known, answer: web.StreamResponse) -> web.StreamResponse:
        if isinstance(answer, web.Response) and isinstance(answer.body, bytes | type(None)) and answer.status < 300:
            data = answer.body or b""
            known.answer = answer.status, data, dict(answer.headers)
            self._bytes += len(data)
            self._known.move_to_end(place)
        return answer
