"""demo: the main job, played for real in private networks on this machine."""

import click

from p2pfw.cli.invocation import Leaf


@click.command(cls=Leaf)
@click.option("--keep", is_flag=True, help="Stay up until Ctrl-C, for trying things.")
def demo(keep: bool) -> int:  # noqa: FBT001
    """Three nodes, an attacker, real packets dropped. Changes nothing on this machine; takes under a minute."""
    from p2pfw.demo.scenes import main

    return main(keep=keep)
