"""The driver: one heap of (time, counter, what), and nothing else that decides what comes next.

No clock is read and no chance is taken but from generators that are seeded by the scenario's seed, so that a run can be
repeated. Every byte that is sent goes into the trace. Frames travel as bytes, so what is simulated is what production
sends; a node works on one event at a time and each costs it some processing time.
"""

import heapq
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from struct import pack
from typing import assert_never

from p2pfw.core.announcement import Action, Announcement
from p2pfw.core.gossip.events import (
    CaughtUp,
    Drop,
    Effect,
    Event,
    Overtaken,
    PeerDown,
    PeerUp,
    Published,
    Received,
    Recorded,
    Refused,
    Send,
    Tick,
    Unhandled,
)
from p2pfw.core.identity import SigningKey, network_id
from p2pfw.core.wire import Frame, Hello, UnknownFrame, decode_frame, encode_frame
from p2pfw.errors import FrameError
from p2pfw.sim.checks import Checks
from p2pfw.sim.liar import claim, lies
from p2pfw.sim.machine import Machine
from p2pfw.sim.network import End, Network, pair
from p2pfw.sim.report import Report
from p2pfw.sim.scenario import Announce, Connect, Cut, Heal, Join, Leave, Lie, Lies, Pardon, Retract, Scenario

REDIAL = 1.0
"""Seconds; up to four times as long."""
LEDGER_TICK = 60.0
PUBLISH_TRUE = 5.0
"""How much later than the liar's version the true announcement is published."""


@dataclass(slots=True)
class _Tally:
    trace: blake2b = field(default_factory=blake2b)
    events: int = 0
    frames: int = 0
    octets: int = 0
    delays: list[float] = field(default_factory=list)
    said: dict[bytes, float] = field(default_factory=dict)
    caught_up: dict[int, float] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    drops: list[tuple[float, int, int, str, bool]] = field(default_factory=list)
    overtaken: int = 0


