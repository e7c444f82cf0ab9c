"""Our four sets: read, filled, swapped, healed. Knows no rules.

Headers are read, and single entries changed, by netlink (docs/decisions/0007-single-changes-by-netlink.md); all else is
one `ipset restore -exist`. What may not be seen half done (`replace`, `allow`, another shape) is
built in a fresh set aside and swapped in: whoever kills us leaves the old set or the new one whole, and a temporary
one that `clean` removes. A set is made for `max_entries` from the start; one found smaller is grown by a swap.
"""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import chain, islice
from typing import Final

from p2pfw.core.prefix import Family, is_v6, key_text, v6_key
from p2pfw.errors import FirewallError
from p2pfw.firewall import restore
from p2pfw.firewall.names import SLOTS, Role, SetNames, Slot
from p2pfw.firewall.netlink import IpsetLink
from p2pfw.firewall.parse import SetHeader, parse_counters, parse_headers, parse_members, parse_tallies
from p2pfw.firewall.runner import Program, Runner, checked

_LINES_PER_SECOND: Final = 5_000
"""A fortieth of what ipset does on a slow machine: only a hang takes longer."""
_BASE_SECONDS: Final = 10.0
_V6: Final = v6_key(0, 0)


class Fault(Enum):
    """What can be wrong with a set by its header; the value is the word for the report."""

    MISSING = "missing"
    FOREIGN = "another type of set"
    SHAPE = "made by somebody else"
    SMALL = "too small"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One read of our sets: headers by slot, and the temporary sets that somebody left."""

    headers: Mapping[Slot, SetHeader]
    leftovers: tuple[str, ...]

    def entries(self, slot: Slot) -> int:
        """Number of members; 0 when the set is not there."""
        header = self.headers.get(slot)
        return header.entries if header else 0


class KernelSets:
    """The sets of one instance. `clock` gives Unix seconds. `link`: without one everything goes through the program."""

    def __init__(
        self,
        runner: Runner,
        names: SetNames,
        max_entries: int,
        clock: Callable[[], float],
        link: IpsetLink | None = None,
    ) -> None:
        self._runner, self._names, self._max_entries, self._clock = runner, names, max_entries, clock
        self._link = link
        self._allowed: frozenset[int] | None = None
        self._entries = dict.fromkeys(Family, max_entries)

    @property
    def guarded(self) -> bool:
        """True once the allow sets were written: before, no rule may go in (enforcement 6)."""
        return self._allowed is not None

    # --- read --------------------------------------------------------------------------------------------------------

    def find(self) -> Found:
        """One look. FirewallError."""
        headers = self._headers({self._names.live(slot) for slot in SLOTS}.union(self._names.all_fresh()))
        live = {slot: headers[name] for slot in SLOTS if (name := self._names.live(slot)) in headers}
        found = Found(headers=live, leftovers=tuple(name for name in self._names.all_fresh() if name in headers))
        self._entries = {slot.family: found.entries(slot) for slot in SLOTS if slot.role is Role.BLOCK}
        return found

    def fault(self, slot: Slot, found: Found) -> Fault | None:
        """What the header says is wrong with a set."""
        header = found.headers.get(slot)
        if header is None:
            return Fault.MISSING
        if header.type != "hash:net" or header.family is not slot.family:
            return Fault.FOREIGN
        ours = slot.role is Role.BLOCK
        if header.timeout != ours or header.counters != ours:
            return Fault.SHAPE
        return Fault.SMALL if header.maxelem < self._capacity(slot) else None

    def allow_differs(self, slot: Slot, found: Found) -> bool:
        """True when an allow set does not hold as many entries as were written."""
        if slot.role is not Role.ALLOW or self._allowed is None:
            return False
        return found.entries(slot) != len(self._allowed_in(slot.family))

    def membership(self) -> dict[int, int]:
        """What is held: key → expiry in Unix seconds (0: none) of both block sets; a set that is not there is empty."""
        found = self.find()
        slots = [slot for slot in SLOTS if slot.role is Role.BLOCK and self._readable(slot, found)]
        return {key: end for slot in slots for key, end in self._ends(slot)}

    def counters(self, key: int) -> tuple[int, int] | None:
        """(packets, bytes) of one block entry. Reads the whole set: 2 ms at a thousand entries, 0.2 s at 100,000."""
        slot = Slot(role=Role.BLOCK, family=_family(key))
        name = self._names.live(slot)
        output = self._runner.run(Program.IPSET, ["save", name])
        if output.code:  # no such set; what else may be wrong the next check says
            return None
        return parse_counters(output.stdout, name, restore.member_text(key))

    def tallies(self) -> dict[int, tuple[int, int]]:
        """(packets, bytes) of every block entry that dropped something; a set that is not there has none."""
        return {key: counted for family in Family for key, counted in self._tallies(family)}

    # --- write -------------------------------------------------------------------------------------------------------

    def clean(self, found: Found) -> tuple[str, ...]:
        """Destroy temporary sets that a killed process left. Returns their names."""
        if found.leftovers:
            self._restore(map(restore.destroy, found.leftovers))
        return found.leftovers

    def create(self, slot: Slot) -> None:
        """Make a set that is not there, an allow set with what it should hold."""
        if slot.role is Role.ALLOW and self._allowed:
            self._create_empty(slot)
            self._swap_in(slot, self._fill_allowed(slot), len(self._allowed))
        else:
            self._create_empty(slot)

    def rebuild(self, slot: Slot, fault: Fault) -> None:
        """Swap in a set of the right shape: with the same members where they are ours, else with none."""
        if slot.role is Role.ALLOW:
            self._swap_in(slot, self._fill_allowed(slot), len(self._allowed or ()))
            return
        members = list(self._ends(slot)) if fault is Fault.SMALL else []
        fill = restore.add_blocks(self._names.fresh(slot), slot.family, members, self._clock)
        self._swap_in(slot, fill, len(members))

    def destroy(self, slot: Slot) -> str:
        """Remove one live set; returns its name. FirewallError when a rule still names it."""
        name = self._names.live(slot)
        checked(self._runner, Program.IPSET, ["destroy", name])
        return name

    def flush(self, slot: Slot) -> None:
        """Empty one live set."""
        checked(self._runner, Program.IPSET, ["flush", self._names.live(slot)])

    def apply(self, add: Mapping[int, int], remove: Collection[int]) -> frozenset[int]:
        """One batch on the live block sets, which exist; what there was no room for.

        Additions first, unless the room for them must be made.
        """
        _refuse_everything(add)
        now = self._clock()
        gone = [key for key in remove if key not in add] + [key for key, end in add.items() if end and end <= now]
        fits = {family: self._fitting(family, add, gone) for family in Family}
        tight = self._tight(fits)
        if self._link is not None:
            self._change(self._link, fits, gone, tight=tight)
        else:
            steps = [self._additions(fits), self._removals(gone)]
            self._restore(chain.from_iterable(reversed(steps) if tight else steps), len(add) + len(gone))
        for family in Family:
            self._entries[family] += len(fits[family])
        if sum(map(len, fits.values())) == len(add):
            return frozenset()
        return frozenset(key for key in add if key not in fits[_family(key)])

    def replace(self, block: Mapping[int, int]) -> frozenset[int]:
        """Both block sets hold exactly this, its first `max_entries` a family; what there was no room for."""
        _refuse_everything(block)
        total = {Family.V6: sum(map(is_v6, block))}
        total[Family.V4] = len(block) - total[Family.V6]
        parts: list[Iterable[bytes]] = []
        for family in Family:
            slot = Slot(role=Role.BLOCK, family=family)
            kept = islice(_of_family(family, block.items()), self._max_entries)
            name = self._names.fresh(slot)
            fill = chain(
                restore.add_blocks(name, family, kept, self._clock),
                # where not all find room, who is in and who is not changes: counting begins anew
                self._counted(name, block, family) if total[family] <= self._max_entries else (),
            )
            parts += self._swap_lines(slot, fill, min(total[family], self._max_entries))
        self._restore(chain.from_iterable(parts), len(block))
        self._entries = {family: min(total[family], self._max_entries) for family in Family}
        if max(total.values()) <= self._max_entries:
            return frozenset()
        families = (_of_family(family, block.items()) for family in Family)
        return frozenset(key for items in families for key, _ in islice(items, self._max_entries, None))

    def want_allowed(self, allow: frozenset[int]) -> None:
        """What the allow sets are to hold from now on, and again whenever they are made anew."""
        self._allowed = allow

    def write_allowed(self) -> None:
        """Both allow sets, which exist, hold exactly what is wanted. Nothing is written where they do already."""
        for slot in SLOTS:
            if slot.role is Role.ALLOW and {key for key, _ in self._members(slot)} != self._allowed_in(slot.family):
                self.rebuild(slot, Fault.SHAPE)

    # --- parts -------------------------------------------------------------------------------------------------------

    def _headers(self, wanted: Collection[str]) -> dict[str, SetHeader]:
        if self._link is not None:
            return {header.name: header for header in self._link.headers() if header.name in wanted}
        text = checked(self._runner, Program.IPSET, ["list", "-terse"]).decode(errors="replace")
        return parse_headers(text, wanted)

    def _change(
        self, link: IpsetLink, fits: Mapping[Family, Mapping[int, int]], gone: Collection[int], *, tight: bool
    ) -> None:
        """`apply` by netlink: additions first, unless the room for them must be made."""
        now = math.floor(self._clock())
        for family in Family:
            name = self._names.live(Slot(role=Role.BLOCK, family=family))
            removed = [key for key in gone if _family(key) is family]
            if tight:
                link.delete(name, removed)
            link.add(name, [(key, restore.seconds_left(end, now)) for key, end in fits[family].items()])
            if not tight:
                link.delete(name, removed)

    def _counted(self, fresh: str, block: Mapping[int, int], family: Family) -> Iterator[bytes]:
        """What stays keeps its counters."""
        stay = ((key, block[key], *counted) for key, counted in self._tallies(family) if key in block)
        return restore.set_counters(fresh, stay, self._clock)

    def _tallies(self, family: Family) -> Iterator[tuple[int, tuple[int, int]]]:
        name = self._names.live(Slot(role=Role.BLOCK, family=family))
        output = self._runner.run(Program.IPSET, ["save", name], timeout=self._reading_seconds)
        return iter(()) if output.code else parse_tallies(output.stdout, name)

    @property
    def _reading_seconds(self) -> float:
        return _BASE_SECONDS + self._max_entries / _LINES_PER_SECOND

    def _restore(self, feed: Iterable[bytes], lines: int = 0) -> None:
        timeout = _BASE_SECONDS + lines / _LINES_PER_SECOND
        checked(self._runner, Program.IPSET, ["restore", "-exist"], feed=feed, timeout=timeout)

    def _members(self, slot: Slot) -> Iterator[tuple[int, int]]:
        name = self._names.live(slot)
        output = checked(self._runner, Program.IPSET, ["save", name], timeout=self._reading_seconds)
        text = output.decode(errors="replace")
        return parse_members(text, name)

    def _ends(self, slot: Slot) -> Iterator[tuple[int, int]]:
        """(key, Unix seconds of its end, 0 for none), right to about a second."""
        began = self._clock()
        members = self._members(slot)
        now = int((began + self._clock()) / 2)  # the kernel was read somewhere in between
        return ((key, now + left if left else 0) for key, left in members)

    def _readable(self, slot: Slot, found: Found) -> bool:
        return self.fault(slot, found) in {None, Fault.SMALL}

    def _capacity(self, slot: Slot) -> int:
        if slot.role is Role.BLOCK:
            return self._max_entries
        # a whitelist is never cut short: its set is as large as it needs
        return max(restore.MIN_MAXELEM, 2 * len(self._allowed or ()))

    def _create_empty(self, slot: Slot) -> None:
        shape = restore.Shape(role=slot.role, family=slot.family, maxelem=self._capacity(slot))
        self._restore([restore.create(self._names.live(slot), shape)])

    def _swap_in(self, slot: Slot, fill: Iterable[bytes], entries: int) -> None:
        self._restore(chain.from_iterable(self._swap_lines(slot, fill, entries)), entries)

    def _swap_lines(self, slot: Slot, fill: Iterable[bytes], entries: int) -> list[Iterable[bytes]]:
        fresh, hashsize = self._names.fresh(slot), restore.hashsize_for(entries)
        shape = restore.Shape(role=slot.role, family=slot.family, maxelem=self._capacity(slot), hashsize=hashsize)
        return [[restore.create(fresh, shape)], fill, [restore.swap_in(fresh, self._names.live(slot))]]

    def _fill_allowed(self, slot: Slot) -> Iterator[bytes]:
        return restore.add_allowed(self._names.fresh(slot), sorted(self._allowed_in(slot.family)))

    def _allowed_in(self, family: Family) -> set[int]:
        return {half for key in self._allowed or () if _family(key) is family for half in restore.halves(key)}

    def _additions(self, fits: Mapping[Family, Mapping[int, int]]) -> Iterator[bytes]:
        for family, items in fits.items():
            name = self._names.live(Slot(role=Role.BLOCK, family=family))
            yield from restore.add_blocks(name, family, items.items(), self._clock)

    def _removals(self, remove: Iterable[int]) -> Iterator[bytes]:
        for family in Family:
            name = self._names.live(Slot(role=Role.BLOCK, family=family))
            yield from restore.delete(name, [key for key in remove if _family(key) is family])

    def _tight(self, fits: Mapping[Family, Collection[int]]) -> bool:
        return any(self._entries[family] + len(fits[family]) > self._max_entries for family in Family)

    def _fitting(self, family: Family, add: Mapping[int, int], gone: Collection[int]) -> dict[int, int]:
        """What of `add` has room: everything, but for a full set. Renewals always have."""
        items = dict(_of_family(family, add.items()))
        excess: set[int] = set()
        if self._entries[family] + len(items) > self._max_entries:
            held = {key for key, _ in self._members(Slot(role=Role.BLOCK, family=family))}.difference(gone)
            room = max(0, self._max_entries - len(held))
            excess = set([key for key in items if key not in held][room:])
        return {key: end for key, end in items.items() if key not in excess} if excess else items


def _of_family(family: Family, items: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The pairs whose key is of one family. A function of its own: it binds `family` now, not when it is read."""
    six = family is Family.V6
    return (item for item in items if (item[0] >= _V6) is six)


def _family(key: int) -> Family:
    return Family.V6 if is_v6(key) else Family.V4


def _refuse_everything(keys: Iterable[int]) -> None:
    """A /0 in a block set would be everybody; the policy never adopts one, so this is a bug that must show."""
    wide = next((key for key in keys if not key & 0xFF), None)
    if wide is not None:
        raise FirewallError(f"{key_text(wide)} is everybody and is never blocked")
