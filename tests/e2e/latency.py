"""How long a block on A takes to hold on C. A function of counts, for `make test` and for `make bench`."""

import math

from tests.e2e.packets import Ear, Mouth


def measure(fleet, mouth: Mouth, ear: Ear, *, blocks: int, networks: int, first: int = 0):
    """Milliseconds from the answer on A to the first probe that `ear` (on C) misses, one a block.

    The blocked hosts lie in `networks` /24s, so that no limit on density holds them; `first` numbers the first /24.
    """
    sources = [
        f"45.{100 + (first + n % networks) // 256}.{(first + n % networks) % 256}.{1 + n // networks}"
        for n in range(blocks)
    ]
    fleet.attackers(*sources)
    return [1000 * mouth.first_lost(source, ear, lambda one=source: fleet.a.api.block(one)) for source in sources]


def percentile(values, percent):
    """The value that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
