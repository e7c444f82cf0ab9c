"""simulate: what liars among the peers would get blocked here, and what honest ones would, side by side."""

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from p2pfw.cli.exits import CommandError, Exit
from p2pfw.cli.invocation import Invocation, Leaf
from p2pfw.cli.printer import Form, Styled

if TYPE_CHECKING:
    from p2pfw.sim.attack import Outcome

_GROUP = re.compile(r"(\d{1,3})x([0-9.]+|[a-z]+)")
ATTACKS = ("sybils", "flood", "wide", "sleeper")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Game:
    """What was asked for."""

    attack: str
    stated: str | None
    malicious: str
    sybils: int
    detection: float
    error: float
    seeds: int


@click.command(cls=Leaf)
@click.option("--attack", type=click.Choice(ATTACKS), default="sybils", show_default=True, help="What the liars do.")
@click.option("--peers", "stated", metavar="12x0.40,3xsolo", help="Trust, instead of that of this configuration.")
@click.option(
    "--malicious", default="0-3", show_default=True, metavar="K|K-L", help="How many peers lie; the strongest."
)
@click.option("--sybils", type=click.IntRange(0, 1000), default=50, show_default=True, help="Vouched for by each liar.")
@click.option(
    "--detection", type=click.FloatRange(0, 1), default=0.3, show_default=True, help="Honest peers see so much."
)
@click.option("--error", type=click.FloatRange(0, 1), default=0.01, show_default=True, help="And are wrong so often.")
@click.option("--seeds", type=click.IntRange(1, 1000), default=20, show_default=True, help="Runs to take the mean of.")
@click.pass_obj
def simulate(invocation: Invocation, /, **asked: Any) -> None:  # noqa: ANN401  (click's options)
    """Play an attack against this node's trust: shares of innocent hosts and of attackers that would be adopted."""
    from p2pfw.sim.attack import RULES, Attack, Setting
    from p2pfw.sim.attack import simulate as play

    of = _Game(**asked)
    trusts = _stated(of.stated) if of.stated else _configured(invocation)
    if not trusts:
        raise CommandError("there are no peers to play with", code=Exit.USAGE, hint="--peers 12x0.40")
    first, last = _range(of.malicious)
    found = []
    for liars in range(first, min(last, len(trusts)) + 1):
        setting = Setting(
            trusts=trusts,
            malicious=liars,
            sybils=of.sybils,
            attack=Attack(of.attack),
            detection=of.detection,
            error=of.error,
        )
        found.append((liars, play(setting, of.seeds)))
    if invocation.form is Form.JSON:
        invocation.printer.raw(json.dumps(_as_json(of.attack, found)) + "\n")
        return
    if invocation.form is Form.PLAIN:
        for liars, outcome in found:
            for rule, share in outcome.shares.items():
                invocation.printer.row(of.attack, liars, rule, f"{share.false_adopt:.4f}", f"{share.true_adopt:.4f}")
        return
    number = found[0][1].collusion if found else None
    invocation.printer.line(
        f"{len(trusts)} peers, attack {of.attack}; collusion number for a host: {number or 'none'}; "
        f"honest: see {of.detection:.0%}, wrong {of.error:.1%}; mean of {of.seeds} runs"
    )
    invocation.printer.line("innocent hosts adopted (false) and attackers adopted (true), by rule")
    heads = ["liars", *(f"{rule}: false true" for rule in RULES)]
    rows: list[list[str | Styled]] = [
        [str(liars), *(_cell(outcome, rule) for rule in RULES)] for liars, outcome in found
    ]
    invocation.printer.table(heads, rows)


def _cell(outcome: "Outcome", rule: str) -> str:
    share = outcome.shares[rule]
    return f"{share.false_adopt:.3f} {share.true_adopt:.3f}"


def _as_json(attack: str, found: "list[tuple[int, Outcome]]") -> dict[str, object]:
    rows = [
        {
            "malicious": liars,
            "collusion_number": outcome.collusion,
            "rules": {
                rule: {"false_adopt": round(share.false_adopt, 6), "true_adopt": round(share.true_adopt, 6)}
                for rule, share in outcome.shares.items()
            },
        }
        for liars, outcome in found
    ]
    return {"schema": "p2pfw.simulate/1", "attack": attack, "rows": rows}


def _stated(text: str) -> list[float]:
    from p2pfw.core.presets import parse_trust

    trusts: list[float] = []
    for part in text.split(","):
        match = _GROUP.fullmatch(part.strip())
        if match is None:
            hint = "write it like 12x0.40,3xsolo"
            raise CommandError(f"{part!r} says nothing of peers", code=Exit.USAGE, hint=hint)
        trusts += [parse_trust(match[2])] * int(match[1])
    return sorted(trusts, reverse=True)


def _configured(invocation: Invocation) -> list[float]:
    """The file's peers, and the members of its charter."""
    config = invocation.load()
    trusts = [peer.trust for peer in config.peers]
    if config.discovery.charter is not None:
        from p2pfw.config.charterfile import read_charter
        from p2pfw.core.charter import TRUST_UNIT

        trusts += [member.trust / TRUST_UNIT for member in read_charter(config.discovery.charter).charter.members]
    if not trusts:
        hint = "state them: --peers 12x0.40, or name peers in the configuration"
        raise CommandError("there are no peers in this configuration", code=Exit.USAGE, hint=hint)
    return sorted(trusts, reverse=True)


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    if not first.isdecimal() or (last and not last.isdecimal()):
        raise CommandError(f"{text!r} is no number of liars", code=Exit.USAGE, hint="write it like 2, or 0-3")
    return int(first), int(last or first)
