"""The rules of this machine as rfw's clients list them: objects of strings, in the order in which packets meet them.

What rfw's clients know as rules is kept here in three ways: whitelist entries (accept/input), this node's own blocks
(drop/input), and local rules. The first two come first, for they are asked before any chain. What peers and feeds have
blocked is not listed: no client of this API made it, and none can take it back; /v1/blocklist has it.
"""

import asyncio
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

import msgspec

from p2pfw.core.localrule import Chain, LocalRule, Target
from p2pfw.core.prefix import Prefix, is_v6
from p2pfw.formats.plain import short_text
from p2pfw.operations import Operations, OwnBlock, RuleOperations, RuleView

PIECE: Final = 500
"""Rows that are written before the loop turns."""
NOT_INSTALLED: Final = "not installed"
"""In `extra`, of what is kept and the kernel does not have (yet, or in observe mode)."""
_REJECT: Final = {False: "reject-with icmp-port-unreachable", True: "reject-with icmp6-port-unreachable"}
_ANYWHERE: Final = {False: "0.0.0.0/0", True: "::/0"}
_ENCODER: Final = msgspec.json.Encoder()


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One rule: rfw's names, rfw's order, strings only."""

    chain: str
    num: str
    pkts: str
    bytes: str
    target: str
    prot: str = "all"
    opt: str = "--"
    inp: str = "*"
    out: str = "*"
    source: str
    destination: str
    extra: str


def row_of(rule: LocalRule, *, number: int = 1, packets: int = 0, octets: int = 0, extra: str = "") -> Row:
    """A rule as a row; what rejects says with what."""
    v6 = rule.is_v6
    notes = [_REJECT[v6]] if rule.target is Target.REJECT else []
    return Row(
        chain=rule.chain.value,
        num=str(number),
        pkts=str(packets),
        bytes=str(octets),
        target=rule.target.value,
        inp=rule.in_interface or "*",
        out=rule.out_interface or "*",
        source=_ANYWHERE[v6] if rule.source is None else short_text(rule.source),
        destination=_ANYWHERE[v6] if rule.destination is None else short_text(rule.destination),
        extra=", ".join([*notes, extra] if extra else notes),
    )


class Rules:
    """Reads and writes the list."""

    def __init__(self, operations: Operations, rules: RuleOperations) -> None:
        self._operations, self._rules = operations, rules

    async def listing(self, chain: Chain | None) -> list[bytes]:
        """The JSON array, in parts."""
        # The kernel is read for the one while the other is put together.
        views, blocks = await asyncio.gather(self._rules.local_rules(), self._operations.own_blocks())
        parts: list[bytes] = []
        for one in Chain if chain is None else [chain]:
            rows = self._input(blocks) if one is Chain.INPUT else iter(())
            ruled = (view for view in views if view.rule.chain is one)
            numbered = _numbered(rows, ruled)
            while piece := list(islice(numbered, PIECE)):
                parts.append((b"," if parts else b"[") + _ENCODER.encode(piece)[1:-1])
                await asyncio.sleep(0)
        return [*parts, b"]"] if parts else [b"[]"]

    def _input(self, blocks: Iterable[OwnBlock]) -> Iterator[tuple[str, int, OwnBlock]]:
        """(target, prefix, what is known of it) of what stands before the rules of INPUT."""
        for entry in self._operations.allow_list(protected=False).entries:
            key = Prefix.parse(entry.prefix).key
            yield Target.ACCEPT.value, key, OwnBlock(key=key, installed=True)
        for block in blocks:
            yield Target.DROP.value, block.key, block


def _numbered(before: Iterable[tuple[str, int, OwnBlock]], views: Iterable[RuleView]) -> Iterator[Row]:
    """The rows of one chain."""
    number = 0
    for number, (target, key, known) in enumerate(before, 1):  # goes on below
        yield Row(
            chain=Chain.INPUT.value,
            num=str(number),
            pkts=str(known.packets),
            bytes=str(known.bytes),
            target=target,
            source=short_text(key),
            destination=_ANYWHERE[is_v6(key)],
            extra="" if known.installed else NOT_INSTALLED,
        )
    for further, view in enumerate(views, number + 1):
        extra = "" if view.installed else NOT_INSTALLED
        yield row_of(view.rule, number=further, packets=view.packets, octets=view.bytes, extra=extra)
