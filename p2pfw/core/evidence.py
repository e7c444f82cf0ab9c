"""What this node has seen of each owner's truthfulness. It only lowers trust; only the operator gives any (policy).

    rep = (4 + pos) / (4 + pos + 4 neg)        pos at most 12; both halve every 30 days; at 0.25 and below: muted

Only this node's own evidence: never what others say. Each observation counts once: a confirmation once for an owner and
prefix, a contradiction once for an owner, prefix and day. A prefix that this node itself reported before confirms
nobody: whoever repeats what we said would earn trust by copying. What the numbers mean for trust is trust's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from p2pfw.core.identity import DAY, OwnerId

HALF_LIFE: Final = 30 * DAY
MOST_POSITIVE: Final = 12.0
MUTED_AT: Final = 0.25
MOST_MARKS: Final = 65_536
"""Observations remembered so that they count once; beyond that the oldest are forgotten."""
MARK_LIFE: Final = 180 * DAY
SLIGHT: Final = 0.25
"""What a violated limit, or a contradiction of somebody whom it vouched for, costs."""


class What(Enum):
    """What was observed."""

    CONFIRMED = "confirmed"
    CONTRADICTED = "contradicted"
    LIMIT = "limit"
    VOUCHED = "vouched"
    """Somebody whom it vouched for was contradicted."""
    OWN = "own"
    """This node reported the prefix itself: nobody is confirmed by it any more."""


@dataclass(slots=True)
class Account:
    """One owner's evidence as it stood at `at` (Unix seconds). `confirmed` and `contradicted` are plain counts."""

    pos: float = 0.0
    neg: float = 0.0
    at: float = 0.0
    confirmed: int = 0
    contradicted: int = 0

    def faded(self, now: float) -> tuple[float, float]:
        """(pos, neg) as they weigh now."""
        fade: float = 0.5 ** (max(0.0, now - self.at) / HALF_LIFE)
        return self.pos * fade, self.neg * fade


@dataclass(frozen=True, slots=True)
class Mark:
    """An observation that counts once."""

    owner: OwnerId
    key: int
    what: What
    at: int


class Evidence:
    """Everybody's account, and what was counted already."""

    def __init__(self) -> None:
        self._accounts: dict[OwnerId, Account] = {}
        self._marks: dict[tuple[OwnerId, int, What], int] = {}

    # --- observing -------------------------------------------------------------------------------------------------

    def confirm(self, owner: OwnerId, key: int, now: float) -> bool:
        """This machine saw what the owner had said. True when it counts."""
        if (owner, key, What.CONFIRMED) in self._marks:
            return False
        self._mark(owner, key, What.CONFIRMED, now)
        account = self._at(owner, now)
        account.pos = min(MOST_POSITIVE, account.pos + 1)
        account.confirmed += 1
        return True

    def contradict(self, owner: OwnerId, key: int, now: float, what: What = What.CONTRADICTED) -> bool:
        """The owner was wrong, or went too far. True when it counts."""
        before = self._marks.get((owner, key, what))
        if before is not None and int(before) // DAY == int(now) // DAY:
            return False
        self._mark(owner, key, what, now)
        account = self._at(owner, now)
        account.neg += 1.0 if what is What.CONTRADICTED else SLIGHT
        account.contradicted += what is What.CONTRADICTED
        return True

    def report_own(self, key: int, now: float) -> bool:
        """This node reports a prefix itself. False when it had before."""
        new = (OwnerId(b""), key, What.OWN) not in self._marks
        self._mark(OwnerId(b""), key, What.OWN, now)
        return new

    def forgive(self, owner: OwnerId) -> None:
        """As if nothing had been seen of it. What was counted stays counted: an old mistake does not come twice."""
        self._accounts.pop(owner, None)

    # --- asking ----------------------------------------------------------------------------------------------------

    def rep(self, owner: OwnerId, now: float) -> float:
        """The factor 0..1 on the owner's trust."""
        account = self._accounts.get(owner)
        if account is None:
            return 1.0
        pos, neg = account.faded(now)
        return (4 + pos) / (4 + pos + 4 * neg)

    def is_muted(self, owner: OwnerId, now: float) -> bool:
        """True for whom nothing counts until its evidence fades, or the operator forgives."""
        return self.rep(owner, now) <= MUTED_AT

    def account(self, owner: OwnerId) -> Account | None:
        """What is known of one."""
        return self._accounts.get(owner)

    def owners(self) -> Iterator[OwnerId]:
        """Of whom anything is known."""
        return iter(self._accounts)

    # --- keeping ---------------------------------------------------------------------------------------------------

    def load(self, owner: OwnerId, account: Account) -> None:
        """At start."""
        self._accounts[owner] = account

    def load_mark(self, mark: Mark) -> None:
        """At start."""
        self._marks[mark.owner, mark.key, mark.what] = mark.at

    def prune(self, now: float) -> list[Mark]:
        """Forget observations that are too old or too many, the oldest first; which ones."""
        old = [place for place, at in self._marks.items() if at <= now - MARK_LIFE]
        over = len(self._marks) - len(old) - MOST_MARKS
        if over > 0:
            kept = sorted((at, place[1], place) for place, at in self._marks.items() if at > now - MARK_LIFE)
            old += [place for *_, place in kept[:over]]
        return [Mark(*place, self._marks.pop(place)) for place in old]

    def _at(self, owner: OwnerId, now: float) -> Account:
        account = self._accounts.setdefault(owner, Account(at=now))
        account.pos, account.neg = account.faded(now)
        account.at = max(now, account.at)
        return account

    def _mark(self, owner: OwnerId, key: int, what: What, now: float) -> None:
        self._marks[owner, key, what] = int(now)
