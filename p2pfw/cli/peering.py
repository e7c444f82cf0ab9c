"""peers, peer: whom this operator knows, and how much each is trusted. Trust goes to owners."""

from pathlib import Path

import click

from p2pfw.cli.exits import CommandError, Exit
from p2pfw.cli.invocation import Branch, Invocation, Leaf
from p2pfw.cli.seconds import seconds
from p2pfw.cli.trusting import forgive, score, try_, unvouch, vouch
from p2pfw.client.exchange import segment

MAX_KEY_FILE = 4_096
CONFIRM_HELP = "Take it back by itself unless `p2pfw confirm` comes within so many seconds (or 90s, 5m)."
TRUST_HELP = "A preset (solo, pair, trio, quad, watch), or 0 to 1."


@click.command(cls=Leaf)
@click.pass_obj
def peers(invocation: Invocation) -> None:
    """Who is connected, configured, or of this fleet."""
    body = invocation.call("GET", "/v1/peers")
    if not invocation.as_json(body, "peers"):
        from p2pfw.cli.show import people

        people.peers(invocation.printer, body)


@click.group(cls=Branch)
def peer() -> None:
    """One peer: by its id, or by the name that it has here."""


@peer.command("add")
@click.argument("peer_id", metavar="[ID]", default="")
@click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="Read the id from a file of keys/*.pub.")
@click.option("--name", help="What to call it.")
@click.option("--trust", help=TRUST_HELP)
@click.option("--address", "addresses", multiple=True, metavar="URL", help="Where to call it: ws://host:7787.")
@click.pass_obj
def add(
    invocation: Invocation,
    peer_id: str,
    key: Path | None,
    name: str | None,
    trust: str | None,
    addresses: tuple[str, ...],
) -> None:
    """Make a peer known: an owner or a node."""
    if bool(peer_id) == (key is not None):
        raise CommandError("name one peer", code=Exit.USAGE, hint="p2pfw peer add ID, or p2pfw peer add --key FILE")
    if key is not None:
        peer_id, name = read_public_key(key), name or key.stem
    said = {"name": name, "trust": _trust(trust), "addresses": list(addresses) or None}
    _put(invocation, peer_id, {field: value for field, value in said.items() if value is not None})


@peer.command("show")
@click.argument("peer_id", metavar="ID")
@click.pass_obj
def show(invocation: Invocation, peer_id: str) -> None:
    """Everything about one peer."""
    _shown(invocation, invocation.call("GET", _target(peer_id)))


@peer.command("trust")
@click.argument("peer_id", metavar="ID")
@click.argument("trust")
@click.option("--for", "category", help="Only for one category: ssh, web, mail, scan, ddos, voip, other.")
@click.option("--confirm", metavar="SECONDS", type=seconds, help=CONFIRM_HELP)
@click.pass_obj
def trust_(invocation: Invocation, peer_id: str, trust: str, category: str | None, confirm: int | None) -> None:
    """Trust its owner so much: a preset (solo, pair, trio, quad, watch), or 0 to 1."""
    value = _trust(trust)
    trial = {"confirm": confirm} if confirm else {}
    if category is None:
        _put(invocation, peer_id, {"trust": value, **trial})
    else:
        from p2pfw.core.presets import parse_trust

        _put(invocation, peer_id, {"trust_for": {category: parse_trust(trust)}, **trial})
    if confirm:
        invocation.printer.say(f"taken back in {confirm} s unless confirmed: p2pfw confirm")


@peer.command("distrust")
@click.argument("peer_id", metavar="ID")
@click.option("--confirm", metavar="SECONDS", type=seconds, help=CONFIRM_HELP)
@click.pass_obj
def distrust(invocation: Invocation, peer_id: str, confirm: int | None) -> None:
    """Believe its owner nothing any more; what was adopted by its word alone is released."""
    _put(invocation, peer_id, {"distrust": True, **({"confirm": confirm} if confirm else {})})


@peer.command("forget")
@click.argument("peer_id", metavar="ID")
@click.pass_obj
def forget(invocation: Invocation, peer_id: str) -> None:
    """Take back everything that was said about it here at run time."""
    invocation.call("DELETE", _target(peer_id))
    invocation.printer.say(f"{peer_id} is forgotten; what the configuration says of it stays")


for command in (vouch, unvouch, forgive, try_, score):
    peer.add_command(command)


def read_public_key(path: Path) -> str:
    """The id in a file of keys/: comment lines, and one id."""
    from p2pfw.core.idtext import decode_id, encode_id

    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_KEY_FILE)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: cannot be read: {error}", code=Exit.USAGE) from None
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if len(lines) != 1:
        hint = "comments begin with #, and one line is the id"
        raise CommandError(f"{path}: holds {len(lines)} ids where one is needed", code=Exit.USAGE, hint=hint)
    return encode_id(decode_id(lines[0]))


def _trust(text: str | None) -> str | float | None:
    """As the API takes it; checked here, so that a slip is told without a node."""
    if text is None:
        return None
    from p2pfw.core.presets import PRESETS, parse_trust

    return text if text in PRESETS else parse_trust(text)


def _target(peer_id: str) -> str:
    return f"/v1/peers/{segment(peer_id)}"


def _put(invocation: Invocation, peer_id: str, said: dict[str, object]) -> None:
    _shown(invocation, invocation.call("PUT", _target(peer_id), said))


def _shown(invocation: Invocation, body: bytes) -> None:
    if not invocation.as_json(body, "peer"):
        from p2pfw.cli.show import people

        people.peer(invocation.printer, body)
