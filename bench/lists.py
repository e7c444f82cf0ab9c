"""The whole list over REST: how long a client waits for it, and how long the loop stands still meanwhile."""

import statistics
import time
from collections.abc import Iterator

from bench.bulk import public_list
from bench.measure import Scale, wall
from bench.stage import stage
from bench.table import Row
from tests.e2e.fleet import Server, until

LAG_WINDOW = 61.0
"""Seconds after which the node has forgotten the stalls of the import."""
STALL_MS = 20
FORMATS = ("plain", "json", "nginx", "stix")


def lists(scale: Scale) -> Iterator[Row]:
    """One node with all of it; each format anew, then as it is kept, then compressed."""
    with stage() as here:
        a = here.fleet.a
        here.only(a)
        a.api.request("POST", "/v1/import?ttl=4h", "\n".join(public_list(scale.entries)).encode())
        until(lambda: not a.api.status()["pending"])
        time.sleep(LAG_WINDOW if scale.entries >= 50_000 else 0)
        quiet = a.api.status()["loop_lag_ms"]
        for name in FORMATS:
            path = f"/v1/blocklist?format={name}"
            first = wall(lambda at=path: a.api.request("GET", at))
            again = statistics.median(wall(lambda at=path: a.api.request("GET", at)) for _ in range(scale.runs))
            yield Row(
                what=f"the list of {scale.entries:,} as {name}",
                ours=f"first {first * 1000:.0f} ms, then {again * 1000:.0f} ms",
            )
        yield _stall(a, quiet)


def _stall(server: Server, quiet: float) -> Row:
    longest = server.api.status()["loop_lag_ms"]
    return Row(
        what="longest stall of the loop while they were rendered and sent",
        ours=f"{longest:.0f} ms",
        beside=f"before, nobody asking: {quiet:.0f} ms",
        target=f"{STALL_MS} ms",
        met=longest <= STALL_MS,
    )
