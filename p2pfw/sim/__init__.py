"""A deterministic simulator of many nodes: the same core that production runs, a virtual clock, a virtual network.

    report = run(scenario, seed)        the same scenario and seed give the same trace, byte for byte

Real are: keys and signatures, frames as bytes, intake, ledger, directory, gossip, policy and adoption. Simulated are:
time, links (latency, bandwidth, cuts), clocks that differ, processing time, disks that never fail. Sessions' encryption
and handshakes are left out; their result (a proven peer) is given.
"""

from p2pfw.sim.report import Report
from p2pfw.sim.scenario import (
    Announce,
    Connect,
    Cut,
    Heal,
    Join,
    Leave,
    Lie,
    Pardon,
    Repeat,
    Retract,
    Scenario,
    Sign,
)
from p2pfw.sim.world import World

__all__ = [
    "Announce", "Connect", "Cut", "Heal", "Join", "Leave", "Lie", "Pardon", "Repeat", "Retract", "Sign",
    "Report", "Scenario", "World", "run",
]  # fmt: skip


def run(scenario: Scenario, seed: int) -> Report:
    """Play a scenario to its end."""
    world = World(scenario, seed)
    world.play()
    return world.report()
