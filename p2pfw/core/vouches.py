"""Who vouches for whom now: of each pair the newest word holds, whatever the order in which they came.

Bounded: 1,024 subjects a voucher, 16,384 in all. When full, a word that has ended gives way, then one that is worth
nothing because nobody named who gave it; else the new is refused. So whoever is only vouched for takes no room from
those who are named. What a vouch is worth is trust's.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final

from p2pfw.core.identity import CLOCK_SLACK, OwnerId
from p2pfw.core.vouch import Vouch
from p2pfw.errors import FutureError, ShareError

MOST_BY_ONE: Final = 1_024
MOST: Final = 16_384


class Vouches:
    """Every vouch that holds. Times in Unix seconds."""

    def __init__(self) -> None:
        self._of: defaultdict[OwnerId, dict[OwnerId, Vouch]] = defaultdict(dict)
        """By subject, then by voucher."""
        self._by: defaultdict[OwnerId, set[OwnerId]] = defaultdict(set)
        self._count = 0
        self._all_live_until = 0

    def __len__(self) -> int:
        return self._count

    def learn(self, vouch: Vouch, now: float, counts: Callable[[OwnerId], bool] = lambda _: True) -> bool:
        """Take a vouch whose signature was checked. True when it holds now and did not before.

        `counts`: whose word is worth anything, the voucher being named. FutureError. ShareError: no room.
        """
        if vouch.created - CLOCK_SLACK > now:
            raise FutureError("a vouch of the future")
        held = self._of.get(vouch.subject, {}).get(vouch.voucher)
        if held is not None and _order(vouch) <= _order(held):
            return False
        if held is None:
            self._make_room(vouch.voucher, now, counts)
            self._count += 1
        self._of[vouch.subject][vouch.voucher] = vouch
        self._by[vouch.voucher].add(vouch.subject)
        return True

    def of(self, subject: OwnerId, now: float) -> list[Vouch]:
        """The vouches for an owner that live and are not taken back."""
        return [one for one in self._of.get(subject, {}).values() if one.level and one.lives(now)]

    def by(self, voucher: OwnerId) -> frozenset[OwnerId]:
        """Whom it ever spoke of, and was not forgotten for."""
        return frozenset(self._by.get(voucher, ()))

    def held(self, voucher: OwnerId, subject: OwnerId) -> Vouch | None:
        """The word that holds between the two, ended or taken back though it may be."""
        return self._of.get(subject, {}).get(voucher)

    def subjects(self) -> Iterator[OwnerId]:
        """Everybody that was vouched for."""
        return iter(self._of)

    def next_deadline(self, now: float) -> int | None:
        """When the next living vouch ends."""
        ends = (one.expires for of in self._of.values() for one in of.values() if one.lives(now))
        return min(ends, default=None)

    def _make_room(self, voucher: OwnerId, now: float, counts: Callable[[OwnerId], bool]) -> None:
        if len(self._by.get(voucher, ())) >= MOST_BY_ONE and not self._forget_ended(now, voucher):
            raise ShareError("no room for more vouches of one owner")
        if self._count < MOST or self._forget_any(now):
            return
        idle = next((by for by in self._by if not counts(by)), None) if counts(voucher) else None
        if idle is None:
            raise ShareError("no room for more vouches")
        self._drop(idle, min(self._by[idle]))

    def _forget_any(self, now: float) -> bool:
        """Like `_forget_ended`, of anybody's. A full table is not searched again before something can have ended."""
        if now < self._all_live_until:
            return False
        if any(self._forget_ended(now, by) for by in list(self._by)):
            return True
        self._all_live_until = self.next_deadline(now) or 0
        return False

    def _forget_ended(self, now: float, voucher: OwnerId) -> bool:
        """One word of the voucher's that has ended gives way; False when all live."""
        for subject in sorted(self._by[voucher]):
            if not self._of[subject][voucher].lives(now):
                self._drop(voucher, subject)
                return True
        return False

    def _drop(self, voucher: OwnerId, subject: OwnerId) -> None:
        self._count -= 1
        del self._of[subject][voucher]
        if not self._of[subject]:
            del self._of[subject]
        self._by[voucher].discard(subject)
        if not self._by[voucher]:
            del self._by[voucher]


def _order(vouch: Vouch) -> tuple[int, int, bytes]:
    """The newest holds; of two of one second the lower level, for trust is given twice rather than kept by mistake."""
    return vouch.created, -vouch.level, vouch.signature
