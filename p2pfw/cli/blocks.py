"""block, unblock, retract."""

import sys
from typing import Final

import click

from p2pfw.cli.exits import CommandError, Exit
from p2pfw.cli.invocation import Invocation, Leaf
from p2pfw.client.exchange import query, quoted

CATEGORIES: Final = click.Choice(["ssh", "web", "mail", "scan", "ddos", "voip", "other"])


@click.command(cls=Leaf)
@click.argument("prefixes", nargs=-1, required=True, metavar="PREFIX...")
@click.option("--ttl", default="4h", show_default=True, help='How long: 90s, 15m, 4h, 7d, or "forever".')
@click.option("--category", type=CATEGORIES, default="other", help="What it was seen to attack.")
@click.option("--reason", default="", metavar="TEXT", help="For this node's operator; never sent to peers.")
@click.option("--confidence", type=click.FloatRange(0.125, 1.0), default=1.0, help="How sure, for peers.")
@click.option("--local-only", is_flag=True, help="Tell no peer.")
@click.option("--wait", is_flag=True, help="Answer when the kernel has it.")
@click.option("--force", is_flag=True, help="Also a wide prefix.")
@click.option("--detected", is_flag=True, help="A detector here saw it: confirms whoever had said so before.")
@click.option("--format", "language", type=click.Choice(["plain", "sshguard"]), help="How the lines of - are written.")
@click.pass_obj
def block(invocation: Invocation, /, prefixes: tuple[str, ...], language: str | None, **said: object) -> int:
    """Block prefixes here, and tell the peers. Several become one announcement, whole or not at all.

    With - alone: read them from standard input, one a line, and block each as it comes, for as long as it goes on.
    """
    if prefixes == ("-",):
        return _stream(invocation, said, language or "plain")
    if language is not None:
        raise click.UsageError("--format is for a stream: p2pfw block - --format sshguard")
    which = {"prefix": prefixes[0]} if len(prefixes) == 1 else {"prefixes": list(prefixes)}
    body = invocation.call("POST", "/v1/blocks", {**which, **said})
    if not invocation.as_json(body, "block") and not invocation.quiet:
        from p2pfw.cli.show import changes

        changes.block(invocation.printer, body)
    return _done(body, "not_installed", "recorded, but not in the kernel") if said["wait"] else Exit.OK


def _stream(invocation: Invocation, said: dict[str, object], language: str) -> int:
    from p2pfw.cli.streaming import stream

    if said["wait"]:
        raise click.UsageError("--wait is for single prefixes; a stream does not wait for the kernel")
    return stream(invocation, said, language)


def _done(body: bytes, missing: str, text: str) -> int:
    """0 only when the kernel follows, or this node just observes."""
    import json

    why = json.loads(body).get(missing)
    if not why:
        return Exit.OK
    raise CommandError(f"{text}: {why}", code=Exit.NO, hint="p2pfw doctor")


@click.command(cls=Leaf)
@click.argument("prefix")
@click.option("--own", is_flag=True, help="Only this node's own block; not what the rest of the fleet says.")
@click.pass_obj
def unblock(invocation: Invocation, prefix: str, own: bool) -> int:  # noqa: FBT001
    """Take a block back, everywhere in the fleet, and say who else still has it blocked."""
    target = f"/v1/blocks/{quoted(prefix)}{query({'scope': 'own' if own else 'owner'})}"
    body = invocation.call("DELETE", target)
    if not invocation.as_json(body, "unblock") and not invocation.quiet:
        from p2pfw.cli.show import changes

        changes.unblock(invocation.printer, body)
    return _done(body, "not_removed", "taken back, but the kernel may still drop it")


@click.command(cls=Leaf)
@click.option("--all", "everything", is_flag=True, required=True, help="There is no way back; needed to say so.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def retract(invocation: Invocation, everything: bool, yes: bool) -> None:  # noqa: ARG001, FBT001
    """Take back everything that this node ever announced."""
    if not yes and sys.stdin.isatty():
        click.confirm("Take back everything that this node ever announced?", abort=True, err=True)
    body = invocation.call("POST", "/v1/retract")
    if not invocation.as_json(body, "retract"):
        import json

        found = json.loads(body)
        invocation.printer.line(f"{found['announcements']} announcements with {found['prefixes']} prefixes taken back")
