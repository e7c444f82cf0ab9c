"""allow: the whitelist. What is on it is never blocked, whoever says so."""

import json
import sys

import click

from p2pfw.cli.exits import Exit
from p2pfw.cli.invocation import Branch, Invocation
from p2pfw.client.exchange import query, quoted


@click.group(cls=Branch)
def allow() -> None:
    """The whitelist: what may never be blocked."""


@allow.command("add")
@click.argument("prefix")
@click.option("--ttl", default="forever", show_default=True, help="How long: 90s, 15m, 4h, 7d.")
@click.option("--comment", default="", metavar="TEXT", help="Why.")
@click.option(
    "--false-positive/--no-false-positive",
    default=None,
    help="Whoever had it blocked was wrong: lowers your trust in them. Asked at a terminal when it is blocked.",
)
@click.pass_obj
def add(invocation: Invocation, prefix: str, ttl: str, comment: str, false_positive: bool | None) -> None:  # noqa: FBT001
    """Whitelist a prefix. The kernel has it when this ends."""
    wrong = _is_wrong(invocation, prefix) if false_positive is None else false_positive
    said = {"ttl": ttl, "comment": comment, **({"false_positive": True} if wrong else {})}
    body = invocation.call("PUT", f"/v1/allow/{quoted(prefix)}", said)
    _changed(invocation, body, "whitelisted")


def _is_wrong(invocation: Invocation, prefix: str) -> bool:
    """Whether that others had it blocked was a mistake of theirs: asked at a terminal only."""
    if not sys.stdin.isatty():
        return False
    found = json.loads(invocation.call("GET", f"/v1/why/{quoted(prefix)}"))
    own = ("own fleet", "operator", "this machine")
    said = {one["name"]: one for one in found["evidence"] if one["source"] == "signed" and one["trust_from"] not in own}
    names = [name for name, one in said.items() if one["counted"]]
    if found["verdict"] != "ADOPT" or not names:
        return False
    text = f"{prefix} is blocked by the word of {', '.join(names)}. Was that wrong? It lowers your trust in them"
    return click.confirm(f"{text} (p2pfw peer forgive takes that back)", default=False, err=True)


@allow.command("remove")
@click.argument("prefix")
@click.pass_obj
def remove(invocation: Invocation, prefix: str) -> None:
    """Take off what `allow add` put on. What the configuration says is changed there."""
    _changed(invocation, invocation.call("DELETE", f"/v1/allow/{quoted(prefix)}"), "no longer whitelisted")


@allow.command("list")
@click.option("--protected", is_flag=True, help="Also what keeps this machine alive, and cannot be taken off.")
@click.pass_obj
def list_(invocation: Invocation, protected: bool) -> None:  # noqa: FBT001
    """The whole whitelist, with where each entry comes from."""
    body = invocation.call("GET", f"/v1/allow{query({'protected': int(protected) or None})}")
    if not invocation.as_json(body, "allow"):
        from p2pfw.cli.show import changes

        changes.allow_list(invocation.printer, body)


@allow.command("check")
@click.argument("prefix")
@click.pass_obj
def check(invocation: Invocation, prefix: str) -> int:
    """Exit 0 when something whitelists or protects any part of it, 1 when nothing does."""
    body = invocation.call("GET", f"/v1/allow/{quoted(prefix)}")
    if not invocation.as_json(body, "allow-check"):
        from p2pfw.cli.show import changes

        changes.allow_check(invocation.printer, body)
    return Exit.OK if json.loads(body)["allowed"] else Exit.NO


def _changed(invocation: Invocation, body: bytes, word: str) -> None:
    if not invocation.as_json(body, "allow-change") and not invocation.quiet:
        from p2pfw.cli.show import changes

        changes.allow_change(invocation.printer, body, word)
