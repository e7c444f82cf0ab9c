"""Where a node is: its unix socket, or an address of HTTP or HTTPS.

Parsed once; opens connections and knows no HTTP.
"""

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from p2pfw.errors import InputError

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

_PORTS: Final = {"http": 80, "https": 443}
_FORMS: Final = "like /run/p2pfw/api.sock, http://127.0.0.1:7788 or https://node.example.net:7788"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Either `path`, or `host` and `port`. `tls`: HTTPS."""

    path: str = ""
    host: str = ""
    port: int = 0
    tls: bool = False

    @classmethod
    def parse(cls, text: "str | Path") -> "Place":
        """A path, or a URL without a path of its own. InputError says which forms there are."""
        text = str(text)
        scheme, found, rest = text.partition("://")
        if not found:
            return cls(path=text)
        if scheme == "unix":
            return cls(path=rest)
        from urllib.parse import urlsplit

        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise InputError(f"{text[:80]!r} is no address of a node: {error}", field="node", hint=_FORMS) from None
        plain = not (parts.path.strip("/") or parts.query or parts.fragment or parts.username)
        if scheme not in _PORTS or not parts.hostname or not plain:
            raise InputError(f"{text[:80]!r} is no address of a node", field="node", hint=_FORMS)
        return cls(host=parts.hostname, port=port or _PORTS[scheme], tls=scheme == "https")

    def __str__(self) -> str:
        return self.path or f"http{'s' * self.tls}://{self.authority}"

    @property
    def authority(self) -> str:
        """What the Host header says."""
        if self.path:
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def connect(self, timeout: float | None, context: "ssl.SSLContext | None" = None) -> socket.socket:
        """A connection that is open. OSError, ssl.SSLError among them."""
        if not self.path:
            made = socket.create_connection((self.host, self.port), timeout)
        else:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if self.path:
                made.settimeout(timeout)
                made.connect(self.path)
            return self._wrapped(made, context) if self.tls else made
        except BaseException:
            made.close()
            raise

    def _wrapped(self, made: socket.socket, context: "ssl.SSLContext | None") -> socket.socket:
        from p2pfw.client.tls import context_for

        return (context or context_for()).wrap_socket(made, server_hostname=self.host)
