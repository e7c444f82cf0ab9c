"""How HTTPS to a node is checked: always, by the system's authorities or by one file of the operator's own."""

import ssl
from pathlib import Path

from p2pfw.errors import InputError


def context_for(ca_file: str | Path | None = None) -> ssl.SSLContext:
    """Certificate and name are checked, whatever happens. InputError for a file that holds no certificate."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        hint = "a PEM file, as p2pfw cert ca makes it"
        raise InputError(f"{ca_file}: no certificate can be read: {error}", field="ca_file", hint=hint) from None
