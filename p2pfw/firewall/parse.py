"""Reads what `ipset list -terse`, `ipset save` and `iptables-save` print. PURE.

Strict: a program that prints something else than these formats is an error that names the line, never "nothing there"
- from an empty list the next step would be to make everything anew. Never reads `iptables -L`, whose output changed
between versions.
"""

import re
import shlex
import socket
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from p2pfw.core.prefix import Family, v4_key, v6_key
from p2pfw.errors import FirewallError

# --- ipset -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SetHeader:
    """What `ipset list -terse` says of one set. `family` is None for types that have none."""

    name: str
    type: str
    family: Family | None
    maxelem: int
    timeout: bool
    counters: bool
    references: int
    entries: int


def parse_headers(text: str, wanted: Collection[str]) -> dict[str, SetHeader]:
    """Headers of the wanted sets by name; other types have others. FirewallError when it is no list of sets."""
    headers = {}
    for block in re.split(r"\n\s*\n", text):
        if not block.strip():
            continue
        title, _, name = block.strip().partition("\n")[0].partition(": ")
        if title != "Name":
            raise _not_understood("ipset list", block)
        if name in wanted:
            headers[name] = _header(block)
    return headers


def _header(block: str) -> SetHeader:
    fields = {name: value.strip() for name, _, value in (line.partition(":") for line in block.strip().splitlines())}
    try:
        words = fields.get("Header", "").split()
        return SetHeader(
            name=fields["Name"],
            type=fields["Type"],
            family=_family(words),
            maxelem=int(words[words.index("maxelem") + 1]) if "maxelem" in words else 0,
            timeout="timeout" in words,
            counters="counters" in words,
            references=int(fields["References"]),
            # type list:set and old versions print no count in terse mode
            entries=int(fields.get("Number of entries", "0")),
        )
    except (KeyError, ValueError, IndexError):
        raise _not_understood("ipset list", block) from None


def _family(words: list[str]) -> Family | None:
    if "family" not in words:
        return None
    return {"inet": Family.V4, "inet6": Family.V6}.get(words[words.index("family") + 1])


def parse_members(text: str, name: str) -> Iterator[tuple[int, int]]:
    """(key, remaining seconds; 0 for no end) of each member in the output of `ipset save NAME`."""
    head = f"add {name} "
    for line in text.splitlines():
        if line.startswith(head):
            yield _member(line)
        elif line and not line.startswith("create "):
            raise _not_understood("ipset save", line)


def _member(line: str) -> tuple[int, int]:
    words = line.split(" ")
    try:
        return _key(words[2]), int(words[4]) if len(words) > 4 and words[3] == "timeout" else 0
    except (ValueError, OSError):
        raise _not_understood("ipset save", line) from None


def _key(text: str) -> int:
    address, slash, length = text.partition("/")
    if ":" in address:
        raw = socket.inet_pton(socket.AF_INET6, address)
        return v6_key(int.from_bytes(raw), int(length) if slash else 128)
    return v4_key(int.from_bytes(socket.inet_pton(socket.AF_INET, address)), int(length) if slash else 32)


def parse_counters(output: bytes, name: str, member: str) -> tuple[int, int] | None:
    """(packets, bytes) of one member in the output of `ipset save NAME`, found without reading the others; or None."""
    _, found, rest = output.partition(f"\nadd {name} {member} ".encode())
    if not found:
        return None
    words = rest.partition(b"\n")[0].split()
    try:
        return int(words[words.index(b"packets") + 1]), int(words[words.index(b"bytes") + 1])
    except (ValueError, IndexError):
        return 0, 0


def parse_tallies(output: bytes, name: str) -> Iterator[tuple[int, tuple[int, int]]]:
    """(key, (packets, bytes)) of the members that dropped something, in the output of `ipset save NAME`.

    By pattern: most of a large set have dropped nothing, and are passed over without a look at each.
    """
    pattern = rb"^add %s (\S+) .*\bpackets ([1-9][0-9]*) bytes ([0-9]+)" % re.escape(name.encode())
    for member, packets, octets in re.findall(pattern, output, re.MULTILINE):
        try:
            yield _key(member.decode()), (int(packets), int(octets))
        except (ValueError, OSError):
            raise _not_understood("ipset save", member.decode(errors="replace")) from None


# --- iptables ----------------------------------------------------------------------------------------------------

Clauses = tuple[tuple[str, ...], ...]
"""The parts of a rule in an order of our own: versions of iptables print them in different ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule that carries the tag. `position` counts from 1; `text` is what follows "-A CHAIN "."""

    chain: str
    position: int
    text: str
    packets: int = 0
    bytes: int = 0

    @property
    def comment(self) -> str:
        """Its comment, or ""."""
        return next((clause[1] for clause in clauses(self.text) if clause[0] == "--comment" and len(clause) > 1), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table, as far as we care: its chains, whether it holds any rule, and the rules with the tag."""

    chains: frozenset[str]
    empty: bool
    rules: tuple[Rule, ...]


_RULE: Final = re.compile(r"(?:\[([0-9]+):([0-9]+)\] )?-A (\S+) ?(.*)")
_CHAIN: Final = re.compile(r":(\S+) \S+ \[[0-9]+:[0-9]+\]")


def parse_tables(text: str, tag: str) -> dict[str, Table]:
    """Tables by name from the output of `iptables-save`, with the rules in whose text `tag` occurs."""
    tables: dict[str, Table] = {}
    name = ""
    body: list[str] = []
    for line in text.splitlines():
        if line.startswith("*"):
            name, body = line[1:].strip(), []
        elif line == "COMMIT":
            tables[name] = _table(body, tag)
            name = ""
        elif name:
            body.append(line)
        elif line.strip() and not line.startswith("#"):
            raise _not_understood("iptables-save", line)
    if name:
        raise _not_understood("iptables-save", f"*{name} without COMMIT")
    return tables


def _table(body: list[str], tag: str) -> Table:
    chains = frozenset(found[1] for line in body if (found := _CHAIN.fullmatch(line)))
    at: Counter[str] = Counter()
    rules = []
    for line in body:
        found = _RULE.fullmatch(line)
        if found is None:
            continue
        packets, octets, chain, text = found.groups()
        at[chain] += 1
        if tag in line:
            counted = {"packets": int(packets or 0), "bytes": int(octets or 0)}
            rules.append(Rule(chain=chain, position=at[chain], text=text, **counted))
    return Table(chains=chains, empty=not at, rules=tuple(rules))


def clauses(text: str) -> Clauses:
    """The rule's options with their values, each with the "!" before it, sorted; without the names of matches."""
    try:
        words = shlex.split(text)
    except ValueError:
        raise _not_understood("iptables-save", text) from None
    parts: list[list[str]] = []
    negated = False
    for word in words:
        if word == "!":
            negated = True
        elif word.startswith("-") or not parts:
            parts.append([word, *(["!"] if negated else [])])
            negated = False
        else:
            parts[-1].append(word)
    return tuple(sorted(tuple(part) for part in parts if part[0] != "-m"))


def _not_understood(command: str, line: str) -> FirewallError:
    return FirewallError(f"{command} printed what it never prints: {line.strip()[:120]!r}")
