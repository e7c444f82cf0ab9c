"""What was acknowledged survives: a node is killed right after its answer, again and again."""

import time

from tests.e2e.latency import percentile
from tests.scale import trials

KILLS = trials(30, 500)


def test_nothing_acknowledged_is_lost_by_kill_nine(fleet, figure):
    """kill -9 right after the 201, every other time with the kernel's sets lost too; all is there after the restart."""
    a = fleet.a
    acknowledged, took = [], []
    for trial in range(KILLS):
        fresh = [f"54.{trial}.{n}.9" for n in range(1 + trial % 4)]
        for prefix in fresh:  # the first is announced at once, what follows waits for company
            a.api.block(prefix, ttl="7d" if trial % 3 else "4h")
            acknowledged.append(prefix)
        a.kill()
        if trial % 2:
            a.forget_kernel()
        begun = time.monotonic()
        a.start()
        a.has(*acknowledged)
        took.append(time.monotonic() - begun)

    figure(f"{KILLS} kills: the kernel right {percentile(took, 50):.2f} s (p50), {max(took):.2f} s (most) after")
    assert all(a.api.why(prefix)["blocked"] for prefix in acknowledged)
    assert len(a.rules()) == 2
    fleet.b.has(*acknowledged)
