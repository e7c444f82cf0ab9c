"""What must stay reachable from here, brought together: the machine's needs, its operator, its API clients, its peers.

Recomputed when something changed and every few seconds; what changed is judged again, and the kernel's allow set
follows. Only who authenticated is protected: an operator's command, a login, a token. Never a stranger that connected.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from p2pfw.core.prefix import Prefix, PrefixKey, covers
from p2pfw.core.protected import Protected, ProtectedRange, Strength
from p2pfw.core.special import MAPPED, Space, embedded, special_overlap
from p2pfw.errors import InputError
from p2pfw.ports import Clock, Machine

REFRESH: Final = 5.0
"""Seconds between two looks at addresses, routes, resolvers and logins."""
GUEST_TIME: Final = 3_600
"""Seconds for which an address that gave an authenticated command stays protected."""
MAX_GUESTS: Final = 1_024


class Protecting:
    """Keeps `Protected` true."""

    def __init__(
        self, machine: Machine, protected: Protected, clock: Clock, peer_addresses: Callable[[], Iterable[str]]
    ) -> None:
        self._machine, self._protected, self._clock = machine, protected, clock
        self._peer_addresses = peer_addresses
        self._guests: dict[PrefixKey, tuple[float, str]] = {}

    def welcome(self, address: str, reason: str) -> bool:
        """An authenticated command came from here; True when that protects a new address."""
        key = _host(address)
        if key is None:
            return False
        new = key not in self._guests
        if len(self._guests) >= MAX_GUESTS and new:
            del self._guests[min(self._guests, key=lambda one: self._guests[one][0])]
        self._guests[key] = (self._clock.now() + GUEST_TIME, reason)
        return new

    def refresh(self) -> list[PrefixKey]:
        """Look again; the prefixes whose protection changed (what overlaps them is to be judged again)."""
        return self._protected.replace(self._ranges())

    def kernel_keys(self, strength: Strength) -> list[PrefixKey]:
        """What the kernel's allow set holds of it: HARD or SOFT, never the peers (policy "Precedence")."""
        return [entry.key for entry in self._protected.entries() if entry.strength is strength]

    def _ranges(self) -> Iterator[ProtectedRange]:
        now = self._clock.now()
        self._guests = {key: guest for key, guest in self._guests.items() if guest[0] > now}
        for address in self._peer_addresses():
            key = _host(address)
            if key is not None:
                yield ProtectedRange(key=key, strength=Strength.PEER, reason="address of a peer")
        for key, (_, reason) in self._guests.items():
            yield ProtectedRange(key=key, strength=Strength.SOFT, reason=reason)
        for found in self._machine.soft():
            yield ProtectedRange(key=found.key, strength=Strength.SOFT, reason=found.reason)
        for found in self._machine.hard():
            yield ProtectedRange(key=found.key, strength=Strength.HARD, reason=found.reason)


def _host(address: str) -> PrefixKey | None:
    """The host prefix of an address literal; None for a name, nothing, or what is never blocked anyway (loopback)."""
    try:
        key = Prefix.parse(address.partition("%")[0]).key
    except InputError:
        return None
    if covers(MAPPED, key):  # how a dual-stack listener sees an IPv4 client: the packets that count are IPv4
        (key,) = embedded(key)
    return None if special_overlap(key, Space.HARD) else key
