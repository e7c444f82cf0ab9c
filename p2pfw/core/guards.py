"""What a list from elsewhere must pass before it replaces the one that was good.

    too few entries         an error page is also "200 OK"
    too much change         somebody's list of friends, or half a file
    too old by its date     a publisher that stopped, and whose addresses belong to others by now
    all addresses there are a default route, or a mistake that nobody would survive
    too wide, or special    left out one by one: public lists do contain 10.0.0.0/8, 127.0.0.0/8 and 224.0.0.0/3

The first four refuse the list whole. What must be cut out of a prefix instead of refusing it is carving's; what the
operator does about a refusal is the use case's.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from p2pfw.core.hearing import FEED_WIDTH
from p2pfw.core.prefix import PrefixKey, covers, is_v6, key_length, key_width
from p2pfw.core.ranges import OverlapMap, span
from p2pfw.core.special import SUSPECTS, Space, special_overlap

WIDE: Final = "wider than /10 or /24"
SPECIAL: Final = "special address space"
ANY_CHANGE: Final = 1.0
"""The `max_change` that takes whatever comes: how an operator confirms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sieved:
    """What a feed may ever block, sorted; and how many prefixes were left out, by reason."""

    keys: tuple[PrefixKey, ...]
    dropped: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the operator allows a refresh to do: entries at least, share that may change, age in seconds."""

    minimum: int
    max_change: float
    max_age: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TooFew:
    """Fewer entries than any good list of this feed has."""

    entries: int
    minimum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TooChanged:
    """More differs from the last good list than one refresh may change."""

    added: int
    removed: int
    share: float
    """Entries that came or went, of those that there were; above 1 when most are others."""
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TooOld:
    """By its own date. `age` in seconds."""

    age: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """It names all addresses of a family: whatever else is in it was not meant for a firewall either."""

    key: PrefixKey


Refusal = TooFew | TooChanged | TooOld | Everything


def _suspects() -> OverlapMap[bool]:
    index: OverlapMap[bool] = OverlapMap()
    for key in SUSPECTS:
        index.set(key, value=True)
    return index


_SUSPECTS: Final = _suspects()


def sieve(keys: Iterable[PrefixKey]) -> Sieved:
    """Leave out what no configuration of this node could block for a feed.

    A prefix that contains special space, and more, stays: carving cuts that out.
    """
    kept: list[PrefixKey] = []
    dropped: dict[str, int] = {}
    for key in sorted(set(keys)):
        reason = SPECIAL if _is_special(key) else WIDE if key_width(key) > FEED_WIDTH[is_v6(key)] else ""
        if reason:
            dropped[reason] = dropped.get(reason, 0) + 1
        else:
            kept.append(key)
    return Sieved(keys=tuple(kept), dropped=dropped)


def _is_special(key: PrefixKey) -> bool:
    """True when nothing is left of it without hard special space; also by an IPv4 address that hides in it."""
    if not _SUSPECTS.touches(*span(key)):
        return False
    found = special_overlap(key, Space.HARD)
    return found is not None and not (covers(key, found.key) and key != found.key)


def everything(keys: Iterable[PrefixKey]) -> Everything | None:
    """The default route among prefixes as they came, before the sieve."""
    return next((Everything(key=key) for key in keys if key_length(key) == 0), None)


def refusal(
    new: Collection[PrefixKey], last: Collection[PrefixKey], date: float, bounds: Bounds, now: float
) -> Refusal | None:
    """Why the new list must not replace the last good one; None when it may. `date`: the new list's own."""
    if len(new) < bounds.minimum:
        return TooFew(entries=len(new), minimum=bounds.minimum)
    if now >= date + bounds.max_age:
        return TooOld(age=int(now - date), limit=bounds.max_age)
    return _change(frozenset(new), frozenset(last), bounds.max_change)


def _change(new: frozenset[PrefixKey], last: frozenset[PrefixKey], limit: float) -> TooChanged | None:
    added, removed = len(new - last), len(last - new)
    if not last or limit >= ANY_CHANGE or added + removed <= limit * len(last):
        return None
    return TooChanged(added=added, removed=removed, share=(added + removed) / len(last), limit=limit)
