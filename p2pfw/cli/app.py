"""The command line as a whole: which commands there are, and how errors end.

Each command's module is imported when the command is called, or when all of them are listed.
"""

import sys
from importlib import import_module
from typing import Final

import click

from p2pfw import __version__
from p2pfw.cli.exits import CommandError, Exit, as_command_error
from p2pfw.cli.invocation import Invocation, global_options
from p2pfw.cli.printer import clean
from p2pfw.errors import P2pfwError

COMMANDS: Final = {
    "status": "state:status",
    "why": "state:why",
    "test": "state:test",
    "list": "state:list_",
    "export": "state:export",
    "events": "state:events",
    "doctor": "state:doctor",
    "block": "blocks:block",
    "unblock": "blocks:unblock",
    "import": "imports:import_",
    "retract": "blocks:retract",
    "allow": "allowing:allow",
    "peers": "peering:peers",
    "peer": "peering:peer",
    "feed": "feeding:feed",
    "invite": "inviting:invite",
    "join": "join:join",
    "id": "founding:id_",
    "init": "founding:init",
    "owner": "owning:owner",
    "charter": "chartering:charter",
    "enforce": "enforcing:enforce",
    "confirm": "enforcing:confirm",
    "panic": "enforcing:panic",
    "uninstall-rules": "enforcing:uninstall_rules",
    "run": "run:run",
    "enforcer": "enforcer:enforcer",
    "token": "tokens:token",
    "config": "configuring:config",
    "cert": "certs:cert",
    "simulate": "simulating:simulate",
    "verify": "verifying:verify",
    "backup": "backups:backup",
    "restore": "backups:restore",
    "demo": "demo:demo",
    "service": "service:service",
}
"""Name → module and attribute; in the order of the help."""


class Lazy(click.Group):
    """Imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        """All names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command, or None."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        found: click.Command = getattr(import_module(f"p2pfw.cli.{module}"), attribute)
        return found


@click.group(
    "p2pfw",
    cls=Lazy,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=global_options(hidden=False),
)
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Servers that trust each other share firewall blocks. Without a command: status."""
    context.ensure_object(Invocation)
    if context.invoked_subcommand is None:
        command = cli.get_command(context, "status")
        if command is not None:
            context.invoke(command)


def run(argv: list[str]) -> int:
    """Call it; the exit code. Every error that is meant for the operator ends here, as one sentence and a hint."""
    try:
        code = cli.main(argv, prog_name="p2pfw", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED
    except BrokenPipeError:
        return _pipe_closed()
    except CommandError as error:
        return _fail(error)
    except P2pfwError as error:
        return _fail(as_command_error(error))
    return int(code) if isinstance(code, int) else Exit.OK


def _fail(error: CommandError) -> int:
    for line in error.problem.splitlines():
        click.echo(f"p2pfw: {clean(line)}", err=True)
    if error.hint:
        click.echo(f"hint: {clean(error.hint)}", err=True)
    return error.code


def _pipe_closed() -> int:
    """`p2pfw list | head`: the reader has what it wanted. Python must not complain again when it flushes at exit."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.NO
