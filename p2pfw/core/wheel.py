"""When is it time to look at a key again? Lists of keys by time, coarse far away and by the second close by.

Holds a list slot a key and no object of its own. A slot is a hint: whoever moves or drops a key leaves the old slot
where it is, and says at the end (`at`) which time holds. Knows nothing of what the keys mean; has no clock.
"""

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from typing import Final

from p2pfw.core.prefix import PrefixKey

COARSE: Final = 64
"""Seconds in a far bucket: wide enough that a month is few buckets, narrow enough that one is sorted in a moment."""

SLICE: Final = 4_096
"""Slots looked at in one go: about 2 ms. A list of 100,000 ends in one second."""


class Wheel:
    """Times are whole Unix seconds. `at(key)` answers the time that holds for a key now, 0 for none."""

    __slots__ = ("_at", "_far", "_far_order", "_near", "_near_order", "_opened", "_slots")

    def __init__(self, at: Callable[[PrefixKey], int]) -> None:
        self._at = at
        self.clear()

    def __len__(self) -> int:
        """Slots in use, stale ones among them."""
        return self._slots

    def clear(self) -> None:
        """Forget everything."""
        self._far: dict[int, list[PrefixKey]] = {}
        self._far_order: list[int] = []
        self._near: dict[int, list[PrefixKey]] = {}
        self._near_order: list[int] = []
        self._opened = -1
        self._slots = 0

    def put(self, time: int, key: PrefixKey) -> None:
        """Remind of this key at `time`, which must be what `at` answers for it from now on."""
        self._slots += 1
        if time // COARSE <= self._opened:
            self._put(self._near, self._near_order, time, key)
        else:
            self._put(self._far, self._far_order, time // COARSE, key)

    def rebuild(self, times: Iterable[tuple[int, PrefixKey]]) -> None:
        """Hold exactly these: gets rid of stale slots."""
        opened = self._opened
        self.clear()
        self._opened = opened
        for time, key in times:
            self.put(time, key)

    def due(self, now: float, most: int = SLICE) -> list[PrefixKey]:
        """The keys whose time has come, each once; their slots are gone. Looks at no more than about `most` slots.

        What is left over is due at once: `next_deadline` lies in the past.
        """
        seen = 0
        while seen < most and self._far_order and self._far_order[0] * COARSE <= now:
            bucket = self._far_order[0]
            keys = self._take(self._far, self._far_order, most - seen)
            seen += len(keys)
            self._open(bucket, keys)
        due: dict[PrefixKey, None] = {}
        while seen < most and self._near_order and self._near_order[0] <= now:
            time = self._near_order[0]
            keys = self._take(self._near, self._near_order, most - seen)
            seen += len(keys)
            due.update((key, None) for key in keys if self._at(key) == time)
        return list(due)

    def next_deadline(self) -> int | None:
        """When `due` should be asked again; None when nothing is waited for."""
        near = self._near_order[:1]
        far = [bucket * COARSE for bucket in self._far_order[:1]]
        return min(near + far, default=None)

    def _take(self, buckets: dict[int, list[PrefixKey]], order: list[int], most: int) -> list[PrefixKey]:
        """Slots of the first bucket, at most so many; a bucket that is empty goes."""
        keys = buckets[order[0]]
        if len(keys) <= most:
            del buckets[heappop(order)]
        else:
            buckets[order[0]] = keys[most:]
        taken = keys[:most]
        self._slots -= len(taken)
        return taken

    def _open(self, bucket: int, keys: list[PrefixKey]) -> None:
        """Sort keys of a far bucket by the second; what has moved meanwhile stays out."""
        self._opened = max(self._opened, bucket)
        for key in keys:
            time = self._at(key)
            if time // COARSE == bucket:
                self._slots += 1
                self._put(self._near, self._near_order, time, key)

    @staticmethod
    def _put(buckets: dict[int, list[PrefixKey]], order: list[int], bucket: int, key: PrefixKey) -> None:
        keys = buckets.get(bucket)
        if keys is None:
            keys = buckets[bucket] = []
            heappush(order, bucket)
        keys.append(key)
