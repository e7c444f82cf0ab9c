"""Commands that only read: status, why, test, list, export, events, doctor."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from p2pfw.cli.exits import CommandError, Exit, of_answer
from p2pfw.cli.exporting import FORMATS, pieces, write_file
from p2pfw.cli.invocation import Invocation, Leaf
from p2pfw.cli.printer import Form
from p2pfw.client.exchange import query, quoted

if TYPE_CHECKING:
    from p2pfw import schema

PAGE = 1_000
TOP = 20


@click.command(cls=Leaf)
@click.pass_obj
def status(invocation: Invocation) -> None:
    """One screen: what is wrong first, then mode, blocks, peers."""
    body = invocation.call("GET", "/v1/status")
    if not invocation.as_json(body, "status"):
        from p2pfw.cli.show import state

        state.status(invocation.printer, body)


@click.command(cls=Leaf)
@click.argument("prefix")
@click.pass_obj
def why(invocation: Invocation, prefix: str) -> None:
    """Say why a prefix is blocked or not, what would change that, and how to undo it."""
    body = invocation.call("GET", f"/v1/why/{quoted(prefix)}?counters=1")
    if not invocation.as_json(body, "why"):
        from p2pfw.cli.show.why import why as show

        show(invocation.printer, body)


@click.command(cls=Leaf)
@click.argument("address")
@click.pass_obj
def test(invocation: Invocation, address: str) -> int:
    """Exit 0 when it is blocked, 1 when it is not, 3 when no node answers. Silent."""
    answer = invocation.try_call("GET", f"/v1/blocklist/{quoted(address)}")
    if answer.status == 404:
        return Exit.NO
    if answer.status >= 400:
        raise of_answer(answer.status, answer.body)
    invocation.as_json(answer.body, "blocklist-entry")
    return Exit.OK


@click.command("list", cls=Leaf)
@click.option("--adopted", "view", flag_value="adopted", default="adopted", help="What is blocked (the default).")
@click.option("--held", "view", flag_value="held", help="What lacks voices or trust.")
@click.option("--refused", "view", flag_value="refused", help="What may not be blocked.")
@click.option("--installed", "view", flag_value="installed", help="What the kernel holds.")
@click.option("--top", "view", flag_value="top", help="What dropped most packets, with their number, first.")
@click.option("--all", "view", flag_value="all", help="Everything that somebody says something about.")
@click.option("--origin", default="", metavar="ID", help="Only what this node, owner or peer says.")
@click.option("--contains", default="", metavar="ADDRESS", help="Only what covers this address.")
@click.option("--limit", type=click.IntRange(min=1), help="At the most so many.")
@click.pass_obj
def list_(invocation: Invocation, view: str, origin: str, contains: str, limit: int | None) -> None:
    """List prefixes with their verdicts."""
    import msgspec

    from p2pfw.cli.show import state

    if view == "top":
        limit = limit or TOP
    pages = _pages(invocation, {"view": view, "origin": origin, "contains": contains}, limit)
    if invocation.form is Form.JSON:
        found = list(pages)
        entries = [msgspec.to_builtins(one) for page in found for one in page.entries]
        invocation.show_json({"schema": found[0].schema, "entries": entries, "total": found[0].total})
        return
    for page in pages:
        state.entries(invocation.printer, page.entries)


def _pages(invocation: Invocation, asked: dict[str, str], limit: int | None) -> "Iterator[schema.Listing]":
    import msgspec

    from p2pfw import schema

    cursor, left = "", limit
    while True:
        count = PAGE if left is None else min(PAGE, left)
        body = invocation.call("GET", f"/v1/list{query({**asked, 'limit': count, 'cursor': cursor})}")
        page = msgspec.json.decode(body, type=schema.Listing)
        yield page
        cursor = page.cursor
        left = None if left is None else left - len(page.entries)
        if not cursor or left == 0 or not page.entries:
            return


@click.command(cls=Leaf)
@click.argument("format", type=click.Choice(FORMATS), metavar="FORMAT")
@click.option(
    "--output", "-o", type=click.Path(), metavar="FILE", help="Instead of standard output; whole or not at all."
)
@click.option("--family", type=click.Choice(["4", "6"]), help="IPv4 or IPv6 only.")
@click.option("--aggregate", is_flag=True, help="The fewest prefixes with the same addresses.")
@click.option("--max", "limit", type=click.IntRange(1), metavar="N", help="The first N only: for small tables.")
@click.pass_obj
def export(invocation: Invocation, /, output: str | None, **asked: str | int | None) -> None:
    """Write what is blocked in a format that other programs read.

    FORMAT: plain, json, ndjson, csv, ipset, nft, nginx, haproxy, mikrotik, rpz, bird, suricata, zeek, stix.
    """
    found = pieces(invocation, {**asked, "aggregate": int(asked["aggregate"] or 0) or None})
    if output is not None:
        write_file(output, found)
        invocation.printer.say(f"written to {output}")
        return
    for piece in found:
        invocation.printer.raw(piece)


@click.command(cls=Leaf)
@click.option("--follow", "-f", is_flag=True, help="Go on as things happen, until interrupted.")
@click.option("--since", default="", metavar="TIME", help="From 1h ago, or from a time like 2026-01-31T12:00:00Z.")
@click.option("--evidence", is_flag=True, help="With the signed announcements: others check them with p2pfw verify.")
@click.pass_obj
def events(invocation: Invocation, follow: bool, since: str, evidence: bool) -> None:  # noqa: FBT001
    """What happened, one JSON object a line."""
    target = f"/v1/events{query({'follow': int(follow), 'since': _since(since), 'evidence': int(evidence) or None})}"
    with invocation.stream("GET", target, b"", Accept="application/x-ndjson") as exchange:
        for line in exchange.lines():
            # An empty line is a quiet node's sign of life.
            if line:
                invocation.printer.raw(line + b"\n")
                sys.stdout.flush()


def _since(text: str) -> int | None:
    """Unix seconds from a duration or a time."""
    if not text:
        return None
    import time
    from datetime import UTC, datetime

    from p2pfw.core.duration import parse_duration
    from p2pfw.errors import InputError

    if text.isdecimal():
        return int(text)
    try:
        return int(time.time()) - parse_duration(text.removesuffix("ago"))
    except InputError:
        pass
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        hint = "write it like 1h, or like 2026-01-31T12:00:00Z"
        raise CommandError(f"{text!r} is neither a duration nor a time", code=Exit.USAGE, hint=hint) from None
    # A time without a zone is UTC, like everything that p2pfw prints.
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())


@click.command(cls=Leaf)
@click.option("--nagios", is_flag=True, help="One line and exit codes as monitoring plugins have them.")
@click.pass_obj
def doctor(invocation: Invocation, nagios: bool) -> int:  # noqa: FBT001
    """Look at everything that can be wrong, and say what to do. Exit 1 when something is."""
    body = invocation.call("GET", "/v1/doctor")
    from p2pfw.cli.show import state

    if nagios:
        return state.nagios(invocation.printer, body)
    if not invocation.as_json(body, "doctor"):
        state.doctor(invocation.printer, body)
    import msgspec

    from p2pfw import schema

    return Exit.NO if msgspec.json.decode(body, type=schema.Doctor).level == "error" else Exit.OK
