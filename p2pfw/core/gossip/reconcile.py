"""Which announcements one side holds and the other does not, by comparing ranges (protocol 5).

Both sides sort what they hold by (created, id) and tell each other keyed fingerprints of ranges. A range that differs
is cut into 16 of equal count, a small one is listed. A snapshot never changes, so what arrives meanwhile cannot
disturb. Pure arithmetic over keys: no frames are sent here, nothing is fetched (sync, wants).
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import Final

from p2pfw.core.wire import Range, RangeMode
from p2pfw.errors import FrameError

BRANCHES: Final = 16
LEAF: Final = 32
"""A range of at most so many ids is listed."""
TWIG: Final = 6
"""Not cut finer than this: a fingerprint costs as much as two ids."""
END: Final = b"\xff"
"""Above every key: times do not reach into the first byte."""
PART: Final = 3_000
"""Most ids in one range: 48 kB, so that it fits a frame."""
FRAME_BUDGET: Final = 60_000
RANGE_OVERHEAD: Final = 36
MAX_RANGES: Final = 1_500
MAX_ANSWER: Final = 65_536
"""Ranges in one turn; 16 to the third power are what 100,000 ids need."""
MAX_LACKING: Final = 1_048_576
"""Ids learned in one turn: 16 MB. What wants can take is less; a peer that goes on is no honest one."""

Key = bytes
"""created_ms (8 bytes, big-endian) + the first 16 bytes of the id."""


def key_of(created_ms: int, identity: bytes) -> Key:
    """What announcements are ordered by."""
    return created_ms.to_bytes(8) + identity[:16]


class Snapshot:
    """The keys that one side holds, as they were when the reconciliation began."""

    __slots__ = ("_keys", "_salt")

    def __init__(self, keys: Iterable[Key], salt: bytes) -> None:
        self._keys = sorted(keys)
        self._salt = salt

    def __len__(self) -> int:
        return len(self._keys)

    def opening(self) -> list[Range]:
        """The first thing to say: one fingerprint of all, or all ids when there are few."""
        if len(self._keys) <= LEAF:
            return [self._listed(0, len(self._keys), END)]
        return [self._fingerprinted(0, len(self._keys), END)]

    def position(self, upper: Key) -> int:
        """The index of the first key at or above `upper`."""
        return bisect_left(self._keys, upper)

    def fingerprint(self, low: int, high: int) -> bytes:
        """A keyed hash of what is held in [low, high): without the salt nobody can prepare two sets that look alike."""
        count = (high - low).to_bytes(8)
        return blake2b(count + b"".join(self._keys[low:high]), digest_size=16, key=self._salt).digest()

    def ids(self, low: int, high: int) -> list[bytes]:
        """The 16-byte ids in [low, high)."""
        return [key[8:] for key in self._keys[low:high]]

    def split(self, low: int, high: int, upper: Key) -> Iterator[Range]:
        """What to say of a range whose fingerprints differ."""
        count = high - low
        if count <= LEAF:
            yield self._listed(low, high, upper)
            return
        parts = min(BRANCHES, -(-count // TWIG))
        cuts = [low + count * part // parts for part in range(parts + 1)]
        for begin, end in pairwise(cuts):
            yield self._fingerprinted(begin, end, upper if end == high else self._between(end))

    def lacked(self, low: int, high: int, upper: Key, theirs: set[bytes]) -> Iterator[Range]:
        """The keys in [low, high) that are not among `theirs`, in ranges that fit a frame; a skip for none."""
        keys = [key for key in self._keys[low:high] if key[8:] not in theirs]
        if not keys:
            yield Range(upper=upper, mode=RangeMode.SKIP)
        for begin in range(0, len(keys), PART):
            end = begin + PART
            bound = keys[end] if end < len(keys) else upper
            yield Range(upper=bound, mode=RangeMode.LACK, data=b"".join(key[8:] for key in keys[begin:end]))

    def _between(self, at: int) -> Key:
        """The shortest bound above the key before `at` and not above the one at it: bounds are most of the bytes."""
        below, above = self._keys[at - 1], self._keys[at]
        return above[: next(size for size in range(1, len(above) + 1) if above[:size] > below)]

    def _listed(self, low: int, high: int, upper: Key) -> Range:
        return Range(upper=upper, mode=RangeMode.LIST, data=b"".join(self.ids(low, high)))

    def _fingerprinted(self, low: int, high: int, upper: Key) -> Range:
        return Range(upper=upper, mode=RangeMode.FINGERPRINT, data=self.fingerprint(low, high))


class Round:
    """One side's turn: reads the other's ranges in order, collects the answer and the ids that are lacking here."""

    __slots__ = ("_answer", "_lacking", "_learned", "_low", "_snapshot", "_upper")

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._low = 0
        self._upper = b""
        self._answer: list[Range] = []
        self._lacking: list[bytes] = []
        self._learned = 0

    def read(self, ranges: Sequence[Range]) -> None:
        """Take in the next ranges; those of a later frame go on where the earlier one ended."""
        for item in ranges:
            if item.upper <= self._upper or len(self._answer) > MAX_ANSWER or self._learned > MAX_LACKING:
                raise FrameError("ranges out of order, or more of them than any honest store has")
            high = self._snapshot.position(item.upper)
            self._read(item, self._low, high)
            self._low, self._upper = high, item.upper

    def take_lacking(self) -> list[bytes]:
        """What the other side holds and the snapshot does not, oldest range first; each is given out once."""
        lacking, self._lacking = self._lacking, []
        return lacking

    def answer(self) -> list[Range]:
        """What to say back; nothing when both now know all differences."""
        while self._answer and self._answer[-1].mode == RangeMode.SKIP:
            self._answer.pop()
        skips = {left.upper for left, right in pairwise(self._answer) if left.mode == right.mode == RangeMode.SKIP}
        return [item for item in self._answer if item.upper not in skips]

    def _read(self, item: Range, low: int, high: int) -> None:
        match item.mode:
            case RangeMode.FINGERPRINT if item.data != self._snapshot.fingerprint(low, high):
                self._answer.extend(self._snapshot.split(low, high, item.upper))
            case RangeMode.LIST:
                theirs = self._learn(item, low, high)
                self._answer.extend(self._snapshot.lacked(low, high, item.upper, theirs))
            case _:
                if item.mode == RangeMode.LACK:
                    self._learn(item, low, high)
                self._answer.append(Range(upper=item.upper, mode=RangeMode.SKIP))

    def _learn(self, item: Range, low: int, high: int) -> set[bytes]:
        ours = set(self._snapshot.ids(low, high))
        theirs = dict.fromkeys(item.ids)
        self._learned += len(theirs)
        self._lacking.extend(identity for identity in theirs if identity not in ours)
        return set(theirs)


def frames_of(ranges: Sequence[Range]) -> list[tuple[Range, ...]]:
    """The ranges of one turn in parts that fit a frame each; one empty part for no ranges."""
    parts: list[tuple[Range, ...]] = []
    part: list[Range] = []
    size = 0
    for item in ranges:
        cost = len(item.data) + RANGE_OVERHEAD
        if part and (size + cost > FRAME_BUDGET or len(part) >= MAX_RANGES):
            parts.append(tuple(part))
            part, size = [], 0
        part.append(item)
        size += cost
    return [*parts, tuple(part)]
