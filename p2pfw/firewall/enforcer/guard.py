"""What the enforcer lets into the kernel, whoever asks. PURE: `now` and the machine's addresses are passed in.

The node has decided already, by the same rules and more; this is for the day when the node is not the node any more.
An entry that may not be is left out and named, and the others go in: a whitelist edit and a block may cross. A batch
that is too much as a whole is refused whole, and what the kernel holds stays.

    an entry     no prefix (host bits, a length that is none) · wider than /8 or /16 (IPv6) · special space that is
                 never blocked · this machine's own addresses · the allow set, in both directions · an end that is none,
                 or later than the kernel's longest timeout
    a batch      more entries than `max_entries` a family · more address space than a quarter of the internet · more
                 changes than any list explains
"""

import math
import sys
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from p2pfw.core.localrule import LocalRule, Target
from p2pfw.core.plan import MOST_TIMEOUT
from p2pfw.core.prefix import is_v6
from p2pfw.core.ranges import OverlapMap, is_canonical, span
from p2pfw.core.special import SPECIAL_RANGES, Space, special_overlap
from p2pfw.errors import FirewallError
from p2pfw.firewall.enforcer import protocol
from p2pfw.firewall.enforcer.protocol import Columns

WIDEST: Final = (8, 16)
"""Shortest lengths that are taken, IPv4 and IPv6."""
COVERAGE: Final = (1 << 30, 1 << 59)
"""Most address space that is blocked at a time: a quarter of IPv4's addresses, and of 2000::/3's /64s."""
REFILL_SECONDS: Final = 10
"""In which as many changes become allowed as a set may hold entries; four times as many may come at once."""
BURST: Final = 4
MOST_RULES: Final = 10_000
"""Local rules: each packet meets them one after another."""
_V6: Final = 1 << 136
_BUCKET4: Final = 24
"""Bits behind the first 16 of an address, within a key of IPv4."""
_BUCKETS: Final = 1 << 16
_EVERYTHING: Final = (1 << 64) - 1
_LOWEST_BYTE: Final = 0 if sys.byteorder == "little" else 7


class Objection(IntEnum):
    """Why an entry was left out."""

    NO_PREFIX = 1
    TOO_WIDE = 2
    SPECIAL = 3
    OWN = 4
    ALLOWED = 5
    NO_END = 6
    TOO_LATE = 7


_TEXTS: Final = {
    Objection.NO_PREFIX: "it is no prefix",
    Objection.TOO_WIDE: "it is wider than the enforcer ever blocks (/8, /16 for IPv6)",
    Objection.SPECIAL: "it holds address space that is never blocked",
    Objection.OWN: "it holds an address of this machine",
    Objection.ALLOWED: "it overlaps the allow set",
    Objection.NO_END: "it has no end",
    Objection.TOO_LATE: "it ends later than the kernel can count",
}


def objection_text(number: int) -> str:
    """The words for an objection that came as a number."""
    return next((text for objection, text in _TEXTS.items() if objection == number), f"objection {number}")


class ViolationError(FirewallError):
    """A batch that was refused whole; the kernel holds what it held."""


@dataclass(frozen=True, slots=True)
class Passed:
    """What may go in, in the order it came, and what was left out."""

    entries: Mapping[int, int]
    refused: Mapping[int, Objection]


