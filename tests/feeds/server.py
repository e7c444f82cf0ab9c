"""A publisher of lists on loopback: a real aiohttp server whose every answer the test decides."""

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Publisher:
    """Answers by path; `seen` are the requests that came."""

    def __init__(self):
        self.answers: dict[str, Answer] = {}
        self.seen: list[web.Request] = []
        self.base = ""

    def url(self, path: str) -> str:
        return f"{self.base}{path}"

    def says(self, path: str, body: bytes | str = b"", status: int = 200, **headers: str) -> str:
        """A plain answer at that path; its URL. Header names with _ for -."""
        raw = body.encode() if isinstance(body, str) else body
        named = {name.replace("_", "-"): value for name, value in headers.items()}

        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(body=raw, status=status, headers=named)

        self.answers[path] = answer
        return self.url(path)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        answer = self.answers.get(request.path)
        return await answer(request) if answer else web.Response(status=404)


@asynccontextmanager
async def publishing(tls=None, host="127.0.0.1"):
    """A publisher that listens; `tls`: over HTTPS with this context."""
    publisher = Publisher()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", publisher.handle)
    server = TestServer(app, host=host, scheme="https" if tls else "http")
    await server.start_server(ssl=tls)
    try:
        publisher.base = str(server.make_url("")).rstrip("/")
        yield publisher
    finally:
        await server.close()
