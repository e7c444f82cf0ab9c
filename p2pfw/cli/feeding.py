"""feed: lists that this operator chose, beside those of the configuration."""

import json
from pathlib import Path
from typing import Any, Final

import click

from p2pfw.cli.bars import bar
from p2pfw.cli.blocks import CATEGORIES
from p2pfw.cli.exits import Exit
from p2pfw.cli.invocation import Branch, Invocation
from p2pfw.client.exchange import quoted

FORMATS: Final = click.Choice(["plain", "spamhaus", "dshield", "abuseipdb", "warninglist", "crowdsec"])
PATIENCE: Final = 360.0
"""Seconds: a fetch ends by itself within five minutes."""


@click.group(cls=Branch)
def feed() -> None:
    """Lists that you chose: added here, or in the configuration."""


def _terms(command: Any) -> Any:  # noqa: ANN401  (click's decorators are untyped)
    """The options that say how a list is read and guarded."""
    for option in reversed(
        (
            click.option("--format", "format_", type=FORMATS, help="How it is written; plain by default."),
            click.option("--minimum", type=click.IntRange(0), help="Fewer entries are an accident; 10 by default."),
            click.option("--max-change", type=float, help="Share that a refresh may change; 0.3 by default."),
            click.option("--max-age", help="Older it counts no more; 7d by default."),
            click.option("--key-file", type=click.Path(path_type=Path), help="Holds the API key."),
            click.option("--ca-file", type=click.Path(path_type=Path), help="Who signed its HTTPS certificate."),
        )
    ):
        command = option(command)
    return command


@feed.command("list")
@click.pass_obj
def list_(invocation: Invocation) -> None:
    """Every feed: entries, age, next refresh, and what is wrong."""
    body = invocation.call("GET", "/v1/feeds")
    if not invocation.as_json(body, "feeds"):
        from p2pfw.cli.show import feeds as show

        show.listing(invocation.printer, body)


@feed.command("add")
@click.argument("name")
@click.option("--url", help="Where it is fetched; or --file.")
@click.option("--file", type=click.Path(path_type=Path), help="Where it lies; or --url.")
@click.option("--adopt", type=click.Choice(["direct", "voice"]), help="direct by default.")
@click.option("--trust", help="With --adopt voice: what the voice is worth.")
@click.option("--category", type=CATEGORIES, help="What its entries are about.")
@click.option("--refresh", help="Between fetches; 6h by default.")
@click.option("--announce", is_flag=True, default=None, help="Tell peers what it names; read its publisher's terms.")
@_terms
@click.pass_obj
def add(invocation: Invocation, /, name: str, **said: object) -> int:
    """Add a feed and fetch it. It is kept over restarts, until `feed remove`."""
    _patiently(invocation)
    with bar(invocation, f"fetching {name}"):
        body = invocation.call("POST", "/v1/feeds", _body(name, said))
    return _one(invocation, body)


@feed.command("remove")
@click.argument("name")
@click.pass_obj
def remove(invocation: Invocation, name: str) -> None:
    """Take it back, with everything that it said. What the configuration says is changed there."""
    invocation.call("DELETE", f"/v1/feeds/{_part(name)}")
    if not invocation.as_json(b"", "feed-removed"):
        invocation.printer.say(f"feed {name} is gone")


@feed.command("test")
@click.argument("place", metavar="URL|FILE")
@click.option("--name", default="test", help="Compare it with what this feed holds.")
@_terms
@click.pass_obj
def test(invocation: Invocation, /, place: str, name: str, **said: object) -> int:
    """Fetch a list and show what would come of it. Changes nothing. Exit 1: it would be refused."""
    where = {"url": place} if "://" in place else {"file": Path(place)}
    _patiently(invocation)
    with bar(invocation, "fetching the list"):
        body = invocation.call("POST", "/v1/test-feed", _body(name, {**said, **where}))
    if not invocation.as_json(body, "feed-test"):
        from p2pfw.cli.show import feeds as show

        show.tested(invocation.printer, body)
    return Exit.OK if json.loads(body)["accepted"] else Exit.NO


@feed.command("refresh")
@click.argument("name", default="")
@click.option("--accept", is_flag=True, help="Take it in however much of it changed, this once. Needs NAME.")
@click.pass_obj
def refresh(invocation: Invocation, name: str, accept: bool) -> int:  # noqa: FBT001
    """Fetch NAME, or every feed, now. Exit 1: one could not be taken in."""
    if accept and not name:
        raise click.UsageError("--accept needs the NAME of a feed: what changed is looked at one by one")
    _patiently(invocation)
    names = [name] if name else [one["name"] for one in json.loads(invocation.call("GET", "/v1/feeds"))["feeds"]]
    worst: int = Exit.OK
    for number, one in enumerate(names, 1):
        with bar(invocation, f"fetching {one}" + (f" ({number} of {len(names)})" if len(names) > 1 else "")):
            body = invocation.call("POST", f"/v1/feeds/{_part(one)}", {"accept": accept})
        worst = max(worst, _one(invocation, body))
    return worst


def _one(invocation: Invocation, body: bytes) -> int:
    """What became of a feed; 1 when the attempt came to nothing."""
    if not invocation.as_json(body, "feed"):
        from p2pfw.cli.show import feeds as show

        show.one(invocation.printer, body)
    return Exit.NO if json.loads(body)["problem"] else Exit.OK


def _body(name: str, said: dict[str, object]) -> dict[str, object]:
    values = {key.rstrip("_"): value for key, value in said.items() if value is not None}
    return {
        "name": name,
        **{key: str(value.absolute()) if isinstance(value, Path) else value for key, value in values.items()},
    }


def _patiently(invocation: Invocation) -> None:
    invocation.timeout = invocation.timeout or PATIENCE


def _part(name: str) -> str:
    return quoted(name).replace("/", "%2F")
