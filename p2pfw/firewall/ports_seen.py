"""Ports that are published behind this host (DNAT), read from the nat rules, and which of them no hook sees. PURE.

A published port's packets are redirected before routing and forwarded: they never come by filter/INPUT, so a rule
there alone leaves the port open to everybody who is blocked. Sees what iptables shows; rules that somebody wrote with
nft alone are not among them.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from p2pfw.firewall.parse import Rule, Table, clauses
from p2pfw.firewall.rules import Hook

_SEES_FORWARDED: Final = frozenset({"raw/PREROUTING", "filter/FORWARD", "filter/DOCKER-USER"})
_JUMPS: Final = ("-j", "-g")


def open_ports(tables: Mapping[str, Table], hooks: Sequence[Hook]) -> list[str]:
    """Published ports that no hook sees, in words. `tables` must hold all rules, not only ours."""
    chains = tables["filter"].chains if "filter" in tables else frozenset[str]()
    seeing = [hook for hook in hooks if str(hook) in _SEES_FORWARDED and (hook.built_in or hook.chain in chains)]
    return [] if seeing or "nat" not in tables else list(dict.fromkeys(published(tables["nat"])))


def published(nat: Table) -> Iterator[str]:
    """Every DNAT that a packet from outside can meet, like "tcp/8080 to 172.17.0.2:80"."""
    met = _reachable(nat, "PREROUTING")
    for rule in nat.rules:
        if rule.chain not in met:
            continue
        parts = _parts(rule)
        aim = parts.get("--to-destination", "")
        if parts.get("-j") == "DNAT" and aim and not _loopback(aim) and not _loopback(parts.get("-d", "")):
            ports = parts.get("--dport") or parts.get("--dports") or "all"
            yield f"{parts.get('-p', 'any')}/{ports} to {aim}"


def _reachable(nat: Table, chain: str) -> Collection[str]:
    """The chains that a packet may come by when it begins in this one."""
    met, ahead = {chain}, [chain]
    while ahead:
        at = ahead.pop()
        for rule in nat.rules:
            parts = _parts(rule) if rule.chain == at else {}
            aims = {parts[word] for word in _JUMPS if word in parts} & nat.chains - met
            met |= aims
            ahead += aims
    return met


def _parts(rule: Rule) -> dict[str, str]:
    return {clause[0]: clause[-1] for clause in clauses(rule.text) if len(clause) > 1 and "!" not in clause}


def _loopback(address: str) -> bool:
    return address.startswith(("127.", "[::1]", "::1"))
