"""Rules of this machine alone: kept, put into the kernel beside the sets, ended in time. Never announced.

The operator's own word, like a block of his: refused, with the range, where it would keep out whom the whitelist or
protection keeps in, and left out of the kernel from the moment that such a range comes later. Kept in observe mode, and
installed when the node enforces.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from p2pfw import schema
from p2pfw.app.explaining import obstacle_text
from p2pfw.app.kit import Kit
from p2pfw.app.terms import covers, later
from p2pfw.app.wanted import Mode
from p2pfw.core.forbidden import Obstacles
from p2pfw.core.localrule import Chain, LocalRule, Target
from p2pfw.core.prefix import PrefixKey
from p2pfw.errors import ConflictError, FirewallError, InputError
from p2pfw.operations import Caller, RuleView
from p2pfw.rows import Drop, Put, RuleRow

MAX_RULES: Final = 8_192
"""A packet meets them one after another; the enforcer takes 10,000."""


WEEK: Final = 7 * 86_400
MINUTE: Final = 60


class _Kept(NamedTuple):
    until: int
    added: int


class LocalRules:
    """operations.RuleOperations."""

    def __init__(self, kit: Kit) -> None:
        self._domain, self._store, self._clock = kit.domain, kit.store, kit.clock
        self._enforcing, self._events = kit.enforcing, kit.events
        self._rules: dict[LocalRule, _Kept] = {}
        self._editing = asyncio.Lock()
        self._week = 0
        kit.enforcing.local.wanted = self.wanted

    def load(self, rows: Sequence[RuleRow]) -> None:
        """At start."""
        self._rules = {_rule(row): _Kept(row.until, row.added) for row in rows}

    def __len__(self) -> int:
        return len(self._rules)

    # --- operations ----------------------------------------------------------------------------------------------

    async def put_rule(self, rule: LocalRule, until: int, caller: Caller, *, wait: bool = False) -> str:
        """See operations.RuleOperations."""
        obstacle = self._obstacle(rule)
        if obstacle:
            raise ConflictError(
                f"{rule} would keep out {obstacle}",
                overlap=obstacle.partition(" ")[0],
                hint="take it off the whitelist first, if you mean it",
            )
        async with self._editing:
            kept = self._rules.get(rule)
            if kept is None and len(self._rules) >= MAX_RULES:
                raise InputError(f"there are {MAX_RULES} local rules already", hint="delete some, or block instead")
            if kept is None or not covers(kept.until, until):
                added = kept.added if kept else max((one.added for one in self._rules.values()), default=0) + 1
                new = _Kept(until if kept is None else later(kept.until, until), added)
                await self._store.commit(Put(row=_row(rule, new)))
                self._rules[rule] = new
                self._events.tell("rule", reason=str(rule), by=caller.name)
        problem = await self._followed(wait=wait)
        return problem or (self._enforcing.local.refused.get(rule, "") if wait else "")

    async def drop_rule(self, rule: LocalRule, caller: Caller, *, wait: bool = False) -> str | None:
        """See operations.RuleOperations."""
        async with self._editing:
            there = rule in self._rules
            if there:
                await self._store.commit(_drop(rule))
                del self._rules[rule]
                self._events.tell("rule-gone", reason=str(rule), by=caller.name)
        if not there and not self._enforcing.local.error:
            return None
        # Who asks again because the kernel did not follow is not told that there was none.
        return await self._followed(wait=wait) if there or wait else None

    async def local_rules(self) -> list[RuleView]:
        """See operations.RuleOperations."""
        try:
            counted = await self._enforcing.local_counters()
        except FirewallError:  # told by health; the rules are what they are
            counted = {}
        views = []
        for rule in self._newest_first():
            packets, octets = counted.get(rule, (0, 0))
            kept = self._rules[rule]
            installed = rule in counted
            views.append(RuleView(rule=rule, until=kept.until, packets=packets, bytes=octets, installed=installed))
        return views

    # --- the kernel ----------------------------------------------------------------------------------------------

    def wanted(self) -> list[LocalRule]:
        """What the kernel must hold now, in order."""
        now = self._domain.now()
        living = (rule for rule in self._newest_first() if not 0 < self._rules[rule].until <= now)
        return [
            replace(rule, ends=_kernel_end(self._rules[rule].until, now)) for rule in living if not self._obstacle(rule)
        ]

    def tick(self, now: float) -> None:
        """Take out what has ended: all of it in one change."""
        week = int(now) // WEEK
        if week != self._week:  # the kernel is given another while
            self._week = week
            if self._rules:
                self._enforcing.local_changed()
        ended = [rule for rule, kept in self._rules.items() if 0 < kept.until <= now]
        if not ended or self._editing.locked():
            return
        for rule in ended:
            del self._rules[rule]
        self._store.post(*map(_drop, ended))
        self._enforcing.local_changed()

    def lines(self) -> Iterator[schema.HealthLine]:
        """What of it the kernel does not have, for health."""
        local = self._enforcing.local
        if self._enforcing.mode is Mode.OBSERVE or not self._rules:
            return
        if local.error:
            text = f"local rules are not in the kernel: {local.error}"
            yield schema.HealthLine(level="error", code="local-rules", text=text, remedy="p2pfw doctor; it is retried")
        for rule, why in list(local.refused.items())[:1]:
            text = f"{len(local.refused)} local rules are refused by the enforcer, first {rule}: {why}"
            yield schema.HealthLine(level="warning", code="local-rules-refused", text=text, remedy="delete them")

    async def _followed(self, *, wait: bool) -> str:
        ticket = self._enforcing.local_changed()
        if not wait or self._enforcing.mode is Mode.OBSERVE:
            return ""
        return await self._enforcing.settle(ticket) or self._enforcing.local.error

    def _newest_first(self) -> list[LocalRule]:
        return sorted(self._rules, key=lambda rule: -self._rules[rule].added)

    def _obstacle(self, rule: LocalRule) -> str:
        """The range that a rule would keep out and must not, in words."""
        if rule.target is Target.ACCEPT:
            return ""
        now = self._domain.now()
        found = (self._domain.forbidden.obstacles(key, now) for key in rule.remote)
        return next((obstacle_text(one) for one in found if _forbids(one)), "")


def _kernel_end(until: int, now: int) -> int:
    """When the kernel ends it by itself, should this node be dead: at its end, to the minute, or in one to two weeks.

    The same for all of a week, so that nothing is written anew only because time passes.
    """
    soon = (now // WEEK + 2) * WEEK
    return -(-min(until or soon, soon) // MINUTE) * MINUTE


def _forbids(found: Obstacles) -> bool:
    """Private space may be kept out by whoever is in it; peers, by their operator."""
    return bool(found.hard or found.soft or found.whitelist)


def _row(rule: LocalRule, kept: _Kept) -> RuleRow:
    return RuleRow(
        chain=rule.chain.value, target=rule.target.value, in_interface=rule.in_interface,
        out_interface=rule.out_interface, from_key=rule.source or 0, to_key=rule.destination or 0,
        until=kept.until, added=kept.added,
    )  # fmt: skip


def _drop(rule: LocalRule) -> Drop:
    return Drop(
        table=RuleRow,
        identity=(
            rule.chain.value, rule.target.value, rule.in_interface, rule.out_interface,
            rule.source or 0, rule.destination or 0,
        ),
    )  # fmt: skip


def _rule(row: RuleRow) -> LocalRule:
    return LocalRule(
        chain=Chain(row.chain),
        target=Target(row.target),
        in_interface=row.in_interface,
        out_interface=row.out_interface,
        source=PrefixKey(row.from_key) if row.from_key else None,
        destination=PrefixKey(row.to_key) if row.to_key else None,
    )
