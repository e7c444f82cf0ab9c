"""Reads and puts right our rules with the iptables programs. What is right is rules.py's word.

Reading takes `iptables-save` (no lock, one process a table), changing takes `iptables-restore --noflush`, always with
`-w`. Exit code 4 means that somebody else was faster, or held the lock: asked again within the wait.
"""

import re
import time
from collections.abc import Iterator, Sequence
from typing import Final

from p2pfw.core.prefix import Family
from p2pfw.errors import FirewallError, MissingProgramError, PrivilegeError
from p2pfw.firewall.names import COMMENT_TAG, SetNames
from p2pfw.firewall.parse import Table, parse_tables
from p2pfw.firewall.rules import Hook, Verdict, judge, probe_arguments, removal
from p2pfw.firewall.runner import Program, Runner, checked, failure

WAIT_SECONDS: Final = 5
"""For the lock of the legacy variant; the nft variant has none."""
_BUSY: Final = 4
_SAVE: Final = {Family.V4: Program.IPTABLES_SAVE, Family.V6: Program.IP6TABLES_SAVE}
_RESTORE: Final = {Family.V4: Program.IPTABLES_RESTORE, Family.V6: Program.IP6TABLES_RESTORE}
_NFT_FAMILY: Final = {Family.V4: "ip", Family.V6: "ip6"}
_BASE_CHAIN: Final = re.compile(r"chain (\w+) \{\s+type filter hook \w+ priority [\w -]+; policy accept;\s+\}")


class ForeignTableError(FirewallError):
    """A table that holds what only nft can read."""


class KernelRules:
    """The rules of one instance."""

    def __init__(self, runner: Runner, names: SetNames, hooks: Sequence[Hook]) -> None:
        self._runner, self._names = runner, names
        self._by_table = {
            table: tuple(hook for hook in hooks if hook.table == table)
            for table in dict.fromkeys(hook.table for hook in hooks)
        }

    def start(self) -> None:
        """Find the programs and try the right to use set matches. MissingProgramError, PrivilegeError."""
        for program in (*_SAVE.values(), *_RESTORE.values()):
            self._runner.find(program)
        output = self._runner.run(Program.IPTABLES, probe_arguments(self._names))
        refused = failure(output)
        if output.code and isinstance(refused, PrivilegeError):
            raise refused

    def read(self) -> list[tuple[Family, Verdict]]:
        """How the rules stand: one verdict a family and table with hooks."""
        return list(self._verdicts())

    def repair(self, verdicts: Sequence[tuple[Family, Verdict]]) -> tuple[str, ...]:
        """Put right what `read` found wrong. Returns what that was, in words."""
        faults: tuple[str, ...] = ()
        for family, verdict in verdicts:
            if verdict.correction:
                self.commit(family, verdict.correction)
                faults += verdict.faults
        return faults

    def clean_elsewhere(self) -> tuple[str, ...]:
        """Remove rules of ours from tables in which no hook is wanted any more. Returns those tables."""
        return tuple(place for family in Family for place in self._remove(family, keep=frozenset(self._by_table)))

    def remove(self, family: Family) -> tuple[str, ...]:
        """Remove every rule of ours, wherever it is, and a raw table that became empty thereby. Returns the tables."""
        return tuple(self._remove(family, keep=frozenset()))

    def _verdicts(self) -> Iterator[tuple[Family, Verdict]]:
        for family in Family:
            for name, hooks in self._by_table.items():
                table = self.tables(family, name, COMMENT_TAG).get(name)
                yield family, judge(table, hooks, self._names, family)

    def _remove(self, family: Family, keep: frozenset[str]) -> list[str]:
        tables = self._tables(family)
        doomed = removal({name: table for name, table in tables.items() if name not in keep}, self._names)
        if not doomed:
            return []
        self.commit(family, doomed)
        touched = re.findall(r"^\*(\S+)$", doomed, re.MULTILINE)
        if "raw" in touched:
            self.drop_empty(family, "raw")
        return [f"rule in {table} (IPv{family.value})" for table in touched]

    def _tables(self, family: Family) -> dict[str, Table]:
        text = checked(self._runner, _SAVE[family], []).decode(errors="replace")
        return parse_tables(text, COMMENT_TAG)

    def tables(self, family: Family, name: str, tag: str) -> dict[str, Table]:
        """One table with its counters, as far as its rules carry the tag; nothing where there is no such table."""
        text = checked(self._runner, _SAVE[family], ["-c", "-t", name]).decode(errors="replace")
        tables = parse_tables(text, tag)
        if name not in tables and "incompatible" in text:
            raise ForeignTableError(f"{_SAVE[family].file} -t {name}: made by nft, iptables cannot work with it")
        return tables

    def has_chain(self, family: Family, table: str, name: str) -> bool:
        """Asked of nft, for a table that iptables cannot read. Without nft nothing there is iptables' work."""
        try:
            return not self._runner.run(Program.NFT, ["list", "chain", _NFT_FAMILY[family], table, name]).code
        except MissingProgramError:
            return False

    def drop_empty(self, family: Family, name: str) -> None:
        """The nft variant keeps a table that our rule made; nobody else uses an empty one, so it goes with the rule.

        Without nft, or with anything in the table, it stays: an empty table lets everything through.
        """
        table = f"{_NFT_FAMILY[family]} {name}"
        try:
            output = self._runner.run(Program.NFT, ["list", "table", *table.split()])
        except MissingProgramError:
            return
        chains = empty_base_chains(output.stdout.decode(errors="replace")) if not output.code else None
        if chains is None:
            return
        # deleting a chain fails where it holds a rule by now, and the whole transaction with it
        lines = [f"delete chain {table} {chain}\n" for chain in chains] + [f"delete table {table}\n"]
        self._runner.run(Program.NFT, ["-f", "-"], feed=["".join(lines).encode()])

    def commit(self, family: Family, text: str, *, counters: bool = False) -> None:
        """One transaction a table. `counters`: rules begin with what they counted. FirewallError: nothing changed."""
        arguments = ["-w", str(WAIT_SECONDS), "--noflush", *(["--counters"] if counters else [])]
        latest = time.monotonic() + WAIT_SECONDS
        while True:
            output = self._runner.run(_RESTORE[family], arguments, feed=[text.encode()], timeout=WAIT_SECONDS + 10.0)
            if not output.code:
                return
            error = failure(output)
            if output.code != _BUSY or isinstance(error, PrivilegeError) or time.monotonic() >= latest:
                raise error
            time.sleep(0.05)


def empty_base_chains(text: str) -> list[str] | None:
    """Names of the chains in `nft list table` output when all are empty and accept; None when there is more."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    inner = "\n".join(lines[1:-1])
    chains = _BASE_CHAIN.findall(inner)
    return chains if lines and not _BASE_CHAIN.sub("", inner).strip() else None
