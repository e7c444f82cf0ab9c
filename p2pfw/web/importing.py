"""POST /v1/import: a whole list or nothing.

The list is read to its end and parsed before the operations hear of it: a client that goes away in the middle, or one
bad line, changes nothing. From then on progress is told as it happens; a client that goes away then does not stop what
was begun.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

import msgspec
from aiohttp import web

from p2pfw import schema
from p2pfw.errors import InputError, P2pfwError
from p2pfw.formats import BLOCKLISTS, ParsedList, parse_list
from p2pfw.operations import Operations
from p2pfw.web.answers import Stream, line, stream_of
from p2pfw.web.calls import Call
from p2pfw.web.problems import Refusal, of_exception

MAX_IMPORT: Final = 64 << 20
"""Bytes of a list: a million entries with comments."""
UPLOAD_SECONDS: Final = 120.0
MAX_IMPORTS: Final = 2
"""At the same time; each may take as much memory as its list and its keys."""
PARSE_IN_THREAD: Final = 16 << 10
"""Bytes from which on a list is parsed beside the loop."""


@dataclass(slots=True)
class Importing:
    """The handler, and how many run."""

    operations: Operations
    running: int = 0

    async def import_list(self, call: Call) -> web.StreamResponse:
        """POST /v1/import. A problem before anything was kept is an ordinary problem."""
        if self.running >= MAX_IMPORTS:
            raise Refusal(503, f"{MAX_IMPORTS} imports are running", headers={"Retry-After": "10"})
        self.running += 1
        try:
            return await self._import(call)
        finally:
            self.running -= 1

    async def _import(self, call: Call) -> web.StreamResponse:
        terms = _terms(call)
        parsed = await _parsed(call)
        progress = self.operations.import_blocks([*parsed.keys], terms, call.caller)
        # What can be refused is refused before the first step.
        step = await anext(progress)
        stream = stream_of(call.request, "application/x-ndjson")
        reached = await _told(stream, step)
        try:
            async for step in progress:
                reached = reached and await _told(stream, step)
        except P2pfwError as error:
            failed = schema.ImportProgress(stage="failed", entries=0, problem=of_exception(error))
            await _told(stream, failed)
        if not reached:
            raise ConnectionResetError("the client went away during an import")
        return stream.response


async def _told(stream: Stream, step: schema.ImportProgress) -> bool:
    """False when nobody listens any more."""
    try:
        if not stream.response.prepared:
            await stream.begin()
        await stream.write(line(step))
    except ConnectionError:
        return False
    return True


async def _parsed(call: Call) -> ParsedList:
    """The list; InputError names the first lines that are wrong."""
    kind = call.text("format", "plain")
    if kind not in BLOCKLISTS:
        raise InputError(
            f"{kind[:40]!r} is no format of blocklists", field="format", hint=f"one of {', '.join(BLOCKLISTS)}"
        )
    data = b"".join([part async for part in call.stream(MAX_IMPORT, UPLOAD_SECONDS)])
    beside = len(data) > PARSE_IN_THREAD
    parsed = await asyncio.to_thread(parse_list, data, kind) if beside else parse_list(data, kind)
    if parsed.problems:
        wrong = sum(parsed.skipped.values())
        named = "; ".join(map(str, parsed.problems))
        raise InputError(
            f"nothing was imported: {named}",
            field=f"body[{parsed.problems[0].line - 1}]",
            hint=f"lines that are no prefix: {wrong}",
        )
    if not parsed.keys:
        raise InputError("nothing was imported: there is no prefix in it", field="body")
    return parsed


def _terms(call: Call) -> schema.BlockRequest:
    """Of the query; checked like the body of POST /v1/blocks."""
    given = {name: call.text(name) for name in ("ttl", "category", "reason") if name in call.request.query}
    try:
        return msgspec.convert({**given, "local_only": call.flag("local_only")}, schema.BlockRequest)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at ")
        raise InputError(text, field=place.strip("`$.")) from None
