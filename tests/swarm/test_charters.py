"""Membership without a centre, over many seeds: every node ends at the same version, and none that was not signed."""

import random

import pytest

from p2pfw.sim import Cut, Heal, Join, Leave, Repeat, Scenario, Sign, run
from tests.scale import trials

pytestmark = pytest.mark.swarm
MEMBERS = 7
NEED = 4
SEEDS = trials(40, 500)


def story(seed):
    """Adds, removals, a conflicting pair, an old version again, a proposal without luck, half the network away."""
    rng = random.Random(f"charter {seed}")
    everybody = list(range(MEMBERS))
    actions, version, members, at = [], "", everybody, 10.0
    group = frozenset(rng.sample(everybody, MEMBERS // 2))
    actions += [Cut(at=rng.uniform(5, 30), group=group, silent=False), Heal(at=rng.uniform(60, 90))]
    for number in range(rng.randint(1, 4)):
        gone = rng.choice(members) if len(members) > 4 and rng.random() < 0.5 else None
        back = [one for one in everybody if one not in members]
        after = sorted({*members, *rng.sample(back, min(1, len(back)))} - {gone})
        name = f"v{number}"
        need = NEED if number == 0 else len(members) // 2 + 1
        for signer in rng.sample(members, need):
            at += rng.uniform(0.5, 15)
            actions.append(Sign(at=at, node=signer, version=name, after=version, members=tuple(after)))
        version, members = name, after
    expected = version
    if rng.random() < 0.5:
        need = len(members) // 2 + 1 if version else NEED
        pairs = []
        for name in ("left", "right"):
            other = tuple(sorted(rng.sample(everybody, 4))) if name == "left" else tuple(everybody)
            signers = rng.sample(members, need)
            pairs.append((name, other, signers))
            for signer in signers:
                at += rng.uniform(0.5, 5)
                actions.append(Sign(at=at, node=signer, version=name, after=version, members=other))
        if rng.random() < 0.5:
            name, other, _ = rng.choice(pairs)
            expected = "settled"
            for signer in rng.sample(other, len(other) // 2 + 1):
                at += rng.uniform(0.5, 5)
                actions.append(Sign(at=at, node=signer, version="settled", after=name, members=tuple(everybody)))
    for signer in rng.sample(members, rng.randint(1, len(members) // 2)):
        actions.append(Sign(at=at + 3, node=signer, version="never", after=version, members=(0, 1, 2)))
    actions.append(Repeat(at=at + rng.uniform(0, 9), node=rng.choice(everybody), version=rng.choice(["", "v0"])))
    away = rng.choice(everybody)
    if rng.random() < 0.3 and not any(one.at > 40 for one in actions if isinstance(one, Sign) and one.node == away):
        actions += [Leave(at=41, node=away), Join(at=100, node=away)]
    return expected, Scenario(
        nodes=MEMBERS, until=max(at, 100) + 60, actions=actions, changes_need=NEED, breaks=0.002, clock_spread=2.0
    )


@pytest.mark.parametrize("part", range(8))
def test_every_node_ends_at_the_same_version_and_none_applies_one_without_signatures(part):
    """A charter of 7 owners with m = 4: what holds is what was signed, at every node; a conflict holds nowhere."""
    for seed in range(part, SEEDS, 8):
        expected, scenario = story(seed)

        report = run(scenario, seed)

        assert report.violations == (), seed
        assert {name for _, name in report.charters.values()} == {expected}, seed
        assert len(report.charters) == MEMBERS
