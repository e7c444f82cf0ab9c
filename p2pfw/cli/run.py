"""run: the node itself, in the foreground. The one command that imports everything."""

import click

from p2pfw.cli.invocation import Invocation, Leaf
from p2pfw.cli.logs import FORMS, set_up


@click.command(cls=Leaf)
@click.option("--check", is_flag=True, help="Validate configuration and keys, and stop before touching anything.")
@click.option("--alone", is_flag=True, help="After a restore, where no peer can tell what this node said since.")
@click.option(
    "--log",
    "form",
    type=click.Choice(FORMS),
    help="auto: fields of the journal under systemd, else text; json: one object a line. Also $P2PFW_LOG.",
)
@click.pass_obj
def run(invocation: Invocation, check: bool, alone: bool, form: str | None) -> int:  # noqa: FBT001
    """Run the node until it is told to stop."""
    from p2pfw.node import run_node

    config = invocation.load()
    set_up(verbose=invocation.verbose, form=form or "")
    for warning in config.warnings:
        invocation.printer.warn(f"warning: {warning}")
    code = run_node(config, file=invocation.config, alone=alone, check=check)
    if check and code == 0:
        invocation.printer.say("configuration, keys and state can be used")
    return code
