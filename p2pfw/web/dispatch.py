"""From a request to its route, through the gate, to the handler, to an answer: the one way through the API.

What is an argument in a path is decoded, so that a prefix may carry its slash as it is or as %2F; all else has one
spelling, so that whoever stands in front and looks at paths sees what is meant. Whatever is raised
before an answer began becomes a problem; what is raised within one cuts the connection, because half a list that ends
properly would be taken for a whole one.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from aiohttp import hdrs, web

from p2pfw.operations import Caller
from p2pfw.web import answers, problems
from p2pfw.web.access import TOKEN, Gate
from p2pfw.web.calls import Call, check_query
from p2pfw.web.problems import Refusal
from p2pfw.web.repeats import HEADER, KEY, MAX_KEY, Repeats
from p2pfw.web.routes import Route

Handler = Callable[[Call], Awaitable[web.StreamResponse]]

MAX_ARGUMENT: Final = 256
"""Characters of a prefix, id or name in a path."""


@dataclass(frozen=True, slots=True)
class _Found:
    route: Route
    handler: Handler


class Dispatcher:
    """A table of routes, and the way through it."""

    def __init__(
        self,
        routes: tuple[Route, ...],
        handlers: Mapping[str, Handler],
        gate: Gate,
        welcome: Callable[[Caller], object] = lambda _: None,
        *,
        monotonic: Callable[[], float],
    ) -> None:
        """`handlers` by name of route; KeyError when one is missing. `welcome`: told who authenticated, and whence."""
        self._gate, self._welcome = gate, welcome
        self._repeats = Repeats(monotonic)
        self._fixed: dict[str, dict[str, _Found]] = {}
        # By what stands before the argument, which is always the last thing in a path.
        self._open: dict[str, dict[str, _Found]] = {}
        for route in routes:
            base, _, argument = route.path.partition("{")
            methods = (self._open if argument else self._fixed).setdefault(base, {})
            methods[route.method] = _Found(route, handlers[route.name])
            if route.method == hdrs.METH_GET:
                methods[hdrs.METH_HEAD] = methods[hdrs.METH_GET]

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Always an answer, or a connection that is cut off."""
        return await answers.at_the_edge(request, self._answer(request), problems.answer_to)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        methods, argument = self._find(request.path, request.rel_url.raw_path)
        found = methods.get(request.method)
        if found is None:
            allowed = ", ".join(sorted(methods))
            hint = f"possible: {allowed}"
            raise Refusal(405, f"{request.method} is not possible here", hint=hint, headers={hdrs.ALLOW: allowed})
        caller = self._enter(request, found.route)
        if caller.address:  # only of who proved who he is
            self._welcome(caller)
        check_query(request, found.route.query)
        call = Call(request, caller, argument)
        if HEADER in request.headers and request.method == hdrs.METH_POST:
            return await self._once(found, call)
        return await found.handler(call)

    async def _once(self, found: _Found, call: Call) -> web.StreamResponse:
        """A request that may be a repetition."""
        if found.route.body is None and found.route.name == "import_list":
            raise Refusal(400, f"an import takes no {HEADER}: it says how far it is as it goes", field=HEADER)
        key = call.header(HEADER)
        if KEY.fullmatch(key) is None:
            raise Refusal(400, f"{HEADER} is 1 to {MAX_KEY} visible ASCII characters", field=HEADER)
        body = await call.read()
        place = (call.caller.name, call.request.method, call.request.path_qs, key)
        return await self._repeats.once(place, body, lambda: found.handler(replace(call, sent=body)))

    def _find(self, path: str, sent: str) -> tuple[dict[str, _Found], str]:
        """(route by method, argument) of a path, decoded and as it was sent; Refusal 404."""
        methods = self._fixed.get(sent)
        if methods is not None:
            return methods, ""
        for base, methods in self._open.items():
            if sent.startswith(base) and len(base) < len(path) <= len(base) + MAX_ARGUMENT:
                return methods, path[len(base) :]
        raise Refusal(404, f"there is nothing at {path[:200]!r}", hint="/v1/openapi.json lists what there is")

    def _enter(self, request: web.BaseRequest, route: Route) -> Caller:
        by_socket = self._gate.by_socket(request)
        return by_socket or self._gate.by_network(request, route.scope, query_token=TOKEN in route.query)
