"""Who makes a prefix flap: after 6 changes of verdict within an hour, an origin's BLOCK of that prefix waits.

A change is blamed on the origins whose support came (or went) with it, so that nobody can make another wait. First
adoptions are remembered nowhere: the memory begins with a drop, and whoever brings the prefix back within the hour is
blamed for that adoption and drop too. What takes a block away (RETRACT, PARDON, expiry) always acts; only coming back
waits.
"""

from collections.abc import Set
from dataclasses import dataclass, field
from typing import Final

from p2pfw.core.identity import NodeId
from p2pfw.core.prefix import PrefixKey

HOUR: Final = 3600
FLIPS: Final = 6
"""Changes of verdict an hour for one (origin, prefix)."""
MOST_TRACKS: Final = 65_536
"""Prefixes that are watched at once; beyond that the oldest are forgotten."""


@dataclass(slots=True)
class _Track:
    """What happened to one prefix since it was first dropped."""

    changed: float
    backers: Set[NodeId]
    """Who supported it after that change."""
    changes: dict[NodeId, list[float]] = field(default_factory=dict)


class FlipLimiter:
    """The memory of changes: an hour long, and bounded."""

    def __init__(self) -> None:
        # In the order of their last change.
        self._tracks: dict[PrefixKey, _Track] = {}

    def __len__(self) -> int:
        return len(self._tracks)

    def __contains__(self, key: int) -> bool:
        return key in self._tracks

    def dropped(self, key: PrefixKey, backers: Set[NodeId], now: float) -> None:
        """It is adopted no more; `backers` are the nodes that support it still."""
        track = self._tracks.pop(key, None) or _Track(now, frozenset())
        for origin in track.backers - backers:
            track.changes.setdefault(origin, []).append(now)
        self._remember(key, track, backers, now)

    def returned(self, key: PrefixKey, backers: Set[NodeId], now: float) -> None:
        """It is adopted again. Call it for keys that are `in` the limiter only."""
        track = self._tracks.pop(key)
        for origin in backers - track.backers:
            track.changes.setdefault(origin, [track.changed, track.changed]).append(now)
        self._remember(key, track, backers, now)

    def waiting(self, key: int, now: float, *, adopted: bool = False) -> dict[NodeId, float]:
        """The origins whose BLOCKs of this prefix wait, and until when.

        While it is `adopted`, who supported that from the start does not wait: he is in until he takes it back.
        """
        track = self._tracks.get(PrefixKey(key))
        if track is None:
            return {}
        inside: Set[NodeId] = track.backers if adopted else frozenset()
        ends = {origin: times[-FLIPS] + HOUR for origin, times in track.changes.items() if len(times) >= FLIPS}
        return {origin: end for origin, end in ends.items() if end > now and origin not in inside}

    def _remember(self, key: PrefixKey, track: _Track, backers: Set[NodeId], now: float) -> None:
        track.changed, track.backers = now, backers
        for times in track.changes.values():
            del times[:-FLIPS]
        self._tracks[key] = track
        while len(self._tracks) > MOST_TRACKS or self._oldest() <= now - HOUR:
            del self._tracks[next(iter(self._tracks))]

    def _oldest(self) -> float:
        return next(iter(self._tracks.values())).changed
