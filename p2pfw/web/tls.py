"""A certificate and its key from their files, and again when they were renewed, without closing a door.

Connections that are open keep the old one. A pair that does not fit changes nothing: the one in use goes on. Who may
connect, and what is asked, is not known here.
"""

import ssl
from pathlib import Path
from typing import Final

from p2pfw.errors import ConfigError

_NO_PASSWORD: Final = ""
"""An encrypted key is an error: OpenSSL would ask for its password at a terminal, and stop the node meanwhile."""


class Certificate:
    """`context` is for listeners."""

    def __init__(self, certificate: Path, key: Path | None, named: str) -> None:
        """`named`: how an error calls them. ConfigError."""
        self._files, self._named = (certificate, key), named
        self.context = self._read()

    def renew(self) -> None:
        """Read the files again. ConfigError: what is in use goes on."""
        self._read()  # by itself first: half a pair would break the context that serves
        self.context.load_cert_chain(*self._files, password=_NO_PASSWORD)

    def _read(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(*self._files, password=_NO_PASSWORD)
        except OSError as error:
            raise ConfigError(f"{self._named} cannot be used: {error}") from None
        return context
