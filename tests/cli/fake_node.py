"""A node as its clients see it: HTTP on a unix socket, answers as the API gives them, requests held against its routes.

Answers are what a test put there. Every request must be one that the real API has: a known route, known query names, a
body that decodes as the route's type. So a command that asks for what does not exist fails here, not at a customer's.
"""

import re
import socketserver
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from p2pfw import schema
from p2pfw.web.routes import ROUTES, Route


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


@dataclass
class FakeNode:
    """Answers by (method, path); what has none is a 404 problem."""

    path: Path
    answers: dict[tuple[str, str], tuple[int, bytes, str]] = field(default_factory=dict)
    rules: dict[tuple[str, str], Callable[[Asked], tuple[int, object]]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, value: object, status: int = 200) -> None:
        """A value as JSON; bytes as they are."""
        body = value if isinstance(value, bytes) else msgspec.json.encode(value)
        self.rules.pop((method, path), None)
        self.answers[method, path] = (status, body, "application/json")

    def answer_by(self, method: str, path: str, rule: Callable[[Asked], tuple[int, object]]) -> None:
        """As a rule says it of what was asked: (status, value)."""
        self.rules[method, path] = rule

    def refuse(self, method: str, path: str, status: int, detail: str, **more: object) -> None:
        """A problem."""
        problem = schema.Problem(type="about:blank", title="", status=status, detail=detail, **more)
        self.rules.pop((method, path), None)
        self.answers[method, path] = (status, msgspec.json.encode(problem), "application/problem+json")

    @property
    def last(self) -> Asked:
        return self.asked[-1]

    def __enter__(self) -> "FakeNode":
        node = self

        class Handler(_Handler):
            fake = node

        self._server = _Server(str(self.path), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self.path.unlink()
        assert not self.wrong, self.wrong

    def check(self, asked: Asked) -> None:
        """Hold it against the real API."""
        route = next((one for one in ROUTES if one.method == asked.method and _fits(one, asked.path)), None)
        if route is None:
            self.wrong.append(f"no route {asked.method} {asked.path}")
            return
        self.wrong += [f"{route.path} has no query {name}" for name in asked.query if name not in route.query]
        if route.body is not None:
            try:
                msgspec.json.decode(asked.body or b"{}", type=route.body)
            except msgspec.MsgspecError as error:
                self.wrong.append(f"{route.path}: {error}")


def _fits(route: Route, path: str) -> bool:
    pattern = re.sub(r"\{prefix[^}]*\}", "[^?]+", route.path)
    pattern = re.sub(r"\{\w+\}", "[^/]+", pattern)
    return re.fullmatch(pattern, path) is not None


class _Server(socketserver.ThreadingUnixStreamServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves before the answer's end is none of its own test's output."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: FakeNode

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *arguments: object) -> None:
        """Quiet."""

    def do(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        # The path as aiohttp matches it: %2F stays one segment for ids.
        asked = Asked(self.command, unquote(parts.path), query, headers, self._read(headers))
        self.fake.asked.append(asked)
        raw = Asked(self.command, parts.path.replace("%2F", "~"), query, headers, asked.body)
        self.fake.check(raw)
        missing = schema.Problem(type="about:blank", title="Not Found", status=404, detail="there is none")
        default = (404, msgspec.json.encode(missing), "application/problem+json")
        status, body, kind = self.fake.answers.get((self.command, asked.path), default)
        if (rule := self.fake.rules.get((self.command, asked.path))) is not None:
            status, value = rule(asked)
            body, kind = msgspec.json.encode(value), "application/json"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(body), 1000):
            piece = body[at : at + 1000]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = do_PUT = do_DELETE = do

    def _read(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(headers.get("content-length", "0")))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body
