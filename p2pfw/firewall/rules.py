"""The one rule a family and hook: how it reads, whether it stands right, and what puts it right. PURE.

Right means: exactly once in its chain, with our text, and nothing above it but the rules of other instances of p2pfw
(which want the head as much as we do). What puts it right is one transaction of `iptables-restore --noflush` a table:
the new rule comes as the old ones go, so there is no gap; and rules are deleted by their text, never by their
position, so somebody else's cannot be hit.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from p2pfw.core.prefix import Family
from p2pfw.errors import ConfigError
from p2pfw.firewall.names import Role, SetNames, Slot
from p2pfw.firewall.parse import Rule, Table, clauses

DEFAULT_HOOK: Final = "raw/PREROUTING"
_KNOWN: Final = (DEFAULT_HOOK, "filter/INPUT", "filter/FORWARD", "filter/DOCKER-USER")
_BUILT_IN: Final = frozenset({"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"})
_NOTHING: Final = Table(chains=frozenset(), empty=True, rules=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A table and a chain in it."""

    table: str
    chain: str

    def __str__(self) -> str:
        return f"{self.table}/{self.chain}"

    @property
    def built_in(self) -> bool:
        """True for a chain that the kernel has by itself. Another one is waited for, until its maker makes it."""
        return self.chain in _BUILT_IN


def parse_hooks(texts: Sequence[str]) -> tuple[Hook, ...]:
    """Hooks from the configuration's words; ConfigError when one is unknown, or none is given."""
    for text in texts:
        if text not in _KNOWN:
            raise ConfigError(f"hook {text!r} is unknown", hint=f"one of {', '.join(_KNOWN)}")
    if not texts:
        raise ConfigError("no hook is given", hint=f"the usual one is {DEFAULT_HOOK}")
    pairs = (text.split("/") for text in dict.fromkeys(texts))
    return tuple(Hook(table=table, chain=chain) for table, chain in pairs)


def rule_text(names: SetNames, family: Family) -> str:
    """The rule, as in enforcement.md; what follows "-I CHAIN 1 "."""
    allow = names.live(Slot(role=Role.ALLOW, family=family))
    block = names.live(Slot(role=Role.BLOCK, family=family))
    return (
        f"! -i lo -m set ! --match-set {allow} src -m set --match-set {block} src"
        f" -m comment --comment {names.comment} -j DROP"
    )


def probe_arguments(names: SetNames) -> list[str]:
    """A harmless question to `iptables` that is refused for want of rights exactly where our rule would be."""
    # -C changes nothing; that the set does not exist, or no such rule, is a fine answer
    rule = rule_text(names, Family.V4)
    return ["-w", "5", "-t", "raw", "-C", "PREROUTING", *shlex.split(rule)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How one family's rules stand in one table."""

    standing: int
    """Hooks whose rule stands right."""
    waiting: tuple[str, ...]
    """Hooks whose chain is not there (yet)."""
    faults: tuple[str, ...]
    """What is wrong, in words."""
    correction: str
    """Lines for `iptables-restore --noflush` that put it right; "" when nothing is wrong."""
    packets: int
    """Dropped by the rules of ours, as their counters say."""
    bytes: int


def judge(table: Table | None, hooks: Sequence[Hook], names: SetNames, family: Family) -> Verdict:
    """Compare one table with what must be there. `hooks` are those of this table, at least one."""
    table = table or _NOTHING
    ours = [rule for rule in table.rules if rule.comment == names.comment]
    awaited = [hook for hook in hooks if not hook.built_in and hook.chain not in table.chains]
    present = [hook for hook in hooks if hook not in awaited]
    wrong = {hook: fault for hook in present if (fault := _fault(hook, table, ours, names, family))}
    chains = {hook.chain for hook in present}
    strays = [rule for rule in ours if rule.chain not in chains]
    faults = [f"{fault} in {hook} (IPv{family.value})" for hook, fault in wrong.items()]
    faults += [f"rule of ours in {hooks[0].table}/{rule.chain} (IPv{family.value})" for rule in strays]
    return Verdict(
        standing=len(present) - len(wrong),
        waiting=tuple(f"{hook} (IPv{family.value})" for hook in awaited),
        faults=tuple(faults),
        correction=_correction(hooks[0].table, list(wrong), ours, strays, rule_text(names, family)),
        packets=sum(rule.packets for rule in ours),
        bytes=sum(rule.bytes for rule in ours),
    )


def _fault(hook: Hook, table: Table, ours: Sequence[Rule], names: SetNames, family: Family) -> str:
    here = [rule for rule in ours if rule.chain == hook.chain]
    if not here:
        return "rule missing"
    if len(here) > 1:
        return "rule doubled"
    rule = here[0]
    if clauses(rule.text) != clauses(rule_text(names, family)):
        return "rule altered"
    above = [other for other in table.rules if other.chain == hook.chain and other.position < rule.position]
    if rule.position - 1 > sum(names.is_sibling(other.comment) for other in above):
        return "rule not first"
    return ""


def _correction(table: str, wrong: Sequence[Hook], ours: Sequence[Rule], strays: Sequence[Rule], text: str) -> str:
    chains = {hook.chain for hook in wrong}
    doomed = [rule for rule in ours if rule.chain in chains] + list(strays)
    # deletions first: -D takes the first match, which must not be the new rule
    lines = [f"-D {rule.chain} {rule.text}" for rule in doomed]
    lines += [f"-I {hook.chain} 1 {text}" for hook in wrong]
    return transaction({table: lines}) if lines else ""


def removal(tables: dict[str, Table], names: SetNames) -> str:
    """Lines for `iptables-restore --noflush` that remove every rule of ours from all tables; "" when there is none."""
    doomed = {
        name: [f"-D {rule.chain} {rule.text}" for rule in table.rules if rule.comment == names.comment]
        for name, table in tables.items()
    }
    return transaction({name: lines for name, lines in doomed.items() if lines})


def transaction(lines: dict[str, list[str]]) -> str:
    """One commit a table."""
    return "".join(f"*{table}\n" + "\n".join(body) + "\nCOMMIT\n" for table, body in lines.items())
