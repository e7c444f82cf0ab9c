"""Reads and puts right our chains of local rules with the iptables programs. What is right is chains.py's word.

Costs nothing while there are no local rules and none of ours were ever seen.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from p2pfw.core.localrule import LocalRule
from p2pfw.core.prefix import Family
from p2pfw.errors import FirewallError
from p2pfw.firewall.chains import TABLE, ChainsVerdict, Counted, judge_chains
from p2pfw.firewall.iptables import KernelRules
from p2pfw.firewall.names import SetNames

_TOO_LONG: Final = "Message too long"
_EVERYTHING: Final = ""
"""The tag that every rule carries."""


class LocalChains:
    """The local rules of one instance."""

    def __init__(self, rules: KernelRules, names: SetNames) -> None:
        self._rules, self._names = rules, names
        self._wanted: tuple[LocalRule, ...] = ()
        self._placed = True
        """Something of ours may be there: of an earlier life, until it was looked for."""

    def want(self, wanted: Sequence[LocalRule]) -> None:
        """These, in this order, from now on."""
        self._wanted = tuple(wanted)

    def repair(self) -> tuple[str, ...]:
        """Put right what is wrong; what that was, in words."""
        faults: tuple[str, ...] = ()
        self._placed = self._placed or bool(self._wanted)
        for family, verdict in self._verdicts():
            if verdict.lines:
                self._put_right(family, verdict)
                faults += verdict.faults
        self._placed = bool(self._wanted)
        return faults

    def faults(self) -> tuple[str, ...]:
        """What is wrong, in words."""
        return tuple(fault for _, verdict in self._verdicts() for fault in verdict.faults)

    def counted(self) -> dict[LocalRule, Counted]:
        """(packets, bytes) of those that stand."""
        return {rule: counted for _, verdict in self._verdicts() for rule, counted in verdict.counted.items()}

    def remove(self) -> tuple[str, ...]:
        """All of it, whoever's life it is from; which families had some."""
        self._wanted, self._placed = (), True
        touched = [family for family, verdict in self._verdicts() if verdict.lines]
        self.repair()
        for family in touched:
            self._rules.drop_empty(family, TABLE)
        return tuple(f"local rules (IPv{family.value})" for family in touched)

    def _put_right(self, family: Family, verdict: ChainsVerdict) -> None:
        try:
            self._rules.commit(family, verdict.correction, counters=True)
        except FirewallError as error:
            if _TOO_LONG not in str(error):
                raise
            for piece in verdict.pieces():
                self._rules.commit(family, piece, counters=True)

    def _verdicts(self) -> Iterator[tuple[Family, ChainsVerdict]]:
        if not self._wanted and not self._placed:
            return
        for family in Family:
            table = self._rules.tables(family, TABLE, _EVERYTHING).get(TABLE)
            yield family, judge_chains(table, [one for one in self._wanted if _is_of(one, family)], self._names, family)


def _is_of(rule: LocalRule, family: Family) -> bool:
    return rule.is_v6 == (family is Family.V6)
