"""Answers as they go out: JSON, kept bytes, streams. Whoever does not take them is cut off by the server."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import msgspec
from aiohttp import web

from p2pfw.web.problems import SAFE_HEADERS

log = logging.getLogger(__name__)

PIECE: Final = 64 << 10
"""Bytes of an answer that is sent at once."""
_ENCODER: Final = msgspec.json.Encoder()
_JSON_HEADERS: Final = {**SAFE_HEADERS, "Content-Type": "application/json"}


def json_answer(value: object, status: int = 200) -> web.Response:
    """A schema value."""
    return web.Response(body=_ENCODER.encode(value), status=status, headers=_JSON_HEADERS)


def text_answer(text: str) -> web.Response:
    """For probes."""
    return web.Response(text=text, headers=SAFE_HEADERS)


def line(value: object) -> bytes:
    """One line of NDJSON."""
    return _ENCODER.encode(value) + b"\n"


async def kept_answer(
    request: web.BaseRequest, parts: Sequence[bytes], headers: Mapping[str, str]
) -> web.StreamResponse:
    """Bytes that are kept for many, sent part by part."""
    size = sum(map(len, parts))
    if size <= PIECE:
        return web.Response(body=b"".join(parts), headers={**SAFE_HEADERS, **headers})
    response = web.StreamResponse(headers={**SAFE_HEADERS, **headers, "Content-Length": str(size)})
    if request.method == "HEAD":
        return response
    stream = Stream(request, response)
    await stream.begin()
    for part in parts:
        await stream.write(part)
    return response


class Stream:
    """An answer that is written bit by bit."""

    def __init__(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        self._request, self.response = request, response

    async def begin(self) -> None:
        """Send the header."""
        await self.response.prepare(self._request)

    async def write(self, data: bytes) -> None:
        """ConnectionResetError when the client is gone, or was cut off because it takes nothing (see server)."""
        await self.response.write(data)
        # Writing waits only for a client that is slow: one that reads as fast would have the loop for itself.
        await asyncio.sleep(0)


def stream_of(request: web.BaseRequest, content_type: str) -> Stream:
    """A stream of unknown length."""
    return Stream(request, web.StreamResponse(headers={**SAFE_HEADERS, "Content-Type": content_type}))


async def at_the_edge(
    request: web.BaseRequest, answer: Awaitable[web.StreamResponse], told: Callable[[Exception], web.Response]
) -> web.StreamResponse:
    """The answer, or how an error is told; a connection that is cut off where part of an answer was sent already."""
    try:
        return await answer
    except ConnectionError:
        raise
    except Exception as error:  # the edge of a request: nothing else may leave it
        if not has_begun(request):
            return told(error)
        log.error("answer broken off", exc_info=error)
        cut_off(request)
        raise ConnectionResetError("broken off") from None


def has_begun(request: web.BaseRequest) -> bool:
    """True when part of an answer was sent: nothing else can take its place."""
    return request.writer.output_size > 0


def cut_off(request: web.BaseRequest) -> None:
    """Drop the connection in the middle, so that the client does not take a part for the whole."""
    if request.transport is not None:
        request.transport.abort()
