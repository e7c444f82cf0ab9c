"""The publisher of tests.feeds on a host of the lab: it lives in this process, its socket on that host."""

import asyncio
import socket
import threading
from contextlib import contextmanager

from aiohttp import web

from tests.feeds.server import Publisher

PIECE = b"203.0.113.1\n" * 5_000
TEN_GIGABYTES = 10_000_000_000


@contextmanager
def publishing_on(host, port, tls=None):
    """A publisher that listens there; `tls`: over HTTPS with this context."""
    publisher = Publisher()
    publisher.base = f"{'https' if tls else 'http'}://{host.address}:{port}"
    listener = host.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host.address, port))
    listener.listen()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(_serve(publisher, listener, tls), loop).result()
    try:
        yield publisher
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        listener.close()


async def _serve(publisher, listener, tls):
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", publisher.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.SockSite(runner, listener, ssl_context=tls).start()
    return runner


class Endless:
    """A list that goes on for ten gigabytes; `sent` is what was taken of it."""

    def __init__(self):
        self.sent = 0

    async def __call__(self, request):
        response = web.StreamResponse()
        await response.prepare(request)
        while self.sent < TEN_GIGABYTES:
            await response.write(PIECE)
            self.sent += len(PIECE)
        return response


async def half(request):
    """A list that breaks off: fewer bytes than were promised."""
    response = web.StreamResponse(headers={"Content-Length": "1000000"})
    await response.prepare(request)
    await response.write(PIECE)
    request.transport.close()
    return response