class Guard:
    """One enforcer's. `own`: this machine's addresses, read anew by whoever calls `know`."""

    def __init__(self, max_entries: int, now: float, own: Collection[int] = ()) -> None:
        self._max_entries = max_entries
        self._own: OverlapMap[bool] = OverlapMap()
        self._allowed: OverlapMap[bool] = OverlapMap()
        self._suspect = bytearray(_BUCKETS)
        self._changes = float(BURST * max_entries)
        self._counted_at = now
        self._covered = [0, 0]
        self.know(own)

    def know(self, own: Collection[int]) -> None:
        """These are the machine's own addresses from now on."""
        if set(own) != {key for key, _ in self._own.items()}:
            self._own = _map(own)
            self._mark()

    def allow(self, keys: Iterable[int]) -> frozenset[int]:
        """The allow set from now on, of canonical keys. ViolationError: it is too large."""
        allowed = frozenset(keys)
        if len(allowed) > self._max_entries:
            raise ViolationError(f"an allow set of {len(allowed)} entries; at most {self._max_entries} are taken")
        self._allowed = _map(allowed)
        self._mark()
        return allowed

    # --- batches -------------------------------------------------------------------------------------------------

    def screen(self, parts: Collection[Columns], now: float) -> Passed:
        """What of ENTRIES may go in. ViolationError: more than a set may hold."""
        sizes = (sum(len(part.keys4) for part in parts), sum(len(part.keys6) for part in parts))
        if max(sizes) > self._max_entries:
            raise ViolationError(f"a batch of {max(sizes)} entries of one family; max_entries is {self._max_entries}")
        entries: dict[int, int] = {}
        refused: dict[int, Objection] = {}
        for part in parts:
            self._screen(part, now, entries, refused)
        return Passed(entries, refused)

    def spend(self, changes: int, now: float) -> None:
        """Count changes against what any list explains. ViolationError: too many."""
        most = float(BURST * self._max_entries)
        self._changes = min(most, self._changes + max(0.0, now - self._counted_at) * self._max_entries / REFILL_SECONDS)
        self._counted_at = now
        if changes > self._changes:
            raise ViolationError(f"{changes} changes, where {int(self._changes)} are allowed now; it will be more soon")
        self._changes -= changes

    def covers(self, entries: Collection[int], *, fresh: bool) -> bool:
        """Whether the address space of what is held and of these is within bounds; then they count as held.

        `fresh`: these replace what is held. What is held is an upper bound, because nobody says what ended: where it
        does not fit, tell with `held` what really is there, and ask again.
        """
        added = coverage(entries)
        total = added if fresh else [one + other for one, other in zip(self._covered, added, strict=True)]
        if any(space > most for space, most in zip(total, COVERAGE, strict=True)):
            return False
        self._covered = total
        return True

    def must_cover(self, entries: Collection[int], *, fresh: bool) -> None:
        """The same, with ViolationError for no."""
        if not self.covers(entries, fresh=fresh):
            raise ViolationError(
                "together the entries would block more than a quarter of the internet: refused, nothing was changed"
            )

    def held(self, entries: Collection[int]) -> None:
        """What the kernel really holds."""
        self._covered = coverage(entries)

    def screen_rules(self, rules: Sequence[LocalRule], now: float) -> dict[LocalRule, Objection]:
        """Local rules that may not go in: they have no end, or whom they keep out may not be kept out.

        ViolationError: too many.
        """
        if len(rules) > MOST_RULES:
            raise ViolationError(f"{len(rules)} local rules; at most {MOST_RULES} are taken")
        keeping_out = (rule for rule in rules if rule.target is not Target.ACCEPT)
        found = ((rule, self.objection(key)) for rule in keeping_out for key in rule.remote)
        refused = {rule: objection for rule, objection in found if objection is not None}
        latest = math.floor(now) + MOST_TIMEOUT
        return refused | {rule: wrong for rule in rules if (wrong := _late(rule.ends, latest)) is not None}

    # --- entries -------------------------------------------------------------------------------------------------

    def objection(self, key: int) -> Objection | None:
        """What is wrong with blocking this, whatever its end."""
        if not is_canonical(key):
            return Objection.NO_PREFIX
        if key & 0xFF < WIDEST[is_v6(key)]:
            return Objection.TOO_WIDE
        if special_overlap(key, Space.HARD) is not None:
            return Objection.SPECIAL
        if self._own.touches(*span(key)):
            return Objection.OWN
        return Objection.ALLOWED if self._allowed.touches(*span(key)) else None

    def _screen(self, part: Columns, now: float, entries: dict[int, int], refused: dict[int, Objection]) -> None:
        left = part.extras[0]
        latest = math.floor(now) + MOST_TIMEOUT
        odd = bool(left) and (min(left) == 0 or max(left) > MOST_TIMEOUT)
        wrong = [*self._suspects4(part.keys4), *part.keys6] if not odd else list(part)
        passed = protocol.read_entries(part, now)
        for key in wrong:
            objection = self.objection(key) or (_late(passed[key], latest) if odd else None)
            if objection is not None:
                refused[key] = objection
        for key in refused.keys() & passed.keys():
            del passed[key]
        entries.update(passed)

    def _suspects4(self, keys: "array[int]") -> list[int]:
        """Those that need a closer look. The hot loop of a load: one comprehension, no call inside."""
        suspect, masks = self._suspect, _MASKS4
        return [key for key in keys if key & masks[key & 0xFF] or suspect[key >> _BUCKET4]]

    def _mark(self) -> None:
        """Which /16 of IPv4 touch anything that must not be blocked."""
        self._suspect = bytearray(_BUCKETS)
        hard = (row.key for row in SPECIAL_RANGES if row.space is Space.HARD)
        for key in (*hard, *(key for key, _ in self._own.items()), *(key for key, _ in self._allowed.items())):
            if not is_v6(key):
                first, last = span(key)
                low, high = first >> 16, last >> 16
                self._suspect[low : high + 1] = b"\1" * (high - low + 1)


def coverage(keys: Collection[int]) -> list[int]:
    """Address space: IPv4 addresses, and IPv6 /64s, where less than one counts as one. Overlaps count twice."""
    keys6 = [key for key in keys if key >= _V6]
    keys4 = array("Q", [key for key in keys if key < _V6])
    lengths = keys4.tobytes()[_LOWEST_BYTE::8]  # counted by length: a million entries at the speed of memory
    return [
        sum(lengths.count(length) << 32 - length for length in range(33)),
        sum(1 << max(0, 64 - (key & 0xFF)) for key in keys6),
    ]


def _late(end: int, latest: int) -> Objection | None:
    if not end:
        return Objection.NO_END
    return Objection.TOO_LATE if end > latest else None


def _masks4() -> tuple[int, ...]:
    """For each value of a length byte, the bits of an IPv4 key that call for a closer look.

    Host bits, and bits beyond the family. All bits where the length is none, or wider than one of the /16 that are
    marked: no such key is zero, but for 0.0.0.0/0, which lies in a marked one.
    """
    beyond = _EVERYTHING ^ (1 << 40) - 1
    narrow = (beyond | ((1 << 32 - length) - 1) << 8 for length in range(16, 33))
    return (*(_EVERYTHING,) * 16, *narrow, *(_EVERYTHING,) * (0x100 - 33))


def _map(keys: Iterable[int]) -> OverlapMap[bool]:
    found: OverlapMap[bool] = OverlapMap()
    for key in sorted(keys):
        found.set(key, value=True)  # type: ignore[arg-type]
    return found


_MASKS4: Final = _masks4()
