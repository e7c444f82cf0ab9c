"""invite: one line that makes another server work with this one."""

import click

from p2pfw.cli.invocation import Invocation, Leaf
from p2pfw.cli.peering import TRUST_HELP


@click.command(cls=Leaf)
@click.option("--guest", is_flag=True, help="Another owner's server, not one of this fleet.")
@click.option("--ttl", default="1h", show_default=True, help="How long the line works.")
@click.option("--uses", type=click.IntRange(1, 1_000), default=1, show_default=True, help="How often.")
@click.option("--trust", default="trio", show_default=True, help=f"For a guest. {TRUST_HELP}")
@click.pass_obj
def invite(invocation: Invocation, guest: bool, ttl: str, uses: int, trust: str) -> None:  # noqa: FBT001
    """Print the line to paste on the other server."""
    from p2pfw.core.presets import PRESETS, parse_trust

    said = {"guest": guest, "ttl": ttl, "uses": uses, "trust": trust if trust in PRESETS else parse_trust(trust)}
    body = invocation.call("POST", "/v1/invites", said)
    if not invocation.as_json(body, "invite"):
        from p2pfw.cli.show import people

        people.invite(invocation.printer, body)
