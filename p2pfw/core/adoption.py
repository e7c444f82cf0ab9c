"""What this node has decided on every prefix that anybody speaks of, kept up to date a little at a time.

State, not events: a key is marked dirty when something about it may have changed (a statement, trust, the whitelist,
time), and `judge_some` asks the policy again. A verdict is one packed integer in one dictionary beside the ledger's
own key object; when time alone changes a verdict, the wheel marks it. What needs memory lives here: who was adopted
before (hysteresis), the fleet's address budgets, what each voice may have adopted, the limiter of flips. Makes no
statements and drops no packets.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from itertools import islice
from typing import Final, cast

from p2pfw.core.allowance import Allowances
from p2pfw.core.budget import FleetBudget
from p2pfw.core.explain import Explanation
from p2pfw.core.flips import FlipLimiter
from p2pfw.core.identity import NodeId
from p2pfw.core.journal import Journal
from p2pfw.core.packed import (
    Change,
    Word,
    code,
    code_of,
    differ,
    is_adopted,
    node_of,
    pack,
    review_of,
    shown,
    until_of,
    word_of,
)
from p2pfw.core.policy import NOBODY, Policy
from p2pfw.core.prefix import PrefixKey, is_v6
from p2pfw.core.prefixmap import PrefixMap
from p2pfw.core.statement import Statement
from p2pfw.core.tally import Tally
from p2pfw.core.verdict import Decision, Reason, Verdict
from p2pfw.core.voices import THRESHOLDS, VOICES_NEEDED
from p2pfw.core.wheel import Wheel

__all__ = ["REFILL", "Adoption", "Change", "Word"]

_SCORED: Final = frozenset(code(Decision.ADOPT, reason) for reason in (Reason.OK, Reason.LOCAL))
"""What the score adopted: only that is kept by hysteresis."""
_FLEET: Final = code(Decision.ADOPT, Reason.FLEET)
_LIMITED: Final = frozenset(code(Decision.HOLD, reason) for reason in (Reason.LIMIT, Reason.DENSITY))
"""What is held for the limits of those whose number it has (0: for another reason)."""
_SIGNED: Final = frozenset(code(Decision.ADOPT, reason) for reason in (Reason.OK, Reason.FLEET))
"""What other nodes' words adopted: what the limiter of flips watches."""
REFILL: Final = 60
"""Seconds between looking again at what a full budget or limit held back."""
HOST_NETWORK: Final = 8
"""Bits by which the network is wider than a host that the rule of density speaks of."""


_Considered = tuple[Verdict, int, tuple[NodeId, ...], Set[NodeId], bool]
"""Verdict; number of whose limits it takes from or is held for (a node of the fleet, or a group of voices; 0: nobody);
nodes of the fleet whose word found no room; everybody whose word was set aside; adopted before. No class: a full
judgement makes one for each prefix."""


