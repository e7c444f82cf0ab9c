"""What was acknowledged survives: a node is killed right after its answer, again and again."""

import http.client
import random
import threading
import time

from tests.e2e.invariants import Watch
from tests.e2e.latency import percentile
from tests.scale import trials

KILLS = trials(30, 500)
WHITELISTED = "55.200.0.0/16"
WEEK = 7 * 86_400


def test_nothing_acknowledged_is_lost_by_kill_nine(fleet, figure):
    """kill -9 right after the 201, every other time with the kernel's sets lost too; all is there after the restart."""
    a = fleet.a
    acknowledged, took = [], []
    for trial in range(KILLS):
        fresh = [f"{54 - 2 * (trial // 250)}.{trial % 250}.{n}.9" for n in range(1 + trial % 4)]
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


class Load(threading.Thread):
    """Blocks one prefix after another, whitelisted ones too, until nobody answers; notes what was promised."""

    def __init__(self, server, trial):
        super().__init__(daemon=True)
        self._server, self._trial = server, trial
        self.promised = []

    def run(self):
        for number in range(100_000):
            prefix = f"55.{self._trial % 200}.{number // 250 % 250}.{1 + number % 250}"
            never = f"55.200.{self._trial % 250}.{1 + number % 250}"
            try:
                if self._post(prefix) == 201:
                    self.promised.append(prefix)
                assert self._post(never) == 409
            except (OSError, http.client.HTTPException):
                return  # killed in the middle: whatever came of it was not promised

    def _post(self, prefix):
        return self._server.api.request("POST", "/v1/blocks", {"prefix": prefix, "ttl": "7d"}).status


def test_a_kill_at_any_instant_under_load_loses_nothing(fleet, figure):
    """Blocks come as fast as they are answered; the node dies whenever; the kernel is never wrong meanwhile."""
    a, chance = fleet.a, random.Random(6)
    a.api.allow(WHITELISTED)
    promised, took = [], []
    with Watch(a, never=[WHITELISTED], longest=WEEK) as watch:
        for trial in range(KILLS):
            load = Load(a, trial)
            load.start()
            time.sleep(chance.uniform(0.05, 0.6))
            a.kill()
            load.join()
            promised += load.promised
            begun = time.monotonic()
            a.start()
            a.has(*load.promised)
            took.append(time.monotonic() - begun)

    figure(f"{KILLS} kills under load, {len(promised)} blocks promised, {watch.samples} looks at the kernel: none lost")
    figure(f"back and the kernel right {percentile(took, 50):.2f} s (p50), {max(took):.2f} s (most) after the restart")
    a.has(*promised)
    fleet.b.has(*promised)
