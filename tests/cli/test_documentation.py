"""docs/cli.md says what there is: every command, every exit code, and options that exist."""

import re
from pathlib import Path

import click

from p2pfw.cli.app import COMMANDS, cli
from p2pfw.cli.exits import Exit
from tests.cli.test_state import WHY

PAGE = (Path(__file__).parents[2] / "docs/cli.md").read_text(encoding="utf-8")


def test_every_command_is_on_the_page():
    """Subcommands too."""
    context = click.Context(cli)
    missing = [name for name in COMMANDS if f"p2pfw {name}" not in PAGE]
    for name in COMMANDS:
        command = cli.get_command(context, name)
        if isinstance(command, click.Group):
            missing += [
                f"{name} {sub}" for sub in command.commands if not re.search(rf"p2pfw {name} \S*\b{sub}\b", PAGE)
            ]

    assert missing == []


def test_every_option_on_the_page_exists():
    """Somewhere among the commands of its line."""
    context = click.Context(cli)
    known = {option for one in _all(cli, context) for parameter in one.params for option in parameter.opts}

    assert {
        option for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", PAGE) if option not in known | {"--help"}
    } == set()


def test_every_exit_code_is_on_the_page():
    """But that of Ctrl-C, which is the shell's convention."""
    rows = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}

    assert rows == set(Exit) - {Exit.INTERRUPTED}


def test_the_sample_of_why_is_what_why_prints():
    """Line by line."""
    for line in WHY.splitlines():
        assert " ".join(line.split()) in " ".join(PAGE.split())


def _all(command: click.Command, context: click.Context):
    yield command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from _all(command.get_command(context, name), context)
