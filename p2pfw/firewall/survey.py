"""What a self-check looks at and enforcement does not: the other iptables variant, and ports that our hooks leave open.

A port that is published by DNAT (Docker, for one) is forwarded: its packets never see filter/INPUT. And rules made by
the variant of iptables that this command is not (legacy or nft) are real, but neither shown nor ordered by it. Reads
only; whatever cannot be read is not reported.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from p2pfw.errors import FirewallError
from p2pfw.firewall.names import COMMENT_TAG
from p2pfw.firewall.rules import DEFAULT_HOOK, Hook
from p2pfw.firewall.runner import Program, Runner
from p2pfw.ports import FirewallSurvey

_FORWARDED: Final = frozenset({DEFAULT_HOOK, "filter/FORWARD", "filter/DOCKER-USER"})
"""Hooks that see packets on their way to somebody behind this machine."""
_VARIANT: Final = re.compile(r"\((nf_tables|legacy)\)")
_OTHER: Final = {
    "nf_tables": ("legacy", (Program.IPTABLES_LEGACY_SAVE, Program.IP6TABLES_LEGACY_SAVE)),
    "legacy": ("nf_tables", (Program.IPTABLES_NFT_SAVE, Program.IP6TABLES_NFT_SAVE)),
}
_SAVES: Final = (Program.IPTABLES_SAVE, Program.IP6TABLES_SAVE)
_RULE: Final = re.compile(r"^-A (\S+) (.*)$", re.MULTILINE)
_OPTION: Final = re.compile(r"(?<!! )-(?:-)?(p|dport|dports|to-destination) (\S+)")
_LOOPBACK: Final = re.compile(r"(?<!! )-d (127\.|::1)")
MOST_NAMED: Final = 20
"""Ports that are named; a machine with more of them has the same remedy."""


def survey(runner: Runner, hooks: Sequence[Hook]) -> FirewallSurvey:
    """Look once."""
    variant = _variant(runner)
    name, programs = _OTHER.get(variant, ("", ()))
    texts = [text for program in programs if (text := _printed(runner, program, [])) is not None]
    covered = any(str(hook) in _FORWARDED for hook in hooks)
    open_ports: list[str] = []
    if not covered:
        for program in _SAVES:
            open_ports += published_ports(_printed(runner, program, ["-t", "nat"]) or "")
    return FirewallSurvey(
        variant=variant,
        other_variant=name,
        other_rules=sum(len(_RULE.findall(text)) for text in texts),
        other_is_ours=any(COMMENT_TAG in text for text in texts),
        open_ports=tuple(dict.fromkeys(open_ports))[:MOST_NAMED],
    )


def published_ports(text: str) -> Iterator[str]:
    """What a nat table forwards to others, of `iptables-save -t nat`, in words: "tcp 8080 to 172.17.0.2:80"."""
    for chain, rule in _RULE.findall(text):
        here_only = chain == "OUTPUT" or _LOOPBACK.search(rule)
        if here_only or not re.search(r"-j DNAT\b", rule):
            continue
        said = dict(_OPTION.findall(rule))
        port = said.get("dport") or said.get("dports") or "any port"
        yield f"{said.get('p', 'any protocol')} {port} to {said.get('to-destination', 'another host')}"


def _variant(runner: Runner) -> str:
    found = _VARIANT.search(_printed(runner, Program.IPTABLES, ["--version"]) or "")
    return found[1] if found else ""


def _printed(runner: Runner, program: Program, arguments: Sequence[str]) -> str | None:
    """What it prints; None when it is not there or fails."""
    try:
        output = runner.run(program, arguments)
    except FirewallError:
        return None
    return None if output.code else output.stdout.decode(errors="replace")
