"""init, id: a node's keys and configuration. Works offline; makes what is missing and never replaces anything."""

from dataclasses import dataclass
from pathlib import Path

import click

from p2pfw.cli.invocation import Invocation, Leaf
from p2pfw.cli.printer import Form


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What `init` was asked for; None where nothing was said."""

    name: str | None = None
    network: str | None = None
    listen: str | None = None
    state_dir: Path | None = None
    owner: bool = True
    charter: Path | None = None
    """A charter's file: kept beside the configuration, which names it."""

    @property
    def given(self) -> list[str]:
        """The flags that were used."""
        flags = {"--name": self.name, "--network": self.network, "--listen": self.listen, "--state-dir": self.state_dir}
        return [flag for flag, value in flags.items() if value is not None]


def wish_options(command: "click.decorators.FC") -> "click.decorators.FC":
    """The options that both init and join have."""
    for option in (
        click.option(
            "--listen", metavar="ADDR", help="Where peers may connect, like 0.0.0.0:7787; none: outbound only."
        ),
        click.option("--name", metavar="N", help="What to call this node; the host name by default."),
        click.option("--state-dir", type=click.Path(path_type=Path), metavar="D", help="Where keys and database are."),
    ):
        command = option(command)
    return command


@click.command(cls=Leaf)
@wish_options
@click.option("--network", metavar="NET", help="Announcements never cross networks.")
@click.option("--no-owner", is_flag=True, help="Make no owner key: this node is certified elsewhere.")
@click.pass_obj
def init(
    invocation: Invocation,
    name: str | None,
    network: str | None,
    listen: str | None,
    state_dir: Path | None,
    no_owner: bool,  # noqa: FBT001
) -> None:
    """Make this node: keys, and the configuration at -c FILE when there is none. Prints the node's id."""
    from p2pfw.cli.making import found

    wishes = Wishes(name=name, network=network, listen=listen, state_dir=state_dir, owner=not no_owner)
    config = found(invocation, wishes)
    show_id(invocation, config.node.key_file, config.node.owner_key_file, short=True)


@click.command("id", cls=Leaf)
@click.pass_obj
def id_(invocation: Invocation) -> None:
    """This node's id, and its owner's; in groups, to be read aloud and compared."""
    config = invocation.load()
    show_id(invocation, config.node.key_file, config.node.owner_key_file)


def show_id(invocation: Invocation, key_file: Path, owner_file: Path | None, *, short: bool = False) -> None:
    """`short`: the id alone, for scripts."""
    from p2pfw.core.idtext import encode_id, grouped_id
    from p2pfw.store.keyfile import Purpose, read_public

    node = read_public(key_file, Purpose.NODE)
    owner = read_public(owner_file, Purpose.OWNER) if owner_file is not None and owner_file.exists() else None
    printer = invocation.printer
    if printer.form is Form.JSON:
        ids = {"node_id": encode_id(node), "owner_id": encode_id(owner) if owner else None}
        invocation.show_json({"schema": "p2pfw.id/1", **ids})
    elif printer.form is Form.PLAIN:
        printer.row(encode_id(node), encode_id(owner) if owner else None)
    elif short:
        printer.line(encode_id(node))
    else:
        for label, key in (("node", node), ("owner key here", owner)):
            if key is not None:
                printer.line(encode_id(key))
                printer.say(f"  {label}: {grouped_id(key)}")
