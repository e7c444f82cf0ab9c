"""Answers to bouncers: what is blocked now, and what changed since they last asked.

A cursor is a number of the journal of changes, kept for each key, client address and filter, and in memory only: who is
not known, or has been away for too long, gets the whole list. It moves once an answer was sent. An answer of changes
says what each prefix that changed is now: in `new` when it is blocked, once in `deleted` when it is not and the client
may know of it. Long answers are written piece by piece; the number of those at once is bounded, others wait.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Final

from aiohttp import web

from p2pfw.core.prefix import Prefix, PrefixKey, covers
from p2pfw.errors import InputError
from p2pfw.formats.crowdsec import EVERYTHING, Piece, Wish, durations, ended
from p2pfw.operations import BouncerOperations, Followed
from p2pfw.web.answers import PIECE, Stream, stream_of
from p2pfw.web.problems import SAFE_HEADERS
from p2pfw.web.questions import Question
from p2pfw.web.wholelists import ROWS, WholeList, WholeLists, matching

MOST_CURSORS: Final = 4_096
"""The one that was used longest ago gives way; its client gets the whole list."""
SMALL: Final = 4_096
"""So many changes are answered at once, however many clients ask."""
LONG_ANSWERS: Final = 2
"""Answers of more changes, and walks through the list with a filter, at one time."""
ANSWER_SECONDS: Final = 300.0
"""A client that has not taken all by then is cut off: what is kept for it is needed."""
RETOLD_SECONDS: Final = 7 * 86_400.0
"""The whole list is told again: no duration is longer than 24 days, and blocks without an end must outlive it."""
_JSON: Final = "application/json"

Place = tuple[str, Wish]
Changed = dict[PrefixKey, tuple[Followed | None, bool]]
"""What each prefix is now, and whether the client may know of it."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a client stands. `at`: it knows all changes up to this one; `unsure`: and perhaps some up to this one."""

    at: int
    unsure: int
    told_all: float