class Adoption:
    """All verdicts of this node. Asks `statements_of(key, now)` for every statement that lives about a prefix."""

    def __init__(self, policy: Policy, statements_of: Callable[[PrefixKey, float], Sequence[Statement]]) -> None:
        self.policy = policy
        self.journal = Journal()
        self._statements_of = statements_of
        self._verdicts: PrefixMap[int] = PrefixMap()
        self.tally = Tally()
        self._dirty: dict[PrefixKey, None] = {}
        # In order: what was said together is judged together, which the ledger and the policy answer faster.
        self._sweep: list[PrefixKey] = []
        self._fresh: list[PrefixKey] = []
        self._sweeping = False
        self._before: set[PrefixKey] = set()
        self._wheel = Wheel(self._review_of)
        self._alike = 0
        self._flips = FlipLimiter()
        self._budget = FleetBudget()
        self.allowances = Allowances(policy.trust.most)
        self._doubted: set[PrefixKey] = set()
        self._over: dict[PrefixKey, tuple[NodeId, ...]] = {}
        self._over_budget: Counter[NodeId] = Counter()
        self._refill_at: float | None = None

    @property
    def generation(self) -> int:
        """Grows whenever what is adopted, why, or until when, changes."""
        return self.journal.last

    # --- marking -------------------------------------------------------------------------------------------------

    def mark(self, keys: Iterable[PrefixKey]) -> None:
        """Something about these prefixes may have changed."""
        self._dirty.update(dict.fromkeys(keys))

    def mark_all(self, *sources: Callable[[], Iterable[PrefixKey]]) -> None:
        """Judge everything again: every verdict, and what else the sources (ledger, local book) know.

        Reads the sources at once, 8 bytes a key; a later call replaces what an earlier one has left to do.
        """
        self._sweeping = True
        self._sweep = list(self._verdicts)
        self._fresh = [key for source in sources for key in source() if key not in self._verdicts]
        # Taken from the end, and the oldest go first: where a budget runs out, the newest are held.
        self._sweep.reverse()
        self._fresh.reverse()

    def assume(self, keys: Iterable[PrefixKey]) -> None:
        """These were adopted when the process last ran (the kernel still holds them): hysteresis goes on for them.

        Holds until the full judgement that is asked for next (`mark_all`) is through.
        """
        self._before.update(keys)

    def doubt(self, keys: Iterable[PrefixKey]) -> None:
        """The operator knows better: what is adopted is judged as if it never had been (no hysteresis)."""
        keys = list(keys)
        self._doubted.update(keys)
        self.mark(keys)

    def tick(self, now: float) -> None:
        """Mark what time alone may have changed."""
        self.mark(self._wheel.due(now))
        if self._refill_at is not None and self._refill_at <= now:
            self._refill_at = None
            self.mark(self._over)
            if self.allowances.held:
                self.mark(self.allowances.with_room(self._held(), now))
                self._refill_at = now + REFILL

    def _held(self) -> Iterator[tuple[PrefixKey, int]]:
        """What is held for somebody's limits, and the number of whose."""
        for key, packed in self._verdicts.items():
            if code_of(packed) in _LIMITED and node_of(packed):
                yield key, node_of(packed)

    def next_deadline(self) -> float | None:
        """When `tick` has something to do; None: never."""
        deadlines = (self._wheel.next_deadline(), self._refill_at)
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    @property
    def pending(self) -> int:
        """Prefixes that wait to be judged (a prefix may count twice during a full judgement)."""
        return len(self._dirty) + len(self._sweep) + len(self._fresh)

    # --- judging -------------------------------------------------------------------------------------------------

    def judge_some(self, now: float, budget: int) -> list[Change]:
        """Judge up to `budget` prefixes, what was marked last before the rest of a full judgement; what changed."""
        return self._judge(islice(iter(self._next, None), budget), now)

    def judge_these(self, keys: Iterable[PrefixKey], now: float) -> list[Change]:
        """Judge these at once, whatever else waits; what changed."""
        keys = list(keys)
        for key in keys:
            self._dirty.pop(key, None)
        return self._judge(keys, now)

    def _judge(self, keys: Iterable[PrefixKey], now: float) -> list[Change]:
        changes = [change for key in keys if (change := self._judge_one(key, now)) is not None]
        if len(self._wheel) > 2 * len(self._verdicts) + 1024:
            self._rebuild_wheel()
        return changes

    def _next(self) -> PrefixKey | None:
        if self._dirty:
            return self._dirty.popitem()[0]
        if self._sweep:
            return self._sweep.pop()
        while self._fresh:
            key = self._fresh.pop()
            if key not in self._verdicts:
                return key
        if self._sweeping:
            self._sweeping = False
            self._before.clear()
            self.allowances.end_credit()
        return None

    def _judge_one(self, key: PrefixKey, now: float) -> Change | None:
        old = self._verdicts.get(key)
        statements = self._statements_of(key, now)
        new: int | None = None
        over: tuple[NodeId, ...] = ()
        aside: Set[NodeId] = NOBODY
        if statements:
            verdict, payer, over, aside, _ = self._consider(key, statements, now, old)
            new = pack(verdict, payer)
            # A list's verdicts are equal: one integer for all of them.
            new = self._alike = self._alike if new == self._alike else new
        if over or key in self._over:
            self._set_aside(key, over)
        if self._doubted:
            self._doubted.discard(key)
        if new == old:
            return None
        if old is not None or key in self._flips:
            self._watch_flips(key, statements, (old, new), aside, now)
        if node_of(old) or node_of(new):
            self._account(key, old, new, now)
        return self._store(key, old, new)

    def _set_aside(self, key: PrefixKey, nodes: tuple[NodeId, ...]) -> None:
        """Remember whose word on this prefix found no room."""
        self._over_budget.subtract(self._over.pop(key, ()))
        if nodes:
            self._over[key] = nodes
            self._over_budget.update(nodes)

    def _consider(self, key: int, statements: Sequence[Statement], now: float, old: int | None) -> _Considered:
        """The policy's verdict, with what this class remembers; changes nothing."""
        before = (old is not None and code_of(old) in _SCORED) or key in self._before
        if before and key in self._doubted:
            before = False
        # Only coming back waits, and whoever speaks up beside others who hold the prefix meanwhile.
        waiting = self._flips.waiting(key, now, adopted=is_adopted(old)) if key in self._flips else {}
        aside: Set[NodeId] = waiting.keys() if waiting else NOBODY
        verdict = self.policy.judge(key, statements, now, adopted_before=before, waiting=aside)
        payer = 0
        over: tuple[NodeId, ...] = ()
        if verdict.charged and verdict.reason is Reason.FLEET:
            nodes = cast("tuple[NodeId, ...]", verdict.charged)
            payer = self._budget.payer(key, nodes, node_of(old) if old is not None and code_of(old) == _FLEET else 0)
            if not payer:
                aside, over = aside | frozenset(nodes), nodes
                verdict = self.policy.judge(key, statements, now, adopted_before=before, waiting=aside)
        if verdict.charged and verdict.reason is Reason.OK:
            payer = self.allowances.number(verdict.charged, verdict.voices)
            if payer and not before:
                verdict, payer, aside = self._within_limits(key, statements, now, (verdict, payer, aside))
        if waiting:
            over_at = int(min(waiting.values())) + 1
            verdict = verdict._replace(review=min(verdict.review or over_at, over_at))
        return verdict, payer, over, aside, before

    def _within_limits(
        self, key: int, statements: Sequence[Statement], now: float, found: tuple[Verdict, int, Set[NodeId]]
    ) -> tuple[Verdict, int, Set[NodeId]]:
        """What becomes of a verdict that adopts anew, its payer, and who is set aside.

        A voice without room is set aside, and the others decide; what nobody else wants is held for its limit.
        """
        verdict, payer, aside = found
        reason, over = self.allowances.check(PrefixKey(key), payer, now)
        if reason is None:
            return found
        held = verdict._replace(decision=Decision.HOLD, reason=reason, until=None, review=0)
        if reason is Reason.DENSITY:
            wide = HOST_NETWORK
            held = held._replace(threshold=THRESHOLDS[wide], voices_needed=VOICES_NEEDED[wide])
        if len(over) == len(verdict.charged):
            return held, payer, aside
        silenced = {said.origin for said in statements if said.origin and self.policy.voice(said) in over}
        rest = self.policy.judge(key, statements, now, waiting=aside | silenced)
        if rest.decision is not Decision.ADOPT:
            return held, payer, aside
        number = self.allowances.number(rest.charged, rest.voices)
        reason, _ = self.allowances.check(PrefixKey(key), number, now) if number else (None, over)
        return (rest, number, aside | silenced) if reason is None else (held, payer, aside)

    def _watch_flips(
        self,
        key: PrefixKey,
        statements: Sequence[Statement],
        packed: tuple[int | None, int | None],
        aside: Set[NodeId],
        now: float,
    ) -> None:
        """Tell the limiter who brought a prefix back, or let it go. Operator and feeds may change their minds."""
        was, is_now = (word is not None and code_of(word) in _SIGNED for word in packed)
        if was and not is_adopted(packed[1]):
            self._flips.dropped(key, self.policy.backers(key, statements, now, waiting=aside), now)
        elif is_now and not is_adopted(packed[0]) and key in self._flips:
            self._flips.returned(key, self.policy.backers(key, statements, now, waiting=aside), now)

    def _account(self, key: PrefixKey, old: int | None, new: int | None, now: float) -> None:
        """Move the charge from who answered for this prefix to who does now."""
        was, is_now = _charge_of(old), _charge_of(new)
        if was == is_now:
            return
        kind, number = is_now
        if kind == _FLEET:
            self._budget.charge(key, number)
        elif kind in _SCORED:
            self.allowances.charge(key, number)
            if not is_adopted(old) and key not in self._before:
                self.allowances.grant(number, now)
        elif kind in _LIMITED:
            self.allowances.hold(number)
        if number and kind != _FLEET and not self._sweeping and was[0] not in (*_SCORED, *_LIMITED):
            self.allowances.ask(number, now)
        self._refund(key, *was)
        if self._refill_at is None and (was[0] == _FLEET or self.allowances.held):
            self._refill_at = now + REFILL

    def _refund(self, key: PrefixKey, kind: int, number: int) -> None:
        if kind == _FLEET:
            self._budget.refund(key, number)
        elif kind in _SCORED:
            self.allowances.refund(key, number)
        elif kind in _LIMITED:
            self.allowances.let_go(number)

    def _store(self, key: PrefixKey, old: int | None, new: int | None) -> Change | None:
        if self._before:
            self._before.discard(key)
            self._before = self._before or set()  # an emptied set keeps its table: megabytes after a start
        if new is None:
            self._verdicts.delete(key)
        else:
            self._verdicts.set(key, new)
            if review_of(new) not in (0, review_of(old)):
                self._wheel.put(review_of(new), key)
        self.tally.moved(old, new, six=is_v6(key))
        if not differ(old, new):
            return None
        self.tally.told(new)
        blocked = new is not None and is_adopted(new)
        if blocked or is_adopted(old):
            self.journal.note(key, was=is_adopted(old))
        return Change(key, until_of(new) if new is not None and blocked else None, old, new)

    def _rebuild_wheel(self) -> None:
        times = ((review_of(packed), key) for key, packed in self._verdicts.items())
        self._wheel.rebuild((time, key) for time, key in times if time)

    def _review_of(self, key: PrefixKey) -> int:
        return review_of(self._verdicts.get(key))

    # --- asking --------------------------------------------------------------------------------------------------

    def explain(self, key: PrefixKey, statements: Sequence[Statement], now: float) -> Explanation:
        """Why: by the same path that judges. `statements` may hold what does not count, too."""
        old = self._verdicts.get(key)
        verdict, _, _, aside, before = self._consider(key, statements, now, old)

        def judge(said: Sequence[Statement]) -> Verdict:
            return verdict if said is statements else self._consider(key, said, now, old)[0]

        return self.policy.explain(key, statements, now, adopted_before=before, waiting=aside, judge=judge)

    def verdict(self, key: int) -> Word | None:
        """The verdict on exactly this prefix; None when nobody speaks of it."""
        return word_of(self._verdicts.get(key))

    def charged(self, key: int) -> int:
        """The number of the voices whose limits it takes from, or is held for (allowances.voices); 0: nobody's."""
        packed = self._verdicts.get(key)
        kind, number = _charge_of(packed)
        return 0 if kind == _FLEET else number

    def until(self, key: int) -> int | None:
        """When the block of exactly this prefix ends, 0: never; None: it is not adopted."""
        packed = self._verdicts.get(key)
        return until_of(packed) if packed is not None and is_adopted(packed) else None

    def score(self, key: int, now: float) -> float:
        """How much speaks for blocking it now; infinite where that is not a matter of score."""
        verdict, *_ = self._consider(key, self._statements_of(PrefixKey(key), now), now, self._verdicts.get(key))
        return verdict.score if verdict.reason is Reason.OK else math.inf

    def around(self, key: int) -> Iterator[tuple[PrefixKey, Word]]:
        """Every prefix that anybody speaks of and that covers `key` (itself included), longest first."""
        return ((found, shown(packed)) for found, packed in self._verdicts.covering(key))

    def covering(self, key: int) -> Iterator[tuple[PrefixKey, Word]]:
        """Of these, the adopted ones."""
        return ((found, word) for found, word in self.around(key) if word.decision is Decision.ADOPT)

    def adopted(self) -> Iterator[tuple[PrefixKey, int]]:
        """(key, until) of everything that must be blocked. Judging may go on meanwhile; until 0: no end."""
        for key in list(self._verdicts):
            packed = self._verdicts.get(key)
            if packed is not None and is_adopted(packed):
                yield key, until_of(packed)

    def verdicts(self) -> Iterator[tuple[PrefixKey, Word]]:
        """(key, verdict) of everything that anybody speaks of. Judging may go on meanwhile."""
        for key in list(self._verdicts):
            word = self.verdict(key)
            if word is not None:
                yield key, word

    def count(self, decision: Decision) -> int:
        """How many prefixes have this decision."""
        return sum(self.tally.by_family(decision))

    def families(self) -> tuple[int, int]:
        """How many adopted prefixes there are of IPv4 and of IPv6."""
        return self.tally.adopted()

    @property
    def over_budget(self) -> Mapping[NodeId, int]:
        """Nodes of the own fleet that say more than their budget, and how many prefixes are held for it: alarm."""
        return {node: count for node, count in self._over_budget.items() if count}


def _charge_of(packed: int | None) -> tuple[int, int]:
    """(what kind of charge: the verdict's code, number); (-1, 0) where nobody is charged."""
    number = node_of(packed)
    return (code_of(packed), number) if packed is not None and number else (-1, 0)
