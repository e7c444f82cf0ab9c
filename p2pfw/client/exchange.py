"""Asks the node: HTTP/1.1, one request a connection, with one deadline for all of it.

Small because http.client takes as long to import as the rest of a command. Knows what the node's own server sends
(sized, chunked or closed bodies) and nothing else of HTTP. Every way in which it can fail is a ClientError.
"""

import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from p2pfw.client.errors import ClientError, DeniedError, LateError, UnreachableError
from p2pfw.client.place import Place

if TYPE_CHECKING:
    import ssl

MAX_HEAD: Final = 65_536
"""Bytes of status line and headers; more is no node of ours."""
_READ: Final = 65_536
_SAFE: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/:")


class Answer(NamedTuple):
    """Status and whole body."""

    status: int
    body: bytes


def quoted(text: str) -> str:
    """As it may stand in a path or a query: percent-encoded, slashes and colons as they are."""
    return "".join(c if c in _SAFE else "".join(f"%{byte:02X}" for byte in c.encode()) for c in text)


def segment(text: str) -> str:
    """As it may stand in a path as one of its parts: a name, an id."""
    return quoted(text).replace("/", "%2F")


def query(values: Mapping[str, str | int | None]) -> str:
    """What is not None and not empty, as ?a=b&c=d; nothing of nothing."""
    pairs = [
        f"{name}={quoted(str(value)).replace('/', '%2F')}" for name, value in values.items() if value not in (None, "")
    ]
    return f"?{'&'.join(pairs)}" if pairs else ""


class Exchange:
    """One request on its way, and its answer as it comes. Use it as a context."""

    def __init__(self, place: Place, timeout: float | None, context: "ssl.SSLContext | None" = None) -> None:
        self._place, self._timeout, self._context = place, timeout, context
        self._end = None if timeout is None else time.monotonic() + timeout
        self._open: socket.socket | None = None
        self._buffer = b""
        self.status = 0
        self.headers: dict[str, str] = {}
        """By lower-case name, once the answer has begun."""

    def __enter__(self) -> "Exchange":
        return self

    def __exit__(self, *_: object) -> None:
        if self._open is not None:
            self._open.close()

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes | Iterable[bytes]) -> None:
        """Connect and send it all; then `status` is known. A body of parts goes out chunked."""
        sized = isinstance(body, bytes)
        framing = f"Content-Length: {len(body)}" if isinstance(body, bytes) else "Transfer-Encoding: chunked"
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._place.authority}", "Connection: close", framing]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        self._connect()
        try:
            if isinstance(body, bytes):
                self._write(head + body)
            else:
                self._write(head)
                self._write_chunks(body)
        except ConnectionError:
            # Refused before it was read to the end: the answer says why.
            if sized and not body:
                raise self._cut() from None
        self._read_head()

    def pieces(self) -> Iterator[bytes]:
        """The body, as it comes."""
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            yield from self._chunks()
        elif "content-length" in self.headers:
            yield from self._sized(int(self.headers["content-length"]))
        else:
            yield self._buffer
            while piece := self._receive():
                yield piece

    def read(self) -> bytes:
        """The whole body."""
        return b"".join(self.pieces())

    def lines(self) -> Iterator[bytes]:
        """The body line by line, without line ends, as soon as each is there."""
        rest = b""
        for piece in self.pieces():
            *whole, rest = (rest + piece).split(b"\n")
            yield from whole
        if rest:
            yield rest

    # --- sending ---------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        try:
            self._open = self._place.connect(self._left(), self._context)
        except TimeoutError:
            raise self._late() from None
        except PermissionError:
            hint = "use sudo, or join the group p2pfw and log in again"
            raise DeniedError(f"no permission to use {self._place}", hint) from None
        except OSError as error:
            hint = "start it with: systemctl start p2pfw, or p2pfw run" if self._place.path else ""
            raise UnreachableError(f"no node answers on {self._place} ({error.strerror or error})", hint) from None

    @property
    def _socket(self) -> socket.socket:
        """The open connection; what was not sent yet cannot be read."""
        if self._open is None:
            raise self._cut()
        self._open.settimeout(self._left())
        return self._open

    def _write(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise self._late() from None

    def _write_chunks(self, body: Iterable[bytes]) -> None:
        for part in body:
            if part:
                self._write(b"%x\r\n%b\r\n" % (len(part), part))
        self._write(b"0\r\n\r\n")

    # --- receiving -------------------------------------------------------------------------------------------------

    def _read_head(self) -> None:
        while b"\r\n\r\n" not in self._buffer:
            piece = self._receive()
            if not piece or len(self._buffer) > MAX_HEAD:
                raise self._cut()
            self._buffer += piece
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        words = first.split(" ", 2)
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdecimal():
            raise UnreachableError(f"what answers on {self._place} is no node")
        self.status = int(words[1])
        pairs = (line.partition(":") for line in lines)
        self.headers = {name.strip().lower(): value.strip() for name, _, value in pairs}

    def _sized(self, left: int) -> Iterator[bytes]:
        while left > 0:
            piece, self._buffer = self._buffer[:left], self._buffer[left:]
            left -= len(piece)
            yield piece
            if left:
                self._more()

    def _chunks(self) -> Iterator[bytes]:
        while True:
            size = int(self._line().partition(b";")[0], 16)
            if size == 0:
                return
            yield from self._sized(size)
            self._line()

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._more()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _more(self) -> None:
        piece = self._receive()
        if not piece:
            raise self._cut()
        self._buffer += piece

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(_READ)
        except TimeoutError:
            raise self._late() from None
        except ConnectionError:
            return b""

    # --- failing ---------------------------------------------------------------------------------------------------

    def _left(self) -> float | None:
        """Seconds until the deadline; a socket's 0 would mean something else."""
        return None if self._end is None else max(0.001, self._end - time.monotonic())

    def _late(self) -> ClientError:
        return LateError(
            f"the node did not answer within {self._timeout:g} s",
            "it may still do what was asked; see p2pfw status, or give more time with --timeout",
        )

    def _cut(self) -> ClientError:
        return UnreachableError("the node ended the connection before it had answered", "see its log")
