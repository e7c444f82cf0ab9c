"""A small HTTP client for one Unix socket: what a script of an operator would use, without anything of the product."""

import http.client
import json
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

ANSWER_SECONDS = 120.0
"""A guard against a node that hangs; answers take milliseconds."""


@dataclass(frozen=True)
class Answer:
    """Status and body of one response."""

    status: int
    text: str

    @property
    def json(self):
        """The body, decoded."""
        return json.loads(self.text)

    @property
    def lines(self):
        """An NDJSON body, decoded."""
        return [json.loads(line) for line in self.text.splitlines()]


class UnixConnection(http.client.HTTPConnection):
    """Kept open until it is closed."""

    def __init__(self, path):
        super().__init__("localhost", timeout=ANSWER_SECONDS)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ANSWER_SECONDS)
        try:
            self.sock.connect(str(self._path))
        except OSError:
            self.sock.close()
            raise


class Client:
    """Requests over one Unix socket, a connection each."""

    def __init__(self, path: Path):
        self.path = path

    def request(self, method, path, body=None):
        """One request; OSError or HTTPException when nobody answers."""
        connection = UnixConnection(self.path)
        try:
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, data)
            response = connection.getresponse()
            return Answer(response.status, response.read().decode())
        finally:
            connection.close()

    def get(self, path):
        """The decoded answer of a read that must work."""
        answer = self.request("GET", path)
        assert answer.status == 200, answer
        return answer.json

    def status(self):
        return self.get("/v1/status")

    def why(self, prefix):
        return self.get(f"/v1/why/{quote(prefix)}")

    def block(self, *prefixes, **fields):
        """Block one prefix, or several as one announcement; the answer, which must be a success."""
        target = {"prefix": prefixes[0]} if len(prefixes) == 1 else {"prefixes": list(prefixes)}
        answer = self.request("POST", "/v1/blocks", {**target, **fields})
        assert answer.status == 201, answer
        return answer.json

    def unblock(self, prefix, scope="owner"):
        answer = self.request("DELETE", f"/v1/blocks/{prefix}?scope={scope}")
        assert answer.status == 200, answer
        return answer.json

    def allow(self, prefix, **fields):
        answer = self.request("PUT", f"/v1/allow/{prefix}", fields)
        assert answer.status == 200, answer
        return answer.json

    def mode(self, mode, confirm=0):
        answer = self.request("PUT", "/v1/mode", {"mode": mode, "confirm": confirm})
        assert answer.status == 200, answer
        return answer.json
