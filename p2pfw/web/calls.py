"""A request as handlers see it: who asks, the part of the path that is an argument, typed query and body.

Strict, so that a slip is an answer and not a silent no-op: a query parameter that the route does not know, or that
comes twice, is refused before the handler runs. Bodies have a size and a time within which they must have come.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec
from aiohttp import hdrs, web

from p2pfw.core.prefix import Prefix
from p2pfw.errors import InputError
from p2pfw.operations import Caller
from p2pfw.web.problems import Refusal

T = TypeVar("T")

BODY_SECONDS: Final = 10.0
"""For a JSON body to arrive whole."""
MAX_BODY: Final = 256 << 10
"""Bytes of a JSON body: 1,024 prefixes with room to spare."""
MAX_TEXT: Final = 256
"""Characters of a query parameter; as schema.Text."""
_FLAGS: Final = {"1": True, "true": True, "0": False, "false": False}
_NUMBER: Final = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Call:
    """One request that was let in. `argument`: what stands for `{...}` in the route's path, decoded; "" without one."""

    request: web.BaseRequest
    caller: Caller
    argument: str
    sent: bytes | None = None
    """The body, where it was read before the handler asked for it."""

    def prefix(self) -> Prefix:
        """The argument as a prefix; InputError."""
        return Prefix.of_client(self.argument)

    def name(self) -> str:
        """The argument as an id or name; InputError when it has characters that are in none."""
        return _text(self.argument, "id")

    def text(self, name: str, default: str = "") -> str:
        """A query parameter; InputError when it is too long, or cannot be printed."""
        text = self.request.query.get(name, default)
        if len(text) > MAX_TEXT:
            raise InputError(f"{name} has more than {MAX_TEXT} characters", field=name)
        return _text(text, name)

    def number(self, name: str, default: int, *, least: int = 0) -> int:
        """A whole number of at most twelve digits; InputError."""
        text = self.request.query.get(name)
        return default if text is None else whole_number(text, name, least=least)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """1, true, 0 or false; InputError."""
        text = self.request.query.get(name)
        if text is None:
            return default
        if text not in _FLAGS:
            raise InputError(f"{text[:40]!r} is no yes or no", field=name, hint="1 or 0")
        return _FLAGS[text]

    def header(self, name: str) -> str:
        """All headers of that name, as one list."""
        return ",".join(self.request.headers.getall(name, ()))

    async def body(self, kind: type[T]) -> T:
        """The JSON body; an empty one is an empty object. Raises what problems knows: 400, 408, 413, 415."""
        data = await self.read()
        value = _decoded(data or b"{}", kind)
        _check_texts(msgspec.to_builtins(value), "")
        return value

    async def read(self) -> bytes:
        """The body as it was sent, within its bounds."""
        if self.sent is not None:
            return self.sent
        return b"".join([part async for part in self.stream(MAX_BODY, BODY_SECONDS)])

    async def stream(self, most: int, seconds: float) -> AsyncIterator[bytes]:
        """The body as it comes: at most so many bytes, within so many seconds."""
        if self.request.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
            raise Refusal(415, "bodies are sent as they are, not compressed")
        if (self.request.content_length or 0) > most:
            raise _too_large(most)
        await self._invite()
        size = 0
        async with asyncio.timeout(seconds):
            async for part in self.request.content.iter_any():
                size += len(part)
                if size > most:
                    raise _too_large(most)
                yield part

    async def _invite(self) -> None:
        """Some clients ask before they send a long body (Expect); here everything that could refuse it has spoken."""
        if self.request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
            await self.request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            # These bytes are no part of the answer: a problem may still take its place.
            self.request.writer.output_size = 0


def check_query(request: web.BaseRequest, known: tuple[str, ...]) -> None:
    """InputError for a parameter that the route does not know, or that comes twice."""
    if not request.query_string:
        return
    for name in request.query:
        if name not in known:
            hint = f"known: {', '.join(known)}" if known else "there are none here"
            raise InputError(f"{name[:40]!r} is no parameter", field=name[:40], hint=hint)
        if len(request.query.getall(name)) > 1:
            raise InputError(f"{name} is given twice", field=name)


def whole_number(text: str, name: str, *, least: int = 0) -> int:
    """Of decimal digits only; InputError."""
    if _NUMBER.fullmatch(text) is None or int(text) < least:
        raise InputError(f"{text[:40]!r} is no whole number from {least} on", field=name)
    return int(text)


def _decoded(data: bytes, kind: type[T]) -> T:
    """Some clients have one kind of number only: 3600.0 is a whole number too, in JSON Schema as in life."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        try:
            plain = msgspec.json.decode(data)
        except msgspec.DecodeError:
            raise error from None
        return msgspec.convert(_whole(plain), type=kind)


def _whole(value: object) -> object:
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {name: _whole(inner) for name, inner in value.items()}
        case list():
            return [_whole(inner) for inner in value]
        case _:
            return value


def _check_texts(value: object, place: str) -> None:
    """Texts end up on terminals and in logs: no control characters, no direction marks."""
    match value:
        case str():
            _text(value, place)
        case dict():
            for name, inner in value.items():
                _check_texts(name, place)
                _check_texts(inner, f"{place}.{name}" if place else name)
        case list():
            for index, inner in enumerate(value):
                _check_texts(inner, f"{place}[{index}]")


def _text(text: str, field: str) -> str:
    if not text.isprintable():
        raise InputError(f"{text[:40]!r} has characters that cannot be printed", field=field)
    return text


def _too_large(most: int) -> Refusal:
    return Refusal(413, f"the body may have {most >> 10} KiB")
