"""peer vouch, unvouch, forgive, try, score: whom this owner stands for, and what others were worth here."""

import json

import click

from p2pfw.cli.invocation import Invocation, Leaf
from p2pfw.cli.printer import Form
from p2pfw.client.exchange import segment


@click.command("vouch", cls=Leaf)
@click.argument("peer_id", metavar="[ID]", default="")
@click.option("--level", type=click.FloatRange(0.01, 1.0), default=1.0, show_default=True, help="How much of a vouch.")
@click.option("--ttl", default="90d", show_default=True, help="For how long; 90 days at the most.")
@click.pass_obj
def vouch(invocation: Invocation, peer_id: str, level: float, ttl: str) -> None:
    """Vouch for its owner towards all who trust yours; without ID: who vouches for whom.

    They give it at most half of what they give you, never more than 0.25, and hear you both as one voice. Needs the
    owner's key on this node.
    """
    if not peer_id:
        _list(invocation)
        return
    _said(invocation, invocation.call("POST", "/v1/vouches", {"id": peer_id, "level": level, "ttl": ttl}), "vouch")


@click.command("unvouch", cls=Leaf)
@click.argument("peer_id", metavar="ID")
@click.pass_obj
def unvouch(invocation: Invocation, peer_id: str) -> None:
    """Take a vouch back."""
    _said(invocation, invocation.call("DELETE", f"/v1/vouches/{segment(peer_id)}"), "unvouch")


@click.command("forgive", cls=Leaf)
@click.argument("peer_id", metavar="ID")
@click.pass_obj
def forgive(invocation: Invocation, peer_id: str) -> None:
    """What was seen of its owner counts no more: its trust is what you gave it."""
    _said(invocation, invocation.call("POST", "/v1/forgive", {"id": peer_id}), "forgive")


@click.command("try", cls=Leaf)
@click.argument("peer_id", metavar="ID")
@click.option("--trust", required=True, help="A preset (solo, pair, trio, quad, watch), or 0 to 1.")
@click.pass_obj
def try_(invocation: Invocation, peer_id: str, trust: str) -> None:
    """What another trust would adopt and drop, from what is stored, and whom it would cut off. Changes nothing."""
    body = invocation.call("POST", "/v1/try", {"id": peer_id, "trust": trust})
    if not invocation.as_json(body, "try"):
        from p2pfw.cli.show import trust as show

        show.tried(invocation.printer, body)


@click.command("score", cls=Leaf)
@click.argument("peer_id", metavar="[ID]", default="")
@click.pass_obj
def score(invocation: Invocation, peer_id: str) -> None:
    """What each owner's statements were worth here, and the trust that this suggests; nothing is applied."""
    body = invocation.call("GET", f"/v1/scorecards/{segment(peer_id)}" if peer_id else "/v1/scorecards")
    if not invocation.as_json(body, "scorecards"):
        from p2pfw.cli.show import trust as show

        show.scorecards(invocation.printer, body)


def _list(invocation: Invocation) -> None:
    body = invocation.call("GET", "/v1/vouches")
    if not invocation.as_json(body, "vouches"):
        from p2pfw.cli.show import trust as show

        show.vouches(invocation.printer, body)


def _said(invocation: Invocation, body: bytes, name: str) -> None:
    if invocation.as_json(body, name):
        return
    text = str(json.loads(body)["text"])
    if invocation.form is Form.PLAIN:
        invocation.printer.row(text)
    else:
        invocation.printer.line(text)
