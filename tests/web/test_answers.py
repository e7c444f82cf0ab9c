"""Answers that are sent part by part."""

import asyncio

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from p2pfw.web.answers import Stream

PARTS = 50


class AtOnce(web.StreamResponse):
    """To a client that reads as fast as it is written to, and so never makes the node wait."""

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        pass


async def test_others_get_their_turn_between_two_parts():
    """However fast the client reads: ten megabytes that never wait are a stall of a tenth of a second."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    stream = Stream(make_mocked_request("GET", "/"), AtOnce())
    for _ in range(PARTS):
        await stream.write(b"part")
    beside.cancel()

    assert turns >= PARTS
