"""How much of the store an owner may fill: a constant of the network, never a matter of trust (protocol 1.8).

Else honest stores would differ for ever. An owner has room for `share` unique (origin, prefix), and 256 bytes for each;
what costs no prefix (opaque kinds, renewals, the memory of what is void) is bounded by the bytes. One origin gets at
most half, so that a stolen node cannot crowd out its fleet. What takes back or ends other announcements may use a
reserve on top: a limit must not eat the un-block. Revocations have room of their own, which no node can use up. `pool`
maps owners that share one share (those that one voucher vouched for) to one of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from p2pfw.core.identity import NodeId, OwnerId
from p2pfw.errors import ShareError

# Changing anything down to the next blank line makes stores differ.
SHARE: Final = 262_144
OCTETS_A_PREFIX: Final = 256
RESERVE_PART: Final = 16
ORIGIN_PART: Final = 2
ANNOUNCEMENT_OCTETS: Final = 256
"""What holding an announcement costs beside its bytes."""
GRAVE_OCTETS: Final = 512
"""What it costs to remember that an announcement is void, so that it is not fetched again."""

K = TypeVar("K")


@dataclass(slots=True)
class Used:
    """What is taken. Mutable: one for each owner and origin."""

    prefixes: int = 0
    octets: int = 0

    def add(self, prefixes: int, octets: int) -> None:
        """Take more, or give back."""
        self.prefixes += prefixes
        self.octets += octets


_NOTHING: Final = Used()


class Shares:
    """What each owner and origin takes, and whether more would fit."""

    def __init__(self, share: int = SHARE, pool: Callable[[OwnerId], OwnerId] = lambda owner: owner) -> None:
        self._share, self._pool = share, pool
        self._owners: dict[OwnerId, Used] = {}
        self._origins: dict[NodeId, Used] = {}
        self._homes: dict[NodeId, OwnerId] = {}
        self._sealed: dict[OwnerId, int] = {}

    def used(self, owner: OwnerId) -> Used:
        """A copy of what the owner takes, with those that share with it."""
        used = self._owners.get(self._pool(owner), _NOTHING)
        return Used(used.prefixes, used.octets)

    def used_by(self, origin: NodeId) -> Used:
        """A copy of what one origin takes."""
        used = self._origins.get(origin, _NOTHING)
        return Used(used.prefixes, used.octets)

    def settle(self, origin: NodeId, owner: OwnerId) -> None:
        """What the origin takes is the owner's from now on: certificates change."""
        new, old = self._pool(owner), self._homes.get(origin)
        if new == old:
            return
        self._homes[origin] = new
        if old is not None and (used := self._origins.get(origin)):
            _add(self._owners, old, -used.prefixes, -used.octets)
            _add(self._owners, new, used.prefixes, used.octets)

    def prefixes_left(self, origin: NodeId, owner: OwnerId, *, reserve: bool) -> int:
        """How many more prefixes the origin may speak about."""
        limit, half = self._limits(self._share, reserve=reserve)
        used, own = self._owners.get(self._pool(owner), _NOTHING), self._origins.get(origin, _NOTHING)
        return min(limit - used.prefixes, half - own.prefixes)

    def check_octets(self, origin: NodeId, owner: OwnerId, octets: int, *, reserve: bool) -> None:
        """ShareError when so many bytes more are too many."""
        limit, half = self._limits(self._share * OCTETS_A_PREFIX, reserve=reserve)
        if self._owners.get(self._pool(owner), _NOTHING).octets + octets > limit:
            raise ShareError("its owner's share of the store is used up")
        if self._origins.get(origin, _NOTHING).octets + octets > half:
            raise ShareError("half of its owner's share is used up by this origin")

    def check_sealed(self, owner: OwnerId, octets: int) -> None:
        """ShareError when the owner's revocations would take too many bytes."""
        if self._sealed.get(owner, 0) + octets > self._share * OCTETS_A_PREFIX // RESERVE_PART:
            raise ShareError("too many revocations by one owner")

    def charge(self, origin: NodeId, prefixes: int, octets: int) -> None:
        """The settled origin takes more, or gives back."""
        _add(self._origins, origin, prefixes, octets)
        _add(self._owners, self._homes[origin], prefixes, octets)
        if origin not in self._origins:
            del self._homes[origin]

    def charge_sealed(self, owner: OwnerId, octets: int) -> None:
        """The owner's revocations take more, or give back."""
        self._sealed[owner] = self._sealed.get(owner, 0) + octets
        if not self._sealed[owner]:
            del self._sealed[owner]

    def _limits(self, whole: int, *, reserve: bool) -> tuple[int, int]:
        extra = whole // RESERVE_PART if reserve else 0
        return whole + extra, whole // ORIGIN_PART + extra


def _add(table: dict[K, Used], key: K, prefixes: int, octets: int) -> None:
    used = table.setdefault(key, Used())
    used.add(prefixes, octets)
    if not used.prefixes and not used.octets:
        del table[key]
