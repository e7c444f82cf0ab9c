"""How many prefixes there are of each verdict, and how often each was given: counted as verdicts change.

Two small arrays a family, so that nothing is searched when somebody asks. Knows packed verdicts only.
"""

from p2pfw.core.packed import WORDS, code_of, is_adopted
from p2pfw.core.verdict import Decision, Reason


class Tally:
    """The counts of one node's verdicts. IPv4 stands before IPv6."""

    def __init__(self) -> None:
        self._now = [0] * len(WORDS), [0] * len(WORDS)
        self._adopted = [0, 0]
        self._given = [0] * len(WORDS)
        self.released = 0
        """Prefixes of which nobody spoke any more, since the start."""

    def moved(self, old: int | None, new: int | None, *, six: bool) -> None:
        """A prefix of that family has another verdict, or another form of it; None is no verdict."""
        counts = self._now[six]
        if old is not None:
            counts[code_of(old)] -= 1
        if new is not None:
            counts[code_of(new)] += 1
        self._adopted[six] += is_adopted(new) - is_adopted(old)

    def told(self, new: int | None) -> None:
        """A change that is shown."""
        if new is None:
            self.released += 1
        else:
            self._given[code_of(new)] += 1

    @property
    def counts(self) -> dict[tuple[Decision, Reason], int]:
        """How many prefixes there are of each verdict."""
        both = map(sum, zip(*self._now, strict=True))
        return {WORDS[verdict]: count for verdict, count in enumerate(both) if count}

    @property
    def given(self) -> dict[tuple[Decision, Reason], int]:
        """How often each verdict was given since the start: to a prefix that was new, or had another."""
        return {WORDS[verdict]: count for verdict, count in enumerate(self._given) if count}

    def by_family(self, decision: Decision) -> tuple[int, int]:
        """How many prefixes have this decision, of IPv4 and of IPv6."""
        of4, of6 = (
            sum(count for verdict, count in enumerate(counts) if WORDS[verdict][0] is decision) for counts in self._now
        )
        return of4, of6

    def adopted(self) -> tuple[int, int]:
        """Of IPv4 and of IPv6, without counting: asked for every second."""
        return self._adopted[0], self._adopted[1]
