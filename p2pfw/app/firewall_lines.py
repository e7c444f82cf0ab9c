"""What the operator should know about the firewall around our rules: hooks that wait, ports left open, two variants.

Words only; what is said was read from the kernel (firewall/survey.py).
"""

from collections.abc import Iterator
from typing import Final

from p2pfw import schema
from p2pfw.app.enforcing import Enforcing, Mode
from p2pfw.ports import FirewallSurvey

SHOWN: Final = 8
"""Ports that are named in one line; of more the number."""
_OTHER: Final = {"nft": "legacy", "legacy": "nft"}


def firewall_lines(enforcing: Enforcing) -> Iterator[schema.HealthLine]:
    """All of it. A hook waits only while enforcing; the rest is worth knowing before, too."""
    if enforcing.mode is Mode.ENFORCE:
        yield from _waiting(enforcing.report.waiting)
    yield from _open_ports(enforcing.surroundings.open_ports)
    yield from _variants(enforcing.surroundings)


def _waiting(hooks: tuple[str, ...]) -> Iterator[schema.HealthLine]:
    if hooks:
        text = f"waiting for the chain of {', '.join(hooks)}: nothing is dropped there until somebody makes it"
        remedy = 'start Docker (for IPv6 with "ip6tables": true), or choose enforcer.hook = "raw/PREROUTING"'
        yield schema.HealthLine(level="warning", code="hook-waiting", text=text, remedy=remedy)


def _open_ports(ports: tuple[str, ...]) -> Iterator[schema.HealthLine]:
    if ports:
        more = f" and {len(ports) - SHOWN} more" if len(ports) > SHOWN else ""
        text = f"published ports stay open to the blocked: {', '.join(ports[:SHOWN])}{more}; no hook sees them"
        remedy = 'enforcer.hook = "raw/PREROUTING", or add "filter/DOCKER-USER" or "filter/FORWARD" to the list'
        yield schema.HealthLine(level="warning", code="published-ports", text=text, remedy=remedy)


def _variants(seen: FirewallSurvey) -> Iterator[schema.HealthLine]:
    other = _OTHER.get(seen.variant, "")
    if seen.other_ours:
        text = f"rules of p2pfw are left in the {other} variant of iptables, and the iptables command is {seen.variant}"
        remedy = "; ".join(seen.other_ours)
        yield schema.HealthLine(level="warning", code="other-variant-ours", text=text, remedy=remedy)
    elif seen.other_rules:
        text = (
            f"{seen.other_rules} rules are in the {other} variant of iptables, which the iptables command"
            f" ({seen.variant}) does not show; packets pass both"
        )
        remedy = f"look at iptables-{other}-save; keep one variant (update-alternatives --config iptables)"
        yield schema.HealthLine(level="warning", code="other-variant", text=text, remedy=remedy)
