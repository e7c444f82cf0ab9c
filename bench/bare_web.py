"""What `why` is measured beside: aiohttp with one handler that answers a constant. Run with the path of a socket."""

import asyncio
import sys

from aiohttp import web

BODY = b'{"schema":"p2pfw.why/1","prefix":"45.70.0.1/32","blocked":true}' * 8


async def constant(_: web.Request) -> web.Response:
    return web.Response(body=BODY, content_type="application/json")


async def serve(path: str) -> None:
    application = web.Application()
    application.router.add_get("/v1/why/{prefix}", constant)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.UnixSite(runner, path).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(sys.argv[1]))
