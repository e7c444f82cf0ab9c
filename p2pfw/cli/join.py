"""join: redeem the line that `p2pfw invite` printed. A running node does it itself; else it is done here.

The only client command that needs the node's own code, and only when no node runs: it is imported then.
"""

from pathlib import Path

import click

from p2pfw.cli.exits import CommandError, Exit
from p2pfw.cli.founding import Wishes, wish_options
from p2pfw.cli.invocation import Invocation, Leaf
from p2pfw.cli.peering import TRUST_HELP


@click.command(cls=Leaf)
@click.argument("token")
@click.option("--trust", default="trio", show_default=True, help=f"For another owner who invites a guest. {TRUST_HELP}")
@wish_options
@click.pass_obj
def join(
    invocation: Invocation, token: str, trust: str, name: str | None, listen: str | None, state_dir: Path | None
) -> None:
    """Join the fleet, or meet the owner, who printed this line. Makes keys and configuration where there are none."""
    from p2pfw.core.presets import parse_trust

    worth = parse_trust(trust)
    wishes = Wishes(name=name, listen=listen, state_dir=state_dir)
    body = None if _is_new(invocation) or wishes.given else _ask_node(invocation, token, worth)
    if body is None:
        body = _join_here(invocation, token, worth, wishes)
    if not invocation.as_json(body, "join"):
        from p2pfw.cli.show import people

        people.join(invocation.printer, body)


def _is_new(invocation: Invocation) -> bool:
    """A configuration that is yet to be written: whatever node answers elsewhere is another one."""
    return invocation.socket is None and invocation.config is not None and not invocation.config.exists()


def _ask_node(invocation: Invocation, token: str, trust: float) -> bytes | None:
    """What the running node answers; None when there is none."""
    try:
        return invocation.call("POST", "/v1/join", {"token": token, "trust": trust})
    except CommandError as error:
        if error.code is not Exit.UNREACHABLE or invocation.socket is not None:
            raise
        return None


def _join_here(invocation: Invocation, token: str, trust: float, wishes: Wishes) -> bytes:
    from dataclasses import replace

    import msgspec

    from p2pfw.cli.making import found
    from p2pfw.config import Place, config_path
    from p2pfw.core.token import Token
    from p2pfw.node import join_offline

    network = Token.parse(token).network
    main, _ = config_path(invocation.config, Place.here())
    config = found(invocation, wishes if main.exists() else replace(wishes, network=network))
    return msgspec.json.encode(join_offline(config, token, trust))
