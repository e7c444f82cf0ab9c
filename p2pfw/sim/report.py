"""What a simulation found: how fast, how often, and which promises were broken."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A property that did not hold, when (seconds from the start) and at which node."""

    at: float
    node: int
    rule: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The end of a simulation. `delays`: seconds from announcing to recording, by announcement and node, sorted."""

    seed: int
    trace: str
    """Hash of everything that was sent, when, and by whom."""
    events: int
    frames: int
    octets: int
    delays: Sequence[float]
    caught_up: Mapping[int, float]
    """When each node was first caught up with a peer."""
    recorded: int
    duplicates: int
    refused: Counter[str]
    charters: Mapping[int, tuple[int, str]]
    """The version that holds at each node: its number, and its name in the scenario; empty without a charter."""
    drops: Sequence[tuple[float, int, int, str, bool]]
    """When, who dropped whom, why, and whether it was for good."""
    overtaken: int
    missing: Mapping[int, int]
    """Honest nodes that are up and how many live announcements they lack; empty when all are equal."""
    adopted: Mapping[int, int]
    """How many prefixes each node adopted."""
    violations: Sequence[Violation]
    counts: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    """Gossip's own counters."""

    @property
    def converged(self) -> bool:
        """True when all honest nodes that are up hold the same live announcements."""
        return not self.missing

    @property
    def duplicates_a_node(self) -> float:
        """Copies too many for each announcement that a node recorded."""
        return self.duplicates / max(1, self.recorded)

    def delay(self, part: float) -> float:
        """The delay that this part of all recordings stayed within."""
        return self.delays[min(len(self.delays) - 1, int(part * len(self.delays)))] if self.delays else 0.0
