"""Reads and puts right our chains of local rules with the iptables programs. What is right is chains.py's word.

Costs nothing while there are no local rules and none of ours were ever seen.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from p2pfw.core.localrule import Chain, LocalRule
from p2pfw.core.prefix import Family
from p2pfw.errors import FirewallError
from p2pfw.firewall.chains import TABLE, ChainsVerdict, Counted, judge_chains
from p2pfw.firewall.iptables import ForeignTableError, KernelRules
from p2pfw.firewall.names import SetNames
from p2pfw.firewall.parse import Table

FRESH: Final = 2.0
"""Seconds: the node has the chains checked every second, and thousands of rules are not read twice for a list."""
_TOO_LONG: Final = "Message too long"
_EVERYTHING: Final = ""
"""The tag that every rule carries."""


class LocalChains:
    """The local rules of one instance."""

    def __init__(self, rules: KernelRules, names: SetNames, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._rules, self._names, self._monotonic = rules, names, monotonic
        self._wanted: tuple[LocalRule, ...] = ()
        self._placed = True
        """Something of ours may be there: of an earlier life, until it was looked for."""
        self._seen: tuple[float, dict[LocalRule, Counted]] | None = None
        """What the last look at chains that were right counted, and when."""

    def want(self, wanted: Sequence[LocalRule]) -> None:
        """These, in this order, from now on."""
        self._wanted, self._seen = tuple(wanted), None

    def repair(self) -> tuple[str, ...]:
        """Put right what is wrong; what that was, in words."""
        faults: tuple[str, ...] = ()
        counted: dict[LocalRule, Counted] = {}
        self._placed, self._seen = self._placed or bool(self._wanted), None
        for family, verdict in self._verdicts():
            counted |= verdict.counted
            if verdict.lines:
                self._put_right(family, verdict)
                faults += verdict.faults
        self._placed = bool(self._wanted)
        self._seen = None if faults else (self._monotonic(), counted)
        return faults

    def faults(self) -> tuple[str, ...]:
        """What is wrong, in words."""
        return tuple(fault for _, verdict in self._verdicts() for fault in verdict.faults)

    def counted(self) -> dict[LocalRule, Counted]:
        """(packets, bytes) of those that stand; as the last check read them, where that was a moment ago."""
        if self._seen is not None and self._monotonic() - self._seen[0] < FRESH:
            return self._seen[1]
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
            wanted = [one for one in self._wanted if _is_of(one, family)]
            yield family, judge_chains(self._table(family, needed=bool(wanted)), wanted, self._names, family)

    def _table(self, family: Family, *, needed: bool) -> Table | None:
        """A table that iptables cannot read is an error only where we need it, or something of ours is in it."""
        try:
            return self._rules.tables(family, TABLE, _EVERYTHING).get(TABLE)
        except ForeignTableError:
            if needed or any(self._rules.has_chain(family, TABLE, self._names.chain(chain)) for chain in Chain):
                raise
            return None


def _is_of(rule: LocalRule, family: Family) -> bool:
    return rule.is_v6 == (family is Family.V6)
