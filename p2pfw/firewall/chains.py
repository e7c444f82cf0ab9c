"""Chains of our own for local rules: how they read, whether they stand right, and what puts them right. PURE.

    INPUT    -m comment --comment p2pfw:PREFIX:local -j PREFIX-input
    PREFIX-input    -s 203.0.113.9/32 -i eth0 -m time --datestop 2026-12-01T00:00:00 -j REJECT --reject-with ...

Right means: each chain that is needed holds exactly its rules in their order, and is jumped to once, with nothing above
the jump but rules of p2pfw; a chain that is not needed is not there. What puts it right is one transaction of
`iptables-restore --noflush --counters` a family, in which a rule that stood keeps what it counted. Deletes by text, and
only what leads to our chains.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from p2pfw.core.localrule import Chain, LocalRule, Target
from p2pfw.core.prefix import Family, key_text
from p2pfw.core.times import rfc3339
from p2pfw.firewall.names import COMMENT_TAG, SetNames
from p2pfw.firewall.parse import Rule, Table, clauses
from p2pfw.firewall.rules import transaction

TABLE: Final = "filter"
_REJECT: Final = {Family.V4: "icmp-port-unreachable", Family.V6: "icmp6-port-unreachable"}
PIECE: Final = 200
"""Rules in one of several transactions: each takes some hundred bytes of a buffer of 208 KiB."""
_APPEND: Final = "-A "
_END: Final = re.compile(r" -m time --datestop \S+")
"""What changes when a rule is prolonged: it goes on counting."""
Counted = tuple[int, int]
"""(packets, bytes)."""


def rule_text(rule: LocalRule) -> str:
    """One rule, as iptables-save prints it; what follows "-A CHAIN "."""
    family = Family.V6 if rule.is_v6 else Family.V4
    parts = [
        (rule.source is not None and f"-s {key_text(rule.source)}"),
        (rule.destination is not None and f"-d {key_text(rule.destination)}"),
        (rule.in_interface and f"-i {rule.in_interface}"),
        (rule.out_interface and f"-o {rule.out_interface}"),
        (rule.ends and f"-m time --datestop {rfc3339(rule.ends)[:-1]}"),
        f"-j {rule.target.value}",
        (rule.target is Target.REJECT and f"--reject-with {_REJECT[family]}"),
    ]
    return " ".join(part for part in parts if part)


def jump_text(names: SetNames, chain: Chain) -> str:
    """What follows "-I INPUT 1 "."""
    return f"-m comment --comment {names.local_comment} -j {names.chain(chain)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainsVerdict:
    """How one family's chains stand."""

    faults: tuple[str, ...]
    """What is wrong, in words."""
    lines: tuple[str, ...]
    """For `iptables-restore --noflush --counters` on the filter table; none when nothing is wrong."""
    counted: dict[LocalRule, Counted]
    """What the rules that stand have counted."""

    @property
    def correction(self) -> str:
        """One transaction."""
        return transaction({TABLE: list(self.lines)}) if self.lines else ""

    def pieces(self) -> Iterator[str]:
        """The same in several: chains and jumps, then their rules some at a time.

        For the nft variant where it may not have as large a buffer as it asks for (user namespaces).
        """
        appended = [line for line in self.lines if f"] {_APPEND}" in line]
        yield transaction({TABLE: [line for line in self.lines if line not in set(appended)]})
        for at in range(0, len(appended), PIECE):
            yield transaction({TABLE: appended[at : at + PIECE]})


def judge_chains(table: Table | None, wanted: Sequence[LocalRule], names: SetNames, family: Family) -> ChainsVerdict:
    """Compare the filter table, read with all its rules, with the rules of this family that must be there, in order."""
    faults: list[str] = []
    lines: list[str] = []
    counted: dict[LocalRule, Counted] = {}
    for chain in Chain:
        rules = [rule for rule in wanted if rule.chain is chain]
        found = _Found.of(table, names, chain)
        counted |= found.counted(rules)
        said = found.fault(rules)
        if said:
            faults.append(f"{said} (local rules, {chain.value}, IPv{family.value})")
            lines += found.correction(rules, counted)
    return ChainsVerdict(faults=tuple(faults), lines=tuple(lines), counted=counted)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """One chain of ours, and the jumps to it."""

    chain: Chain
    name: str
    jump: str
    exists: bool
    rules: tuple[Rule, ...]
    jumps: tuple[Rule, ...]
    strangers: int
    """Rules of others above the first jump."""
    held: bool
    """Rules of others, in other chains, lead to it: theirs stay, and so it cannot go; it stays empty."""

    @classmethod
    def of(cls, table: Table | None, names: SetNames, chain: Chain) -> "_Found":
        name, rules = names.chain(chain), table.rules if table else ()
        there = [rule for rule in rules if rule.chain == chain.value]
        jumps = tuple(rule for rule in there if _leads_to(rule, name))
        above = [rule for rule in there if jumps and rule.position < jumps[0].position]
        return cls(
            chain=chain,
            name=name,
            jump=jump_text(names, chain),
            exists=table is not None and name in table.chains,
            rules=tuple(rule for rule in rules if rule.chain == name),
            jumps=jumps,
            strangers=sum(not rule.comment.startswith(COMMENT_TAG) for rule in above),
            held=any(rule.chain != chain.value and _leads_to(rule, name) for rule in rules),
        )

    def fault(self, rules: Sequence[LocalRule]) -> str:
        """What is wrong; "" when nothing is."""
        if not rules:
            left = self.jumps or self.rules or (self.exists and not self.held)
            return "chain left over" if left else ""
        if not self.exists:
            return "chain missing"
        if len(self.jumps) != 1 or not _same(self.jumps[0].text, self.jump):
            return "jump missing" if not self.jumps else "jump altered"
        if self.strangers:
            return "jump not first"
        if len(self.rules) != len(rules) or not all(
            _same(here.text, rule_text(rule)) for here, rule in zip(self.rules, rules, strict=True)
        ):
            return "rules altered"
        return ""

    def correction(self, rules: Sequence[LocalRule], counted: dict[LocalRule, Counted]) -> list[str]:
        """Lines that put it right, or take it away."""
        gone = [f"-D {jump.chain} {jump.text}" for jump in self.jumps]
        if not rules:
            emptied = [f"-F {self.name}"] if self.exists else []
            return [*gone, *emptied, *([f"-X {self.name}"] if self.exists and not self.held else [])]
        body = []
        for rule in rules:
            packets, octets = counted.get(rule, (0, 0))
            body.append(f"[{packets}:{octets}] {_APPEND}{self.name} {rule_text(rule)}")
        # a chain that is declared is made, or emptied
        return [f":{self.name} - [0:0]", *gone, *body, f"[0:0] -I {self.chain.value} 1 {self.jump}"]

    def counted(self, rules: Sequence[LocalRule]) -> dict[LocalRule, Counted]:
        """By rule; those that are not there are left out."""
        by_text = {_END.sub("", rule.text): (rule.packets, rule.bytes) for rule in self.rules}
        texts = ((rule, _END.sub("", rule_text(rule))) for rule in rules)
        return {rule: by_text[text] for rule, text in texts if text in by_text}


def _leads_to(rule: Rule, name: str) -> bool:
    return name in rule.text and not {("-j", name), ("-g", name)}.isdisjoint(clauses(rule.text))


def _same(text: str, expected: str) -> bool:
    """Versions print the parts of a rule in different orders; mostly it is ours."""
    return text == expected or clauses(text) == clauses(expected)
