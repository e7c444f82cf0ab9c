"""The part of CrowdSec's local API that its bouncers speak: paths, keys and errors as they know them.

A key is a token of the scope `feeds` in the header X-Api-Key. Errors are {"message": ...} here. Unknown parameters are
accepted: bouncers send what later versions of that API know. What is answered is decisions' business.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
from aiohttp import hdrs, web

from p2pfw.errors import InputError
from p2pfw.operations import Caller, Operations
from p2pfw.web import answers, problems
from p2pfw.web.access import Gate, Scope
from p2pfw.web.bouncerroutes import BOUNCER_ROUTES, HEALTH, KEY, METRICS, STREAM
from p2pfw.web.decisions import Decisions
from p2pfw.web.problems import SAFE_HEADERS, Refusal
from p2pfw.web.questions import Question

PATHS: Final = {
    route.path: frozenset({hdrs.METH_GET, hdrs.METH_HEAD} if route.method == hdrs.METH_GET else {route.method})
    for route in BOUNCER_ROUTES
}
MOST_METRICS: Final = 1 << 20
"""Bytes of a bouncer's report about itself; read, and not kept."""
METRICS_SECONDS: Final = 30.0
_JSON: Final = {**SAFE_HEADERS, hdrs.CONTENT_TYPE: "application/json"}


class Bouncers:
    """One way in for the paths in PATHS."""

    def __init__(self, operations: Operations, gate: Gate, monotonic: Callable[[], float]) -> None:
        self._operations, self._gate = operations, gate
        self._decisions = Decisions(operations.bouncing, monotonic)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Always an answer, or a connection that is cut off."""
        return await answers.at_the_edge(request, self._answer(request), _told)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        allowed = PATHS[request.path]
        if request.method not in allowed:
            names = ", ".join(sorted(allowed))
            raise Refusal(405, f"{request.method} is not possible here", headers={hdrs.ALLOW: names})
        if request.path == HEALTH:
            if self._gate.by_socket(request) is None:
                self._gate.check_site(request)
            return web.Response(body=b'{"status":"up"}', headers=_JSON)
        caller = self._enter(request)
        if caller.address:
            self._operations.welcome(caller)
        if request.path == METRICS:
            return await _take_metrics(request)
        question = Question.of(request, f"{caller.name} {request.remote}")
        if request.method == hdrs.METH_HEAD:  # is there an answer? Nothing is read, and no cursor moves
            return web.Response(headers=_JSON)
        answer = self._decisions.stream if request.path == STREAM else self._decisions.find
        return await answer(question)

    def _enter(self, request: web.BaseRequest) -> Caller:
        return self._gate.by_socket(request) or self._gate.by_key(request, KEY, Scope.FEEDS)


async def _take_metrics(request: web.BaseRequest) -> web.Response:
    size = 0
    async with asyncio.timeout(METRICS_SECONDS):
        async for part in request.content.iter_any():
            size += len(part)
            if size > MOST_METRICS:
                raise Refusal(413, f"the body may have {MOST_METRICS >> 10} KiB")
    return web.Response(status=201, headers=SAFE_HEADERS)


def _told(error: Exception) -> web.Response:
    """As these clients read it, with the status and the headers that the error has everywhere."""
    if isinstance(error, Refusal):
        status, message, headers = error.status, error.detail, error.headers
    else:
        told = problems.of_exception(error)
        status, message, headers = told.status, told.detail, {}
    if isinstance(error, InputError):
        message = ": ".join(filter(None, (error.field, message, error.hint)))
    body = msgspec.json.encode({"message": problems.printable(message)})
    return web.Response(body=body, status=status, headers={**_JSON, **headers})