class World:
    """All nodes, all links, and the time."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._scenario, self._seed = scenario, seed
        self._random = random.Random(f"world {seed}")
        self.time = 0.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._pushed = 0
        self._network = Network(scenario, seed)
        self.machines = self._make_machines()
        self._ends: dict[int, End] = {}
        self._dials: dict[int, list[int]] = {index: [] for index in range(scenario.nodes)}
        self._inbox: list[deque[tuple[int | None, Event]]] = [deque() for _ in self.machines]
        self._free = [0.0] * scenario.nodes
        self._wake: list[float | None] = [None] * scenario.nodes
        self._claims: set[int] = set()
        self._tally = _Tally()
        self._checks = Checks(self.machines)
        self._prepare()

    def play(self) -> None:
        """Until the scenario's end."""
        while self._heap and self._heap[0][0] <= self._scenario.until:
            self.time, _, what = heapq.heappop(self._heap)
            self._tally.events += 1
            what()
        self.time = self._scenario.until

    def report(self) -> Report:
        """What was found so far."""
        tally = self._tally
        honest = [one for one in self.machines if one.index not in self._scenario.dishonest]
        counts = {one.index: dict(one.gossip.counts) for one in honest if hasattr(one, "gossip")}
        for one in honest:
            if one.up:
                self._checks.bounded(one, self.time)
        return Report(
            seed=self._seed,
            trace=tally.trace.hexdigest()[:32],
            events=tally.events,
            frames=tally.frames,
            octets=tally.octets,
            delays=sorted(tally.delays),
            caught_up=tally.caught_up,
            recorded=sum(count.get("recorded", 0) for count in counts.values()),
            duplicates=sum(count.get("duplicates", 0) for count in counts.values()),
            refused=tally.refused,
            drops=tally.drops,
            overtaken=tally.overtaken,
            missing=self._missing(),
            adopted={one.index: sum(1 for _ in one.adoption.adopted()) for one in honest},
            violations=tuple(self._checks.violations),
            counts=counts,
        )

    # --- the beginning ---------------------------------------------------------------------------------------------

    def _make_machines(self) -> list[Machine]:
        scenario, chance = self._scenario, random.Random(f"machines {self._seed}")
        owners = [SigningKey(chance.randbytes(32)) for _ in range(scenario.owners or scenario.nodes)]
        network = network_id("simulated")
        machines = []
        for index in range(scenario.nodes):
            offset = scenario.clock_spread * (2 * chance.random() - 1)
            machines.append(Machine(index, self._seed, network, owners[index % len(owners)], offset))
        for machine in machines:
            for other in machines:
                if other.owner != machine.owner:
                    machine.give_trust(other.owner)
        return machines

    def _prepare(self) -> None:
        scenario = self._scenario
        for index in range(scenario.nodes):
            others = [other for other in range(scenario.nodes) if other != index]
            near = [(index + 1) % scenario.nodes] if scenario.ring and scenario.nodes > 1 else []
            chosen = near + self._random.sample(others, min(scenario.links, len(others)))
            self._dials[index] = list(dict.fromkeys(chosen))
        for action in scenario.actions:
            self._at(action.at, lambda action=action: self._act(action))  # type: ignore[misc]
        for index in range(scenario.nodes):
            if index not in scenario.absent:
                self._at(0.0, lambda index=index: self._start(index))  # type: ignore[misc]
            self._at(LEDGER_TICK, lambda index=index: self._tick_ledger(index))  # type: ignore[misc]

    def _at(self, time: float, what: Callable[[], None]) -> None:
        self._pushed += 1
        heapq.heappush(self._heap, (max(time, self.time), self._pushed, what))

    # --- what the scenario wants -----------------------------------------------------------------------------------

    def _act(self, action: object) -> None:
        match action:
            case Announce() | Retract() | Pardon():
                self._say(action)
            case Cut():
                for ends in self._network.cut(action.group, silent=action.silent):
                    self._hang_up(ends[0])
            case Heal():
                self._network.heal()
            case Join():
                self._start(action.node)
            case Leave():
                self._stop(action.node)
            case Connect():
                self._dials[action.node].append(action.to)
                self._dial(action.node, action.to)
            case Lie():
                self._lie(action)
            case _:
                raise TypeError(action)

    def _say(self, action: Announce | Retract | Pardon) -> None:
        machine = self.machines[action.node]
        numbers = range(action.first, action.first + action.count)
        match action:
            case Announce():
                one = machine.say(self.time, Action.BLOCK, numbers, action.ttl)
            case Retract():
                one = machine.say(self.time, Action.RETRACT, numbers, action.ttl)
            case Pardon():
                one = machine.say(self.time, Action.PARDON, numbers, 30 * 86_400)
            case _:
                assert_never(action)
        self._tally.said[one.id] = self.time
        self._publish(machine, [one])

    def _publish(self, machine: Machine, said: list[Announcement]) -> None:
        for one in said:
            self._checks.recorded(machine, one, self.time)
        if said and machine.up:
            self._give(machine, None, Published(announcements=said))

    def _start(self, index: int) -> None:
        machine = self.machines[index]
        self._inbox[index].clear()
        said = machine.restart(self.time, self._scenario.limits)
        self._publish(machine, said)
        for other in self._dials[index]:
            self._dial(index, other)

    def _stop(self, index: int) -> None:
        for key, ends in list(self._network.sessions.items()):
            if index in key:
                self._hang_up(ends[0])
        self.machines[index].up = False

    def _lie(self, action: Lie) -> None:
        liar = self.machines[action.node]
        if action.lie is Lies.NUMBERED:
            self._claims.add(action.node)
            return
        victim = self.machines[(action.node + 1) % len(self.machines)]
        true = victim.say(self.time, Action.BLOCK, [action.first], 3_600)
        frames = lies(liar, action.lie, action.first + 1, true, self.time)
        for end in [end for end in self._ends.values() if end.open and end.node == action.node]:
            for data in frames:
                self._carry(end, data)
        self._at(self.time + PUBLISH_TRUE, lambda: self._publish(victim, [true]))

    # --- sessions --------------------------------------------------------------------------------------------------

    def _dial(self, index: int, other: int) -> None:
        if not self.machines[index].up:
            return
        key = pair(index, other)
        free = key not in self._network.sessions and key not in self._network.banned
        if free and self.machines[other].up and not self._network.is_cut(index, other):
            self._connect(index, other)
        elif key not in self._network.banned:
            self._redial(index, other)

    def _redial(self, index: int, other: int) -> None:
        wait = REDIAL * (1 + 3 * self._random.random())
        self._at(self.time + wait, lambda: self._dial(index, other))

    def _connect(self, index: int, other: int) -> None:
        here, there = self._network.open(index, other, self.time)
        for end, known in ((here, there.arrives), (there, here.arrives)):
            self._ends[end.peer] = end
            self._at(known, lambda end=end: self._up(end))  # type: ignore[misc]
        if self._scenario.breaks:
            self._at(self.time + self._random.expovariate(self._scenario.breaks), lambda: self._hang_up(here))

    def _up(self, end: End) -> None:
        if not end.open or end.other is None:
            return
        machine, other = self.machines[end.node], self.machines[end.other.node]
        # What the handshake does: the other side's certificate, proven by its session.
        learned = machine.intake.learn(other.certificate, machine.wall(self.time))
        machine.adoption.mark(learned.dirty)
        self._give(machine, end.peer, PeerUp(peer=end.peer, node=other.node, outbound=end.outbound))

    def _hang_up(self, end: End) -> None:
        """The session breaks: both sides hear of it, and who dialled dials again."""
        if not end.open or end.other is None:
            return
        ends = (end, end.other)
        self._network.close(end)
        for one in ends:
            wait = self._network.latency(end.node, end.other.node)
            self._at(self.time + wait, lambda one=one: self._down(one))  # type: ignore[misc]

    def _down(self, end: End) -> None:
        machine = self.machines[end.node]
        self._ends.pop(end.peer, None)
        if machine.up:
            self._give(machine, None, PeerDown(peer=end.peer))
        if end.outbound and end.other is not None:
            self._redial(end.node, end.other.node)

    # --- one node at a time ----------------------------------------------------------------------------------------

    def _give(self, machine: Machine, peer: int | None, event: Event) -> None:
        """An event for a node; it waits while the node is at work."""
        inbox = self._inbox[machine.index]
        inbox.append((peer, event))
        if len(inbox) == 1:
            self._at(self._free[machine.index], lambda: self._work(machine))

    def _work(self, machine: Machine) -> None:
        inbox = self._inbox[machine.index]
        if not inbox:
            return
        peer, event = inbox.popleft()
        self._free[machine.index] = self.time + self._scenario.cpu
        if machine.up and (peer is None or (peer in self._ends and self._ends[peer].open)):
            for effect in machine.handle(self.time, event):
                self._effect(machine, effect)
            self._plan_wake(machine)
        if inbox:
            self._at(self._free[machine.index], lambda: self._work(machine))

    def _plan_wake(self, machine: Machine) -> None:
        due = max(machine.gossip.next_deadline(), self.time + 0.001)
        planned = self._wake[machine.index]
        if planned is None or due < planned or planned <= self.time:
            self._wake[machine.index] = due
            self._at(due, lambda: self._wake_up(machine, due))

    def _wake_up(self, machine: Machine, due: float) -> None:
        if self._wake[machine.index] == due and machine.up:
            self._wake[machine.index] = None
            self._give(machine, None, Tick())

    def _tick_ledger(self, index: int) -> None:
        self.machines[index].tick(self.time)
        self._at(self.time + LEDGER_TICK, lambda: self._tick_ledger(index))

    # --- what nodes want -------------------------------------------------------------------------------------------

    def _effect(self, machine: Machine, effect: Effect) -> None:
        tally = self._tally
        match effect:
            case Send():
                self._send(machine, effect)
            case Recorded():
                one = effect.outcome.announcement
                self._checks.recorded(machine, one, self.time)
                if one.id in tally.said:
                    tally.delays.append(self.time - tally.said[one.id])
            case Refused():
                tally.refused[effect.error.reason] += 1
            case Drop():
                self._dropped(machine, effect)
            case CaughtUp():
                tally.caught_up.setdefault(machine.index, self.time)
            case Overtaken():
                tally.overtaken += 1
            case Unhandled():
                pass
            case _:
                assert_never(effect)

    def _dropped(self, machine: Machine, effect: Drop) -> None:
        end = self._ends.get(effect.peer)
        if end is None or end.other is None:
            return
        self._tally.drops.append((self.time, machine.index, end.other.node, effect.reason, effect.ban))
        if effect.ban:
            self._network.banned.add(pair(end.node, end.other.node))
        self._hang_up(end)

    def _send(self, machine: Machine, effect: Send) -> None:
        end = self._ends.get(effect.peer)
        if end is None or end.node != machine.index:
            self._checks.broken(machine, self.time, "open sessions", "a frame for a session that is not there")
            return
        frame: Frame = effect.frame
        if isinstance(frame, Hello) and machine.index in self._claims and end.other is not None:
            frame = claim(frame, machine, self.machines[end.other.node].node, self.time)
        self._carry(end, encode_frame(frame))

    def _carry(self, end: End, data: bytes) -> None:
        tally = self._tally
        if end.other is None or not end.open:
            return
        tally.frames += 1
        tally.octets += len(data)
        tally.trace.update(pack(">dII", self.time, end.node, end.other.node) + data)
        arrival = self._network.arrival(end, len(data), self.time)
        if not (self._network.silent and self._network.is_cut(end.node, end.other.node)):
            self._at(arrival, lambda: self._arrived(end, data))

    def _arrived(self, end: End, data: bytes) -> None:
        other = end.other
        if other is None or not other.open:
            return
        machine = self.machines[other.node]
        try:
            frame: Frame | UnknownFrame = decode_frame(data)
        except FrameError as error:
            # What the session does with bytes that are no frame.
            self._tally.refused[error.reason] += 1
            self._dropped(machine, Drop(peer=other.peer, reason=error.reason, ban=True))
            return
        self._give(machine, other.peer, Received(peer=other.peer, frame=frame))

    # --- the end ---------------------------------------------------------------------------------------------------

    def _missing(self) -> dict[int, int]:
        honest = [one for one in self.machines if one.up and one.index not in self._scenario.dishonest]
        owners = frozenset(one.owner for one in self.machines)
        held = {one.index: one.holds(self.time - one.offset, owners) for one in honest}
        everything: set[bytes] = set().union(*held.values())
        lacking = {index: len(everything - holds) for index, holds in held.items()}
        return {index: count for index, count in lacking.items() if count}
