"""import: a list, whole or nothing, with progress for whoever watches."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import BinaryIO, Final

import click

from p2pfw.cli.bars import bar
from p2pfw.cli.blocks import CATEGORIES
from p2pfw.cli.exits import CommandError, Exit, of_answer
from p2pfw.cli.invocation import Invocation, Leaf
from p2pfw.client.exchange import query

PIECE: Final = 65_536
_SNIFFED: Final = 4_096


@click.command("import", cls=Leaf)
@click.argument("file", metavar="FILE|-")
@click.option(
    "--format",
    "name",
    type=click.Choice(["plain", "json", "ndjson", "ipset", "spamhaus", "dshield", "abuseipdb", "crowdsec"]),
    help="How it is written; otherwise seen from its beginning.",
)
@click.option("--ttl", default="24h", show_default=True, help='How long: 4h, 7d, or "forever".')
@click.option("--category", type=CATEGORIES, default="other", help="What they were seen to attack.")
@click.option("--reason", default="", metavar="TEXT", help="For this node's operator; never sent to peers.")
@click.option("--local-only", is_flag=True, help="Tell no peer.")
@click.pass_obj
def import_(invocation: Invocation, /, file: str, name: str | None, local_only: bool, **said: str) -> None:  # noqa: FBT001
    """Block everything in a list: FILE, or - for standard input. Whole or not at all."""
    with _opened(file) as source:
        first = source.read(_SNIFFED)
        terms = {**said, "format": name or sniff(first), "local_only": int(local_only) or None}
        target = f"/v1/import{query(terms)}"
        pieces = _watched(invocation, _pieces(first, source), source)
        with invocation.stream("POST", target, pieces, Content_Type="text/plain") as exchange:
            _follow(invocation, exchange.lines())


def sniff(first: bytes) -> str:
    """The format that a beginning shows; plain when it shows nothing."""
    begin = first.removeprefix(b"\xef\xbb\xbf").lstrip()
    if begin.startswith((b"create ", b"add ")):
        return "ipset"
    if begin.startswith(b"{") and b'"cidr"' in begin[:200] and b'"sblid"' in begin:
        return "spamhaus"
    line, newline, rest = begin.partition(b"\n")
    if begin.startswith(b"{") and newline and line.rstrip().endswith(b"}") and rest.lstrip().startswith(b"{"):
        return "ndjson"
    return "json" if begin.startswith((b"[", b"{")) else "plain"


def _opened(file: str) -> AbstractContextManager[BinaryIO]:
    if file == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return open(file, "rb")
    except OSError as error:
        raise CommandError(f"{file}: cannot be read: {error.strerror}", code=Exit.USAGE) from None


def _pieces(first: bytes, source: BinaryIO) -> Iterator[bytes]:
    yield first
    while piece := source.read(PIECE):
        yield piece


def _watched(invocation: Invocation, pieces: Iterator[bytes], source: BinaryIO) -> Iterator[bytes]:
    """The same, with a bar; of unknown length where the source is a pipe."""
    with bar(invocation, "sending", _size(source)) as advance:
        for piece in pieces:
            yield piece
            advance(len(piece))


def _size(source: BinaryIO) -> int | None:
    try:
        found = os.fstat(source.fileno())
    except OSError:  # no file of the system's
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _follow(invocation: Invocation, lines: Iterator[bytes]) -> None:
    """Show stage by stage; a failure at the end of the stream is a failure of the command."""
    import json

    last: dict[str, object] = {}
    for line in lines:
        last = json.loads(line)
        if last.get("stage") == "failed":
            problem = last.get("problem")
            status = problem.get("status", 500) if isinstance(problem, dict) else 500
            raise of_answer(int(status), json.dumps(problem).encode())
        if sys.stderr.isatty():
            invocation.printer.say(f"{last.get('stage')}: {last.get('entries')} entries")
    if not last:
        raise CommandError("the node did not say what became of the list", code=Exit.UNREACHABLE, hint="p2pfw status")
    if not invocation.as_json(json.dumps(last).encode(), "import"):
        _closing(invocation, last)


def _closing(invocation: Invocation, last: dict[str, object]) -> None:
    skipped = last.get("skipped")
    invocation.printer.line(
        f"{last.get('entries')} entries in {last.get('announcements')} announcements {last.get('stage')}"
    )
    if isinstance(skipped, dict):
        for reason, count in skipped.items():
            invocation.printer.say(f"{count} left out: {reason}")
