"""Who could together make this node block an arbitrary prefix: the collusion number (policy, Explain and doctor).

The smallest number of owners whose voices reach the threshold with enough of them. Owners that somebody sponsors add
nothing to their sponsor, so the strongest owners taken one by one are always a cheapest coalition. Arithmetic only.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from p2pfw.core.identity import OwnerId
from p2pfw.core.trust import TrustTable
from p2pfw.core.voices import LEAST_SUPPORT, THRESHOLDS, VOICES_NEEDED, combine

WIDTHS: Final[Mapping[str, int]] = {"/32 or /64": 0, "/28 or /60": 4, "/24 or /56": 8, "/48": 16}
"""What is asked, and how many bits wider than one host it is."""


class Coalition(NamedTuple):
    """The cheapest coalition for one width. `owners` is empty where not even all together are enough."""

    width: int
    owners: tuple[OwnerId, ...]
    score: float
    threshold: float
    needed: int
    """Voices, whatever they are worth."""

    @property
    def number(self) -> int | None:
        """The collusion number; None: nobody can."""
        return len(self.owners) or None


def voices_of(trust: TrustTable) -> list[tuple[float, OwnerId]]:
    """(T, owner) of everybody who is a voice of its own and counts at all, the strongest first."""
    able = [
        (trust.most(owner), owner)
        for owner in trust.owners()
        if trust.sponsor(owner) == owner and owner != trust.own_owner and trust.most(owner) >= LEAST_SUPPORT
    ]
    by_us = [(trust.most(owner), owner) for owner in trust.owners() if trust.sponsor(owner) == trust.own_owner != owner]
    # Whom this operator's own owner vouches for are one voice.
    able += [max(by_us)] if by_us and max(by_us)[0] >= LEAST_SUPPORT else []
    return sorted(able, key=lambda one: (-one[0], one[1]))


def cheapest(voices: list[tuple[float, OwnerId]], width: int) -> Coalition:
    """The fewest of these voices that reach what a prefix of that width needs."""
    threshold, needed = THRESHOLDS[width], VOICES_NEEDED[width]
    for count in range(needed, len(voices) + 1):
        score = combine(trust for trust, _ in voices[:count])
        if score >= threshold:
            return Coalition(width, tuple(owner for _, owner in voices[:count]), score, threshold, needed)
    return Coalition(width, (), combine(trust for trust, _ in voices), threshold, needed)
