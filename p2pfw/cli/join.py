"""join: redeem the line that `p2pfw invite` printed. A running node does it itself; else it is done here.

The only client command that needs the node's own code, and only when no node runs: it is imported then.
"""

from pathlib import Path

import click

from p2pfw.cli.exits import CommandError, Exit
from p2pfw.cli.founding import Wishes, wish_options
from p2pfw.cli.invocation import Invocation, Leaf
from p2pfw.cli.peering import TRUST_HELP
from p2pfw.cli.printer import Form


@click.command(cls=Leaf)
@click.argument("token", metavar="TOKEN|FILE")
@click.option("--trust", help=f"For another owner who invites a guest; trio by default. {TRUST_HELP}")
@wish_options
@click.pass_obj
def join(
    invocation: Invocation, token: str, trust: str | None, name: str | None, listen: str | None, state_dir: Path | None
) -> None:
    """Join the fleet, or meet the owner, who printed this line; or a network of equals by its charter.

    Makes keys and configuration where there are none.
    """
    from p2pfw.core.presets import parse_trust

    if token.endswith(".toml"):
        _join_network(invocation, Path(token), trust, Wishes(name=name, listen=listen, state_dir=state_dir))
        return
    worth = parse_trust(trust or "trio")
    wishes = Wishes(name=name, listen=listen, state_dir=state_dir)
    body = None if _is_new(invocation) or wishes.given else _ask_node(invocation, token, worth)
    if body is None:
        body = _join_here(invocation, token, worth, wishes)
    if not invocation.as_json(body, "join"):
        from p2pfw.cli.show import people

        people.join(invocation.printer, body)


def _join_network(invocation: Invocation, file: Path, trust: str | None, wishes: Wishes) -> None:
    """By a charter: it is kept beside the configuration, which names it from then on."""
    from dataclasses import replace

    from p2pfw.cli.making import found
    from p2pfw.config.charterfile import read_charter

    if trust is not None:
        hint = "p2pfw peer trust MEMBER TRUST, once the node runs"
        raise CommandError("the trust is the charter's, member by member", code=Exit.USAGE, hint=hint)
    signed = read_charter(file)
    charter = signed.charter
    if not signed.is_founded():
        problem = f"{file}: {signed.voices(charter)} of its members signed it, {charter.changes_need} must have"
        raise CommandError(problem, code=Exit.USAGE, hint="p2pfw charter sign FILE, by the others")
    config = found(invocation, replace(wishes, charter=file))
    body = {
        "schema": "p2pfw.join-network/1",
        "network": charter.network,
        "network_id": charter.network_id.hex(),
        "members": len(charter.members),
        "seeds": [seed.address for seed in charter.seeds],
        "charter": str(config.discovery.charter),
    }
    if invocation.form is Form.JSON:
        invocation.show_json(body)
        return
    listed = ", ".join(member.name for member in charter.members)
    invocation.printer.line(
        f"{config.node.name} is in network {charter.network}: {len(charter.members)} members ({listed})"
    )
    invocation.printer.say("Start it (p2pfw run, p2pfw service install), or start it again if it runs.")


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
