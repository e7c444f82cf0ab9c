"""A world to simulate: makes the nodes of a scenario, lets its actions happen, and reports what was found."""

import random
from typing import assert_never

from p2pfw.core.announcement import Action, Kind
from p2pfw.core.identity import DAY, SigningKey, network_id
from p2pfw.sim.engine import Engine
from p2pfw.sim.liar import lies
from p2pfw.sim.machine import Machine
from p2pfw.sim.report import Report
from p2pfw.sim.scenario import Action as Happening
from p2pfw.sim.scenario import (
    Announce,
    Connect,
    Cut,
    Heal,
    Join,
    Leave,
    Lie,
    Lies,
    Pardon,
    Repeat,
    Retract,
    Scenario,
    Sign,
)
from p2pfw.sim.versions import Versions

LEDGER_TICK = 60.0
PUBLISH_TRUE = 5.0
"""How much later than the liar's version the true announcement is published."""


class World:
    """All nodes, and what happens to them."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._scenario, self._seed = scenario, seed
        self._random = random.Random(f"world {seed}")
        self.machines = self._make_machines()
        self._versions = Versions(self.machines, scenario.changes_need)
        self._engine = Engine(scenario, seed, self.machines)
        self._prepare()

    def play(self) -> None:
        """Until the scenario's end."""
        self._engine.play(self._scenario.until)

    def report(self) -> Report:
        """What was found so far."""
        tally = self._engine.tally
        honest = [one for one in self.machines if one.index not in self._scenario.dishonest]
        counts = {one.index: dict(one.gossip.counts) for one in honest if hasattr(one, "gossip")}
        for one in honest:
            if one.up:
                self._engine.checks.bounded(one, self._engine.time)
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
            charters=self._versions.holding(honest),
            drops=tally.drops,
            overtaken=tally.overtaken,
            missing=self._missing(),
            adopted={one.index: sum(1 for _ in one.adoption.adopted()) for one in honest},
            violations=tuple(self._engine.checks.violations),
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
            self._engine.dials[index] = list(dict.fromkeys(chosen))
        for action in scenario.actions:
            self._engine.at(action.at, lambda action=action: self._act(action))  # type: ignore[misc]
        for index in range(scenario.nodes):
            if index not in scenario.absent:
                self._engine.at(0.0, lambda index=index: self._engine.start(index))  # type: ignore[misc]
            self._engine.at(LEDGER_TICK, lambda index=index: self._tick_ledger(index))  # type: ignore[misc]

    # --- what the scenario wants -----------------------------------------------------------------------------------

    def _act(self, action: Happening) -> None:
        match action:
            case Announce() | Retract() | Pardon():
                self._say(action)
            case Cut():
                for ends in self._engine.network.cut(action.group, silent=action.silent):
                    self._engine.hang_up(ends[0])
            case Heal():
                self._engine.network.heal()
            case Join():
                self._engine.start(action.node)
            case Leave():
                self._engine.stop(action.node)
            case Connect():
                self._engine.dials[action.node].append(action.to)
                self._engine.dial(action.node, action.to)
            case Lie():
                self._lie(action)
            case Sign() | Repeat():
                machine = self.machines[action.node]
                body = self._versions.sign(action) if isinstance(action, Sign) else self._versions.first(action.version)
                self._engine.publish(machine, [machine.say_document(self._engine.time, Kind.CHARTER, body, DAY)])
            case _:
                assert_never(action)

    def _say(self, action: Announce | Retract | Pardon) -> None:
        machine = self.machines[action.node]
        numbers = range(action.first, action.first + action.count)
        match action:
            case Announce():
                one = machine.say(self._engine.time, Action.BLOCK, numbers, action.ttl)
            case Retract():
                one = machine.say(self._engine.time, Action.RETRACT, numbers, action.ttl)
            case Pardon():
                one = machine.say(self._engine.time, Action.PARDON, numbers, 30 * 86_400)
            case _:
                assert_never(action)
        self._engine.tally.said[one.id] = self._engine.time
        self._engine.publish(machine, [one])

    def _lie(self, action: Lie) -> None:
        liar = self.machines[action.node]
        if action.lie is Lies.NUMBERED:
            self._engine.claims.add(action.node)
            return
        victim = self.machines[(action.node + 1) % len(self.machines)]
        true = victim.say(self._engine.time, Action.BLOCK, [action.first], 3_600)
        frames = lies(liar, action.lie, action.first + 1, true, self._engine.time)
        for end in self._engine.ends_of(action.node):
            for data in frames:
                self._engine.carry(end, data)
        self._engine.at(self._engine.time + PUBLISH_TRUE, lambda: self._engine.publish(victim, [true]))

    def _tick_ledger(self, index: int) -> None:
        self.machines[index].tick(self._engine.time)
        self._engine.at(self._engine.time + LEDGER_TICK, lambda: self._tick_ledger(index))

    # --- the end ---------------------------------------------------------------------------------------------------

    def _missing(self) -> dict[int, int]:
        honest = [one for one in self.machines if one.up and one.index not in self._scenario.dishonest]
        owners = frozenset(one.owner for one in self.machines)
        held = {one.index: one.holds(self._engine.time - one.offset, owners) for one in honest}
        everything: set[bytes] = set().union(*held.values())
        lacking = {index: len(everything - holds) for index, holds in held.items()}
        return {index: count for index, count in lacking.items() if count}
