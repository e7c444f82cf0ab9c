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

from p2pfw.core.announcement import Announcement
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
from p2pfw.core.wire import Frame, Hello, UnknownFrame, decode_frame, encode_frame
from p2pfw.errors import FrameError
from p2pfw.sim.checks import Checks
from p2pfw.sim.liar import claim
from p2pfw.sim.machine import Machine
from p2pfw.sim.network import End, Network, pair
from p2pfw.sim.scenario import Scenario

REDIAL = 1.0
"""Seconds; up to four times as long."""


@dataclass(slots=True)
class Tally:
    """What was counted."""

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


class Engine:
    """All nodes, all links, and the time."""

    def __init__(self, scenario: Scenario, seed: int, machines: list[Machine]) -> None:
        self._scenario = scenario
        self._random = random.Random(f"engine {seed}")
        self.time = 0.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._pushed = 0
        self.network = Network(scenario, seed)
        self.machines = machines
        self.dials: dict[int, list[int]] = {index: [] for index in range(scenario.nodes)}
        """Whom each node dials."""
        self.claims: set[int] = set()
        """Nodes whose HELLO claims what it cannot prove."""
        self.tally = Tally()
        self.checks = Checks(machines)
        self._ends: dict[int, End] = {}
        self._inbox: list[deque[tuple[int | None, Event]]] = [deque() for _ in machines]
        self._free = [0.0] * scenario.nodes
        self._wake: list[float | None] = [None] * scenario.nodes

    def play(self, until: float) -> None:
        """Everything that happens up to then."""
        while self._heap and self._heap[0][0] <= until:
            self.time, _, what = heapq.heappop(self._heap)
            self.tally.events += 1
            what()
        self.time = until

    def at(self, time: float, what: Callable[[], None]) -> None:
        """Do this then, after what was to be done then before."""
        self._pushed += 1
        heapq.heappush(self._heap, (max(time, self.time), self._pushed, what))

    def publish(self, machine: Machine, said: list[Announcement]) -> None:
        """A node has said something: give it to its gossip."""
        for one in said:
            self.checks.recorded(machine, one, self.time)
        if said and machine.up:
            self._give(machine, None, Published(announcements=said))

    def start(self, index: int) -> None:
        """A process starts."""
        machine = self.machines[index]
        self._inbox[index].clear()
        said = machine.restart(self.time, self._scenario.limits)
        self.publish(machine, said)
        for other in self.dials[index]:
            self.dial(index, other)

    def stop(self, index: int) -> None:
        """A process ends; its store stays."""
        for key, ends in list(self.network.sessions.items()):
            if index in key:
                self.hang_up(ends[0])
        self.machines[index].up = False

    def ends_of(self, index: int) -> list[End]:
        """The node's ends of its open sessions."""
        return [end for end in self._ends.values() if end.open and end.node == index]

    # --- sessions --------------------------------------------------------------------------------------------------

    def dial(self, index: int, other: int) -> None:
        """Connect, now or when it can be."""
        if not self.machines[index].up:
            return
        key = pair(index, other)
        free = key not in self.network.sessions and key not in self.network.banned
        if free and self.machines[other].up and not self.network.is_cut(index, other):
            self._connect(index, other)
        elif key not in self.network.banned:
            self._redial(index, other)

    def _redial(self, index: int, other: int) -> None:
        wait = REDIAL * (1 + 3 * self._random.random())
        self.at(self.time + wait, lambda: self.dial(index, other))

    def _connect(self, index: int, other: int) -> None:
        here, there = self.network.open(index, other, self.time)
        for end, known in ((here, there.arrives), (there, here.arrives)):
            self._ends[end.peer] = end
            self.at(known, lambda end=end: self._up(end))  # type: ignore[misc]
        if self._scenario.breaks:
            self.at(self.time + self._random.expovariate(self._scenario.breaks), lambda: self.hang_up(here))

    def _up(self, end: End) -> None:
        if not end.open or end.other is None:
            return
        machine, other = self.machines[end.node], self.machines[end.other.node]
        # What the handshake does: the other side's certificate, proven by its session.
        learned = machine.intake.learn(other.certificate, machine.wall(self.time))
        machine.adoption.mark(learned.dirty)
        self._give(machine, end.peer, PeerUp(peer=end.peer, node=other.node, outbound=end.outbound))

    def hang_up(self, end: End) -> None:
        """The session breaks: both sides hear of it, and who dialled dials again."""
        if not end.open or end.other is None:
            return
        ends = (end, end.other)
        self.network.close(end)
        for one in ends:
            wait = self.network.latency(end.node, end.other.node)
            self.at(self.time + wait, lambda one=one: self._down(one))  # type: ignore[misc]

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
            self.at(self._free[machine.index], lambda: self._work(machine))

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
            self.at(self._free[machine.index], lambda: self._work(machine))

    def _plan_wake(self, machine: Machine) -> None:
        due = max(machine.gossip.next_deadline(), self.time + 0.001)
        planned = self._wake[machine.index]
        if planned is None or due < planned or planned <= self.time:
            self._wake[machine.index] = due
            self.at(due, lambda: self._wake_up(machine, due))

    def _wake_up(self, machine: Machine, due: float) -> None:
        if self._wake[machine.index] == due and machine.up:
            self._wake[machine.index] = None
            self._give(machine, None, Tick())

    # --- what nodes want -------------------------------------------------------------------------------------------

    def _effect(self, machine: Machine, effect: Effect) -> None:
        tally = self.tally
        match effect:
            case Send():
                self._send(machine, effect)
            case Recorded():
                one = effect.outcome.announcement
                self.checks.recorded(machine, one, self.time)
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
        self.tally.drops.append((self.time, machine.index, end.other.node, effect.reason, effect.ban))
        if effect.ban:
            self.network.banned.add(pair(end.node, end.other.node))
        self.hang_up(end)

    def _send(self, machine: Machine, effect: Send) -> None:
        end = self._ends.get(effect.peer)
        if end is None or end.node != machine.index:
            self.checks.broken(machine, self.time, "open sessions", "a frame for a session that is not there")
            return
        frame: Frame = effect.frame
        if isinstance(frame, Hello) and machine.index in self.claims and end.other is not None:
            frame = claim(frame, machine, self.machines[end.other.node].node, self.time)
        self.carry(end, encode_frame(frame))

    def carry(self, end: End, data: bytes) -> None:
        """Bytes leave from this end."""
        tally = self.tally
        if end.other is None or not end.open:
            return
        tally.frames += 1
        tally.octets += len(data)
        tally.trace.update(pack(">dII", self.time, end.node, end.other.node) + data)
        arrival = self.network.arrival(end, len(data), self.time)
        if not (self.network.silent and self.network.is_cut(end.node, end.other.node)):
            self.at(arrival, lambda: self._arrived(end, data))

    def _arrived(self, end: End, data: bytes) -> None:
        other = end.other
        if other is None or not other.open:
            return
        machine = self.machines[other.node]
        try:
            frame: Frame | UnknownFrame = decode_frame(data)
        except FrameError as error:
            # What the session does with bytes that are no frame.
            self.tally.refused[error.reason] += 1
            self._dropped(machine, Drop(peer=other.peer, reason=error.reason, ban=True))
            return
        self._give(machine, other.peer, Received(peer=other.peer, frame=frame))
