"""Nothing outlives its end: a block leaves the kernel by itself, whether its node lives or not."""

import time

import pytest

from tests.e2e.fleet import until

BLOCKS = 1_000
LIFE = 4
"""Seconds that the blocks are given: enough to see them all in the kernel first."""


@pytest.mark.parametrize("alive", [True, False], ids=["alive", "dead"])
def test_a_thousand_blocks_with_one_end_are_gone_at_it(fleet, alive, figure):
    """All of them are in the kernel before, and none of them after their end."""
    prefixes = [f"52.{40 + alive}.{n // 250}.{1 + n % 250}" for n in range(BLOCKS)]
    begun = time.time()
    fleet.a.api.block(*prefixes, ttl=LIFE, wait=True)
    asked = time.time()
    fleet.a.has(*prefixes)
    if not alive:
        fleet.a.kill()
    until(lambda: not set(prefixes) & fleet.a.installed().keys())
    gone = time.time()
    if not alive:
        fleet.a.start()

    state = "alive" if alive else "dead"
    figure(f"{BLOCKS} blocks gone {gone - asked - LIFE:+.2f} s from their end, with the node {state}")
    assert gone - begun >= LIFE - 1, "a whole second is what the kernel counts in"
    assert gone - asked < LIFE + 10
    assert not set(prefixes) & fleet.a.installed().keys()
