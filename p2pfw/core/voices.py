"""From statements to independent witnesses, from witnesses to a score, from signed times to a lease (policy, Score).

Pure arithmetic, in an order that no permutation of its input changes. Knows nothing of whitelists or precedence.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from p2pfw.core.identity import OwnerId
from p2pfw.core.statement import Source, Statement
from p2pfw.core.verdict import Uncounted

LEAST_SUPPORT: Final = 0.10
"""Support below this is ignored."""
KEEP: Final = 0.15
"""Hysteresis: an adopted prefix is kept while its score is at most this far below the threshold."""
DAY: Final = 86_400
_LEASES: Final = (0, DAY, 7 * DAY, 30 * DAY)
"""Lease by the number of voices; more than three change nothing."""
THRESHOLDS: Final = tuple(round(min(0.95, 0.60 + 0.04 * width), 4) for width in range(65))
"""The score it takes, by bits wider than one host (prefix.key_width)."""
KEEP_THRESHOLDS: Final = tuple(round(threshold - KEEP, 4) for threshold in THRESHOLDS)
"""The score that keeps what is adopted, by width."""
VOICES_NEEDED: Final = tuple(1 + (width + 7) // 8 for width in range(65))
"""The number of voices it takes, by width."""
SELF: Final = b"self"
"""The voice of this machine's own detectors."""
FEED: Final = b"feed:"
"""What the voice of a feed begins with; its name follows."""


class Weighed(NamedTuple):
    """A live statement with the support that it lends: trust times confidence."""

    support: float
    statement: Statement
    voice: bytes
    """Who is speaking: see `voice_of`."""


class Tally(NamedTuple):
    """What the voices come to."""

    score: float
    voices: int
    newest: int
    """When a supporting statement was last first made (created - age)."""
    latest: int
    """When the last supporting statement expires; 0: never."""
    earliest: int
    """When the first supporting statement expires; 0: none does."""


def voice_of(statement: Statement, sponsor: Callable[[OwnerId], OwnerId]) -> bytes:
    """Who is speaking: statements with the same key are one voice. An owner speaks with its sponsor's."""
    if statement.source is Source.SIGHTING:
        return SELF
    if statement.source is Source.FEED_VOICE:
        return FEED + statement.name.encode()
    return sponsor(statement.owner) if statement.owner else b""


def group(weighed: Sequence[Weighed]) -> tuple[list[Weighed], list[tuple[Statement, Uncounted]]]:
    """The strongest statement of each feed, and of these the strongest of each voice; and what that leaves out."""
    counted: list[Weighed] = []
    left_out: list[tuple[Statement, Uncounted]] = []
    feeds: set[int] = set()
    voices: dict[bytes, OwnerId | None] = {}
    for item in sorted(weighed, key=strongest_first):
        basis, voice = item.statement.basis, item.voice
        if basis and basis in feeds:
            left_out.append((item.statement, Uncounted.FEED_DUPLICATE))
        elif voice in voices:
            same = voices[voice] == item.statement.owner
            left_out.append((item.statement, Uncounted.SAME_OWNER if same else Uncounted.SAME_SPONSOR))
        else:
            counted.append(item)
            voices[voice] = item.statement.owner
        feeds.add(basis)
    return counted, left_out


def strongest_first(item: Weighed) -> tuple[float, bytes, int, int, bytes, int, int]:
    """A key for sorting: a total order, so that equal supports are resolved alike on every node."""
    said = item.statement
    return -item.support, item.voice, -said.stated, -said.expires, said.origin or b"", said.basis, said.category


def combine(supports: Iterable[float]) -> float:
    """Independent witnesses of one thing: 1 - Π(1 - s), in sorted order, rounded to 4 digits."""
    doubt = 1.0
    for support in sorted(supports):
        doubt *= 1.0 - support
    return round(1.0 - doubt, 4)


def tally(counted: Sequence[Weighed], weighed: Sequence[Weighed]) -> Tally:
    """Score of the counted voices. Times are those of all that was weighed: whoever repeats a voice renews it."""
    if len(weighed) == 1:
        support, said, _ = weighed[0]
        # The very arithmetic of `combine`, for most prefixes have one voice.
        return Tally(round(1.0 - (1.0 - support), 4), 1, said.stated, said.expires, said.expires)
    newest = max((item.statement.stated for item in weighed), default=0)
    ends = [item.statement.expires for item in weighed]
    latest = 0 if 0 in ends else max(ends, default=0)
    earliest = min(filter(None, ends), default=0)
    return Tally(combine([item.support for item in counted]), len(counted), newest, latest, earliest)


def lease_end(tallied: Tally) -> int:
    """When a block by these voices ends: signed times only, so that no replay or compaction extends it."""
    lease = tallied.newest + _LEASES[min(tallied.voices, 3)]
    return min(tallied.latest, lease) if tallied.latest else lease


def voices_for_lease(newest: int, now: float) -> int:
    """How many voices it takes for a lease that is still running; more than three change nothing."""
    return next((voices for voices in (1, 2) if newest + _LEASES[voices] > now), 3)


def missing_support(score: float, threshold: float) -> float:
    """The support of one further voice that would lift the score to the threshold."""
    return max(0.0, round(1.0 - (1.0 - threshold) / (1.0 - score), 4)) if score < 1 else 0.0