class Decisions:
    """GET /v1/decisions and GET /v1/decisions/stream."""

    def __init__(self, bouncing: BouncerOperations, monotonic: Callable[[], float]) -> None:
        self._bouncing, self._monotonic = bouncing, monotonic
        self._wholes = WholeLists(bouncing)
        self._cursors: OrderedDict[Place, Cursor] = OrderedDict()
        self._long = asyncio.Semaphore(LONG_ANSWERS)
        self._piece = asyncio.Lock()

    # --- what changed ----------------------------------------------------------------------------------------------

    async def stream(self, question: Question) -> web.StreamResponse:
        """GET /v1/decisions/stream."""
        place = (question.client, question.wish)
        known = self._known(place, question)
        is_long = question.wish != EVERYTHING if known is None else self._bouncing.position - known.at > SMALL
        async with asyncio.timeout(ANSWER_SECONDS), self._turn(long=is_long):
            known = self._known(place, question)
            if known is None:
                return await self._tell_all(question, place, None)
            if self._monotonic() - known.told_all >= RETOLD_SECONDS:
                return await self._tell_all(question, place, known)
            return await self._tell_changes(question, place, known)

    def _known(self, place: Place, question: Question) -> Cursor | None:
        """Where the client stands, if changes are what it is to be told."""
        known = None if question.startup else self._cursors.get(place)
        return known if known is not None and self._bouncing.knows(known.at) else None

    async def _tell_all(self, question: Question, place: Place, known: Cursor | None) -> web.StreamResponse:
        """`known`: where the client stays, so that what ended meanwhile is told in its next answer."""
        begun, wish = self._bouncing.position, place[1]
        whole = await self._wholes.get() if wish == EVERYTHING else None
        pieces = self._shared(whole) if whole else self._walk(matching(self._bouncing.rows(), wish))
        answer = await _send(question.request, _both(pieces, []))
        begun, done = (whole.begun, whole.done) if whole else (begun, self._bouncing.position)
        self._move(place, Cursor(known.at if known else begun, done, self._monotonic()))
        return answer

    async def _tell_changes(self, question: Question, place: Place, known: Cursor) -> web.StreamResponse:
        changed, at = await self._changed(known)
        wish = place[1]
        new = {row[0]: row for row in matching((row for row, _ in changed.values() if row is not None), wish)}
        over = [key for key, (_, knew) in changed.items() if knew and key not in new and wish.takes(key)]
        answer = await _send(question.request, _both(self._walk(iter(new.values())), over))
        self._move(place, Cursor(at, 0, known.told_all))
        return answer

    async def _changed(self, known: Cursor) -> tuple[Changed, int]:
        """And the number up to which all are told.

        Each is looked up when its change is read. What changes again meanwhile has another change further on, and the
        reading ends at the newest: so in the end each is as it is at that number.
        """
        changed: Changed = {}
        at = known.at
        while part := self._bouncing.changes(at, ROWS):
            for number, (key, was) in enumerate(part, at + 1):
                before = changed.get(key)
                knew = before[1] if before is not None else was or number <= known.unsure
                changed[key] = self._bouncing.row(key), knew
            at += len(part)
            if self._bouncing.position > at:
                await asyncio.sleep(0)
        return changed, at

    def _move(self, place: Place, cursor: Cursor) -> None:
        self._cursors[place] = cursor
        self._cursors.move_to_end(place)
        if len(self._cursors) > MOST_CURSORS:
            self._cursors.popitem(last=False)

    # --- what is -----------------------------------------------------------------------------------------------------

    async def find(self, question: Question) -> web.StreamResponse:
        """GET /v1/decisions."""
        few = self._few(question)
        if few is not None:
            return await _send(question.request, _array(self._walk(_fitting(iter(few), question))))
        is_shared = question.wish == EVERYTHING and not question.places and question.limit is None
        async with asyncio.timeout(ANSWER_SECONDS), self._turn(long=not is_shared):
            if is_shared:
                return await _send(question.request, _array(self._shared(await self._wholes.get())))
            rows = _fitting(self._bouncing.rows(), question)
            return await _send(question.request, _array(self._walk(rows)))

    def _few(self, question: Question) -> list[Followed] | None:
        """The few that can fit; None when all must be looked at."""
        if question.value:
            return self._exactly(question.value)
        if question.places and question.contains:
            return self._bouncing.covering(question.places[0])
        return None

    def _exactly(self, value: str) -> list[Followed]:
        try:
            row = self._bouncing.row(Prefix.parse(value).key)
        except InputError:  # a country, a name: nothing here has such a value
            return []
        return [] if row is None else [row]

    # --- in pieces ---------------------------------------------------------------------------------------------------

    async def _walk(self, rows: Iterator[Followed]) -> AsyncIterator[bytes]:
        """Rendered as they are sent."""
        while part := list(islice(rows, ROWS)):
            yield Piece.of(part).told(durations(self._bouncing.now()))
            await self._one_at_a_time()

    async def _shared(self, whole: WholeList) -> AsyncIterator[bytes]:
        """Rendered before, but for the durations; those are the same for all pieces of a second."""
        second, spoken = 0, durations(0)
        for piece in whole.pieces:
            await self._one_at_a_time()
            if (now := int(self._bouncing.now())) != second:
                # a part of a second more would say a second more than is left
                second, spoken = now, durations(now + 1)
            yield piece.told(spoken)

    async def _one_at_a_time(self) -> None:
        """A turn of the loop has one piece, however many clients are ready: else a hundred would stall it."""
        async with self._piece:
            await asyncio.sleep(0)

    def _turn(self, *, long: bool) -> AbstractAsyncContextManager[object]:
        """Wait until a long answer may be made; short ones never wait."""
        return self._long if long else nullcontext()


def _fitting(rows: Iterator[Followed], question: Question) -> Iterator[Followed]:
    """What is asked for."""
    places, contains = question.places, question.contains
    if places:
        rows = (row for row in rows if all(covers(row[0], one) if contains else covers(one, row[0]) for one in places))
    return islice(matching(rows, question.wish), question.limit)


async def _both(pieces: AsyncIterator[bytes], over: list[PrefixKey]) -> AsyncIterator[bytes]:
    """The body of a stream's answer."""
    before = begin = b'{"new":['
    async for piece in pieces:
        yield before + piece
        before = b","
    yield (begin if before == begin else b"") + b'],"deleted":['
    for at in range(0, len(over), ROWS):
        yield (b"," if at else b"") + ended(over[at : at + ROWS])
        await asyncio.sleep(0)
    yield b"]}"


async def _array(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A list of decisions; an empty one is null: some bouncers read [] as a decision."""
    before = begin = b"["
    async for piece in pieces:
        yield before + piece
        before = b","
    yield b"null" if before == begin else b"]"


async def _send(request: web.BaseRequest, parts: AsyncIterator[bytes]) -> web.StreamResponse:
    """Returns once all of it was sent. A short answer has its length; a longer one is sent as it comes."""
    first = b""
    stream: Stream | None = None
    async for part in parts:
        if stream is None and len(first) + len(part) <= PIECE:
            first += part
            continue
        if stream is None:
            stream = stream_of(request, _JSON)
            await stream.begin()
            await stream.write(first)
        await stream.write(part)
    answer = stream.response if stream else web.Response(body=first, headers={**SAFE_HEADERS, "Content-Type": _JSON})
    await answer.prepare(request)
    await answer.write_eof()
    return answer
