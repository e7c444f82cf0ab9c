"""enforce, confirm, panic, uninstall-rules: what happens in the kernel, and how to make it stop."""

import sys
from typing import TYPE_CHECKING, Final

import click

from p2pfw.cli.exits import CommandError, Exit
from p2pfw.cli.invocation import Invocation, Leaf
from p2pfw.cli.seconds import seconds as in_seconds

if TYPE_CHECKING:
    from p2pfw.config import Enforcer

CONFIRM_SECONDS: Final = 60


@click.command(cls=Leaf)
@click.argument("state", type=click.Choice(["on", "off"]))
@click.option(
    "--confirm",
    "seconds",
    metavar="SECONDS",
    type=in_seconds,
    help=f"Off again after so long unless confirmed: 60, 5m. At a terminal {CONFIRM_SECONDS}; in scripts 0, no timer.",
)
@click.pass_obj
def enforce(invocation: Invocation, state: str, seconds: int | None) -> int:
    """Drop what is adopted (on), or only watch (off)."""
    if seconds is None:
        # Whoever locks himself out at a terminal cannot confirm, and is let in again.
        seconds = CONFIRM_SECONDS if state == "on" and sys.stdin.isatty() else 0
    mode = "enforce" if state == "on" else "observe"
    body = invocation.call("PUT", "/v1/mode", {"mode": mode, "confirm": seconds if state == "on" else 0})
    _shown(invocation, body)
    return Exit.NO if _problem(body) else Exit.OK


@click.command(cls=Leaf)
@click.pass_obj
def confirm(invocation: Invocation) -> None:
    """Keep what `enforce on`, `peer trust` or `peer distrust` began with --confirm."""
    _shown(invocation, invocation.call("POST", "/v1/confirm"))


@click.command(cls=Leaf)
@click.pass_obj
def panic(invocation: Invocation) -> None:
    """Let everything through at once; the node stays up and only watches. Works without a node too."""
    try:
        body = invocation.call("POST", "/v1/panic")
    except CommandError as error:
        if error.code is Exit.PERMISSION:
            raise
        invocation.printer.warn(f"{error.problem}; taking the rules out of the kernel from here")
        _uninstall(invocation)
        return
    _shown(invocation, body)


@click.command("uninstall-rules", cls=Leaf)
@click.pass_obj
def uninstall_rules(invocation: Invocation) -> None:
    """Remove every set and rule of ours, with or without a node. A running node only watches from then on."""
    try:
        invocation.call("POST", "/v1/panic")
    except CommandError as error:
        # Without a node there is nobody who would put them back.
        if error.code is not Exit.UNREACHABLE:
            invocation.printer.warn(f"the node did not stop enforcing: {error.problem}")
    _uninstall(invocation)


def _uninstall(invocation: Invocation) -> None:
    settings = _settings(invocation)
    removed = _by_the_enforcer(settings) or _from_here(settings)
    if invocation.as_json(_as_json(removed), "uninstall-rules"):
        return
    for line in removed:
        invocation.printer.line(line)
    if not removed:
        invocation.printer.say("nothing of ours was in the kernel")


def _by_the_enforcer(settings: "Enforcer") -> tuple[str, ...]:
    """By an enforcer that runs by itself: members of the group need no right of their own. () where there is none."""
    if settings.socket is None:
        return ()
    from p2pfw.errors import FirewallError
    from p2pfw.firewall.enforcer.doors import by_path
    from p2pfw.firewall.enforcer.remote import release

    try:
        return release(by_path(settings.socket))
    except FirewallError:
        return ()  # from here, then; if that fails too, its reason is the one that counts


def _from_here(settings: "Enforcer") -> tuple[str, ...]:
    from p2pfw.firewall.uninstall import uninstall

    return uninstall(settings.set_prefix)


def _settings(invocation: Invocation) -> "Enforcer":
    """From the configuration; a broken one must not keep anybody from getting rid of the rules."""
    from p2pfw.config import Enforcer
    from p2pfw.errors import ConfigError

    try:
        return invocation.load().enforcer
    except ConfigError as error:
        default = Enforcer()
        invocation.printer.warn(f"{error}; looking for rules of {default.set_prefix!r}")
        return default


def _as_json(removed: tuple[str, ...]) -> bytes:
    import json

    return json.dumps({"removed": removed}).encode()


def _problem(body: bytes) -> str:
    """Why the kernel does not follow, from a ModeAnswer; "" when it does. A script must not take that for success."""
    import json

    return str(json.loads(body).get("text", ""))


def _shown(invocation: Invocation, body: bytes) -> None:
    if not invocation.as_json(body, "mode"):
        from p2pfw.cli.show import changes

        changes.mode(invocation.printer, body)
