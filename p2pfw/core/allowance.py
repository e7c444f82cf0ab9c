"""How much those who are weighed may have adopted: limits that grow with trust (policy, Limits on adoption).

For each voice (an owner, with whom it sponsors):

    prefixes             100,000 T
    new in ten minutes     2,000 T      the surge brake: a flood is held, and shown
    new alone in an hour   2,000 T      adopted on its word alone
    alone in one network        16      hosts of a /24 (IPv4) or /48 (IPv6); beyond that the network's threshold applies
    address space             2^18      hosts; a /64 is one host of IPv6. 2^20 for all voices together

Local voices (this machine, feeds) have none: feeds have caps of their own. Only what is newly adopted is asked; what is
over is held by adoption, the newest first, and never for another voice's sake. Sums and windows only; judges nothing.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from p2pfw.core.identity import OwnerId
from p2pfw.core.prefix import PrefixKey, is_v6, key_width, truncate
from p2pfw.core.verdict import Reason

PREFIXES: Final = 100_000
NEW: Final = 2_000
LONE_HOSTS: Final = 16
VOICE_SPACE: Final = 1 << 18
ALL_SPACE: Final = 1 << 20
HOUR: Final = 3_600
SURGE: Final = 600
MOST_NUMBERS: Final = 1 << 20
"""Groups of voices that hold something at one time: what a packed verdict can name."""
_MINUTE: Final = 60
_NETWORK: Final = (24, 48)
_KEY_BITS: Final = 137
_EPSILON: Final = 1e-9
"""100,000 x 0.29 is 28,999.999..."""


class Window:
    """How often something happened within the last `span` seconds, to the minute."""

    __slots__ = ("_minutes", "_span", "_total")

    def __init__(self, span: int) -> None:
        self._span = span // _MINUTE
        self._minutes: deque[list[int]] = deque()
        self._total = 0

    def add(self, now: float) -> None:
        """Once more."""
        minute = int(now) // _MINUTE
        if not self._minutes or self._minutes[-1][0] != minute:
            self._minutes.append([minute, 0])
        self._minutes[-1][1] += 1
        self._total += 1

    def count(self, now: float) -> int:
        """How often. A clock that was put back forgets what is in its future."""
        minute = int(now) // _MINUTE
        while self._minutes and self._minutes[0][0] <= minute - self._span:
            self._total -= self._minutes.popleft()[1]
        while self._minutes and self._minutes[-1][0] > minute:
            self._total -= self._minutes.pop()[1]
        return self._total


@dataclass(slots=True)
class Account:
    """What one voice has used."""

    voice: OwnerId
    prefixes: int = 0
    space: int = 0
    held: int = 0
    """Prefixes that are held for its limits."""
    credit: int = 0
    """So many prefixes it had adopted before a restart: those are not new."""
    new: Window = field(default_factory=lambda: Window(SURGE))
    asked: Window = field(default_factory=lambda: Window(SURGE))
    """What it wanted adopted, granted or not."""
    alone: Window = field(default_factory=lambda: Window(HOUR))


class Usage(NamedTuple):
    """What a voice has used, and may use, now: for explanations."""

    prefixes: int
    prefixes_limit: int
    alone: int
    new: int
    rate_limit: int
    """For `alone` in an hour, and for `new` in ten minutes."""
    space: int
    asked: int
    held: int

    @property
    def surges(self) -> bool:
        """True while more is wanted in ten minutes than may be, and something is held."""
        return self.asked > self.rate_limit and self.held > 0


class _Group(NamedTuple):
    """Those who answer for a prefix together; `lone`: nobody else was counted."""

    accounts: tuple[Account, ...]
    lone: bool
    place: tuple[tuple[bytes, ...], bool] = (), False
    """By what its number is found."""


_NOBODY: Final = _Group((), lone=False)


class Allowances:
    """The accounts of all voices. A group of voices has a number, so that a packed verdict can name it; 0: nobody."""

    def __init__(self, trust: Callable[[OwnerId], float]) -> None:
        self._trust = trust
        self._accounts: dict[bytes, Account] = {}
        self._numbers: dict[tuple[tuple[bytes, ...], bool], int] = {}
        self._groups: list[_Group] = [_NOBODY]
        self._uses: list[int] = [0]
        self._free: list[int] = []
        self._space = 0
        self._networks: Counter[int] = Counter()
        self.held = 0
        """Prefixes that are held for somebody's limits."""

    # --- asking ------------------------------------------------------------------------------------------------------

    def number(self, voices: tuple[bytes, ...], count: int) -> int:
        """The number of these voices as a group; `count`: how many there were with those that have no limits."""
        place = (voices if len(voices) < 2 else tuple(sorted(voices))), count == 1
        number = self._numbers.get(place)
        return self._number_of(place) if number is None else number

    def check(self, key: PrefixKey, number: int, now: float) -> tuple[Reason | None, frozenset[bytes]]:
        """Why a group may not have this prefix newly adopted, and whose limits that is; (None, nobody) if it may."""
        group = self._groups[number]
        size = 1 << key_width(key)
        if self._space + size > ALL_SPACE:
            return Reason.LIMIT, frozenset(one.voice for one in group.accounts)
        over = frozenset(one.voice for one in group.accounts if self._is_over(one, size, now, lone=group.lone))
        if over:
            return Reason.LIMIT, over
        if group.lone and size == 1 and self._networks[_place(key, number)] >= LONE_HOSTS:
            return Reason.DENSITY, frozenset(one.voice for one in group.accounts)
        return None, frozenset()

    def usage(self, voice: bytes, now: float) -> Usage:
        """What one voice has used."""
        one = self._accounts.get(voice) or Account(OwnerId(voice))
        prefixes, rate = self._limits(one)
        return Usage(
            one.prefixes, prefixes, one.alone.count(now), one.new.count(now), rate, one.space, one.asked.count(now),
            one.held,
        )  # fmt: skip

    def limits_of(self, trust: float) -> tuple[int, int]:
        """(prefixes, new in ten minutes and alone in an hour) for a trust."""
        return int(PREFIXES * (trust + _EPSILON)), int(NEW * (trust + _EPSILON))

    def voices(self, number: int) -> tuple[OwnerId, ...]:
        """Who is in a group."""
        return tuple(one.voice for one in self._groups[number].accounts)

    def users(self) -> Iterator[OwnerId]:
        """Every voice that has used something."""
        return (one.voice for one in self._accounts.values() if one.prefixes or one.held)

    def adopted(self) -> dict[OwnerId, int]:
        """How many prefixes each voice has adopted: to be kept over a restart."""
        return {one.voice: one.prefixes for one in self._accounts.values() if one.prefixes}

    def with_room(self, held: Iterable[tuple[PrefixKey, int]], now: float) -> list[PrefixKey]:
        """Of what is held (prefix, number), as many as there may be room for now."""
        left: dict[int, int] = {}
        found = []
        for key, number in held:
            if number not in left:
                left[number] = self._room(self._groups[number], now)
            if left[number] > 0 and not self._is_dense(key, number):
                left[number] -= 1
                found.append(key)
        return found

    # --- keeping -----------------------------------------------------------------------------------------------------

    def credit(self, adopted: dict[OwnerId, int]) -> None:
        """At start: what was adopted before is not new."""
        for voice, prefixes in adopted.items():
            self._account(voice).credit = prefixes

    def end_credit(self) -> None:
        """The first judgement is over: what comes now is new."""
        for one in self._accounts.values():
            one.credit = 0

    def charge(self, key: PrefixKey, number: int) -> None:
        """The group answers for an adopted prefix from now on."""
        group, size = self._groups[number], 1 << key_width(key)
        self._uses[number] += 1
        self._space += size
        for one in group.accounts:
            one.prefixes += 1
            one.space += size
        if group.lone and size == 1:
            self._networks[_place(key, number)] += 1

    def refund(self, key: PrefixKey, number: int) -> None:
        """It does no more."""
        group, size = self._groups[number], 1 << key_width(key)
        self._space -= size
        for one in group.accounts:
            one.prefixes -= 1
            one.space -= size
        if group.lone and size == 1:
            place = _place(key, number)
            self._networks[place] -= 1
            if not self._networks[place]:
                del self._networks[place]
        self._release(number)

    def hold(self, number: int) -> None:
        """A prefix of theirs is held for a limit."""
        self._uses[number] += 1
        self.held += 1
        for one in self._groups[number].accounts:
            one.held += 1

    def let_go(self, number: int) -> None:
        """It is no more."""
        self.held -= 1
        for one in self._groups[number].accounts:
            one.held -= 1
        self._release(number)

    def ask(self, number: int, now: float) -> None:
        """They want something adopted that was not, and was not held."""
        for one in self._groups[number].accounts:
            one.asked.add(now)

    def grant(self, number: int, now: float) -> None:
        """They have something newly adopted."""
        group = self._groups[number]
        for one in group.accounts:
            if one.prefixes > one.credit:
                one.new.add(now)
                if group.lone:
                    one.alone.add(now)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _limits(self, one: Account) -> tuple[int, int]:
        return self.limits_of(self._trust(one.voice))

    def _is_over(self, one: Account, size: int, now: float, *, lone: bool) -> bool:
        prefixes, rate = self._limits(one)
        if one.prefixes >= prefixes or one.space + size > VOICE_SPACE:
            return True
        if one.prefixes < one.credit:
            return False
        return one.new.count(now) >= rate or (lone and one.alone.count(now) >= rate)

    def _room(self, group: _Group, now: float) -> int:
        rooms = []
        for one in group.accounts:
            prefixes, rate = self._limits(one)
            rooms += [prefixes - one.prefixes, rate - one.new.count(now), VOICE_SPACE - one.space]
            if group.lone:
                rooms.append(rate - one.alone.count(now))
        return min(rooms, default=0)

    def _is_dense(self, key: PrefixKey, number: int) -> bool:
        return self._groups[number].lone and self._networks[_place(key, number)] >= LONE_HOSTS

    def _account(self, voice: OwnerId) -> Account:
        return self._accounts.setdefault(voice, Account(voice))

    def _number_of(self, place: tuple[tuple[bytes, ...], bool]) -> int:
        voices, lone = place
        if not voices or (not self._free and len(self._groups) >= MOST_NUMBERS):
            return 0
        group = _Group(tuple(self._account(OwnerId(one)) for one in voices), lone, place)
        if self._free:
            number = self._free.pop()
            self._groups[number] = group
        else:
            number = len(self._groups)
            self._groups.append(group)
            self._uses.append(0)
        self._numbers[place] = number
        return number

    def _release(self, number: int) -> None:
        self._uses[number] -= 1
        if not self._uses[number]:
            del self._numbers[self._groups[number].place]
            self._groups[number] = _NOBODY
            self._free.append(number)


def _place(key: PrefixKey, number: int) -> int:
    """A group of voices in the network of a host, as one integer."""
    return number << _KEY_BITS | truncate(key, _NETWORK[is_v6(key)])
