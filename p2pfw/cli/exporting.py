"""What is blocked, in the formats of others: as the node renders it, or rendered here from the node's plain list."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from p2pfw.cli.exits import CommandError, Exit
from p2pfw.cli.invocation import Invocation
from p2pfw.client.exchange import query

_BY_THE_NODE = frozenset({"plain", "json", "ndjson"})


def pieces(invocation: Invocation, name: str, family: str | None, *, aggregate: bool) -> Iterator[bytes]:
    """The text in pieces; nothing of it is kept where the node renders it."""
    if name in _BY_THE_NODE and not aggregate:
        with invocation.stream("GET", f"/v1/blocklist{query({'format': name, 'family': family})}", b"") as exchange:
            yield from exchange.pieces()
        return
    from p2pfw.core.aggregate import aggregate as fewest
    from p2pfw.formats import parse_list, render

    with invocation.stream("GET", f"/v1/blocklist{query({'format': 'plain', 'family': family})}", b"") as exchange:
        keys = parse_list(exchange.read(), "plain").keys
    for line in render(fewest(keys) if aggregate else keys, name):
        yield line.encode()


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
