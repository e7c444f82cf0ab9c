"""GET /v1/events: what happens, as server-sent events or as NDJSON.

Replays the node's ring from an id or a time, then follows. A follower costs memory here and nothing there: their
number is bounded, one that does not read is cut off, and one that is gone is noticed at the next beat.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import msgspec
from aiohttp import hdrs, web

from p2pfw import schema
from p2pfw.operations import Operations
from p2pfw.web.answers import Stream, line, stream_of
from p2pfw.web.calls import Call, whole_number
from p2pfw.web.problems import Refusal

MAX_FOLLOWERS: Final = 64
BEAT_SECONDS: Final = 15.0
"""Between signs of life on a quiet stream."""
_LINES: Final = "application/x-ndjson"
_EVENTS: Final = "text/event-stream"
_ENCODER: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Replay:
    """What was asked for: events after that id, and from that time on (Unix seconds); then whatever happens."""

    after: int
    since: int
    follow: bool
    evidence: bool


@dataclass(slots=True)
class Following:
    """The handler, and how many follow."""

    operations: Operations
    beat_seconds: float = BEAT_SECONDS
    followers: int = 0

    async def events(self, call: Call) -> web.StreamResponse:
        """GET /v1/events."""
        as_lines = _LINES in call.header(hdrs.ACCEPT)
        replay = _Replay(
            after=_last_id(call),
            since=call.number("since", 0),
            follow=call.flag("follow", default=not as_lines),
            evidence=call.flag("evidence"),
        )
        stream = stream_of(call.request, _LINES if as_lines else _EVENTS)
        if call.request.method == hdrs.METH_HEAD:
            return stream.response
        if self.followers >= MAX_FOLLOWERS:
            raise Refusal(503, f"{MAX_FOLLOWERS} clients follow already", headers={hdrs.RETRY_AFTER: "30"})
        self.followers += 1
        try:
            await stream.begin()
            async with aclosing(self._source(replay)) as source:
                await self._tell(stream, source, line if as_lines else _sse, beat=b"\n" if as_lines else b":\n\n")
        finally:
            self.followers -= 1
        return stream.response

    async def _source(self, replay: _Replay) -> AsyncGenerator[schema.Event, None]:
        """What was asked for to be replayed, then what happens. A follower that names no beginning wants news only."""
        last = replay.after
        if replay.after or replay.since or not replay.follow:
            for event in self.operations.recent_events(replay.after, replay.since):
                last = event.id
                yield self.operations.proven(event) if replay.evidence else event
        if replay.follow:
            async for event in self.operations.events(last):
                yield self.operations.proven(event) if replay.evidence else event

    async def _tell(
        self,
        stream: Stream,
        source: AsyncIterator[schema.Event],
        form: Callable[[schema.Event], bytes],
        *,
        beat: bytes,
    ) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                beating = tasks.create_task(self._beat(stream, beat))
                async for event in source:
                    await stream.write(form(event))
                beating.cancel()
        except* ConnectionError as gone:
            raise ConnectionResetError("the follower went away") from gone

    async def _beat(self, stream: Stream, beat: bytes) -> None:
        while True:
            await asyncio.sleep(self.beat_seconds)
            await stream.write(beat)


def _last_id(call: Call) -> int:
    header = call.request.headers.get("Last-Event-ID")
    return whole_number(header, "Last-Event-ID") if header is not None else call.number("after", 0)


def _sse(event: schema.Event) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.id, event.kind.encode(), _ENCODER.encode(event))
