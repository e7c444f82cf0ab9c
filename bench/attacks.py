"""False-adopt and true-adopt under attack, side by side: what trust is for. Simulated by the production core."""

from collections.abc import Iterator

from bench.measure import Scale
from bench.table import Row
from p2pfw.sim.attack import RULES, Setting, simulate

NETWORKS = {
    "12 x 0.40": [0.40] * 12,
    "12 x 0.25": [0.25] * 12,
    "2 x 0.40, 18 x 0.25": [0.40] * 2 + [0.25] * 18,
    "3 x 0.90, 9 x 0.25": [0.90] * 3 + [0.25] * 9,
}
SYBILS, DETECTION = 50, 0.3
TARGET = 0.02


def attacks(scale: Scale) -> Iterator[Row]:
    """20 seeds; 0 to 3 liars, the strongest peers, each with 50 Sybils; honest error 0 and 0.01."""
    seeds = 20 if scale.entries >= 50_000 else 1
    for name, trusts in NETWORKS.items():
        for error in (0.0, 0.01):
            for liars in range(4):
                setting = Setting(trusts=trusts, malicious=liars, sybils=SYBILS, detection=DETECTION, error=error)
                outcome = simulate(setting, seeds)
                ours = outcome.shares["ours"]
                bound = error == 0 and (outcome.collusion is None or liars < outcome.collusion)
                beside = ", ".join(
                    f"{rule} {outcome.shares[rule].false_adopt:.3f} / {outcome.shares[rule].true_adopt:.3f}"
                    for rule in RULES[:-1]
                )
                yield Row(
                    what=f"{name} (collusion {outcome.collusion or 'none'}), {liars} liars, honest error {error}",
                    ours=f"{ours.false_adopt:.3f} / {ours.true_adopt:.3f}",
                    beside=beside,
                    ratio="",
                    target=f"false {TARGET}" if bound else "",
                    met=ours.false_adopt <= TARGET if bound else None,
                )
