"""What is blocked, in the formats of others, as the node renders it; into a file whole or not at all."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from p2pfw.cli.exits import CommandError, Exit
from p2pfw.cli.invocation import Invocation
from p2pfw.client.exchange import query

FORMATS = (
    *("plain", "json", "ndjson", "csv", "ipset", "nft", "nginx", "haproxy"),
    *("mikrotik", "rpz", "bird", "suricata", "zeek", "stix"),
)
"""By name, for completion and --help; kept here because formats are slow to import. A test holds it to the API's."""


def pieces(invocation: Invocation, asked: Mapping[str, str | int | None]) -> Iterator[bytes]:
    """The text in pieces; nothing of it is kept."""
    with invocation.stream("GET", f"/v1/blocklist{query(asked)}", b"") as exchange:
        yield from exchange.pieces()


def write_file(path: str, content: Iterable[bytes]) -> None:
    """Replace the file at once when all of it is there: whoever reads it never sees half a list."""
    target = Path(path)
    try:
        descriptor, made = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise CommandError(f"{path}: cannot be written: {error.strerror}", code=Exit.USAGE) from None
    try:
        with open(descriptor, "wb") as file:
            file.writelines(content)
            os.fchmod(file.fileno(), 0o644)
        Path(made).replace(target)
    except BaseException as error:
        Path(made).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise CommandError(f"{path}: cannot be written: {error.strerror}", code=Exit.NO) from None
        raise
