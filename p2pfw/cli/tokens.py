"""token: who may use the local API from beyond the socket. Secrets are shown once; none is ever an argument."""

import json
import secrets
import sys

import click

from p2pfw.cli.exits import CommandError, Exit
from p2pfw.cli.invocation import Branch, Invocation, Leaf
from p2pfw.cli.printer import Form
from p2pfw.client.exchange import segment

SCOPES = click.Choice(["read", "feeds", "write", "admin"])
LEAST_PASSWORD = 8
GENERATED_BYTES = 18


@click.group(cls=Branch)
def token() -> None:
    """Tokens of the local API, for clients that do not use the socket."""


@token.command("add")
@click.argument("name")
@click.option("--scope", type=SCOPES, default="read", show_default=True, help="Each includes the ones before.")
@click.option("--ttl", default="forever", show_default=True, help="How long it opens anything: 30d, 12h.")
@click.option("--rate", type=click.IntRange(1, 1_000_000), help="Requests a second; 1000 by default.")
@click.pass_obj
def add(invocation: Invocation, name: str, scope: str, ttl: str, rate: int | None) -> None:
    """Make a token. Its secret is shown this once, alone on standard output."""
    said = {"name": name, "scope": scope, "ttl": ttl, **({"rate": rate} if rate else {})}
    body = invocation.call("POST", "/v1/tokens", said)
    if invocation.as_json(body, "token"):
        return
    found = json.loads(body)
    invocation.printer.line(found["token"])
    invocation.printer.say(f"{name}: scope {scope}. It is not shown again; p2pfw token revoke {name} ends it.")


@token.command("list")
@click.pass_obj
def list_(invocation: Invocation) -> None:
    """All tokens, without their secrets."""
    body = invocation.call("GET", "/v1/tokens")
    if not invocation.as_json(body, "tokens"):
        from p2pfw.cli.show import access

        access.tokens(invocation.printer, body)


@token.command("revoke")
@click.argument("name")
@click.pass_obj
def revoke(invocation: Invocation, name: str) -> None:
    """Make a token worthless, at once."""
    invocation.call("DELETE", f"/v1/tokens/{segment(name)}")
    invocation.printer.say(f"{name} opens nothing any more")


@token.command("rfw-password", cls=Leaf)
@click.option("--generate", is_flag=True, help="Choose the password, and say it this once on standard error.")
@click.pass_obj
def rfw_password(invocation: Invocation, *, generate: bool) -> None:
    """Read a password (asked for at a terminal, else one line of standard input); print api.rfw.password_hash."""
    text = secrets.token_urlsafe(GENERATED_BYTES) if generate else _password()
    from nacl.pwhash import argon2id

    made = argon2id.str(text.encode()).rstrip(b"\0").decode()
    if generate:
        invocation.printer.warn(f"the password is {text}")
    if invocation.form is Form.JSON:
        invocation.show_json({"schema": "p2pfw.password-hash/1", "password_hash": made})
    else:
        invocation.printer.line(made)


def _password() -> str:
    """What was typed; CommandError when it is soon guessed."""
    text = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True) if sys.stdin.isatty() else ""
    text = text or sys.stdin.readline().rstrip("\n")
    if len(text) < LEAST_PASSWORD:
        problem = f"a password of {len(text)} characters is guessed soon"
        raise CommandError(problem, code=Exit.USAGE, hint=f"{LEAST_PASSWORD} at the least, or --generate")
    return text
