"""The virtual network: sessions between nodes, and how long a frame takes. Ordered within a session, like TCP."""

import math
import random
from dataclasses import dataclass

from p2pfw.sim.scenario import Scenario

Pair = tuple[int, int]


def pair(one: int, other: int) -> Pair:
    """The two, smaller first."""
    return (one, other) if one < other else (other, one)


@dataclass(slots=True)
class End:
    """One side of a session. `peer`: the number by which its node knows the session."""

    peer: int
    node: int
    outbound: bool
    other: "End | None" = None
    open: bool = True
    sent_until: float = 0.0
    """When the line is free again."""
    arrives: float = 0.0
    """When the last frame from here arrives there."""


class Network:
    """Who is connected to whom, and what is cut."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._scenario, self._seed = scenario, seed
        self._random = random.Random(f"network {seed}")
        self._latency: dict[Pair, float] = {}
        self._cut: frozenset[int] | None = None
        self.silent = False
        self.sessions: dict[Pair, tuple[End, End]] = {}
        self.banned: set[Pair] = set()
        self._peers = 0

    def latency(self, one: int, other: int) -> float:
        """One way, in seconds; always the same between two nodes."""
        key = pair(one, other)
        if key not in self._latency:
            chance = random.Random(f"latency {self._seed} {key}")
            scenario = self._scenario
            self._latency[key] = chance.lognormvariate(math.log(scenario.latency), scenario.latency_sigma)
        return self._latency[key]

    def open(self, dialler: int, other: int, time: float) -> tuple[End, End]:
        """A new session; the dialler's end first. Nothing arrives before both sides know of it."""
        self._peers += 2
        here = End(self._peers - 1, dialler, outbound=True)
        there = End(self._peers, other, outbound=False)
        here.other, there.other = there, here
        latency = self.latency(dialler, other)
        there.arrives, here.arrives = time + 2 * latency, time + 1.5 * latency
        self.sessions[pair(dialler, other)] = (here, there)
        return here, there

    def close(self, end: End) -> None:
        """Both ends are gone."""
        other = _other(end)
        end.open = other.open = False
        key = pair(end.node, other.node)
        if end in self.sessions.get(key, ()):
            del self.sessions[key]

    def arrival(self, end: End, size: int, time: float) -> float:
        """When a frame of so many bytes that leaves now arrives, behind those before it."""
        end.sent_until = max(end.sent_until, time) + size / self._scenario.bandwidth
        late = 1 + self._scenario.jitter * self._random.random()
        end.arrives = max(end.arrives, end.sent_until + self.latency(end.node, _other(end).node) * late)
        return end.arrives

    def cut(self, group: frozenset[int], *, silent: bool) -> list[tuple[End, End]]:
        """Nothing passes between the group and the rest. The sessions that this ends at once."""
        self._cut, self.silent = group, silent
        if silent:
            return []
        return [ends for key, ends in self.sessions.items() if self.is_cut(*key)]

    def heal(self) -> None:
        """Everything passes again."""
        self._cut = None

    def is_cut(self, one: int, other: int) -> bool:
        """True when nothing passes between these two."""
        return self._cut is not None and (one in self._cut) != (other in self._cut)


def _other(end: End) -> End:
    if end.other is None:
        raise ValueError("half a session")
    return end.other
