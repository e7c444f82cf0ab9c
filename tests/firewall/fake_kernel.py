"""A kernel in memory behind the Runner port: ipset and iptables as far as the firewall uses them.

Behaves as measured on the real ones: `restore` keeps what came before a failing line, swap refuses another type,
a set that a rule names cannot be destroyed, -D takes the first match. What it cannot show is proven in tests/kernel.
"""

import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from p2pfw.core.prefix import Family
from p2pfw.errors import MissingProgramError
from p2pfw.firewall.parse import clauses
from p2pfw.firewall.runner import Output, Program

BUILT_IN = {"raw": ("PREROUTING", "OUTPUT"), "filter": ("INPUT", "FORWARD", "OUTPUT")}
V6_PROGRAMS = {Program.IP6TABLES, Program.IP6TABLES_SAVE, Program.IP6TABLES_RESTORE}


class KernelRefusalError(Exception):
    """What the kernel answers instead of doing it."""


@dataclass
class FakeSet:
    type: str = "hash:net"
    family: str = "inet"
    maxelem: int = 65_536
    hashsize: int = 1_024
    timeout: bool = False
    counters: bool = False
    members: dict[str, int] = field(default_factory=dict)


@dataclass
class FakeClock:
    at: float = 1_700_000_000.25

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


class FakeKernel:
    """Runner. `before(program, arguments)` may answer in place of the kernel; `missing` programs are not installed."""

    def __init__(self) -> None:
        self.sets: dict[str, FakeSet] = {}
        self.tables: dict[Family, dict[str, dict[str, list[str]]]] = {family: {} for family in Family}
        self.missing: set[Program] = set()
        self.before: Callable[[Program, Sequence[str]], Output | None] = lambda program, arguments: None
        self.after_line: Callable[[str], None] = lambda line: None
        self.runs: list[tuple[Program, tuple[str, ...], str]] = []

    # --- Runner --------------------------------------------------------------------------------------------------

    def find(self, program: Program) -> str:
        if program in self.missing:
            raise MissingProgramError(program.file, program.package)
        return f"/fake/{program.file}"

    def run(
        self, program: Program, arguments: Sequence[str], *, feed: Iterable[bytes] = (), timeout: float = 10.0
    ) -> Output:
        self.find(program)
        command = " ".join([program.file, *arguments])
        instead = self.before(program, arguments)
        text = b"".join(feed).decode()
        self.runs.append((program, tuple(arguments), text))
        if instead is not None:
            return instead
        try:
            return Output(command=command, code=0, stdout=self._answer(program, list(arguments), text).encode())
        except KernelRefusalError as refusal:
            return Output(command=command, code=1, stderr=f"{program.file} v1: {refusal}\n")

    def _answer(self, program: Program, arguments: list[str], text: str) -> str:
        if program is Program.IPSET:
            return self._ipset(arguments, text)
        if program is Program.NFT:
            raise KernelRefusalError("Error: No such file or directory")
        family = Family.V6 if program in V6_PROGRAMS else Family.V4
        if program in {Program.IPTABLES_SAVE, Program.IP6TABLES_SAVE}:
            return self._save(family, arguments)
        if program in {Program.IPTABLES_RESTORE, Program.IP6TABLES_RESTORE}:
            return self._commit(family, text)
        raise KernelRefusalError("Bad rule (does a matching rule exist in that chain?).")

    # --- ipset ---------------------------------------------------------------------------------------------------

    def _ipset(self, arguments: list[str], text: str) -> str:
        match arguments:
            case ["list", "-terse"]:
                return "\n".join(map(self._header, self.sets))
            case ["save", name]:
                return "".join(f"{line}\n" for line in self._saved(name))
            case ["restore", "-exist"]:
                return self._restore(text)
            case ["destroy" | "flush", name]:
                self._line(arguments)
                return ""
        raise AssertionError(f"ipset {arguments} is not something the firewall may run")

    def _restore(self, text: str) -> str:
        for number, line in enumerate(text.splitlines(), 1):
            try:
                self._line(line.split())
            except KernelRefusalError as refusal:
                raise KernelRefusalError(f"Error in line {number}: {refusal}") from None
            self.after_line(line)
        return ""

    def _line(self, words: list[str]) -> None:
        match words:
            case ["create", name, kind, *options]:
                if name in self.sets:
                    raise KernelRefusalError("Set cannot be created: set with the same name already exists")
                self.sets[name] = self._made(kind, options)
            case ["add", name, member, *options]:
                self._add(self._set(name), member, int(options[1]) if options else 0)
            case ["del", name, member]:
                self._set(name).members.pop(plain(member), None)
            case ["flush", name]:
                self._set(name).members.clear()
            case ["swap", one, other]:
                self._swap(one, other)
            case ["destroy", name]:
                if self._set(name) and self.references(name):
                    raise KernelRefusalError("Set cannot be destroyed: it is in use by a kernel component")
                del self.sets[name]
            case _:
                raise KernelRefusalError(f"Syntax error: {words}")

    def _made(self, kind: str, options: list[str]) -> FakeSet:
        values = dict(zip(options[:6:2], options[1:6:2], strict=True))
        return FakeSet(
            type=kind,
            family=values["family"],
            hashsize=int(values["hashsize"]),
            maxelem=int(values["maxelem"]),
            timeout="timeout" in options,
            counters="counters" in options,
        )

    def _add(self, target: FakeSet, member: str, timeout: int) -> None:
        address, _, length = member.partition("/")
        if length == "0" or (":" in address) != (target.family == "inet6"):
            raise KernelRefusalError("The value of the CIDR parameter of the IP address is invalid")
        if timeout > 2_147_483 or (timeout and not target.timeout):
            raise KernelRefusalError(f"Syntax error: '{timeout}' is out of range 0-2147483")
        if plain(member) not in target.members and len(target.members) >= target.maxelem:
            raise KernelRefusalError("Hash is full, cannot add more elements")
        target.members[plain(member)] = timeout

    def _swap(self, one: str, other: str) -> None:
        first, second = self._set(one), self._set(other)
        if (first.type, first.family) != (second.type, second.family):
            raise KernelRefusalError("The sets cannot be swapped: their type does not match")
        self.sets[one], self.sets[other] = second, first

    def _set(self, name: str) -> FakeSet:
        if name not in self.sets:
            raise KernelRefusalError("The set with the given name does not exist")
        return self.sets[name]

    def _saved(self, name: str) -> list[str]:
        found = self._set(name)
        extra = (" timeout 0" if found.timeout else "") + (" counters" if found.counters else "")
        head = f"create {name} {found.type} family {found.family} hashsize 1024 maxelem {found.maxelem}{extra}"
        counters = " packets 7 bytes 420" if found.counters else ""
        return [head] + [
            f"add {name} {member}" + (f" timeout {left}" if found.timeout else "") + counters
            for member, left in found.members.items()
        ]

    def _header(self, name: str) -> str:
        found = self.sets[name]
        extra = (" timeout 0" if found.timeout else "") + (" counters" if found.counters else "")
        return (
            f"Name: {name}\nType: {found.type}\nRevision: 7\nHeader: family {found.family} hashsize {found.hashsize}"
            f" maxelem {found.maxelem}{extra} bucketsize 12 initval 0xc7fab4f3\nSize in memory: 648\n"
            f"References: {self.references(name)}\nNumber of entries: {len(found.members)}\n"
        )

    def references(self, name: str) -> int:
        return sum(
            f"--match-set {name} " in rule
            for tables in self.tables.values()
            for chains in tables.values()
            for rules in chains.values()
            for rule in rules
        )

    # --- iptables ------------------------------------------------------------------------------------------------

    def chain(self, family: Family, hook: str) -> list[str]:
        """Rules of a chain, to look at or to change as another program would; "raw/PREROUTING"."""
        table, chain = hook.split("/")
        chains = self.tables[family].setdefault(table, {name: [] for name in BUILT_IN[table]})
        return chains.setdefault(chain, [])

    def flush_rules(self) -> None:
        """`nft flush ruleset`."""
        self.tables = {family: {} for family in Family}

    def _save(self, family: Family, arguments: list[str]) -> str:
        wanted = arguments[arguments.index("-t") + 1 :] if "-t" in arguments else list(self.tables[family])
        count = "[3:180] " if "-c" in arguments else ""
        lines = []
        for table in wanted:
            if table not in self.tables[family]:
                continue
            chains = self.tables[family][table]
            lines += ["# Generated by iptables-save v1.8.9 (nf_tables) on Sat Nov 21 01:38:57 2026", f"*{table}"]
            lines += [f":{name} {'ACCEPT' if name in BUILT_IN[table] else '-'} [0:0]" for name in chains]
            lines += [f"{count}-A {name} {rule}" for name, rules in chains.items() for rule in rules]
            lines += ["COMMIT", "# Completed on Sat Nov 21 01:38:57 2026"]
        return "".join(f"{line}\n" for line in lines)

    def _commit(self, family: Family, text: str) -> str:
        table = ""
        for line in text.splitlines():
            if line.startswith("*"):
                table = line[1:]
            elif line != "COMMIT":
                self._change(family, table, line)
            self.after_line(line)
        return ""

    def _change(self, family: Family, table: str, line: str) -> None:
        line = re.sub(r"^\[[0-9]+:[0-9]+\] ", "", line)
        if line.startswith(":"):  # declared: made, or emptied
            self.chain(family, f"{table}/{line[1:].split()[0]}").clear()
            return
        verb, chain, *more = line.split(" ", 2)
        rules, rest = self.chain(family, f"{table}/{chain}"), more[0] if more else ""
        if verb == "-F":
            rules.clear()
            return
        if verb == "-X":
            del self.tables[family][table][chain]
            return
        if verb == "-A":
            rules.append(rest)
            return
        if verb == "-D":
            at = next((at for at, rule in enumerate(rules) if clauses(rule) == clauses(rest)), None)
            if at is None:
                raise KernelRefusalError("Bad rule (does a matching rule exist in that chain?).")
            del rules[at]
            return
        position, rest = rest.split(" ", 1)
        words = shlex.split(rest)
        for name in (words[at + 1] for at, word in enumerate(words) if word == "--match-set"):
            if name not in self.sets:
                raise KernelRefusalError(f"Set {name} doesn't exist.")
        rules.insert(int(position) - 1, rest.replace("--comment p2pfw:", '--comment "p2pfw:').replace(" -j", '" -j'))


def plain(member: str) -> str:
    """A member as ipset prints it: a host without its length."""
    address, _, length = member.partition("/")
    return address if length == ("128" if ":" in address else "32") else member
